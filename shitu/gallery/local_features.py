"""What was computed of the pictures of references for geometric checks: a cache beside the rows.

It is no part of the gallery's state: writing it makes no generation, and nobody waits for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Select, Table, delete, insert, select

from shitu.gallery.gallery import Gallery
from shitu.gallery.reading import VARIABLES
from shitu.gallery.tables import local_features, thumbnails

_PATIENCE = 0.2  # seconds that a cache may wait for whoever is writing something that counts


def read_features(gallery: Gallery, wanted: Mapping[int, str]) -> dict[int, bytes]:
    """Return what is kept of references, as far as it is of the fingerprint wanted by id."""
    columns = (local_features.c.reference_id, local_features.c.fingerprint)
    query = select(*columns, local_features.c.features)
    with gallery.snapshot() as (connection, _):
        return {
            number: bytes(data)
            for number, mark, data in _rows(connection, local_features, query, wanted)
            if mark == wanted[number]
        }


def keep_features(gallery: Gallery, found: Mapping[int, tuple[str, bytes]]) -> None:
    """Keep fingerprint and features of references, instead of those there are.

    Raises:
        GalleryError: it cannot be written, or another process is writing; nothing is lost.
    """
    if not found:
        return
    with gallery.connected() as engine, _impatient(engine) as connection, connection.begin():
        for some in _chunks(found):
            theirs = local_features.c.reference_id.in_(some)
            connection.execute(delete(local_features).where(theirs))
        rows = [
            {"reference_id": number, "fingerprint": mark, "features": data}
            for number, (mark, data) in found.items()
        ]
        connection.execute(insert(local_features), rows)


def read_thumbnails(gallery: Gallery, wanted: Iterable[int]) -> dict[int, bytes]:
    """Return the thumbnails of references by id, even of removed ones, as far as there are any."""
    query = select(thumbnails.c.reference_id, thumbnails.c.jpeg)
    with gallery.snapshot() as (connection, _):
        rows = _rows(connection, thumbnails, query, wanted)
        return {number: bytes(jpeg) for number, jpeg in rows}


def _rows(
    connection: Connection, table: Table, query: Select[Any], wanted: Iterable[int]
) -> Iterator[Any]:
    for some in _chunks(wanted):
        yield from connection.execute(query.where(table.c.reference_id.in_(some)))


@contextmanager
def _impatient(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        if not isinstance(raw, sqlite3.Connection):
            yield connection
            return
        patience = raw.execute("PRAGMA busy_timeout").fetchone()[0]
        raw.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")
        try:
            yield connection
        finally:
            raw.execute(f"PRAGMA busy_timeout = {int(patience)}")


def _chunks(values: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(values)
    while some := list(islice(rest, VARIABLES)):
        yield some
