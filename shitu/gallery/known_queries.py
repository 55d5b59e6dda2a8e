"""Pictures whose answer is known: rejected matches and golden queries, their rows and vectors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Select, Table, delete, func, insert, select, update

from shitu.gallery.history import now
from shitu.gallery.journal import Journal
from shitu.gallery.known_rows import KNOWN, KNOWN_KEYS, read_known_rows, stored_values
from shitu.gallery.past import Row
from shitu.gallery.records import Space
from shitu.gallery.tables import golden_queries, items, queries, query_vectors, rejections, spaces

_SOME = 500

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rejection:
    """A match that was said to be wrong.

    Attributes:
        label: of the item, None while there is no such item.
        vector: unit (dim,) of the query in the space asked for; None where it has none in it.
        radius: cosine from which on another query is in its neighbourhood.
    """

    rejection_id: int
    query_id: int
    item_id: int
    label: str | None
    recognition_id: int | None
    at: str
    vector: Vector | None
    radius: float


@dataclass(frozen=True, eq=False)
class GoldenQuery:
    """A picture that has to be answered in one way.

    Attributes:
        item_id: of the right answer; None: unknown is right.
        label: of the item, None while there is no such item.
        path: where the picture came from.
        vector: unit (dim,) in the space asked for; None where it has none in it.
    """

    golden_id: int
    query_id: int
    item_id: int | None
    label: str | None
    path: str
    at: str
    vector: Vector | None

    @property
    def expected(self) -> str:
        """The right answer in words."""
        if self.item_id is None:
            return "unknown"
        return self.label if self.label is not None else f"item {self.item_id}, which is gone"


class KnownQueries:
    """Reads them over one connection; all that it returns is of one state of the gallery."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def counts(self) -> tuple[int, int]:
        """Return how many rejections and golden queries there are."""
        tables = (rejections, golden_queries)
        found = (select(func.count()).select_from(table) for table in tables)
        first, second = (int(self._connection.execute(query).scalar_one()) for query in found)
        return first, second

    def rejections(self, space: Space | None) -> list[Rejection]:
        """Return all rejections, by id."""
        rows = self._connection.execute(self._with_vectors(rejections, space)).all()
        return [
            Rejection(
                rejection_id=row.rejection_id,
                query_id=row.query_id,
                item_id=row.item_id,
                label=row.label,
                recognition_id=row.recognition_id,
                at=row.at,
                vector=_vector(row.vector, space),
                radius=1.0 if row.radius is None else row.radius,
            )
            for row in rows
        ]

    def golden(self, space: Space | None) -> list[GoldenQuery]:
        """Return all golden queries, by id."""
        rows = self._connection.execute(self._with_vectors(golden_queries, space)).all()
        return [
            GoldenQuery(
                golden_id=row.golden_id,
                query_id=row.query_id,
                item_id=row.item_id,
                label=row.label,
                path=row.path,
                at=row.at,
                vector=_vector(row.vector, space),
            )
            for row in rows
        ]

    def picture(self, query_id: int) -> bytes | None:
        """Return the JPEG that was looked up, None if there is none."""
        query = select(queries.c.jpeg).where(queries.c.query_id == query_id)
        jpeg = self._connection.execute(query).scalar()
        return None if jpeg is None else bytes(jpeg)

    def lacking(self, space: Space) -> list[int]:
        """Return the queries in use that have no vector in a space, ascending."""
        have = (
            select(query_vectors.c.query_id)
            .join(spaces, spaces.c.space_id == query_vectors.c.space_id)
            .where(spaces.c.fingerprint == space.fingerprint)
        )
        used = select(rejections.c.query_id).union(select(golden_queries.c.query_id))
        there = set(self._connection.execute(have).scalars())
        return sorted(set(self._connection.execute(used).scalars()) - there)

    def missing(self, query_ids: Collection[int]) -> set[int]:
        """Return those queries whose pictures have been forgotten."""
        there: set[int] = set()
        for some in _chunks(query_ids):
            query = select(queries.c.query_id).where(queries.c.query_id.in_(some))
            there.update(self._connection.execute(query).scalars())
        return set(query_ids) - there

    def items_of(self, query_id: int) -> list[int]:
        """Return the items that are rejected for a query."""
        query = select(rejections.c.item_id).where(rejections.c.query_id == query_id)
        return list(self._connection.execute(query).scalars())

    def _with_vectors(self, table: Table, space: Space | None) -> Select[Any]:
        wanted = "" if space is None else space.fingerprint
        vectors = (
            select(query_vectors.c.query_id, query_vectors.c.vector, query_vectors.c.radius)
            .join(spaces, spaces.c.space_id == query_vectors.c.space_id)
            .where(spaces.c.fingerprint == wanted)
            .subquery()
        )
        key = KNOWN_KEYS[table.name]
        return (
            select(table, items.c.label, vectors.c.vector, vectors.c.radius)
            .outerjoin(items, items.c.item_id == table.c.item_id)
            .outerjoin(vectors, vectors.c.query_id == table.c.query_id)
            .order_by(table.c[key])
        )


