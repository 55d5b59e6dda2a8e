"""What all tests share: few threads, no settings from outside, small pictures, test data."""

from __future__ import annotations

import errno
import os
import stat

# Before numpy and the engines are imported; tests run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from postgres import Schemas, server

DATA = "SHITU_TEST_DATA"

Picture = npt.NDArray[np.uint8]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql", "both"),
        default="both",
        help="where the galleries of the tests are",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite: is about SQLite's file, or gains nothing elsewhere")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("database")
        names = ["sqlite", "postgresql"] if chosen == "both" else [chosen]
        if metafunc.definition.get_closest_marker("sqlite"):
            names = [name for name in names if name == "sqlite"]
        metafunc.parametrize("database", names, indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Schemas]:
    """A PostgreSQL server that gives away empty schemas."""
    with server() as url, closing(Schemas(url)) as schemas:
        yield schemas


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str | None:
    """URL of an empty database; None for a file of SQLite in its usual place."""
    if request.param == "sqlite":
        return None
    schemas: Schemas = request.getfixturevalue("postgres")
    return schemas.new()


@pytest.fixture(autouse=True)
def _nothing_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The settings and the cache of whoever runs the tests play no part in them."""
    for name in list(os.environ):
        if name.startswith("SHITU_") and name != DATA:
            monkeypatch.delenv(name)
    # Workers of pytest-xdist have folders of their own below a common one.
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of public pictures that are no part of the product (see CONTRIBUTING.md)."""
    folder = os.environ.get(DATA)
    if not folder:
        pytest.skip(f"{DATA} is unset: no folder with grocery/ and ppshitu_demo/ to test on")
    return Path(folder)


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Picture]:
    """Call it with a seed for a picture that differs from all others: uint8 RGB (h, w, 3)."""

    def make(seed: int, height: int = 48, width: int = 64) -> Picture:
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        rows = np.arange(height) * 4 // height
        columns = np.arange(width) * 4 // width
        return np.ascontiguousarray(coarse[rows][:, columns])

    return make


@pytest.fixture
def no_folder_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that syncs files, and refuses folders."""
    fsync = os.fsync

    def sync_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", sync_files)
