"""Rejections and golden queries travel with their gallery, and meet those of another one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from answering import THRESHOLD, answer, between, logged, save
from exchanging import edit
from fakes import FakeCropper, paint
from sqlalchemy import delete

from shitu.catalog import Catalog
from shitu.deciding import Rule
from shitu.errors import GalleryError, GoldenBroken
from shitu.gallery.tables import query_vectors
from shitu.images import Image

if TYPE_CHECKING:
    from conftest import Shop

STRANGER = between(3, 4, 0.4)  # takes after the coffee, and is none
LIKE_COFFEE = between(3, 4, 0.1)
EMPTY = paint(9)

Keep = Callable[[Catalog, Image, str | None], int]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Make a picture a golden query; returns its id."""

    def add(catalog: Catalog, image: Image, label: str | None) -> int:
        path = save(tmp_path / f"golden {image.sum()}.png", image)
        return catalog.add_golden(path, label).golden_id

    return add


@pytest.fixture
def source(tea_shop: Shop, keep: Keep) -> Catalog:
    """Tea and coffee, a rejection, and two golden queries, whose ids do not begin at 1."""
    catalog = tea_shop.open(rule=lambda _: Rule(THRESHOLD))
    tea_shop.build(catalog)
    catalog.remove_golden([keep(catalog, paint(8), None)])
    catalog.reject(logged(catalog, STRANGER))
    keep(catalog, LIKE_COFFEE, "coffee")
    keep(catalog, EMPTY, None)
    return catalog


@pytest.fixture
def file(source: Catalog, tmp_path: Path) -> Path:
    path = tmp_path / "shop.gallery"
    source.export(path)
    return path


@pytest.fixture
def mine(tea_shop: Shop, other: Any) -> Catalog:
    """Another gallery of the same shop, in which ids are others, and nothing is known."""
    catalog: Catalog = other(rule=lambda _: Rule(THRESHOLD))
    catalog.add([tea_shop.paint("../matcha.png", 30)], "matcha")
    catalog.add([tea_shop.photos / "coffee" / "1.png"], "coffee")
    return catalog


def known(catalog: Catalog, *, ids: bool = True) -> list[Any]:
    """All that is known of queries."""
    space = catalog.gallery.active_space()
    with catalog.gallery.known() as reader:
        rows: list[Any] = [
            ((one.rejection_id, one.query_id, one.item_id), one, one.radius)
            for one in reader.rejections(space)
        ]
        rows += [
            ((one.golden_id, one.query_id, one.item_id), one, one.path)
            for one in reader.golden(space)
        ]
        return [
            (
                numbers if ids else (),
                (type(one).__name__, one.label, one.at, more),
                None if one.vector is None else one.vector.tolist(),
                reader.picture(one.query_id),
            )
            for numbers, one, more in rows
        ]


def came(catalog: Catalog, file: Path, **options: Any) -> tuple[int, int]:
    done = catalog.import_from(file, **options)
    return done.known.rejections, done.known.golden


def test_an_empty_index_knows_the_same(source: Catalog, file: Path, other: Any) -> None:
    exported = source.export(file)
    assert (exported.rejections, exported.golden) == (1, 2)
    assert (exported.inert, exported.left_behind) == (0, 0)
    copy = other(rule=lambda _: Rule(THRESHOLD))
    planned = copy.import_from(file, dry_run=True)
    assert copy.rejections() == []
    done = copy.import_from(file)
    assert (done.known, done.diff) == (planned.known, planned.diff)
    assert (done.known.rejections, done.known.golden, done.generation) == (1, 2, 1)
    assert (done.diff.rejections.new, done.diff.golden.new) == (1, 2)
    assert known(copy) == known(source)
    assert [one.recognition_id for one in copy.rejections()] == [None]
    assert answer(copy, STRANGER) != "coffee"
    assert [one.right for one in copy.check_golden()] == [True, True]
    assert copy.check(full=True).problems == ()


def test_ids_go_on_after_the_highest(file: Path, other: Any, keep: Keep) -> None:
    copy = other()
    copy.import_from(file)
    highest = {one.golden_id: one.query_id for one in copy.golden()}
    number = keep(copy, paint(20), None)
    assert number > max(highest)
    new = copy.reject(logged(copy, paint(21)))
    first, second = copy.rejections()
    assert new.rejection_id == second.rejection_id > first.rejection_id
    assert second.query_id > max(highest.values())


