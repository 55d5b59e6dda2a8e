"""A gallery goes into one file and comes out of it the same, or not at all."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from exchanging import edit
from fakes import FakeDescriber

from shitu.catalog import Catalog, entries_from_folder
from shitu.errors import GalleryError, SpaceMismatch
from shitu.gallery import Space, passes

if TYPE_CHECKING:
    from conftest import Shop

Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]

FLIPS = int(os.environ.get("SHITU_TEST_FLIPS", "20"))


@pytest.fixture
def source(tea_shop: Shop) -> Catalog:
    """Tea and coffee, with attributes, a given box, and a history."""
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    extra = tea_shop.paint("../new.png", 4)
    catalog.add([extra], "cocoa", box=(2, 2, 12, 12), attributes={"shelf": 3, "name": "可可"})
    catalog.remove(label="coffee")
    return catalog


@pytest.fixture
def file(source: Catalog, tmp_path: Path) -> Path:
    path = tmp_path / "shop.gallery"
    source.export(path)
    return path


def content(catalog: Catalog, *, ids: bool = True) -> list[Any]:
    """All there is to a gallery."""
    items = {item.item_id: item for item in catalog.items()}
    space = catalog.space
    assert space is not None
    delta = catalog.gallery.delta(space)
    assert delta is not None
    vectors = dict(zip(delta.ids.tolist(), delta.vectors.tolist(), strict=True))
    return sorted(
        (
            r.reference_id if ids else 0,
            r.item_id if ids else 0,
            r.label,
            sorted(items[r.item_id].attributes.items()),
            items[r.item_id].created_at,
            str(r.path),
            (r.sha256, r.size, r.box, r.box_given, r.added_at, r.how),
            vectors[r.reference_id],
            catalog.thumbnail(r.reference_id),
        )
        for r in catalog.all_references()
    )


@pytest.mark.parametrize("pictures", [False, True])
def test_the_bar_moves_from_the_first_row_to_the_last(
    source: Catalog, tmp_path: Path, other: Any, pictures: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only while references are written: sums are made, too, and take as long."""
    monkeypatch.setattr(passes, "_AT_A_TIME", 1)
    file = tmp_path / "shop.gallery"
    for work in (
        lambda told: source.export(file, pictures=pictures, progress=told),
        lambda told: other().import_from(file, dry_run=True, progress=told),
        lambda told: other().import_from(file, progress=told),
    ):
        told: list[tuple[int, int]] = []
        work(lambda done, total: told.append((done, total)))  # noqa: B023
        assert {total for _, total in told} == {3}
        done = [one for one, _ in told]
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, 3)
        assert len(done) >= 10
        assert done.count(3) <= 2


def test_an_empty_index_becomes_the_same_gallery(
    source: Catalog, file: Path, other: Any, vectors_agree: Agree, names: Names
) -> None:
    copy = other()
    done = copy.import_from(file)
    assert (done.added, done.generation) == (3, 1)
    assert content(copy) == content(source)
    assert copy.gallery.root() == source.gallery.root()
    assert vectors_agree(copy)
    assert names(copy, 4) == "cocoa"
    assert [change.operation for change in copy.history()] == ["import"]


