"""Exports, imports and syncs that are killed: everything is there, or nothing of it."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from answering import between, logged, save
from fakes import FakeDescriber, paint_file
from forker import Forker

from shitu.catalog import Catalog, entries_from_folder

KILLS = int(os.environ.get("SHITU_TEST_KILLS", "4"))
KILLED = -signal.SIGKILL

Labels = dict[str, int]


@pytest.fixture
def exported(place: Path) -> Path:
    """Twelve pictures of three teas, in one file."""
    for number in range(12):
        paint_file(place / "photos" / f"tea {number % 3}" / f"{number}.png", number)
    with Catalog.open(place / "source", FakeDescriber(), create=True) as catalog:
        catalog.build(entries_from_folder(place / "photos"), root=place / "photos")
        catalog.export(place / "all.gallery", pictures=True)
    return place / "all.gallery"


def state(index: Path) -> Labels:
    """What a fresh open shows, with index and SQL equal."""
    with Catalog.open(index, FakeDescriber(), create=True) as catalog:
        assert catalog.check(full=True).problems == ()
        return {item.label: item.references for item in catalog.items()}


ALL = {"tea 0": 4, "tea 1": 4, "tea 2": 4}


@pytest.mark.parametrize(
    ("point", "after"),
    [
        ("with the tables made", {}),
        ("with a picture of an import copied", {}),
        ("before the commit", {}),
        ("between commit and index", ALL),
        ("with half the vectors written", ALL),
        ("between vectors and manifest", ALL),
    ],
)
def test_an_import_killed_at_a_point(
    forker: Forker, exported: Path, place: Path, point: str, after: Labels
) -> None:
    index = place / "copy"
    job = {"index": str(index), "photos": "", "file": str(exported)}
    assert forker.run(do="import", die=point, **job).code == KILLED
    assert state(index) == after
    assert forker.run(do="import", **job).code == 0
    assert state(index) == ALL
    pictures = [path for path in (index / "pictures").rglob("*.png") if path.is_file()]
    assert len(pictures) == 12, "those of the first attempt were used again"


@pytest.fixture
def taught(exported: Path, place: Path) -> Path:
    """The same with a rejection and a golden query."""
    query = save(place / "query.png", between(3, 4, 0.3))
    with Catalog.open(place / "source", FakeDescriber()) as catalog:
        catalog.reject(logged(catalog, between(3, 4, 0.4)))
        catalog.add_golden(query, None)
        catalog.export(place / "taught.gallery", pictures=True)
    return place / "taught.gallery"


def what_is_known(index: Path) -> tuple[Labels, int, int]:
    labels = state(index)
    with Catalog.open(index, FakeDescriber(), create=True) as catalog:
        return labels, len(catalog.rejections()), len(catalog.golden())


NOTHING, EVERYTHING = ({}, 0, 0), (ALL, 1, 1)


@pytest.mark.parametrize(
    ("point", "after"),
    [
        ("with a rejection imported", NOTHING),
        ("with what is known imported", NOTHING),
        ("before the commit", NOTHING),
        ("before saving the index", EVERYTHING),
        ("between vectors and manifest", EVERYTHING),
    ],
)
def test_what_is_known_comes_with_the_rest_or_not_at_all(
    forker: Forker, taught: Path, place: Path, point: str, after: tuple[Labels, int, int]
) -> None:
    index = place / "copy"
    job = {"index": str(index), "photos": "", "file": str(taught)}
    assert forker.run(do="import", die=point, **job).code == KILLED
    assert what_is_known(index) == after
    assert forker.run(do="import", **job).code == 0
    assert what_is_known(index) == EVERYTHING


def test_an_import_killed_at_random(forker: Forker, exported: Path, place: Path) -> None:
    rng = random.Random(7)
    index = place / "copy"
    job = {"index": str(index), "photos": "", "file": str(exported)}
    whole = forker.run(do="import", **job).seconds
    for _ in range(KILLS):
        shutil.rmtree(index, ignore_errors=True)
        forker.run(do="import", after=rng.uniform(0, whole), **job)
        assert state(index) in ({}, ALL)


def test_an_export_killed_leaves_the_older_file(
    forker: Forker, exported: Path, place: Path
) -> None:
    before = exported.read_bytes()
    job = {"index": str(place / "source"), "photos": "", "file": str(exported)}
    assert forker.run(do="export", die="with an export written", **job).code == KILLED
    assert exported.read_bytes() == before
    (left,) = place.glob(".shitu-*")
    os.utime(left, (0, 0))
    assert forker.run(do="export", **job).code == 0
    assert not left.exists()


def test_an_export_on_a_full_disk(forker: Forker, exported: Path, place: Path) -> None:
    before = exported.read_bytes()
    job = {"index": str(place / "source"), "photos": "", "file": str(exported)}
    outcome = forker.run(do="export", largest=34_000, **job)
    assert (outcome.code, "cannot be written" in outcome.text) == (1, True), outcome
    assert exported.read_bytes() == before
    assert not list(place.glob(".shitu-*"))


def test_an_import_on_a_full_disk(forker: Forker, exported: Path, place: Path) -> None:
    index = place / "copy"
    job = {"index": str(index), "photos": "", "file": str(exported)}
    outcome = forker.run(do="import", largest=20_000, **job)
    assert outcome.code == 1, outcome
    assert state(index) == {}
    assert not [path for path in (index / "pictures").rglob("*") if path.is_file()]


def test_a_sync_killed_at_random(forker: Forker, exported: Path, place: Path) -> None:
    rng = random.Random(8)
    job = {"index": str(place / "source"), "photos": str(place / "photos")}
    for turn in range(KILLS):
        folder = place / "photos" / f"tea {turn % 3}"
        picture = sorted(folder.iterdir())[0]
        picture.rename(folder / f"moved {turn}.png")
        paint_file(folder / f"new {turn}.png", 100 + turn)
        sorted(folder.iterdir())[0].unlink()
        forker.run(do="sync", after=rng.uniform(0, 0.1), **job)
        state(place / "source")
        assert forker.run(do="sync", **job).code == 0
        labels = state(place / "source")
        assert labels == {
            path.name: len(list(path.iterdir())) for path in (place / "photos").iterdir()
        }