def test_importing_twice_changes_nothing(file: Path, other: Any, mine: Catalog) -> None:
    for catalog in (other("empty"), mine):
        catalog.import_from(file)
        before, head = known(catalog), catalog.gallery.head()
        again = catalog.import_from(file)
        assert (again.known.rejections, again.known.golden) == (0, 0)
        assert (again.diff.rejections.equal, again.diff.golden.equal) == (1, 2)
        assert (known(catalog), catalog.gallery.head()) == (before, head)


def test_merging_finds_items_by_their_labels(source: Catalog, file: Path, mine: Catalog) -> None:
    assert came(mine, file) == (1, 2)
    assert known(mine, ids=False) == known(source, ids=False)
    there = {item.label: item.item_id for item in mine.items()}
    assert [one.item_id for one in mine.rejections()] == [there["coffee"]]
    assert [one.item_id for one in mine.golden()] == [there["coffee"], None]
    assert mine.check(full=True).problems == ()


def test_a_service_screens_anew(
    source: Catalog, file: Path, mine: Catalog, tea_shop: Shop, tmp_path: Path
) -> None:
    assert answer(mine, STRANGER) == "coffee"
    mine.import_from(file)
    assert answer(mine, STRANGER) != "coffee"
    mine.undo()
    assert answer(mine, STRANGER) == "coffee"


def test_what_is_here_already_is_skipped(file: Path, mine: Catalog, keep: Keep) -> None:
    number = keep(mine, LIKE_COFFEE, "coffee")
    mine.reject(logged(mine, STRANGER))
    planned = mine.import_from(file, dry_run=True)
    assert (planned.known.rejections, planned.known.golden) == (0, 1)
    assert came(mine, file) == (0, 1)
    assert mine.golden()[0].golden_id == number
    assert len(mine.rejections()) == 1


def test_the_same_vector_is_the_same_picture(file: Path, mine: Catalog) -> None:
    """Another JPEG library writes other bytes."""
    mine.import_from(file)
    head = mine.gallery.head()
    connection = sqlite3.connect(file)
    pictures = connection.execute("SELECT query_id, jpeg FROM queries").fetchall()
    for number, jpeg in pictures:
        values = jpeg + b"\0", number
        connection.execute("UPDATE queries SET jpeg = ? WHERE query_id = ?", values)
    connection.commit()
    connection.close()
    edit(file)
    mine.import_from(file)
    assert mine.gallery.head() == head


def test_a_picture_rejected_for_another_item_too_is_no_conflict(
    source: Catalog, file: Path, tea_shop: Shop, mine: Catalog
) -> None:
    mine.reject(logged(mine, STRANGER), "matcha")
    mine.import_from(file)
    assert [one.label for one in mine.rejections()] == ["matcha", "coffee"]


def test_another_answer_ends_it_with_nothing_written(file: Path, mine: Catalog, keep: Keep) -> None:
    keep(mine, LIKE_COFFEE, None)
    before = known(mine)
    with pytest.raises(GalleryError, match=r"1 place\(s\).*'unknown' here and 'coffee' there"):
        mine.import_from(file)
    assert known(mine) == before
    assert [item.label for item in mine.items()] == ["coffee", "matcha"]
    diff = mine.import_from(file, dry_run=True).diff
    [conflict] = diff.golden_conflicts
    assert (conflict.here, conflict.there) == ("unknown", "coffee")
    assert conflict.path.endswith(".png")
    assert (diff.conflicts, diff.golden.new, diff.golden.equal) == (1, 1, 0)


@pytest.mark.parametrize(
    ("choice", "count", "answers"),
    [("keep", 1, ["unknown", "unknown"]), ("take", 2, ["unknown", "coffee"])],
)
def test_another_answer_is_settled_as_wished(
    file: Path, mine: Catalog, keep: Keep, choice: Any, count: int, answers: list[str]
) -> None:
    keep(mine, LIKE_COFFEE, None)
    before = known(mine)
    planned = mine.import_from(file, on_conflict=choice, dry_run=True)
    done = mine.import_from(file, on_conflict=choice)
    assert planned.known == done.known
    assert done.known.golden == count
    assert [one.expected for one in mine.golden()] == answers
    assert mine.check().problems == ()
    head = mine.gallery.head()
    mine.import_from(file, on_conflict=choice)
    assert mine.gallery.head() == head, "the second time changes nothing"
    mine.undo()
    assert known(mine) == before
    mine.undo()
    assert [one.expected for one in mine.golden()] == answers
    assert mine.check(full=True).problems == ()


def test_an_import_is_undone_with_all_that_came(source: Catalog, file: Path, mine: Catalog) -> None:
    mine.import_from(file)
    mine.undo()
    assert known(mine) == []
    assert mine.check(full=True).problems == ()
    mine.undo()
    assert known(mine, ids=False) == known(source, ids=False)
    mine.go_back(2)
    assert known(mine) == []


