"""A shop of painted pictures, described by their colours, and one of vectors alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from fakes import FakeDescriber, FakeLookup, paint, reference
from kinds import kind_of

from shitu.catalog import Catalog, entries_from_folder
from shitu.images import Image, save_image
from shitu.linting.likeness import Likeness
from shitu.linting.pictures import measure
from shitu.linting.subject import Subject

Build = Callable[[], Catalog]
Save = Callable[[str, Image], Path]
Arrange = Callable[..., Subject]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures each of tea and of coffee, each picture unlike all others."""
    for label, start in (("coffee", 10), ("tea", 20)):
        for number in range(3):
            path = tmp_path / "photos" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_image(path, kind_of(start, number))
    return tmp_path / "photos"


@pytest.fixture
def save(photos: Path) -> Save:
    """Call it with a name below the photos and a picture."""

    def put(name: str, image: Image) -> Path:
        path = photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(path, image)
        return path

    return put


@pytest.fixture
def build(photos: Path, tmp_path: Path) -> Iterator[Build]:
    """Call it for the catalog of the photos as they are."""
    with ExitStack() as closing:

        def make() -> Catalog:
            opened = Catalog.open(tmp_path / "index", FakeDescriber(), create=True)
            catalog = closing.enter_context(opened)
            catalog.build(entries_from_folder(photos), root=photos)
            return catalog

        yield make


@pytest.fixture
def arrange() -> Arrange:
    """Call it with vectors (any length) and a label for each: a gallery of nothing else."""

    def make(vectors: npt.ArrayLike, labels: Sequence[str]) -> Subject:
        rows = np.asarray(vectors, np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        names = sorted(set(labels))
        references = [
            reference(10 * (place + 1), label, item_id=names.index(label) + 1)
            for place, label in enumerate(labels)
        ]
        ids = np.array([r.reference_id for r in references], np.int64)
        owners = np.array([r.item_id for r in references], np.int64)
        lookup = FakeLookup(references, rows)
        return Subject(
            everything=tuple(references),
            described=frozenset(ids.tolist()),
            references=tuple(references),
            measures=measure(paint(place) for place in range(len(rows))),
            likeness=Likeness.of(ids, owners, rows, lookup.search, lambda v: v, lambda _: None),
        )

    return make
