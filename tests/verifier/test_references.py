"""Features of references: computed once, from the picture or what is left of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from fakes import FakeDescriber
from flat import print_of

from shitu.catalog import Catalog, entries_from_folder
from shitu.gallery.gallery import Gallery
from shitu.gallery.local_features import keep_features
from shitu.images import Image, save_image
from shitu.verifier import Extractor, Features
from shitu.verifier.references import ReferenceFeatures


class Counting(Extractor):
    """Remembers the sizes of the pictures that it was given."""

    seen: list[tuple[int, ...]] = []  # noqa: RUF012 - emptied by the fixture

    def extract(self, image: Image) -> Features:
        self.seen.append(image.shape[:2])
        return super().extract(image)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    Counting.seen.clear()
    for seed in (1, 2):
        (tmp_path / "photos" / f"item {seed}").mkdir(parents=True)
        save_image(tmp_path / "photos" / f"item {seed}" / "1.png", print_of(seed))
    return tmp_path / "photos"


@pytest.fixture
def catalog(photos: Path, tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path / "index", FakeDescriber(), create=True)
    opened.build(list(entries_from_folder(photos)), root=photos)
    with closing(opened):
        yield opened


def source(gallery: Gallery) -> ReferenceFeatures:
    return ReferenceFeatures(gallery, Counting())


def test_each_is_computed_once_and_kept_in_the_database(catalog: Catalog) -> None:
    references = catalog.all_references()
    generation = catalog.gallery.head()
    first = source(catalog.gallery)
    found = first.of(references)
    assert Counting.seen == [(240, 180)] * 2
    assert set(first.of(references[:1])) == {references[0].reference_id}
    again = source(catalog.gallery).of(references)  # as another process would
    assert Counting.seen == [(240, 180)] * 2
    for number, features in found.items():
        assert (again[number].descriptors == features.descriptors).all()
    assert catalog.gallery.head() == generation


def test_threads_that_ask_at_once_compute_each_once(catalog: Catalog) -> None:
    references = catalog.all_references()
    shared = source(catalog.gallery)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared.of, [references] * 8))
    assert Counting.seen == [(240, 180)] * 2
    assert all(one.keys() == found[0].keys() for one in found)


def test_only_what_is_in_the_box_counts(catalog: Catalog, photos: Path) -> None:
    save_image(photos / "boxed.png", print_of(3))
    catalog.add([photos / "boxed.png"], "boxed", box=(10.0, 20.0, 110.0, 120.0))
    boxed = [r for r in catalog.all_references() if r.label == "boxed"]
    source(catalog.gallery).of(boxed)
    assert Counting.seen == [(100, 100)]


@pytest.mark.parametrize("what", ["gone", "another picture"])
def test_without_its_picture_the_thumbnail_serves(
    catalog: Catalog, photos: Path, what: str
) -> None:
    shutil.rmtree(photos / "item 1")
    if what == "another picture":
        (photos / "item 1").mkdir()
        save_image(photos / "item 1" / "1.png", print_of(9))
    references = catalog.all_references()[:1]
    found = source(catalog.gallery).of(references)
    assert Counting.seen == [(160, 120)], "the thumbnail's size"
    assert len(found[references[0].reference_id]) > 20
    (photos / "item 1").mkdir(exist_ok=True)
    save_image(photos / "item 1" / "1.png", print_of(1))
    source(catalog.gallery).of(references)
    assert Counting.seen[1:] == [(240, 180)], "what a thumbnail gave was not kept"


def test_damaged_rows_are_computed_again(catalog: Catalog) -> None:
    [reference, _] = catalog.all_references()
    mark = Counting().fingerprint(reference.box)
    keep_features(catalog.gallery, {reference.reference_id: (mark, b"rubbish")})
    assert len(source(catalog.gallery).of([reference])[reference.reference_id]) > 20


def test_a_reader_computes_and_does_not_keep(catalog: Catalog, tmp_path: Path) -> None:
    with closing(Catalog.open(tmp_path / "index", read_only=True)) as reader:
        reading = source(reader.gallery)
        assert len(reading.of(reader.all_references())) == 2
        assert len(reading.of(reader.all_references())) == 2
    assert len(Counting.seen) == 2, "but remembers"
    assert len(source(catalog.gallery).of(catalog.all_references())) == 2
    assert len(Counting.seen) == 4
