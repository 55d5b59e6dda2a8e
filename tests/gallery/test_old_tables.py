"""A gallery written with the first tables: opened by this version, nothing in it is lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, create_engine, text

from shitu.cli import main
from shitu.errors import GalleryError
from shitu.gallery import NewReference, Space, migrations
from shitu.gallery.gallery import Gallery
from shitu.gallery.migrations import m0001_first_tables

Make = Callable[..., NewReference]
Rows = list[tuple[object, ...]]

_REFERENCE = (
    "INSERT INTO item_references VALUES (?, 1, ?, ?, 100, 5, NULL, NULL, NULL, NULL, 0, "
    "'2026-01-01T00:00:00.000Z', 'build', '/photos')"
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Two pictures of tea; a third was removed, so that its id is used up."""
    file = tmp_path / "gallery.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        m0001_first_tables.upgrade(connection)
    engine.dispose()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("INSERT INTO meta VALUES ('schema', '1')")
        database.execute("INSERT INTO items VALUES (1, 'tea', '{\"price\": 3}', '2026-01-01')")
        database.execute("INSERT INTO spaces VALUES (1, 'space-a', '{}', 4, 1)")
        for number in (1, 2, 3):
            vector = np.eye(4, dtype="<f4")[number].tobytes()
            database.execute(_REFERENCE, (number, f"/photos/{number}.jpg", f"{number:064x}"))
            database.execute("INSERT INTO thumbnails VALUES (?, ?)", (number, b"jpeg %d" % number))
            database.execute("INSERT INTO embeddings VALUES (1, ?, ?)", (number, vector))
        database.execute("DELETE FROM item_references WHERE reference_id = 3")
        database.execute("UPDATE meta SET value = '1' WHERE key = 'generation'")
        rows = [{"reference_id": n, "item_id": 1, "label": "tea"} for n in (1, 2)]
        log = (1, "t" * 32, "build", "{}", json.dumps({"references": rows}), "2026-01-01")
        database.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)", log)
    return file


@contextmanager
def with_steps(steps: int) -> Iterator[None]:
    """As it was when there were only so many steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:steps])
        yield


def query(file: Path, statement: str) -> Rows:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(statement).fetchall()


def test_rows_vectors_thumbnails_and_log_are_kept(old: Path, space: Space) -> None:
    with closing(Gallery.open(old, old.parent)) as gallery:
        assert gallery.item(label="tea").attributes == {"price": 3}
        assert [r.reference_id for r in gallery.all_references()] == [1, 2]
        assert [gallery.thumbnail(number) for number in (1, 2)] == [b"jpeg 1", b"jpeg 2"]
        delta = gallery.delta(space)
        assert delta is not None
        np.testing.assert_array_equal(delta.vectors, np.eye(4, dtype=np.float32)[[1, 2]])
        assert gallery.head().token == "t" * 32
    assert query(old, "PRAGMA foreign_key_check") == []
    assert query(old, "PRAGMA integrity_check") == [("ok",)]


def test_a_removal_keeps_vector_and_thumbnail_from_now_on(
    old: Path, space: Space, make: Make
) -> None:
    with closing(Gallery.open(old, old.parent)) as gallery:
        with gallery.write("remove") as transaction:
            transaction.remove([1])
        with gallery.write("add") as transaction:
            [new] = transaction.add([(1, make(4))], space)
        assert new == 4  # 3 was used, and is never used again
        delta = gallery.delta(space)
        assert delta is not None
        assert delta.ids.tolist() == [2, 4]
    for table in ("embeddings", "thumbnails"):
        rows = query(old, f"SELECT reference_id FROM {table} ORDER BY 1")
        assert rows == [(1,), (2,), (4,)], table


def test_an_upgrade_that_fails_leaves_the_old_file(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_halfway(connection: Connection) -> None:
        migrations.m0002_keep_removed.upgrade(connection)
        connection.execute(text("SELECT * FROM no_such_table"))

    tables = "SELECT name, sql FROM sqlite_master ORDER BY name"
    before = query(old, tables), query(old, "SELECT * FROM embeddings")
    steps = (m0001_first_tables.upgrade, break_halfway)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", steps)
        with pytest.raises(GalleryError, match="no_such_table"):
            Gallery.open(old, old.parent)
    assert (query(old, tables), query(old, "SELECT * FROM embeddings")) == before
    with closing(Gallery.open(old, old.parent)) as gallery:
        assert gallery.count() == 2


def test_the_log_is_kept_and_says_nothing_of_what_was_not_noted(old: Path) -> None:
    with with_steps(4), closing(Gallery.open(old, old.parent)):
        pass
    with closing(sqlite3.connect(old)) as database, database:
        database.execute(
            "INSERT INTO recognitions (at, crop, crop_sha256, space, vector, matches, threshold, "
            "ambiguity) VALUES ('2026-01-01', x'00', 'sum', 'space-a', x'0000803f', '[]', 0.5, 0)"
        )
    with closing(Gallery.open(old, old.parent)) as gallery, gallery.noted() as log:
        [one] = log.open()
    assert (one.seen.threshold, one.seen.lead, one.seen.decided_by) == (0.5, None, None)


def test_who_may_only_read_is_told_what_brings_it_up_to_date(old: Path) -> None:
    with pytest.raises(GalleryError, match=r"older version.*`shitu list-items`"):
        Gallery.open(old, old.parent, read_only=True)
    result = CliRunner().invoke(main, ["list-items", "--index", str(old.parent)])
    assert result.exit_code == 0, result.output
    Gallery.open(old, old.parent, read_only=True).close()