def test_an_undone_import_names_the_items_that_went_with_it(file: Path, other: Any) -> None:
    empty: Catalog = other()
    empty.import_from(file)
    empty.undo()
    told = empty.undo().what
    assert "rejection 1 of 'coffee' was taken back" in told
    assert all("None" not in text for text in (told, *(e.sentence for e in empty.events())))


def test_what_follows_a_merge_by_the_import_is_undone_too(
    tea_shop: Shop, file: Path, other: Any, keep: Keep
) -> None:
    """What the gallery calls espresso becomes the coffee of the file; so does what is known."""
    catalog = other(rule=lambda _: Rule(THRESHOLD))
    catalog.add([tea_shop.photos / "coffee" / "1.png"], "espresso")
    keep(catalog, LIKE_COFFEE, "espresso")
    keep(catalog, between(3, 4, 0.2), "espresso")
    catalog.reject(logged(catalog, STRANGER))
    before, head = known(catalog), catalog.gallery.head().generation
    done = catalog.import_from(file, on_conflict="take")
    assert (done.known.golden, done.diff.golden_conflicts[0].here) == (2, "espresso")
    assert [item.label for item in catalog.items()] == ["coffee", "tea"]
    assert sorted(one.expected for one in catalog.golden()) == ["coffee", "coffee", "unknown"]
    assert catalog.check().problems == ()
    catalog.undo(head + 1)
    assert known(catalog) == before
    assert catalog.check(full=True).problems == ()


def test_a_golden_query_for_an_item_that_is_gone_here_has_another_answer(
    file: Path, mine: Catalog, keep: Keep
) -> None:
    keep(mine, LIKE_COFFEE, "coffee")
    assert mine.guard is not None
    mine.guard.forced = True
    mine.remove(label="coffee")
    with pytest.raises(GalleryError, match=r"'item 2, which is gone' here and 'coffee' there"):
        mine.import_from(file)
    mine.import_from(file, on_conflict="take")
    assert [one.right for one in mine.check_golden()] == [True, True]
    assert mine.check().problems == ()


def test_history_does_not_name_all_that_came(mine: Catalog, file: Path) -> None:
    rows = "".join(f", ({number}, 900, 2, '2026-01-01')" for number in range(90, 130))
    edit(
        file,
        "INSERT INTO queries SELECT 900, jpeg FROM queries LIMIT 1",
        f"INSERT INTO rejections VALUES {rows[2:]}",
    )
    mine.import_from(file)
    sentence = mine.events()[-1].sentence
    assert "; 38 more rejections; golden query 1 " in sentence


def test_names_that_are_no_text_come_through(source: Catalog, other: Any, tmp_path: Path) -> None:
    name = os.fsdecode(b"back\\slash \xff.png")
    save(tmp_path / "plain.png", paint(10)).rename(tmp_path / name)
    source.add_golden(tmp_path / name, None)
    source.export(tmp_path / "names.gallery")
    copy = other()
    copy.import_from(tmp_path / "names.gallery")
    assert copy.golden()[-1].path == str(tmp_path / name)


def test_an_item_whose_pictures_are_of_another_here_is_not_made_for_them(
    tea_shop: Shop, file: Path, other: Any
) -> None:
    catalog = other()
    catalog.add([tea_shop.photos / "coffee" / "1.png"], "espresso")
    for dry_run in (True, False):
        done = catalog.import_from(file, on_conflict="keep", dry_run=dry_run)
        assert (done.known.rejections, done.known.golden, done.known.homeless) == (0, 1, 2)
    assert [one.expected for one in catalog.golden()] == ["unknown"]
    planned = catalog.import_from(file, on_conflict="take", dry_run=True)
    done = catalog.import_from(file, on_conflict="take")
    assert done.known == planned.known
    assert (done.known.rejections, done.known.golden, done.known.homeless) == (1, 1, 0)
    assert {one.label for one in catalog.rejections()} == {"coffee"}
    assert catalog.check().problems == ()


def test_what_is_said_of_items_that_are_gone_stays(
    source: Catalog, other: Any, tea_shop: Shop, tmp_path: Path
) -> None:
    """No undo brings them back elsewhere, and their ids would be given to others."""
    assert source.guard is not None
    source.guard.forced = True
    source.remove(label="coffee")
    file = tmp_path / "rest.gallery"
    done = source.export(file)
    assert (done.rejections, done.golden, done.left_behind) == (0, 1, 2)
    copy = other()
    assert came(copy, file) == (0, 1)
    copy.add([tea_shop.paint("../new.png", 12)], "cocoa")
    assert copy.rejections() == []
    assert [one.expected for one in copy.golden()] == ["unknown"]
    assert copy.check().problems == ()


