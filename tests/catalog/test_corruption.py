"""Files that are torn, truncated, bit-flipped, missing, swapped or of another gallery.

The index is made anew from the database. Damage to the database is survived where SQLite can, and
told in a sentence where it cannot; nothing is ever shown that was not committed.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeDescriber, colours, paint, paint_file

from shitu.catalog import Catalog, entries_from_folder
from shitu.errors import ShituError

SPOTS = int(os.environ.get("SHITU_TEST_SPOTS", "12"))  # places in each file that are damaged

Content = list[tuple[str, tuple[tuple[int, str], ...]]]
Damage = Callable[[bytes, int], bytes]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two galleries, `index` and `foreign`, each with its generations in `states`; not to change.

    The commits of generations 3 to 5 are still in the database's log.
    """
    folder = tmp_path_factory.mktemp("shop")
    for name, first in (("index", 0), ("foreign", 100)):
        photos = folder / f"{name}-photos"
        for number in range(8):
            paint_file(photos / f"tea {number % 2}" / f"{number}.png", first + number)
        with Catalog.open(folder / "made" / name, FakeDescriber(), create=True) as catalog:
            catalog.build(entries_from_folder(photos), root=photos)
            catalog.relabel("tea 1", "chai")
        with Catalog.open(folder / "made" / name, FakeDescriber()) as catalog:
            for number in (20, 21):
                new = paint_file(photos / "new" / f"{number}.png", first + number)
                catalog.add([new], f"new {number}")
            catalog.remove(label="new 20")
            shutil.copytree(folder / "made" / name, folder / name)  # with the log, as after a crash
    return folder


@pytest.fixture
def index(shop: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shop / "index", tmp_path / "index"))


def content(catalog: Catalog) -> Content:
    found: dict[str, list[tuple[int, str]]] = {item.label: [] for item in catalog.items()}
    for reference in catalog.all_references():
        found[reference.label].append((reference.reference_id, reference.sha256))
    return sorted((label, tuple(references)) for label, references in found.items())


def look(index: Path) -> tuple[Content, int, tuple[str, ...]]:
    """What a fresh open shows, its generation, and the problems of a full check."""
    with Catalog.open(index, FakeDescriber()) as catalog:
        report = catalog.check(full=True)
        catalog.search(colours(paint(1))[None], 3)
        return content(catalog), catalog.gallery.head().generation, report.problems


def attempt(index: Path) -> tuple[Content | None, list[str]]:
    """What a fresh open shows, if anything, and what it is said to be wrong with it."""
    try:
        shown, _, problems = look(index)
    except ShituError as error:
        return None, [str(error)]
    return shown, list(problems)


@pytest.fixture
def whole(shop: Path, tmp_path: Path) -> Content:
    shutil.copytree(shop / "index", tmp_path / "whole")
    shown, generation, problems = look(tmp_path / "whole")
    assert (generation, problems) == (5, ())
    return shown


def truncated(data: bytes, spot: int) -> bytes:
    return data[:spot]


def flipped(data: bytes, spot: int) -> bytes:
    return data[:spot] + bytes([data[spot] ^ (1 << spot % 8)]) + data[spot + 1 :]


def zeroed(data: bytes, spot: int) -> bytes:
    end = min(len(data), spot + 512)
    return data[:spot] + bytes(end - spot) + data[end:]


DAMAGES = [truncated, flipped, zeroed]


def spots(file: Path) -> Iterator[int]:
    """The first bytes, the last one, and others at random."""
    size = file.stat().st_size
    chance = random.Random(file.name)
    yield from (0, size - 1)
    for _ in range(SPOTS - 2):
        yield chance.randrange(size)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["manifest.json", "vectors.faiss"])
def test_damage_to_the_index_is_undone(
    index: Path, whole: Content, name: str, damage: Damage
) -> None:
    file = index / name
    data = file.read_bytes()
    for spot in spots(file):
        file.write_bytes(damage(data, spot))
        assert look(index) == (whole, 5, ()), f"{damage.__name__} at {spot} of {len(data)}"


