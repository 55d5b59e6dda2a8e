"""Reads every row of a gallery again and says which of them do not fit together; changes none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from shitu.gallery import history
from shitu.gallery.records import FileState, Head, Space
from shitu.gallery.replay import Replay
from shitu.gallery.roots import Roots
from shitu.gallery.tables import (
    changes,
    embeddings,
    golden_queries,
    item_references,
    items,
    query_vectors,
    rejections,
    spaces,
    thumbnails,
)
from shitu.gallery.vectors import damage

_BLOCK = 500
_AGAIN = "remove it with `shitu remove-item --reference {0}` and add its picture again"

_QUERIES = (
    (rejections, "rejection_id", "rejection"),
    (golden_queries, "golden_id", "golden query"),
)

Vectors = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class StoredFile:
    """A picture as the gallery remembers it."""

    reference_id: int
    path: str  # absolute
    sha256: str
    state: FileState


class Audit:
    """One consistent state of a gallery, gone through table by table.

    Every method that checks returns sentences, each naming the rows and the next step.

    Attributes:
        head: the state that all of it is about.
        space: of the vectors in use, None where there are none.
    """

    def __init__(self, connection: Connection, roots: Roots) -> None:
        self._connection = connection
        self._roots = roots
        self.head: Head = history.head(connection)
        number, item = item_references.c.reference_id, item_references.c.item_id
        rows = connection.execute(select(number, item, item_references.c.sha256).order_by(number))
        self._rows = {row[0]: (row[1], row[2]) for row in rows}
        active = connection.execute(select(spaces).where(spaces.c.active)).all()
        self._active = [(row.space_id, Space(row.fingerprint, row.dim)) for row in active]

    @property
    def space(self) -> Space | None:
        """The space of the vectors in use."""
        return self._active[0][1] if self._active else None

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Ids of all references, ascending."""
        return np.fromiter(self._rows, np.int64, len(self._rows))

    def name(self, reference_id: int) -> str:
        """Return how sentences call a reference: by its id, label and picture."""
        query = (
            select(items.c.label, item_references.c.path)
            .select_from(item_references)
            .outerjoin(items)
            .where(item_references.c.reference_id == reference_id)
        )
        row = self._connection.execute(query).first()
        return f"reference {reference_id}" + (f" ({row.label!r}, {row.path})" if row else "")

    # --- the file ----------------------------------------------------------------------

    def database(self) -> list[str]:
        """Ask the database itself; only SQLite has an answer."""
        if self._connection.dialect.name != "sqlite":
            return []
        try:
            found = [row[0] for row in self._connection.exec_driver_sql("PRAGMA integrity_check")]
            broken = self._connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        except DBAPIError as error:
            return [f"the database file is damaged ({error.orig}): restore a copy of it"]
        problems = [
            f"the database file is damaged ({' '.join(line.split())}): restore a copy of it"
            for line in found
            if line != "ok"
        ]
        return problems + [
            f"row {row[1]} of table {row[0]} belongs to a row of {row[2]} that is gone: restore a "
            "copy of the database"
            for row in broken
        ]

    # --- rows --------------------------------------------------------------------------

    def items(self) -> tuple[int, list[str]]:
        """Check that items have references and references have items."""
        known = dict(self._pairs(select(items.c.item_id, items.c.label)))
        used = {item for item, _ in self._rows.values()}
        problems = [
            f"item {number} ({label!r}) has no reference: add a picture with `shitu add-item`"
            for number, label in known.items()
            if number not in used
        ]
        problems += [
            f"{self.name(number)} belongs to item {item}, which is gone: {_AGAIN.format(number)}"
            for number, (item, _) in self._rows.items()
            if item not in known
        ]
        return len(known), problems

    def spaces(self) -> list[str]:
        """Check that one space is in use, as soon as there are references."""
        if len(self._active) == 1 or not (self._rows or self._active):
            return []
        return [
            f"{len(self._active)} spaces of vectors are in use instead of 1: restore a copy of the "
            "database"
        ]

    def vectors(self) -> Iterator[tuple[Vectors, list[str]]]:
        """Yield the usable vectors in blocks, and what is wrong with the others of the block."""
        if not self._active:
            return
        space_id, space = self._active[0]
        query = select(embeddings.c.reference_id, embeddings.c.vector)
        query = query.where(embeddings.c.space_id == space_id)
        for some in _blocks(self._rows):
            wanted = query.where(embeddings.c.reference_id.in_(some))
            found: dict[int, bytes] = dict(self._pairs(wanted))
            wrong = {i: damage(found.get(i), space.dim) for i in some}
            good = [i for i, why in wrong.items() if not why]
            flat = np.frombuffer(b"".join(found[i] for i in good), "<f4")
            yield (
                (np.array(good, np.int64), flat.reshape(len(good), space.dim)),
                [
                    f"{self.name(i)} {why} and cannot be recognised: {_AGAIN.format(i)}"
                    for i, why in wrong.items()
                    if why
                ],
            )

    def thumbnails(self, wanted: Collection[int]) -> Iterator[tuple[int, bytes]]:
        """Yield the thumbnails of these references, as far as there are any."""
        query = select(thumbnails.c.reference_id, thumbnails.c.jpeg)
        for some in _blocks(wanted):
            for number, jpeg in self._pairs(query.where(thumbnails.c.reference_id.in_(some))):
                yield number, bytes(jpeg)

    def without_thumbnail(self) -> list[int]:
        """Return the references that have no thumbnail, by id, but had a picture once."""
        there = set(self._connection.execute(select(thumbnails.c.reference_id)).scalars())
        r = item_references.c
        bare = select(r.reference_id).where(r.how == "import", r.size == 0)
        there.update(self._connection.execute(bare).scalars())
        return [number for number in self._rows if number not in there]

    def files(self) -> Iterator[StoredFile]:
        """Yield what is remembered of all pictures."""
        r = item_references.c
        query = select(r.reference_id, r.path, r.sha256, r.size, r.mtime_ns)
        for row in self._connection.execute(query.order_by(r.reference_id)):
            state = FileState(row.size, row.mtime_ns)
            yield StoredFile(row.reference_id, self._roots.absolute(row.path), row.sha256, state)

    def queries(self) -> tuple[int, list[str], list[str]]:
        """Check pictures and vectors of rejections and golden queries; the last are mere notes."""
        if not self._active:
            return 0, [], []
        space_id, space = self._active[0]
        v = query_vectors.c
        query = select(v.query_id, v.vector).where(v.space_id == space_id)
        vectors: dict[int, bytes] = dict(self._pairs(query))
        problems: list[str] = []
        blind: list[str] = []
        count = 0
        for table, key, noun in _QUERIES:
            wanted = select(table.c[key], table.c.query_id).order_by(table.c[key])
            for number, query_id in self._pairs(wanted):
                count += 1
                if query_id not in vectors:
                    blind.append(f"{noun} {number} has no vector of the model in use and is inert")
                elif why := damage(vectors[query_id], space.dim):
                    problems.append(f"{noun} {number} {why}: take it back, and say it again")
        return count, problems, blind

    # --- the log -----------------------------------------------------------------------

    def log(self) -> tuple[int, list[str]]:
        """Play the log again: it is whole, and leads to the rows that are there."""
        replay = Replay()
        problems = self._tokens()
        for change in history.each_change(self._connection):
            problems += replay.play(change)
        problems += replay.end(self.head.generation)
        known = self._connection.execute(select(items.c.item_id, items.c.label, items.c.attributes))
        problems += replay.compare("items", {row[0]: tuple(row[1:]) for row in known})
        problems += replay.compare("references", self._rows)
        for table, key, _ in _QUERIES:
            columns = select(table.c[key], table.c.query_id, table.c.item_id)
            there = self._connection.execute(columns)
            problems += replay.compare(table.name, {row[0]: tuple(row[1:]) for row in there})
        problems += self._left_over(replay)
        return replay.length, problems

    def _tokens(self) -> list[str]:
        """Without tokens of their own an index could not tell two histories apart."""
        query = select(changes.c.token, func.min(changes.c.generation), func.count())
        rows = self._connection.execute(query.group_by(changes.c.token)).all()
        return [
            f"generation {generation} has no token of its own: restore a copy of the database"
            for token, generation, count in rows
            if not token or count > 1
        ]

    def _left_over(self, replay: Replay) -> list[str]:
        """Vectors and thumbnails of removed references are kept; of any others they are strays."""
        problems = []
        for what, column in (
            ("vector", embeddings.c.reference_id),
            ("thumbnail", thumbnails.c.reference_id),
        ):
            there = set(self._connection.execute(select(column).distinct()).scalars())
            strays = sorted(there - self._rows.keys() - replay.removed)
            problems += [
                f"a {what} of reference {number} is kept, of which neither gallery nor history "
                "knows: restore a copy of the database"
                for number in strays
            ]
        return problems

    def _pairs(self, query: Any) -> list[tuple[Any, Any]]:
        return [(row[0], row[1]) for row in self._connection.execute(query)]


def _blocks(values: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(values)
    while some := list(islice(rest, _BLOCK)):
        yield some
