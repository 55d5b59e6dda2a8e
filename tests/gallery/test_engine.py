"""Failures of the database become sentences of their own kind."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from shitu.errors import GalleryError, GalleryLocked
from shitu.gallery.engine import open_sqlite, shown, translated, without_password
from shitu.gallery.gallery import Gallery

Add = Callable[..., list[int]]


def open_and_read(file: Path) -> int:
    gallery = Gallery.open(file, file.parent)
    try:
        return gallery.count()
    finally:
        gallery.close()


@pytest.mark.parametrize(
    ("content", "sentence", "why"),
    [
        (b"not a database at all" * 100, "is damaged .* build-index", "another kind of file"),
        (b"SQLite format 3\0" + b"\xff" * 4096, "is damaged .* build-index", "only the first line"),
    ],
)
def test_files_that_are_no_gallery(tmp_path: Path, content: bytes, sentence: str, why: str) -> None:
    file = tmp_path / "gallery.db"
    file.write_bytes(content)
    with pytest.raises(GalleryError, match=sentence):
        open_and_read(file)
    assert file.read_bytes() == content, why


def test_who_may_only_read_holds_the_log_before_the_first_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "gallery.db"
    writer = sqlite3.connect(file, timeout=0, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE item (label)")
    monkeypatch.setattr("shitu.gallery.engine.may_make_files", lambda folder: False)
    reader = open_sqlite(file, read_only=True, timeout=1)
    for _ in range(2):  # the first connection of an engine is begun otherwise than those after
        writer.execute("INSERT INTO item VALUES ('tea')")
        with reader.connect() as connection, connection.begin():
            assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 1
            connection.exec_driver_sql("SELECT * FROM item").all()
    assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    writer.close()
    reader.dispose()


def test_what_cannot_be_opened_is_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python would close it some time later, and Python 3.13 complains."""
    open_ones: set[int] = set()

    class Counted(sqlite3.Connection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            open_ones.add(id(self))

        def close(self) -> None:
            super().close()
            open_ones.discard(id(self))

    monkeypatch.setattr(
        "shitu.gallery.engine.sqlite3.connect", partial(sqlite3.connect, factory=Counted)
    )
    file = tmp_path / "gallery.db"
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(GalleryError, match="is damaged"):
        open_and_read(file)
    assert not open_ones


def test_a_gallery_with_a_hole_in_it(tmp_path: Path, add: Add) -> None:
    file = tmp_path / "gallery.db"
    gallery = Gallery.open(file, tmp_path)
    add(gallery, "tea", *range(1, 300))
    gallery.close()
    data = bytearray(file.read_bytes())
    data[4096:-4096] = b"\xa5" * (len(data) - 8192)
    file.write_bytes(data)
    with pytest.raises(GalleryError, match="damaged"):
        open_and_read(file)


def test_a_database_of_another_program(tmp_path: Path) -> None:
    file = tmp_path / "gallery.db"
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("CREATE TABLE meta (id INTEGER PRIMARY KEY, note TEXT)")
    connection.close()
    with pytest.raises(GalleryError, match="check that it is a gallery"):
        open_and_read(file)


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "gallery.db").mkdir()
    with pytest.raises(GalleryError, match="cannot be opened"):
        open_and_read(tmp_path / "gallery.db")


def test_a_file_in_the_place_of_the_folder(tmp_path: Path, add: Add) -> None:
    (tmp_path / "index").write_text("a file")
    gallery = Gallery.open(tmp_path / "index" / "gallery.db", tmp_path / "index")
    with pytest.raises(GalleryError, match="cannot be made"):
        add(gallery, "tea", 1)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("nonsense", "no database for a gallery"),
        ("nosuchdb://host/shop", "no database for a gallery"),
        ("mysql://me:secret@host/shop", "write sqlite:.* or postgresql:"),
        ("postgres://me:secret@host/shop", "write sqlite:.* or postgresql:"),
        ("postgresql://me:secret@host:port/shop", "no database for a gallery"),
        (" postgresql://me:secret@host/shop", "no database for a gallery"),
        ("host=here Password = 'secret' dbname=shop", "host=here .*no database for a gallery"),
        ("postgresql+nodriver://me:secret@host/shop", "check its URL"),
    ],
)
def test_urls_that_lead_nowhere(tmp_path: Path, url: str, sentence: str) -> None:
    with pytest.raises(GalleryError, match=sentence) as caught:
        Gallery.open(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_driver_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(GalleryError, match=r"pip install 'shitu\[postgresql\]'"):
        Gallery.open("postgresql://host/shop", tmp_path)


@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        ('character with byte sequence 0xe3 has no equivalent in encoding "LATIN1"', "UTF8"),
        ("bigint out of range", "no number so large"),
        ("canceling statement due to statement timeout", "more time by the server's"),
        (
            "terminating connection due to idle-in-transaction timeout",
            "more time by the server's `idle_in_transaction_session_timeout`",
        ),
        ("terminating connection due to administrator command", "cannot be reached"),
    ],
)
def test_what_a_server_says_is_told_with_the_next_step(why: str, sentence: str) -> None:
    with pytest.raises(GalleryError, match=sentence), translated("postgresql://host/shop"):
        raise DBAPIError("INSERT", {}, Exception(why))


