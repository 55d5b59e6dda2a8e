"""Check: whatever is lost, damaged or too much is named, and only the index is ever mended."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fakes import FakeDescriber, paint_file

from shitu.catalog import Catalog, CheckReport

if TYPE_CHECKING:
    from conftest import Shop

NAN = np.full(48, np.nan, "<f4").tobytes()
LONG = np.full(48, 1, "<f4").tobytes()


@pytest.fixture
def built(tea_shop: Shop) -> Shop:
    """A shop that was built, changed in every way, and closed."""
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    catalog.add([tea_shop.paint("juice/1.png", 5)], "juice")
    catalog.relabel("juice", "squash")
    catalog.remove(label="squash")
    catalog.close()
    return tea_shop


def spoil(shop: Shop, *statements: str | tuple[str, object]) -> None:
    connection = sqlite3.connect(shop.index / "gallery.db")
    connection.execute("PRAGMA foreign_keys = OFF")
    with connection:
        for statement in statements:
            text, *values = (statement,) if isinstance(statement, str) else statement
            connection.execute(str(text), values)
    connection.close()


def look(shop: Shop, **options: bool) -> CheckReport:
    """What `shitu check` finds, which opens a gallery for reading only."""
    reading = not options.get("repair", False)
    with Catalog.open(shop.index, url=shop.url, read_only=reading) as catalog:
        return catalog.check(**options)


def test_a_gallery_that_is_whole(built: Shop) -> None:
    report = look(built)
    assert (report.problems, report.notes, report.references) == ((), (), 3)
    assert {part.name: part.checked for part in report.parts} == {
        "database": 1,
        "items": 2,
        "vectors": 3,
        "index": 3,
        "thumbnails": 3,
        "history": 4,
        "queries": 0,
        "learnt": 0,
        "index files": 1,
        "pictures": 3,
    }


def test_a_gallery_that_is_empty(shop: Shop) -> None:
    report = shop.open().check()
    assert (report.problems, report.notes, report.references) == ((), (), 0)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM embeddings WHERE reference_id = 2", r"reference 2 \('tea', .*has no vector"),
        (("UPDATE embeddings SET vector = ?", b"torn"), r"reference 1 .*\(4 bytes instead of 192"),
        (("UPDATE embeddings SET vector = ?", NAN), r"reference 1 .*length is nan"),
        (("UPDATE embeddings SET vector = ?", LONG), r"reference 1 .*length is 6.928"),
        ("DELETE FROM thumbnails WHERE reference_id = 1", r"reference 1 .*has no thumbnail"),
        (("UPDATE thumbnails SET jpeg = ?", b"no"), r"reference 1 .*a damaged thumbnail"),
        ("UPDATE spaces SET active = 0", "0 spaces of vectors are in use"),
        ("DELETE FROM items WHERE label = 'tea'", "belongs to item .*, which is gone"),
        ("INSERT INTO items VALUES (9, 'rum', '{}', 'x')", r"item 9 \('rum'\) has no reference"),
        ("INSERT INTO items VALUES (9, 'rum', '{}', 'x')", "item 9 is not in the history"),
        ("UPDATE items SET label = 'rum' WHERE label = 'tea'", r"\('tea'\) has another label"),
        ("UPDATE items SET attributes = '{\"a\": 1}'", "has another attributes than generation 1"),
        (
            "DELETE FROM item_references WHERE reference_id = 1",
            r"reference 1 \('.*'\) of generation 1 is gone, and the history does not say why",
        ),
        ("UPDATE item_references SET sha256 = 'x' WHERE reference_id = 1", "another sha256"),
        ("DELETE FROM changes WHERE generation = 2", "generation 2 is missing in the history"),
        ("DELETE FROM changes WHERE generation > 2", "generations 3 to 4 are missing"),
        ("DELETE FROM changes", "reference 1 is not in the history"),
        (
            "UPDATE meta SET value = '3' WHERE key = 'generation'",
            "up to generation 4, .* only to 3",
        ),
        ("UPDATE changes SET token = 'x'", "generation 1 has no token of its own"),
        ("INSERT INTO thumbnails VALUES (99, 'x')", "a thumbnail of reference 99 is kept"),
        ("INSERT INTO embeddings VALUES (1, 99, 'x')", "a vector of reference 99 is kept"),
    ],
)
def test_rows_that_were_lost_or_spoilt_are_named_and_stay(
    built: Shop, statement: str | tuple[str, object], problem: str
) -> None:
    spoil(built, statement)
    found = look(built).problems
    assert any(re.search(problem, one) for one in found), found
    before = (built.index / "gallery.db").read_bytes()
    assert look(built, repair=True).problems
    assert (built.index / "gallery.db").read_bytes() == before


@pytest.mark.sqlite
def test_a_bad_vector_spoils_no_other(
    built: Shop, names: Callable[[Catalog, int], str], caplog: pytest.LogCaptureFixture
) -> None:
    spoil(built, "UPDATE embeddings SET vector = x'00' WHERE reference_id = 1")
    for path in built.index.glob("*.json"):
        path.unlink()
    catalog = built.open(FakeDescriber())
    assert catalog.count == 2
    assert [names(catalog, seed) for seed in (1, 2, 3)].count("nothing") == 1
    assert "reference 1 has a damaged vector" in caplog.text


@pytest.mark.sqlite
def test_a_hole_in_the_database(built: Shop) -> None:
    spoil(built, "PRAGMA wal_checkpoint(TRUNCATE)")
    file = built.index / "gallery.db"
    connection = sqlite3.connect(file)
    page, size = connection.execute(
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size()) FROM sqlite_master "
        "WHERE name LIKE 'ix_item_references_path'"
    ).fetchone()
    connection.close()
    data = bytearray(file.read_bytes())
    data[(page - 1) * size + 100 : page * size] = b"\xa5" * (size - 100)
    file.write_bytes(data)
    found = look(built).problems
    assert found[0].startswith("the database file is damaged")


def test_an_index_that_is_wrong_in_memory_is_mended(built: Shop) -> None:
    catalog = built.open()
    assert catalog._cache is not None
    catalog._cache.index.remove(np.array([1]))
    catalog._cache.save()
    assert catalog.check().problems == ("reference 1 is missing in the index",)
    report = catalog.check(repair=True)
    assert report.problems == ()
    [mended] = report.mended
    assert "made anew from 3 vectors" in mended
    assert look(built).problems == ()


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["vectors.faiss", "manifest.json"])
@pytest.mark.parametrize("damage", [None, b"", b"torn"])
def test_an_index_that_is_wrong_on_disk_is_mended(
    built: Shop, name: str, damage: bytes | None
) -> None:
    file = built.index / name
    file.unlink()
    if damage is not None:
        file.write_bytes(damage)
    before = sorted((p.name, p.read_bytes()) for p in built.index.glob("*.*[nst]"))
    [problem] = look(built).problems
    assert "check --repair" in problem
    assert sorted((p.name, p.read_bytes()) for p in built.index.glob("*.*[nst]")) == before
    report = look(built, repair=True)
    assert (report.problems, len(report.mended)) == ((), 1)
    assert (look(built).problems, look(built, repair=True).mended) == ((), ())


def test_an_index_on_disk_that_lags_behind_is_no_fault(
    built: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("shitu.catalog.cache.save_index", lambda *_, **__: None)
        built.open().relabel("tea", "chai")
    report = look(built)
    assert report.problems == ()
    [note] = report.notes
    assert "at generation 4, the gallery at 5" in note


def test_pictures_that_went_or_changed_are_told(built: Shop) -> None:
    (built.photos / "tea" / "1.png").unlink()
    paint_file(built.photos / "tea" / "2.png", 99)
    (built.photos / "coffee" / "1.png").touch()  # the same content
    report = look(built)
    assert report.problems == ()
    assert sorted(note.split("tea/")[1] for note in report.notes) == [
        "1.png is no longer there; it is still recognised",
        "2.png has other content now; the next build describes it again",
    ]


def test_only_a_full_check_reads_pictures_that_look_the_same(built: Shop) -> None:
    picture = built.photos / "coffee" / "1.png"
    was = picture.stat()
    picture.write_bytes(picture.read_bytes()[:-1] + b"\0")
    os.utime(picture, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert look(built).notes == ()
    [note] = look(built, full=True).notes
    assert "coffee/1.png has other content" in note


def test_a_check_tells_how_far_it_is(built: Shop) -> None:
    told: list[tuple[int, int]] = []
    built.open().check(progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_a_check_while_another_writes(built: Shop, tmp_path: Path) -> None:
    reader, writer = built.open(read_only=True), built.open(FakeDescriber())
    writer.add([paint_file(tmp_path / "new.png", 50)], "cocoa")
    report = reader.check()
    assert (report.problems, report.references) == ((), 4)