def test_attributes_that_older_versions_kept_are_exported(
    source: Catalog, tmp_path: Path, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shitu.gallery.transaction._check_json", lambda *_: None)
    source.set_attributes("tea", {"origin": "caf\udce9"})
    monkeypatch.undo()
    source.export(tmp_path / "old.gallery")
    copy = other()
    copy.import_from(tmp_path / "old.gallery")
    assert content(copy) == content(source)


def test_ids_go_on_after_the_highest(tea_shop: Shop, file: Path, other: Any) -> None:
    copy = other()
    copy.import_from(file)
    highest = max(r.reference_id for r in copy.all_references())
    added = copy.add([tea_shop.paint("../newer.png", 9)], "matcha")
    assert added.reference_ids[0] > highest


def test_a_build_of_the_same_folder_finds_nothing_to_do(
    tea_shop: Shop, file: Path, other: Any
) -> None:
    describer = FakeDescriber()
    copy = other(describer=describer)
    copy.import_from(file)
    summary = copy.build(entries_from_folder(tea_shop.photos), root=tea_shop.photos)
    assert (summary.added, describer.described) == (0, 0)


def test_pictures_that_lie_elsewhere_are_found_by_content(
    tea_shop: Shop, file: Path, other: Any, tmp_path: Path
) -> None:
    describer = FakeDescriber()
    copy = other(describer=describer)
    here = tea_shop.photos.rename(tmp_path / "here")
    copy.import_from(file)
    assert copy.gallery.root() is None
    report = copy.sync(here)
    assert (len(report.moved), len(report.new), describer.described) == (3, 0, 0)
    assert {r.path.parent.parent for r in copy.all_references()} == {here}


def test_importing_twice_changes_nothing(file: Path, other: Any) -> None:
    copy = other()
    copy.import_from(file)
    again = copy.import_from(file)
    assert (again.added, again.generation, again.diff.total("equal")) == (0, 1, 3)


def test_a_gallery_with_a_past_gives_new_ids(
    tea_shop: Shop, source: Catalog, file: Path, other: Any
) -> None:
    used = other()
    used.add([tea_shop.paint("../once.png", 30)], "gone")
    used.remove(label="gone")
    used.import_from(file)
    assert content(used, ids=False) == content(source, ids=False)
    assert min(r.reference_id for r in used.all_references()) > 1


def test_merging_joins_items_and_attributes(
    tea_shop: Shop, file: Path, other: Any, vectors_agree: Agree
) -> None:
    mine = other()
    mine.add([tea_shop.photos / "tea" / "1.png"], "tea", attributes={"price": 2})
    mine.add([tea_shop.paint("../mine.png", 20)], "cocoa")
    planned = mine.import_from(file, dry_run=True)
    assert mine.gallery.head().generation == 2
    done = mine.import_from(file)
    assert planned.diff == done.diff
    diff = {item.label: item for item in done.diff.items}
    tea, cocoa = diff["tea"], diff["cocoa"]
    assert (tea.new, tea.equal, tea.only_here, tea.is_new) == (1, 1, 0, False)
    assert (cocoa.new, cocoa.equal, cocoa.only_here) == (1, 0, 1)
    assert cocoa.attributes == {"shelf": 3, "name": "可可"}
    items = {item.label: item for item in mine.items()}
    assert {label: item.references for label, item in items.items()} == {"tea": 2, "cocoa": 2}
    assert items["tea"].attributes == {"price": 2}
    assert items["cocoa"].attributes == {"shelf": 3, "name": "可可"}
    assert done.generation == 3
    assert vectors_agree(mine)


@pytest.fixture
def contradicting(tea_shop: Shop, other: Any) -> Catalog:
    """A picture under another label than in the file, and an attribute with another value."""
    mine: Catalog = other()
    mine.add([tea_shop.photos / "tea" / "1.png"], "green tea")
    mine.add([tea_shop.paint("../mine.png", 20)], "cocoa", attributes={"shelf": 4})
    return mine


def test_contradictions_end_it_with_nothing_written(contradicting: Catalog, file: Path) -> None:
    before = content(contradicting)
    with pytest.raises(GalleryError, match=r"in 2 place\(s\).*'green tea' here and 'tea' there"):
        contradicting.import_from(file)
    assert content(contradicting) == before
    diff = contradicting.import_from(file, dry_run=True).diff
    (label,), (attribute,) = diff.labels, diff.attributes
    assert (label.here, label.there) == ("green tea", "tea")
    assert vars(attribute) == {"label": "cocoa", "name": "shelf", "here": 4, "there": 3}


@pytest.mark.parametrize(
    ("choice", "items", "shelf"),
    [
        ("keep", {"green tea": 1, "tea": 1, "cocoa": 2}, 4),
        ("take", {"tea": 2, "cocoa": 2}, 3),
    ],
)
def test_contradictions_are_settled_as_wished(
    contradicting: Catalog,
    file: Path,
    vectors_agree: Agree,
    choice: Any,
    items: dict[str, int],
    shelf: int,
) -> None:
    contradicting.import_from(file, on_conflict=choice)
    found = {item.label: item for item in contradicting.items()}
    assert {label: item.references for label, item in found.items()} == items
    assert found["cocoa"].attributes["shelf"] == shelf
    assert vectors_agree(contradicting)


def test_pictures_come_along(
    tea_shop: Shop, source: Catalog, other: Any, tmp_path: Path, vectors_agree: Agree
) -> None:
    file = tmp_path / "all.gallery"
    exported = source.export(file, pictures=True)
    assert (exported.pictures, exported.missing) == (3, ())
    pictures = {r.sha256: r.path.read_bytes() for r in source.all_references()}
    shutil.rmtree(tea_shop.photos)
    describer = FakeDescriber()
    copy = other(describer=describer)
    done = copy.import_from(file)
    home = tmp_path / "other" / "pictures"
    assert {r.sha256: r.path.read_bytes() for r in copy.all_references()} == pictures
    assert all(path.is_relative_to(home) for path in done.pictures)
    assert copy.gallery.root() == home
    assert copy.sync(home).changes == 0
    assert describer.described == 0
    assert vectors_agree(copy)


def test_an_import_is_undone_and_done_again(
    source: Catalog, contradicting: Catalog, tmp_path: Path, vectors_agree: Agree
) -> None:
    file = tmp_path / "all.gallery"
    source.export(file, pictures=True)
    before = content(contradicting)
    contradicting.import_from(file, on_conflict="take")
    after, head = content(contradicting), contradicting.gallery.head().generation
    contradicting.undo(head)
    assert content(contradicting) == before
    assert vectors_agree(contradicting)
    home = tmp_path / "other" / "pictures"
    assert contradicting.sync(home).changes == 0, "the pictures it brought were put aside"
    contradicting.undo(head + 1)
    assert content(contradicting) == after
    assert contradicting.sync(home).changes == 0
    assert vectors_agree(contradicting)
    assert contradicting.check(full=True).problems == ()


def test_the_import_of_a_whole_gallery_is_undone(
    source: Catalog, file: Path, other: Any, vectors_agree: Agree
) -> None:
    copy = other()
    copy.import_from(file)
    copy.undo()
    assert copy.items() == []
    assert copy.count == 0
    copy.import_from(file)
    assert content(copy, ids=False) == content(source, ids=False)
    assert min(r.reference_id for r in copy.all_references()) > 4, "ids are not used twice"
    assert vectors_agree(copy)


def test_missing_pictures_are_named(source: Catalog, tmp_path: Path) -> None:
    first, second, *_ = source.all_references()
    first.path.unlink()
    second.path.write_bytes(b"something else")
    done = source.export(tmp_path / "all.gallery", pictures=True)
    assert done.pictures == 1
    assert set(done.missing) == {first.path, second.path}


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "a/..", ".bashrc", "..\\e"])
def test_names_in_the_file_lead_nowhere_else(
    source: Catalog, other: Any, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "all.gallery"
    source.export(file, pictures=True)
    edit(
        file,
        f"UPDATE refs SET path = '{name}' WHERE reference_id = 2",
        "UPDATE items SET label = '../up' WHERE label = 'tea'",
    )
    copy = other()
    copy.import_from(file)
    home = tmp_path / "other" / "pictures"
    assert all(r.path.resolve().is_relative_to(home) for r in copy.all_references())
    assert not list(tmp_path.rglob(".bashrc"))


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE refs SET item_id = 99", "a reference without its item"),
        ("UPDATE items SET label = '  '", "a blank label"),
        ("UPDATE items SET label = ' tea' WHERE label = 'tea'", "a label nobody would find"),
        ("UPDATE items SET label = 'tea'", "two items of one name"),
        ("UPDATE items SET attributes = '[1]'", "attributes that are none"),
        ("UPDATE items SET attributes = '{\"a\": NaN}'", "attributes that are not JSON"),
        ("UPDATE refs SET sha256 = 'x'", "a hash that is none"),
        ("UPDATE refs SET path = 'a' || char(0)", "a path that no system takes"),
        ("UPDATE refs SET x0 = 1.0 WHERE reference_id = 2", "a quarter of a box"),
        ("UPDATE refs SET size = 'big'", "a size in words"),
        ("UPDATE vectors SET vector = zeroblob(192)", "vectors of no length"),
        ("UPDATE vectors SET vector = x'00'", "short vectors"),
        ("DELETE FROM vectors WHERE reference_id = 2", "a reference without vector"),
        ("UPDATE spaces SET description = '1'", "a space that says nothing"),
        ("INSERT INTO spaces VALUES (9, 'other', '{}', 48, 1)", "two spaces"),
        ("CREATE VIEW v AS SELECT 1", "a view"),
        ("ALTER TABLE refs ADD COLUMN more TEXT", "another table"),
        ("UPDATE thumbnails SET jpeg = 'text'", "a thumbnail that is text"),
    ],
)
def test_a_file_made_by_hand_is_refused(
    file: Path, other: Any, statement: str, reason: str
) -> None:
    edit(file, statement)
    copy = other()
    with pytest.raises(GalleryError, match="damaged"):
        copy.import_from(file)
    assert copy.items() == [], reason