@pytest.mark.parametrize(
    "names", [["manifest.json"], ["vectors.faiss"], ["manifest.json", "vectors.faiss"]]
)
def test_files_of_another_gallery_are_not_used(
    shop: Path, index: Path, whole: Content, names: list[str]
) -> None:
    for name in names:
        shutil.copy(shop / "foreign" / name, index / name)
    assert look(index) == (whole, 5, ())


def test_swapped_and_missing_files(index: Path, whole: Content) -> None:
    manifest, vectors = index / "manifest.json", index / "vectors.faiss"
    manifest.rename(index / "x")
    vectors.rename(manifest)
    (index / "x").rename(vectors)
    assert look(index) == (whole, 5, ())
    manifest.unlink()
    vectors.unlink()
    assert look(index) == (whole, 5, ())
    vectors.unlink()
    vectors.mkdir()
    shown, _, problems = look(index)
    assert shown == whole
    assert all("index on disk" in problem for problem in problems)


@pytest.fixture
def states(index: Path, tmp_path: Path) -> dict[int, Any]:
    """What there was at each generation, by the log."""
    shutil.copytree(index, tmp_path / "copy")
    with Catalog.open(tmp_path / "copy") as catalog:
        found: dict[int, Any] = {}
        rows: dict[int, str] = {}
        for change in catalog.history():
            for row in change.before.get("references", ()):
                rows.pop(row["reference_id"], None)
            for row in change.after.get("references", ()):
                rows[row["reference_id"]] = row["sha256"]
            found[change.generation] = dict(rows)
    return found


@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_damaged_log_whole_commits_are_kept(
    shop: Path, index: Path, states: dict[int, Any], damage: Damage
) -> None:
    log = index / "gallery.db-wal"
    data = log.read_bytes()
    met = set()
    for spot in spots(log):
        shutil.rmtree(index)
        shutil.copytree(shop / "index", index)
        log.write_bytes(damage(data, spot))
        shown, generation, problems = look(index)
        assert problems == (), f"{damage.__name__} at {spot} of {len(data)}"
        assert {n: sha for _, some in shown for n, sha in some} == states[generation]
        met.add(generation)
    assert 2 in met  # the log as a whole was lost, what was in the file before was not


@pytest.mark.parametrize("damage", [*DAMAGES, lambda data, spot: b"", lambda data, spot: None])
def test_the_index_of_the_log_is_worth_nothing(
    index: Path, whole: Content, damage: Callable[[bytes, int], bytes | None]
) -> None:
    file = index / "gallery.db-shm"
    changed = damage(file.read_bytes(), 100)
    file.unlink()
    if changed is not None:
        file.write_bytes(changed)
    assert look(index) == (whole, 5, ())


def test_a_log_that_is_gone_takes_only_its_commits(index: Path, states: dict[int, Any]) -> None:
    (index / "gallery.db-wal").unlink()
    shown, generation, problems = look(index)
    assert problems == ()
    assert {n: sha for _, some in shown for n, sha in some} == states[generation]


@pytest.mark.parametrize("name", ["gallery.db", "gallery.db-wal"])
def test_a_database_of_two_galleries_is_told(shop: Path, index: Path, name: str) -> None:
    shutil.copy(shop / "foreign" / name, index / name)
    _, told = attempt(index)
    assert all("\n" not in sentence for sentence in told)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_told_in_a_sentence(
    shop: Path, index: Path, whole: Content, damage: Damage
) -> None:
    with Catalog.open(index) as catalog:
        assert catalog.count == 9  # closing empties the log into the file
    assert not (index / "gallery.db-wal").exists()
    file = index / "gallery.db"
    kept = index.with_name("kept")
    shutil.copytree(index, kept)
    data = file.read_bytes()
    for spot in spots(file):
        shutil.rmtree(index)
        shutil.copytree(kept, index)
        file.write_bytes(damage(data, spot))
        shown, told = attempt(index)
        assert not [sentence for sentence in told if "\n" in sentence]
        assert shown == whole or told, f"{damage.__name__} at {spot} of {len(data)}"
