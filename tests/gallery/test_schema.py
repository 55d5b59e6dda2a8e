"""Numbered migrations, and what every connection to an SQLite file is set to."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from shitu.errors import GalleryError, ItemNotFound, SchemaTooNew
from shitu.gallery import migrations
from shitu.gallery.engine import open_sqlite
from shitu.gallery.gallery import Gallery
from shitu.gallery.tables import metadata

Add = Callable[..., list[int]]
Rows = list[tuple[object, ...]]


def query(file: Path, statement: str) -> Rows:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def execute(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    with connection:
        connection.execute(statement)
    connection.close()


def shape(connection: Connection) -> dict[str, object]:
    """Everything about the tables that matters to whoever writes into them."""
    look = inspect(connection)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(name)],
            look.get_pk_constraint(name)["constrained_columns"],
            sorted(
                (key["constrained_columns"], key["referred_table"], key["options"].get("ondelete"))
                for key in look.get_foreign_keys(name)
            ),
            sorted(str(unique["column_names"]) for unique in look.get_unique_constraints(name)),
            sorted(str(index["column_names"]) for index in look.get_indexes(name)),
        )
        for name in look.get_table_names()
    }


@pytest.fixture
def old(tmp_path: Path, add: Add) -> Path:
    """A gallery with one picture, closed."""
    file = tmp_path / "gallery.db"
    gallery = Gallery.open(file, tmp_path)
    add(gallery, "tea", 1)
    gallery.close()
    return file


@pytest.fixture
def new(
    database: str | None, request: pytest.FixtureRequest
) -> Iterator[Callable[[], AbstractContextManager[Connection]]]:
    """Connects to an empty database, each time to another one of the same kind."""
    with ExitStack() as closing:

        def connect() -> AbstractContextManager[Connection]:
            url = "sqlite://" if database is None else request.getfixturevalue("postgres").new()
            engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
            closing.callback(engine.dispose)
            return engine.begin()

        yield connect


def test_the_steps_lead_to_the_tables_that_a_new_gallery_gets(
    new: Callable[[], AbstractContextManager[Connection]],
) -> None:
    with new() as stepwise, new() as direct, new() as described:
        migrations.upgrade(stepwise, 0)
        migrations.migrate(direct)
        metadata.create_all(described)
        assert shape(stepwise) == shape(direct) == shape(described)
        keys = text("SELECT key FROM meta WHERE key != 'schema' ORDER BY key")
        assert stepwise.execute(keys).all() == direct.execute(keys).all()


@pytest.mark.sqlite
def test_an_id_is_never_used_twice_however_the_tables_were_made(
    new: Callable[[], AbstractContextManager[Connection]],
) -> None:
    counted = text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name")
    with new() as stepwise, new() as direct:
        migrations.upgrade(stepwise, 0)
        migrations.migrate(direct)
        assert len(direct.execute(counted).all()) == 7
        assert stepwise.execute(counted).all() == direct.execute(counted).all()


def test_the_number_of_the_last_step_is_kept(old: Path) -> None:
    rows = query(old, "SELECT value FROM meta WHERE key = 'schema'")
    assert rows == [(str(len(migrations.MIGRATIONS)),)]


def _add_a_column(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE items ADD COLUMN colour TEXT"))


def _break_halfway(connection: Connection) -> None:
    _add_a_column(connection)
    connection.execute(text("SELECT * FROM no_such_table"))


def test_an_older_gallery_gets_the_missing_steps_only(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = len(migrations.MIGRATIONS)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, _add_a_column))
    for _ in range(2):  # the second time there is nothing left to do
        gallery = Gallery.open(old, old.parent)
        assert [item.label for item in gallery.items()] == ["tea"]
        gallery.close()
    assert query(old, "SELECT colour FROM items") == [(None,)]
    assert query(old, "SELECT value FROM meta WHERE key = 'schema'") == [(str(known + 1),)]


def test_a_step_that_fails_leaves_the_old_tables(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, _break_halfway))
        with pytest.raises(GalleryError, match="no_such_table"):
            Gallery.open(old, old.parent)
    assert "colour" not in str(query(old, "SELECT sql FROM sqlite_master"))
    gallery = Gallery.open(old, old.parent)
    assert gallery.count() == 1
    gallery.close()


def test_a_later_gallery_is_refused_and_left_alone(old: Path) -> None:
    execute(old, "UPDATE meta SET value = '99' WHERE key = 'schema'")
    before = old.read_bytes()
    with pytest.raises(SchemaTooNew, match=r"tables 99.*upgrade shitu"):
        Gallery.open(old, old.parent)
    assert old.read_bytes() == before


def test_an_older_gallery_cannot_be_only_read(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, _add_a_column))
    with pytest.raises(GalleryError, match="older version"):
        Gallery.open(old, old.parent, read_only=True)
    assert "colour" not in str(query(old, "SELECT sql FROM sqlite_master"))


@pytest.mark.parametrize(
    ("pragma", "wanted", "why"),
    [
        ("foreign_keys", 1, "no reference without an item"),
        ("journal_mode", "wal", "readers do not block writers"),
        ("busy_timeout", 7000, "a second writer waits"),
        ("synchronous", 2, "what was committed survives a power cut"),
    ],
)
def test_connections_are_set_up(tmp_path: Path, pragma: str, wanted: object, why: str) -> None:
    engine = open_sqlite(tmp_path / "gallery.db", read_only=False, timeout=7.0)
    with engine.connect() as connection:
        assert connection.execute(text(f"PRAGMA {pragma}")).scalar() == wanted, why
    engine.dispose()


def test_a_reference_needs_its_item(gallery: Gallery, add: Add) -> None:
    [number] = add(gallery, "tea", 1)
    refused = pytest.raises(GalleryError, match=r"(?i)foreign key")
    with refused, gallery.write("test") as transaction:
        transaction.assign(number, 12345)


@pytest.mark.sqlite
def test_vectors_and_thumbnails_outlive_their_reference(
    gallery: Gallery, add: Add, tmp_path: Path
) -> None:
    [number] = add(gallery, "tea", 1)
    with gallery.write("remove") as transaction:
        transaction.remove([number])
    file = tmp_path / "gallery.db"
    assert query(file, "SELECT reference_id FROM embeddings") == [(number,)]
    assert query(file, "SELECT jpeg FROM thumbnails") == [(b"jpeg 1",)]
    with pytest.raises(ItemNotFound, match=f"no reference {number}"):
        gallery.thumbnail(number)


def test_an_interrupted_creation_is_completed(tmp_path: Path) -> None:
    # What is left when a process dies between making the file and committing the tables.
    (tmp_path / "gallery.db").touch()
    gallery = Gallery.open(tmp_path / "gallery.db", tmp_path)
    assert gallery.items() == []
    gallery.close()
