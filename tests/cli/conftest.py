"""A small shop whose index is built once, with the embedded networks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shitu.cli import main

SAMPLE = Path(__file__).parents[2] / "gallery"

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command as the console script would; an exception that leaks fails the test."""

    def invoke(*arguments: object, stdin: bytes | None = None) -> Result:
        texts = [str(argument) for argument in arguments]
        return CliRunner().invoke(main, texts, input=stdin, catch_exceptions=False)

    return invoke


@pytest.fixture(scope="session")
def labels() -> list[str]:
    # A removal puts pictures aside into .removed, which is no label.
    return sorted(path.name for path in (SAMPLE / "products").glob("[!.]*"))[:4]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, run: Run, labels: list[str]) -> Path:
    """A folder with photos/ and the index of them; not to be changed."""
    folder = tmp_path_factory.mktemp("shop")
    for label in labels:
        shutil.copytree(SAMPLE / "products" / label, folder / "photos" / label)
    result = run("build-index", "--gallery", folder / "photos", "--index", folder / "index")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed at will."""
    return Path(shutil.copytree(built, tmp_path / "shop"))


@pytest.fixture
def query(labels: list[str]) -> Path:
    """A photo of the first label's product that is not in the gallery."""
    return sorted((SAMPLE / "queries" / labels[0]).iterdir())[0]
