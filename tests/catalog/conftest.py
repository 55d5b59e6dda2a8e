"""A shop: a folder of pictures by label, and an index folder beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeDescriber, colours, paint, paint_file
from forker import Forker

from shitu.catalog import BuildSummary, Catalog, entries_from_file, entries_from_folder

SHELF = Path("/dev/shm")  # noqa: S108 - a process dies there like anywhere else, only faster


class Shop:
    """Pictures in `photos`, the index in `index`; every catalog opened is closed with it.

    `url` is that of its database; None: a file in `index`.
    """

    def __init__(self, folder: Path, url: str | None, closing: ExitStack) -> None:
        self.url = url
        self.photos = folder / "photos"
        self.index = folder / "index"
        self.describer = FakeDescriber()
        self._closing = closing

    def open(self, describer: FakeDescriber | None = None, **options: Any) -> Catalog:
        catalog = Catalog.open(
            self.index, describer or self.describer, **{"create": True, "url": self.url, **options}
        )
        return self._closing.enter_context(catalog)

    def paint(self, name: str, seed: int) -> Path:
        return paint_file(self.photos / name, seed)

    def build(
        self, catalog: Catalog, label_file: Path | None = None, **options: Any
    ) -> BuildSummary:
        """Build from the folder, or from a label file with the pictures beside it."""
        if label_file is None:
            return catalog.build(entries_from_folder(self.photos), root=self.photos, **options)
        return catalog.build(entries_from_file(label_file), root=label_file.parent, **options)


@pytest.fixture
def shop(tmp_path: Path, database: str | None) -> Iterator[Shop]:
    """Empty as yet."""
    with ExitStack() as closing:
        yield Shop(tmp_path, database, closing)


@pytest.fixture
def tea_shop(shop: Shop) -> Shop:
    """Two kinds of tea and one coffee; nothing built yet."""
    for name, seed in {"tea/1.png": 1, "tea/2.png": 2, "coffee/1.png": 3}.items():
        shop.paint(name, seed)
    return shop


@pytest.fixture
def other(tmp_path: Path, database: str | None, request: pytest.FixtureRequest) -> Any:
    """Opens an empty catalog in another folder, in the same kind of database."""
    opened: list[Catalog] = []

    def open_other(
        name: str = "other", describer: FakeDescriber | None = None, **options: Any
    ) -> Catalog:
        url = None if database is None else request.getfixturevalue("postgres").new()
        catalog = Catalog.open(
            tmp_path / name, describer or FakeDescriber(), create=True, url=url, **options
        )
        opened.append(catalog)
        return catalog

    yield open_other
    for catalog in opened:
        catalog.close()


@pytest.fixture
def names() -> Callable[[Catalog, int], str]:
    """Call it with a catalog and a seed: the label of the nearest reference to that picture."""

    def nearest(catalog: Catalog, seed: int) -> str:
        found = catalog.search(colours(paint(seed))[None], 1)
        if not found.scores[0, 0] > 0.999:
            return "nothing"
        number = int(found.reference_ids[0, 0])
        return catalog.references([number])[number].label

    return nearest


@pytest.fixture
def vectors_agree() -> Callable[[Catalog], bool]:
    """Whether the vectors in SQL and those in memory are the same, each under its own id."""

    def agree(catalog: Catalog) -> bool:
        report = catalog.check()
        assert report.problems == ()
        return report.references == catalog.count

    return agree


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    """Runs writers that can be killed."""
    program = Forker()
    yield program
    program.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory, where that is possible, which any user may enter."""
    with tempfile.TemporaryDirectory(dir=SHELF if SHELF.is_dir() else None) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