def test_a_picture_that_poses_as_another_is_refused(
    source: Catalog, other: Any, tmp_path: Path
) -> None:
    file = tmp_path / "all.gallery"
    source.export(file, pictures=True)
    edit(file, "UPDATE pictures SET data = x'00' WHERE reference_id = 4")
    copy = other()
    with pytest.raises(GalleryError, match="poses as"):
        copy.import_from(file)
    assert copy.items() == []
    assert not [path for path in (tmp_path / "other").rglob("*.png") if path.is_file()]


@pytest.mark.sqlite
def test_flipped_bits_are_found(file: Path, source: Catalog, other: Any, tmp_path: Path) -> None:
    """Either the file is refused, or the bit lies where nothing is kept."""
    good, whole = file.read_bytes(), content(source)
    rng = random.Random(5)
    refused = 0
    for number in range(FLIPS):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
        copy = other(f"copy{number}")
        try:
            copy.import_from(file)
        except GalleryError:
            refused += 1
            assert copy.items() == []
        else:
            assert content(copy) == whole
    assert refused > 0


@pytest.mark.sqlite
@pytest.mark.parametrize("part", [0, 10, 99, 100, 4096, 0.3, 0.5, 0.9, 0.999])
def test_a_torn_file_is_refused(file: Path, other: Any, part: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(part if part >= 1 else part * len(data))])
    copy = other()
    with pytest.raises(GalleryError, match=r"shop\.gallery"):
        copy.import_from(file)
    assert copy.items() == []


