"""A change that is not committed yet, as whoever judges it has to see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from shitu.gallery import history
from shitu.gallery.journal import Journal
from shitu.gallery.known_queries import KnownQueries
from shitu.gallery.reading import (
    VARIABLES,
    Vectors,
    read_references,
    read_vectors,
    read_vectors_in_blocks,
)
from shitu.gallery.records import Head, Reference, Space
from shitu.gallery.roots import Roots
from shitu.gallery.tables import item_references, items, spaces, thumbnails


@dataclass(frozen=True)
class Touched:
    """What a change did to references.

    Attributes:
        came, gone: ids.
        moved: those which belong to another item now.
    """

    came: set[int]
    gone: set[int]
    moved: set[int]


class Pending:
    """Reads the gallery as it will be."""

    def __init__(self, connection: Connection, journal: Journal, roots: Roots) -> None:
        self._connection = connection
        self._roots = roots
        self._before, self._after = journal.sides()

    @property
    def head(self) -> Head:
        """The state that the commit leads to."""
        return history.head(self._connection)

    @property
    def kinds(self) -> set[str]:
        """What the change is about, as in the log."""
        return {*self._before, *self._after}

    def touched(self) -> Touched:
        """Return what came and what went."""
        key = "reference_id"
        before = {row[key]: row["item_id"] for row in self._before.get("references", ())}
        after = {row[key]: row["item_id"] for row in self._after.get("references", ())}
        both = before.keys() & after.keys()
        return Touched(
            came=set(after) - set(before),
            gone=set(before) - set(after),
            moved={number for number in both if before[number] != after[number]},
        )

    def space(self) -> Space | None:
        """Return the space in use."""
        row = self._connection.execute(select(spaces).where(spaces.c.active)).first()
        return None if row is None else Space(row.fingerprint, row.dim, row.description)

    def setting(self, key: str) -> str | None:
        """Return what was learnt from the gallery; see `Gallery.setting`."""
        return history.get_meta(self._connection, key)

    def known(self) -> KnownQueries:
        """Rejections and golden queries."""
        return KnownQueries(self._connection)

    def vectors(self, space: Space, wanted: set[int]) -> Vectors:
        """Return ids, ascending, and vectors (n, dim) of references."""
        return read_vectors(self._connection, space, wanted)

    def all_vectors(self, space: Space) -> Iterator[Vectors]:
        """Yield ids, ascending, and vectors (n, dim) of all references, some at a time."""
        yield from read_vectors_in_blocks(self._connection, space)

    def references(self, reference_ids: Collection[int]) -> dict[int, Reference]:
        """Return what is known of these references; those that are gone are missing."""
        number = item_references.c.reference_id
        found: dict[int, Reference] = {}
        for some in _chunks(reference_ids):
            rows = read_references(self._connection, self._roots, number.in_(some))
            found.update((reference.reference_id, reference) for reference in rows)
        return found

    def thumbnails(self, reference_ids: Collection[int]) -> dict[int, bytes]:
        """Return the thumbnails of references by id, as far as there are any."""
        query = select(thumbnails.c.reference_id, thumbnails.c.jpeg)
        found: dict[int, bytes] = {}
        for some in _chunks(reference_ids):
            rows = self._connection.execute(query.where(thumbnails.c.reference_id.in_(some)))
            found.update((row[0], bytes(row[1])) for row in rows)
        return found

    def items_of(self, reference_ids: Collection[int]) -> dict[int, int]:
        """Return the item of each reference, as far as there is one."""
        return read_items_of(self._connection, reference_ids)

    def members_of(self, item_ids: Collection[int]) -> dict[int, npt.NDArray[np.int64]]:
        """Return the ids, ascending, of the references of each item that has any."""
        return read_members_of(self._connection, item_ids)

    def labels_of(self, item_ids: Collection[int]) -> dict[int, str]:
        """Return the labels of some items."""
        return read_labels_of(self._connection, item_ids)

    def ids_of(self, item_ids: Collection[int]) -> npt.NDArray[np.int64]:
        """Return the ids, ascending, of the references of some items."""
        return read_ids_of(self._connection, item_ids)


def read_labels_of(connection: Connection, item_ids: Collection[int]) -> dict[int, str]:
    """Return the labels of some items, as far as there are such."""
    query = select(items.c.item_id, items.c.label).where(items.c.item_id.in_(list(item_ids)))
    return {row[0]: row[1] for row in connection.execute(query)}


def read_items_of(connection: Connection, reference_ids: Collection[int]) -> dict[int, int]:
    """Return the item of each reference, as far as there is one."""
    r, wanted = item_references.c, list(reference_ids)
    found: dict[int, int] = {}
    for start in range(0, len(wanted), VARIABLES):
        some = r.reference_id.in_(wanted[start : start + VARIABLES])
        rows = connection.execute(select(r.reference_id, r.item_id).where(some))
        found.update((row[0], row[1]) for row in rows)
    return found


def read_ids_of(connection: Connection, item_ids: Collection[int]) -> npt.NDArray[np.int64]:
    """Return the ids, ascending, of the references of some items."""
    found = read_members_of(connection, item_ids).values()
    return np.sort(np.concatenate([np.empty(0, np.int64), *found]))


def read_members_of(
    connection: Connection, item_ids: Collection[int]
) -> dict[int, npt.NDArray[np.int64]]:
    """Return the ids, ascending, of the references of each item that has any."""
    r, found = item_references.c, defaultdict[int, list[int]](list)
    for some in _chunks(item_ids):
        query = select(r.item_id, r.reference_id).where(r.item_id.in_(some))
        for item, reference in connection.execute(query):
            found[item].append(reference)
    return {item: np.array(sorted(ids), np.int64) for item, ids in found.items()}


def _chunks(numbers: Collection[int]) -> Iterator[list[int]]:
    wanted = list(numbers)
    for start in range(0, len(wanted), VARIABLES):
        yield wanted[start : start + VARIABLES]