def _forget_vectors(catalog: Catalog) -> None:
    with catalog.gallery.connected() as engine, engine.begin() as connection:
        connection.execute(delete(query_vectors))


def test_a_query_without_a_vector_goes_without(
    source: Catalog, other: Any, mine: Catalog, keep: Keep, tmp_path: Path
) -> None:
    _forget_vectors(source)
    file = tmp_path / "inert.gallery"
    assert source.export(file).inert == 3
    copy = other("copy")
    assert came(copy, file) == (1, 2)
    assert known(copy) == known(source)
    head = copy.gallery.head()
    assert came(copy, file) == (0, 0), "it is known again by its picture"
    assert copy.gallery.head() == head
    report = copy.check()
    assert report.problems == ()
    assert sum("inert" in note for note in report.notes) == 3
    keep(mine, LIKE_COFFEE, "coffee")
    assert came(mine, file) == (1, 1)
    copy.migrate(FakeCropper(), max_loss=None)
    assert all(one.vector is not None for one in (*copy.rejections(), *copy.golden()))


def test_a_damaged_vector_is_not_exported(source: Catalog, other: Any, tmp_path: Path) -> None:
    with source.gallery.connected() as engine, engine.begin() as connection:
        connection.execute(query_vectors.update().values(vector=b"torn"))
    file = tmp_path / "damaged.gallery"
    assert source.export(file).inert == 3
    assert came(other(), file) == (1, 2)


def test_golden_queries_here_are_guarded_against_what_comes(
    tea_shop: Shop, file: Path, other: Any, mine: Catalog, keep: Keep
) -> None:
    keep(mine, between(3, 4, 0.39), "coffee")  # which the rejection in the file would refuse
    before = known(mine)
    with pytest.raises(GoldenBroken, match="was 'coffee'"):
        mine.import_from(file)
    assert known(mine) == before


def test_golden_queries_that_come_do_not_stop_their_own_import(
    file: Path, tea_shop: Shop, other: Any
) -> None:
    catalog = other(rule=lambda _: Rule(THRESHOLD))
    catalog.add([save(tea_shop.photos.parent / "x.png", LIKE_COFFEE)], "cocoa")
    catalog.import_from(file)
    assert [one.right for one in catalog.check_golden()] == [False, True]


FIRST_TABLES = (
    "CREATE TABLE items (item_id INTEGER PRIMARY KEY, label TEXT, attributes TEXT, "
    "created_at TEXT)",
    "CREATE TABLE refs (reference_id INTEGER PRIMARY KEY, item_id INTEGER, sha256 TEXT, "
    "path TEXT, source TEXT, size INTEGER, mtime_ns INTEGER, x0 REAL, y0 REAL, x1 REAL, y1 REAL, "
    "box_given INTEGER, added_at TEXT, how TEXT)",
    "CREATE TABLE spaces (space_id INTEGER PRIMARY KEY, fingerprint TEXT, description TEXT, "
    "dim INTEGER, active INTEGER)",
    "CREATE TABLE vectors (reference_id INTEGER PRIMARY KEY, space_id INTEGER, vector BLOB)",
    "CREATE TABLE thumbnails (reference_id INTEGER PRIMARY KEY, jpeg BLOB)",
    "CREATE TABLE pictures (reference_id INTEGER PRIMARY KEY, data BLOB)",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)",
)


@pytest.fixture
def first_format(file: Path, tmp_path: Path) -> Path:
    """The same gallery as the first version of export-gallery wrote it."""
    path = tmp_path / "first.gallery"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("ATTACH ? AS later", (str(file),))
    connection.execute(f"PRAGMA application_id = {0x73687475}")
    connection.execute("PRAGMA user_version = 1")
    for statement in FIRST_TABLES:
        connection.execute(statement)
        name = statement.split()[2]
        connection.execute(f"INSERT INTO {name} SELECT * FROM later.{name}")
    connection.close()
    edit(path)
    return path


