"""Forgetting for good what removed references left behind: their vectors and thumbnails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, Table, delete, func, select

from shitu.errors import GalleryError
from shitu.gallery import history
from shitu.gallery.crops import forget_crops
from shitu.gallery.known_queries import forget_queries
from shitu.gallery.moments import Moment
from shitu.gallery.past import KNOWN_QUERIES, pairs
from shitu.gallery.reading import VARIABLES
from shitu.gallery.tables import (
    changes,
    embeddings,
    item_references,
    local_features,
    thumbnails,
)


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten.

    Attributes:
        before: what was removed in this generation or a later one is kept.
        references: how many were forgotten.
        queries: how many pictures of rejections and golden queries were, that were taken back.
        size: bytes of their vectors and pictures.
    """

    before: int
    references: int
    queries: int
    size: int


def first_kept(connection: Connection, moment: Moment) -> int:
    """Return the generation from which on removed references are kept.

    Of a date it is the one after the last that was made before it: where the clock was wrong for a
    while, rather too much is kept.

    Raises:
        GalleryError: there is no such generation.
    """
    end = history.head(connection).generation + 1
    if moment.generation is not None:
        if not 1 <= moment.generation <= end:
            raise GalleryError(
                f"there is no generation {moment.generation}: give 1 to {end}, see `shitu history`"
            )
        return moment.generation
    query = select(changes.c.generation, changes.c.at).order_by(changes.c.generation)
    first, latest = 1, ""
    for generation, at in connection.execute(query):
        # One that claims to be older than those before it was made nobody knows when.
        if latest <= at < moment.start:
            first = generation + 1
        latest = max(latest, at)
    return first


def forget(connection: Connection, before: int) -> Forgotten:
    """Delete what is left of references that were removed before a generation."""
    alive = set(connection.execute(select(item_references.c.reference_id)).scalars())
    left: set[int] = set()
    for table in (embeddings, thumbnails):
        left |= set(connection.execute(select(table.c.reference_id).distinct()).scalars())
    kept = alive | _removed_since(connection, before)
    gone = sorted(left - kept)
    size = 0
    for some in _chunks(gone):
        size += _delete(connection, embeddings, "vector", some)
        size += _delete(connection, thumbnails, "jpeg", some)
    forget_crops(connection, gone)
    _forget_features(connection, kept)
    queries, more = forget_queries(connection, _queries_since(connection, before))
    return Forgotten(before, len(gone), queries, size + more)


def _forget_features(connection: Connection, kept: set[int]) -> None:
    """A cache: nobody is told how much of it went."""
    number = local_features.c.reference_id
    there = set(connection.execute(select(number)).scalars())
    for some in _chunks(sorted(there - kept)):
        connection.execute(delete(local_features).where(number.in_(some)))


def _removed_since(connection: Connection, generation: int) -> set[int]:
    return {
        number
        for change in history.read_changes(connection, generation - 1)
        for number, was, became in pairs(change, "references")
        if was is not None and became is None
    }


def _queries_since(connection: Connection, generation: int) -> set[int]:
    """Queries of rejections and golden queries that were removed since."""
    return {
        was["query_id"]
        for change in history.read_changes(connection, generation - 1)
        for kind in KNOWN_QUERIES
        for _, was, _ in pairs(change, kind)
        if was is not None
    }


def _delete(connection: Connection, table: Table, column: str, some: list[int]) -> int:
    theirs = table.c.reference_id.in_(some)
    size = select(func.sum(func.length(table.c[column]))).where(theirs)
    found = int(connection.execute(size).scalar() or 0)
    connection.execute(delete(table).where(theirs))
    return found


def _chunks(values: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(values)
    while some := list(islice(rest, VARIABLES)):
        yield some