class KnownQueriesWriter(KnownQueries):
    """Changes them inside a transaction; the log bears the rows, not pictures and vectors."""

    def __init__(self, connection: Connection, journal: Journal) -> None:
        super().__init__(connection)
        self._journal = journal

    def keep(self, jpeg: bytes, query_id: int | None = None) -> int:
        """Keep a picture, under an id that is free if one is named; returns the id of the query."""
        values = {"jpeg": jpeg} if query_id is None else {"jpeg": jpeg, "query_id": query_id}
        key = self._connection.execute(insert(queries).values(values)).inserted_primary_key
        return int(key[0]) if key else 0

    def put_vector(
        self, query_id: int, space_id: int, vector: Vector, radius: float | None = None
    ) -> None:
        """Keep the vector of a query in a space, in place of an older one."""
        v = query_vectors.c
        mine = (v.query_id == query_id) & (v.space_id == space_id)
        self._connection.execute(delete(query_vectors).where(mine))
        data = np.asarray(vector, "<f4").tobytes()
        values = {"query_id": query_id, "space_id": space_id, "vector": data, "radius": radius}
        self._connection.execute(insert(query_vectors).values(values))

    def reject(self, query_id: int, item_id: int, recognition_id: int | None) -> int:
        """Note that an item is no answer to a query; returns the id of the rejection."""
        values = {"query_id": query_id, "item_id": item_id, "recognition_id": recognition_id}
        return self.bring("rejections", {**values, "at": now()})

    def demand(self, query_id: int, item_id: int | None, path: str) -> int:
        """Note the right answer to a query (None: unknown); returns the id of the golden query."""
        values = {"query_id": query_id, "item_id": item_id, "path": path, "at": now()}
        return self.bring("golden_queries", values)

    def bring(self, kind: str, values: Mapping[str, Any]) -> int:
        """Add a rejection or golden query as it is; its id may be among the values."""
        key = self._connection.execute(insert(KNOWN[kind]).values(values)).inserted_primary_key
        number = int(key[0]) if key else 0
        self._journal.known_after(kind, [number])
        return number

    def drop(self, kind: str, numbers: Collection[int]) -> None:
        """Remove rejections or golden queries; pictures and vectors stay for an undo."""
        self._journal.known_before(kind, numbers)
        table = KNOWN[kind]
        for some in _chunks(numbers):
            where = table.c[KNOWN_KEYS[kind]].in_(some)
            self._connection.execute(delete(table).where(where))

    def follow(self, heirs: Mapping[int, int]) -> None:
        """Let rows of items that were merged into others speak of those."""
        for kind, table in KNOWN.items():
            for item_id, heir in heirs.items():
                mine = table.c.item_id == item_id
                key = select(table.c[KNOWN_KEYS[kind]]).where(mine)
                numbers = list(self._connection.execute(key).scalars())
                if numbers:
                    self._journal.known_before(kind, numbers)
                    self._connection.execute(update(table).where(mine).values(item_id=heir))
                    self._journal.known_after(kind, numbers)

    def rows(self, kind: str, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return rows as they stand in the log, by id."""
        return read_known_rows(self._connection, kind, numbers)

    def restore(self, kind: str, rows: Mapping[int, Row | None]) -> None:
        """Make rows what they were; None removes them."""
        table, key = KNOWN[kind], KNOWN_KEYS[kind]
        self._journal.known_before(kind, list(rows))
        for some in _chunks(rows):
            self._connection.execute(delete(table).where(table.c[key].in_(some)))
        back = [stored_values(kind, row) for row in rows.values() if row is not None]
        if back:
            self._connection.execute(insert(table), back)
        self._journal.known_after(kind, list(rows))


def forget_queries(connection: Connection, kept: Collection[int]) -> tuple[int, int]:
    """Delete pictures and vectors of queries that nothing uses, but those kept.

    Returns how many, and the bytes of their pictures.
    """
    used = select(rejections.c.query_id).union(select(golden_queries.c.query_id))
    there = set(connection.execute(select(queries.c.query_id)).scalars())
    gone = sorted(there - set(connection.execute(used).scalars()) - set(kept))
    size = 0
    for some in _chunks(gone):
        mine = queries.c.query_id.in_(some)
        found = connection.execute(select(func.sum(func.length(queries.c.jpeg))).where(mine))
        size += int(found.scalar() or 0)
        connection.execute(delete(query_vectors).where(query_vectors.c.query_id.in_(some)))
        connection.execute(delete(queries).where(mine))
    return len(gone), size


def _vector(data: bytes | None, space: Space | None) -> Vector | None:
    if data is None or space is None or len(data) != 4 * space.dim:
        return None
    return np.frombuffer(data, "<f4").astype(np.float32)


def _chunks(values: Iterable[int] | Sequence[int]) -> Iterator[list[int]]:
    rest = iter(values)
    while some := list(islice(rest, _SOME)):
        yield some