def test_a_file_of_the_first_format_is_read(
    source: Catalog, first_format: Path, other: Any
) -> None:
    copy = other()
    done = copy.import_from(first_format)
    assert (done.added, done.known.rejections, done.known.golden) == (3, 0, 0)
    labels = {(r.reference_id, r.label) for r in source.all_references()}
    assert {(r.reference_id, r.label) for r in copy.all_references()} == labels
    assert copy.check(full=True).problems == ()


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE queries (query_id INTEGER PRIMARY KEY, jpeg BLOB)", "a table of the second"),
        ("PRAGMA user_version = 2", "less tables than the second has"),
        ("UPDATE refs SET item_id = 99", "a reference without its item"),
        ("UPDATE vectors SET vector = x'00'", "short vectors"),
    ],
)
def test_the_first_format_is_checked_as_ever(
    first_format: Path, other: Any, statement: str, reason: str
) -> None:
    connection = sqlite3.connect(first_format, isolation_level=None)
    connection.execute(statement)
    connection.close()
    for _ in range(2):
        with pytest.raises(GalleryError, match="damaged"):
            other().import_from(first_format)
        if "user_version" in statement:
            break
        edit(first_format)


@pytest.mark.sqlite
@pytest.mark.parametrize("version", [0, -1])
def test_formats_that_never_were_are_refused(file: Path, other: Any, version: int) -> None:
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(GalleryError, match="no format"):
        other().import_from(file)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("PRAGMA user_version = 1", "more tables than the first format had"),
        ("ALTER TABLE golden_queries ADD COLUMN more TEXT", "another table"),
        ("UPDATE queries SET jpeg = 'text'", "a picture that is text"),
        ("UPDATE queries SET jpeg = x''", "a picture of nothing"),
        ("UPDATE queries SET jpeg = x'89504e470d0a1a0a'", "a picture of another kind"),
        ("UPDATE query_vectors SET vector = x'00'", "short vectors"),
        ("UPDATE query_vectors SET vector = zeroblob(192)", "vectors of no length"),
        ("UPDATE query_vectors SET vector = NULL", "vectors that are none"),
        ("UPDATE query_vectors SET space_id = 9", "a vector of no space"),
        ("UPDATE query_vectors SET radius = -1.0", "all in the neighbourhood"),
        ("UPDATE query_vectors SET radius = 'wide'", "a radius in words"),
        (
            "INSERT INTO query_vectors SELECT 99, space_id, vector, radius FROM query_vectors "
            "LIMIT 1",
            "a vector of no query",
        ),
        ("INSERT INTO queries SELECT 99, jpeg FROM queries LIMIT 1", "a query of nothing"),
        ("DELETE FROM queries WHERE query_id IN (SELECT query_id FROM rejections)", "no query"),
        ("UPDATE rejections SET query_id = NULL", "a rejection of no query"),
        ("UPDATE rejections SET item_id = 99", "a rejection of no item"),
        ("UPDATE rejections SET item_id = NULL", "a rejection of nothing"),
        ("UPDATE rejections SET at = x'37'", "a time in bytes"),
        ("UPDATE rejections SET at = ''", "no time"),
        ("UPDATE golden_queries SET query_id = 'x'", "a golden query of no query"),
        ("UPDATE golden_queries SET item_id = 99 WHERE item_id IS NOT NULL", "no item"),
        ("UPDATE golden_queries SET item_id = 'tea'", "an item in words"),
        ("UPDATE golden_queries SET path = NULL", "a picture from nowhere"),
        ("UPDATE golden_queries SET path = 'a' || char(0)", "a path that no system takes"),
        ("UPDATE golden_queries SET at = printf('%040d', 1)", "a time too long"),
    ],
)
def test_a_file_made_by_hand_is_refused(
    file: Path, other: Any, statement: str, reason: str
) -> None:
    edit(file, statement)
    copy = other()
    with pytest.raises(GalleryError, match="damaged"):
        copy.import_from(file)
    assert (copy.items(), known(copy)) == ([], []), reason


@pytest.mark.sqlite
def test_the_checksum_is_of_them_too(file: Path, other: Any) -> None:
    connection = sqlite3.connect(file)
    connection.execute("UPDATE rejections SET at = '2020-01-01'")
    connection.commit()
    connection.close()
    with pytest.raises(GalleryError, match="checksum"):
        other().import_from(file)


@pytest.mark.sqlite
@pytest.mark.parametrize("here", ["matcha", None])
def test_two_answers_in_a_file_end_as_the_file_says(
    tea_shop: Shop, file: Path, mine: Catalog, keep: Keep, here: str | None
) -> None:
    """Undoing a removal can lead to that."""
    edit(
        file,
        "INSERT INTO golden_queries SELECT 90, query_id, NULL, path, at FROM golden_queries "
        "WHERE item_id IS NOT NULL",
    )
    keep(mine, LIKE_COFFEE, here)
    mine.import_from(file, on_conflict="take")
    assert sorted(one.expected for one in mine.golden()) == ["coffee", "unknown", "unknown"]
    head = mine.gallery.head()
    mine.import_from(file)
    assert mine.gallery.head() == head