def test_messages_do_not_tell_the_password() -> None:
    assert "secret" not in shown("postgresql://me:secret@host/shop")
    assert "secret" not in shown("postgresql://me@host/shop?password=secret")


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("postgresql://me:se%2Fcret@host:5433/my%20shop", "postgresql://me@host:5433/my%20shop"),
        (
            "postgresql://host/shop?password=secret&sslpassword=secret&options=-ca%3Db",
            "postgresql://host/shop?options=-ca%3Db",
        ),
        ("postgresql:///shop?host=/run", "postgresql:///shop?host=/run"),
        ("sqlite:////ä b/gallery.db", "sqlite:////ä b/gallery.db"),
        ("postgresql://me:secret@host:port/shop", "postgresql://***"),
    ],
)
def test_an_address_without_its_password_is_the_same_otherwise(url: str, bare: str) -> None:
    assert make_url(without_password(url)) == make_url(bare)  # SQLAlchemy 2.1 decodes the blank


def test_messages_stay_on_one_line() -> None:
    assert "\n" not in shown(Path("/shop\n2/gallery.db"))


@pytest.mark.parametrize(
    "name", ["a b", "50%", "what?", "a#b", "茶", "a\nb", "a&mode=ro", "é\udcff"]
)
def test_a_folder_may_be_called_anything(tmp_path: Path, add: Add, name: str) -> None:
    folder = tmp_path / name
    gallery = Gallery.open(folder / "gallery.db", folder)
    add(gallery, "tea", 1)
    gallery.close()
    assert (folder / "gallery.db").exists()
    assert open_and_read(folder / "gallery.db") == 1


def test_an_sqlite_url_is_as_good_as_a_path(tmp_path: Path, add: Add) -> None:
    gallery = Gallery.open(f"sqlite:///{tmp_path}/shop.db", tmp_path)
    add(gallery, "tea", 1)
    gallery.close()
    assert open_and_read(tmp_path / "shop.db") == 1


def test_who_waits_too_long_is_told_why(tmp_path: Path, add: Add) -> None:
    first = Gallery.open(tmp_path / "gallery.db", tmp_path)
    add(first, "tea", 1)
    second = Gallery.open(tmp_path / "gallery.db", tmp_path, timeout=0.1)
    with (
        first.write("slow"),
        # SQLite tells nobody that the disk has no locks at all.
        pytest.raises(
            GalleryLocked, match=r"locked by another process.*if there is none, its disk"
        ),
        second.write("quick"),
    ):
        pass
    first.close()
    second.close()


def test_a_second_writer_waits_for_the_first(tmp_path: Path, add: Add) -> None:
    first = Gallery.open(tmp_path / "gallery.db", tmp_path)
    add(first, "tea", 1)
    second = Gallery.open(tmp_path / "gallery.db", tmp_path)
    writing = threading.Thread(target=add, args=(second, "tea", 2))
    with first.write("slow"):
        writing.start()
        writing.join(0.2)
        assert writing.is_alive()
    writing.join(20)
    assert first.count() == 2
    first.close()
    second.close()


def test_a_writer_does_not_hold_up_readers(tmp_path: Path, add: Add) -> None:
    writer = Gallery.open(tmp_path / "gallery.db", tmp_path)
    add(writer, "tea", 1)
    reader = Gallery.open(tmp_path / "gallery.db", tmp_path, timeout=0)
    with writer.write("slow") as transaction:
        transaction.ensure_item("coffee")
        assert [item.label for item in reader.items()] == ["tea"]
    assert [item.label for item in reader.items()] == ["coffee", "tea"]
    writer.close()
    reader.close()


def test_a_file_stays_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    gallery = Gallery.open("sqlite:///shop.db", tmp_path)
    monkeypatch.chdir("elsewhere")
    with gallery.write("add") as transaction:
        transaction.ensure_item("tea")
    assert (tmp_path / "shop.db").exists()
    assert [item.label for item in gallery.items()] == ["tea"]