@pytest.mark.sqlite
def test_files_of_other_programs_are_refused(
    source: Catalog, other: Any, tea_shop: Shop, tmp_path: Path
) -> None:
    for path in (tea_shop.index / "gallery.db", tea_shop.photos / "tea" / "1.png", tmp_path):
        with pytest.raises(GalleryError):
            other().import_from(path)
    with pytest.raises(GalleryError, match="cannot be read"):
        other().import_from(tmp_path / "nothing")


@pytest.mark.sqlite
def test_a_later_format_is_refused(file: Path, other: Any) -> None:
    edit(file, "PRAGMA user_version = 7")
    with pytest.raises(GalleryError, match="later version"):
        other().import_from(file)


def test_another_version_of_a_model_is_told_from_it(
    source: Catalog, file: Path, other: Any
) -> None:
    updated = FakeDescriber()
    updated.space = Space("0a1b2c3d4e", 48, {"name": "colours"})
    mine = other("other", updated)
    mine.add([source.all_references()[0].path], "tea")
    told = "colours, space colours, the gallery those of colours, space 0a1b2c3d: "
    with pytest.raises(SpaceMismatch, match=told):
        mine.import_from(file)


def test_another_model_is_refused_by_name(source: Catalog, file: Path, other: Any) -> None:
    mine = other("other", FakeDescriber("shapes"))
    mine.add([source.all_references()[0].path], "tea")
    for dry_run in (True, False):
        with pytest.raises(SpaceMismatch, match=r"colours.*shapes.*shitu migrate"):
            mine.import_from(file, dry_run=dry_run)
    assert len(mine.items()) == 1


@pytest.mark.sqlite
def test_an_export_never_overwrites_something_else(source: Catalog, tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("dear diary " * 20)
    with pytest.raises(GalleryError, match="no exported gallery"):
        source.export(diary)
    assert diary.read_text().startswith("dear diary")
    older = tmp_path / "shop.gallery"
    assert source.export(older).references == source.export(older).references == 3
    with pytest.raises(GalleryError, match="cannot be written"):
        source.export(tmp_path / "no" / "folder" / "x.gallery")
    assert not list(tmp_path.glob(".shitu-*"))


@pytest.mark.usefixtures("no_folder_sync")
def test_an_export_to_a_disk_that_cannot_sync_folders(
    source: Catalog, tmp_path: Path, other: Any
) -> None:
    assert source.export(tmp_path / "a.gallery").references == 3
    assert other().import_from(tmp_path / "a.gallery").added == 3


def test_an_empty_gallery_can_be_carried_too(other: Any, tmp_path: Path) -> None:
    file = tmp_path / "empty.gallery"
    assert other("one").export(file).references == 0
    assert other("two").import_from(file).added == 0


def test_large_galleries_pass_row_by_row(
    tea_shop: Shop, source: Catalog, file: Path, other: Any, tmp_path: Path
) -> None:
    """More than a chunk of references; vectors and ids stay together."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(1000, 2300):
        vector = rng.normal(size=48)
        rows.append((number, (vector / np.linalg.norm(vector)).astype("<f4").tobytes()))
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN")
    for number, vector in rows:
        connection.execute(
            "INSERT INTO refs SELECT ?, item_id, ?, path, source, size, mtime_ns, x0, y0, x1, y1, "
            "box_given, added_at, how FROM refs WHERE reference_id = 2",
            (number, f"{number:064d}"),
        )
        connection.execute("INSERT INTO vectors VALUES (?, 1, ?)", (number, vector))
    connection.execute("COMMIT")
    connection.close()
    edit(file)
    copy = other()
    assert copy.import_from(file).added == 1303
    delta = copy.gallery.delta(copy.space)
    there = dict(zip(delta.ids.tolist(), delta.vectors, strict=True))
    assert all(there[i].tobytes() == vector for i, vector in rows)
