"""The portable file: a gallery in one SQLite file, summed up so that damage is seen.

It is read with the standard library alone and trusted in nothing: what is in it is checked before
the first row is used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shitu.errors import GalleryError
from shitu.gallery.passes import Passes
from shitu.gallery.portable_tables import FORMAT, OF_REFERENCES, TABLES, WRONG, statements
from shitu.images import display_path
from shitu.images.writing import sync_folder

APPLICATION_ID = 0x73687475  # "shtu"
_HALF = ".shitu-export-"  # how files that are being written are called
_HOUR = 3600


def _nothing() -> None:
    pass


@contextlib.contextmanager
def creating(target: Path, summed: Callable[[], None] = _nothing) -> Iterator[sqlite3.Connection]:
    """Write a new file beside the target, then put it in its place, whole or not at all.

    Args:
        summed: called for each row of a reference that is summed up in the end.

    Raises:
        GalleryError: it cannot be written, or the target is something else than such a file.
    """
    temporary = target.with_name(f"{_HALF}{secrets.token_hex(8)}")
    try:
        _refuse_to_overwrite(target)
        _sweep(target.parent)
        with contextlib.closing(_connect(temporary, "rwc")) as connection:
            # A journal would only serve a file that is thrown away if anything goes wrong.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("BEGIN")
            for statement in statements(FORMAT).values():
                connection.execute(statement)
            yield connection
            _put_meta(connection, "checksum", _checksum(connection, FORMAT, summed))
            connection.execute("COMMIT")
        _settle(temporary, target)
    except (OSError, sqlite3.Error) as error:
        raise GalleryError(
            f"{display_path(target)} cannot be written ({getattr(error, 'strerror', error)}): "
            "check the disk and the permissions of the folder; nothing is left of the attempt"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it may never have been there
            temporary.unlink()


def _refuse_to_overwrite(target: Path) -> None:
    if not target.exists():
        return
    head = b""
    with contextlib.suppress(OSError):
        if target.is_file():  # reading a pipe would wait for ever
            with target.open("rb") as file:
                head = file.read(72)
    if head[68:] != APPLICATION_ID.to_bytes(4, "big"):
        raise GalleryError(
            f"{display_path(target)} is there and is no exported gallery: name another file"
        )


def _sweep(folder: Path) -> None:
    """Remove what killed exports left half written, long enough ago to be sure of it."""
    for left in folder.glob(f"{_HALF}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _HOUR:
                left.unlink()


def _settle(temporary: Path, target: Path) -> None:
    with temporary.open("r+b") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
    sync_folder(target.parent)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def put_meta(connection: sqlite3.Connection, values: dict[str, Any]) -> None:
    """Note facts about the export, as JSON."""
    for key, value in values.items():
        _put_meta(connection, key, value)


def _put_meta(connection: sqlite3.Connection, key: str, value: Any) -> None:
    connection.execute("INSERT INTO meta VALUES (?, ?)", (key, json.dumps(value)))


def _checksum(
    connection: sqlite3.Connection, version: int, summed: Callable[[], None] = _nothing
) -> str:
    """Sum up all rows of all tables of a format but the sum itself."""
    total = hashlib.sha256()
    for name in sorted(TABLES[version]):
        tell = summed if name in OF_REFERENCES else _nothing
        total.update(name.encode())
        where = "WHERE key != 'checksum'" if name == "meta" else ""
        for row in connection.execute(f"SELECT * FROM {name} {where} ORDER BY 1"):  # noqa: S608
            for value in row:
                data = value if isinstance(value, bytes) else repr(value).encode()
                total.update(b"%s %d " % (type(value).__name__.encode(), len(data)))
                total.update(data)
            tell()
    return total.hexdigest()


class PortableFile:
    """An exported gallery, checked from end to end; see `opened`.

    Attributes:
        format: of its tables.
        meta: the facts about the export.
        passes: of its references: the check, and those that are to come.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        more: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._connection = connection
        self._called = display_path(path)
        self.format = self._check_kind()
        self._check_size(path)
        self._check_tables()
        tables = sum(self.count(name) > 0 for name in OF_REFERENCES)
        self.passes = Passes(self.count("refs"), tables + more, progress)
        self.meta: dict[str, Any] = {
            key: json.loads(value) for key, value in self.rows("SELECT key, value FROM meta")
        }
        if self.meta.get("checksum") != _checksum(connection, self.format, self.passes.met):
            raise self._damaged("its checksum does not fit")
        for what, query in WRONG[self.format].items():
            if connection.execute(f"{query} LIMIT 1").fetchone():
                raise self._damaged(what)

    def rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield what a query finds, row by row.

        Raises:
            GalleryError: the file cannot be read any more.
        """
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def count(self, table: str) -> int:
        """Return the number of rows."""
        return int(next(self.rows(f"SELECT count(*) FROM {table}"))[0])  # noqa: S608

    def _check_kind(self) -> int:
        (kind,) = self._connection.execute("PRAGMA application_id").fetchone()
        if kind != APPLICATION_ID:
            raise GalleryError(
                f"{self._called} is no exported gallery: `shitu export-gallery` makes one"
            )
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise GalleryError(
                f"{self._called} was exported by a later version of shitu (format {version}, this "
                f"one knows {FORMAT}): upgrade shitu to import it"
            )
        if version not in TABLES:
            raise self._damaged(f"there is no format {version}")
        return int(version)

    def _check_size(self, path: Path) -> None:
        # What is cut off may have been empty, but that is for no reader to decide.
        sizes = (self._connection.execute(f"PRAGMA page_{one}") for one in ("count", "size"))
        count, size = (row[0] for found in sizes for row in found)
        if path.stat().st_size != count * size:
            raise self._damaged("it is not as long as it says")

    def _check_tables(self) -> None:
        # To the letter: a view or trigger could do anything in the name of a table.
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        if dict(self._connection.execute(query)) != statements(self.format):
            raise self._damaged("its tables are not those of an export")

    def _damaged(self, why: object) -> GalleryError:
        return GalleryError(
            f"{self._called} is damaged ({why}): export the gallery again, or fetch the file once "
            "more; nothing was imported"
        )


@contextlib.contextmanager
def opened(
    path: Path, more: int = 0, progress: Callable[[int, int], None] | None = None
) -> Iterator[PortableFile]:
    """Open an exported gallery and check all of it.

    Args:
        more: how often its references are met after the check.
        progress: told the number of references done so far, and the total.

    Raises:
        GalleryError: it is missing, damaged, of a later version, or something else.
    """
    called = display_path(path)
    try:
        with path.open("rb") as file:
            whole = file.read(16) == b"SQLite format 3\0"
    except OSError as error:
        raise GalleryError(
            f"{called} cannot be read ({error.strerror}): name a file that `shitu export-gallery` "
            "made"
        ) from error
    if not whole:
        raise GalleryError(f"{called} is no exported gallery: `shitu export-gallery` makes one")
    try:
        # Immutable: not even a lock file is made beside it.
        with contextlib.closing(_connect(path, "ro&immutable=1")) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            yield PortableFile(connection, path, more, progress)
    except (sqlite3.Error, ValueError) as error:
        raise GalleryError(
            f"{called} is damaged ({error}): export the gallery again, or fetch the file once "
            "more; nothing was imported"
        ) from error
