"""Connecting to the database, and turning its failures into sentences."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from weakref import WeakSet

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from shitu._forking import before_fork, held_while_forking
from shitu.errors import GalleryError, GalleryLocked, IndexNotFound
from shitu.gallery.room import may_make_files
from shitu.images import display_path

WRITING = "shitu_writing"

_CONNECTED: WeakSet[Engine] = WeakSet()
_DIALLING = threading.RLock()  # whoever connects holds locks of SQLite's own


def _before_fork() -> None:
    # SQLite would take the locks of the parent for the child's own, and others might then delete
    # the log that the child writes. What another thread is using just now stays.
    for engine in list(_CONNECTED):
        engine.dispose()


before_fork(_before_fork)
held_while_forking(_DIALLING)

_SHARED = 1 << 15  # bytes of the file by which processes share a database in use
_PATIENCE = 2.0  # seconds that one without rights waits for a writer to come or go
_LIBPQ = ("psycopg", "psycopg2")  # drivers that take its parameters
_TURN = 0x5417  # what PostgreSQL knows the lock of all writers by
_SECRETS = ("password", "sslpassword")  # parameters in URLs for libpq

_DAMAGED = (
    "{where} is damaged ({why}): restore a copy of it, or move it away and run "
    "`shitu build-index` again"
)
_LOCKED = (
    "{where} has been locked by another process for too long: wait until that one is done, then "
    "try again"
)
_LOCKED_FILE = (
    f"{_LOCKED}; if there is none, its disk cannot lock files, as some network shares: put the "
    "gallery on another, or into PostgreSQL (`SHITU_DATABASE`)"
)
_FULL = (
    "the disk of {where} is full: free some space and run the command again; what was committed "
    "before is safe"
)
_FORBIDDEN = "{where} may not be used ({why}): ask for the right to read and write it"
_AWAY = "{where} cannot be reached ({why}): check its URL and that the server is running"
_SENTENCES = (
    ("locked", _LOCKED_FILE),
    ("locking protocol", _LOCKED_FILE),
    ("lock timeout", _LOCKED),
    ("full", _FULL),
    ("no space left", _FULL),
    ("connection to server", _AWAY),
    ("failed to resolve", _AWAY),
    ("closed the connection", _AWAY),
    (
        "idle-in-transaction timeout",
        "{where} gave up a change ({why}): allow it more time by the server's "
        "`idle_in_transaction_session_timeout`",
    ),
    ("terminating connection", _AWAY),
    ("connection is closed", _AWAY),
    ("connection is lost", _AWAY),
    ("permission denied", _FORBIDDEN),
    ("read-only transaction", _FORBIDDEN),
    (
        "statement timeout",
        "{where} gave up a query ({why}): allow it more time by the server's `statement_timeout`",
    ),
    (
        "no schema",
        "{where} has no place for tables ({why}): make the schema, or name another in its URL",
    ),
    ("out of range", "{where} has no number so large ({why}): name a smaller one"),
    (
        "has no equivalent in encoding",
        "{where} cannot keep all text ({why}): use a database made with the encoding UTF8",
    ),
    ("malformed", _DAMAGED),
    ("not a database", _DAMAGED),
    (
        "readonly",
        "{where} cannot be written ({why}): check the permissions of the file and its folder",
    ),
    ("unable to open", "{where} cannot be opened ({why}): check the path and its permissions"),
    (
        "disk i/o",
        "{where} could not be read or written ({why}): check the disk, the space left on it and, "
        "on a network share, that it can lock files, then run the command again",
    ),
)


def open_url(url: str, *, timeout: float) -> Engine:
    """Connect to PostgreSQL; nothing is opened before the first query."""
    parsed = _parsed(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    with translated(shown(url)):
        # Asked before it is used again: a server may have been restarted meanwhile. In UTF-8 even
        # of a database without an encoding, whose text would come as bytes.
        told = {"client_encoding": "utf8"} if parsed.get_driver_name() in _LIBPQ else {}
        engine = create_engine(parsed, pool_pre_ping=True, connect_args=told)
    _CONNECTED.add(engine)
    event.listen(engine, "begin", _take_turns(timeout))
    return engine


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):  # the latter of a port that is no number
        parsed = None
    # Others have no lock by which writers take turns, and some keep no text that is indexed.
    if parsed is None or parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise GalleryError(
            f"{shown(url)} is no database for a gallery: write sqlite:////folder/gallery.db or "
            "postgresql://user:password@host/database"
        )
    return parsed


def _take_turns(timeout: float) -> Callable[[Connection], None]:
    """Let writers wait for each other, before there is any table that they could lock."""

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITING, False):
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, int(timeout * 1000))}")
            connection.exec_driver_sql(
                f"SELECT pg_advisory_xact_lock({_TURN}, hashtext(current_schema()))"
            )

    return begin


def sqlite_file(url: str) -> Path | None:
    """Return the file behind an SQLite URL, or None for another database."""
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise GalleryError(f"{url} names no file: give the gallery a place on disk")
    return Path(parsed.database).absolute()  # connections come later, after a `chdir` too


def shown(where: Path | str) -> str:
    """Return how messages call a gallery: on one line, and without its password."""
    if isinstance(where, Path):
        return display_path(where)
    try:
        return make_url(where).difference_update_query(_SECRETS).render_as_string()
    except (SQLAlchemyError, ValueError):
        # A password may be anywhere in it; libpq takes `host=... password=...`, too.
        return re.sub("(?is)(?<=://).*|(?<=password).*", "***", where)


def without_password(url: str) -> str:
    """Return the URL of a database as it is, but for the passwords in it."""
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        return shown(url)
    if parsed.password is None and not parsed.query.keys() & set(_SECRETS):
        return url
    bare = URL.create(
        parsed.drivername,
        parsed.username,
        host=parsed.host,
        port=parsed.port,
        database=parsed.database,
        query=parsed.query,
    )
    return bare.difference_update_query(_SECRETS).render_as_string()


def no_gallery(where: str) -> IndexNotFound:
    """Return the error of a database without one."""
    return IndexNotFound(
        f"there is no gallery in the database {where}: check SHITU_DATABASE, or make one with "
        "`shitu build-index`"
    )


def open_sqlite(file: Path, *, read_only: bool, timeout: float) -> Engine:
    """Connect to a file: WAL, foreign keys on, waiting up to `timeout` seconds for a writer."""

    def dial() -> sqlite3.Connection:
        return _dial(file, read_only=read_only, timeout=timeout)

    def look() -> sqlite3.Connection:
        deadline = time.monotonic() + min(timeout, _PATIENCE)
        while True:
            connection = dial()
            try:
                _hold(connection)
            except sqlite3.OperationalError:
                connection.close()
                # The log came or went between the question for it and the answer.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return connection

    if read_only and not may_make_files(file.parent):
        # Somebody with more rights may write after all: ask anew each time, keep nothing open.
        engine = create_engine("sqlite://", creator=look, poolclass=NullPool)
        event.listen(engine, "begin", _go_on)
    else:
        engine = create_engine("sqlite://", creator=dial, poolclass=QueuePool, max_overflow=-1)
        event.listen(engine, "begin", _begin)
    _CONNECTED.add(engine)
    return engine


def _dial(file: Path, *, read_only: bool, timeout: float) -> sqlite3.Connection:
    mode = "mode=rwc"
    if read_only:
        mode = "mode=ro&immutable=1" if _frozen(file) else "mode=ro"
    # A URI of raw bytes, so that a folder may be called anything at all.
    uri = f"file:{quote(os.fsencode(file.absolute()))}?{mode}"
    with _DIALLING:
        connection = sqlite3.connect(
            uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
        )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        if not read_only:
            _prefer_wal(connection, timeout)
            # Not NORMAL: that may forget the last commits when the power goes, and the index
            # on disk would then claim generations which are about to happen a second time.
            connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def open_blank() -> Engine:
    """Connect to an empty database in memory: what a gallery is before there is anything in it."""
    # Without transactions: nothing changes in there, and an interrupted one would never end.
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False),
        poolclass=StaticPool,
    )


def shrink_sqlite(engine: Engine, where: str) -> int:
    """Give the space of deleted rows back to the disk; returns the bytes freed.

    Raises:
        GalleryLocked: another process was busy for too long.
        GalleryError: the disk is full.
    """
    pooled = engine.raw_connection()
    try:
        raw = pooled.driver_connection
        assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - the caller knows its database
        before = _size(raw)
        raw.execute("VACUUM")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return before - _size(raw)
    except sqlite3.Error as error:
        raise _explain(where, str(error)) from error
    finally:
        pooled.close()


def _size(connection: sqlite3.Connection) -> int:
    pages, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "page_size")
    )
    return pages * size


def _begin(connection: Connection) -> None:
    # Taking the write lock at the start is what lets a second writer wait instead of failing.
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _go_on(connection: Connection) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - its engine made it
    if not raw.in_transaction:  # SQLAlchemy ends that of the first connection, and transactions
        _hold(raw)


def _hold(connection: sqlite3.Connection) -> None:
    """Begin to read: until the end of the transaction no writer takes the log away."""
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM sqlite_master").fetchone()


def _prefer_wal(connection: sqlite3.Connection, timeout: float) -> None:
    # Two processes that create one file at once may fail here without any waiting.
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _frozen(file: Path) -> bool:
    """Whether nobody can be writing here: no log, and a folder in which none can be made."""
    if may_make_files(file.parent):
        return False
    wal, shared = (file.with_name(file.name + ending) for ending in ("-wal", "-shm"))
    # Where the disk is full, those who tried left an empty one, and too little to share.
    return not wal.exists() or (_length(wal) == 0 and _length(shared) < _SHARED)


def _length(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Let no error of the database layer through as itself."""
    try:
        yield
    except DBAPIError as error:
        why = " ".join(str(error.orig).split())
        raise _explain(where, why) from error
    except OverflowError as error:  # SQLite has 64 bits for a number
        raise GalleryError(f"{where} has no number so large: name a smaller one") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:  # of a value that was read
        why = " ".join(str(error).split())
        raise GalleryError(_DAMAGED.format(where=where, why=why)) from error
    except ImportError as error:
        raise GalleryError(
            f"the gallery {where} cannot be used ({error}): install the driver, by default "
            "`pip install 'shitu[postgresql]'`"
        ) from error
    except SQLAlchemyError as error:
        raise GalleryError(
            f"the gallery {where} cannot be used ({error}): check its URL"
        ) from error


def _explain(where: str, why: str) -> GalleryError:
    for fragment, sentence in _SENTENCES:
        if fragment in why.lower():
            kind = GalleryLocked if sentence in (_LOCKED, _LOCKED_FILE) else GalleryError
            return kind(sentence.format(where=where, why=why))
    return GalleryError(f"{where} refused the query ({why}): check that it is a gallery of shitu")
