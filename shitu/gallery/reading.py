"""Rows of a gallery as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, Select, func, select

from shitu.gallery.records import Item, Reference, Space
from shitu.gallery.roots import Roots
from shitu.gallery.tables import embeddings, item_references, items, spaces
from shitu.gallery.vectors import usable

VARIABLES = 500  # in one IN (...); the lowest limit of any SQLite in use is 999
_BLOCK = 1 << 14  # vectors read at a time; 32 MB of 512 dimensions

Vectors = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


def read_items(connection: Connection, *where: ColumnElement[bool]) -> list[Item]:
    """Return the items that meet the conditions, by label."""
    query = (
        select(items, func.count(item_references.c.reference_id).label("references"))
        .outerjoin(item_references)
        .where(*where)
        .group_by(items.c.item_id)
        .order_by(items.c.label)
    )
    return [as_item(dict(row._mapping), row.references) for row in connection.execute(query)]


def as_item(row: Mapping[str, Any], references: int) -> Item:
    """Return a row, of the table or of the log, as a value."""
    return Item(row["item_id"], row["label"], row["attributes"], references, row["created_at"])


def read_references(
    connection: Connection, roots: Roots, *where: ColumnElement[bool]
) -> Iterator[Reference]:
    """Yield the references that meet the conditions, by id."""
    query = select(item_references, items.c.label).join(items).where(*where)
    for row in connection.execute(query.order_by(item_references.c.reference_id)):
        yield as_reference(dict(row._mapping), roots.absolute(row.path))


def count_references(connection: Connection) -> int:
    """Return the number of references."""
    return connection.execute(select(func.count()).select_from(item_references)).scalar_one()


def as_reference(row: Mapping[str, Any], path: str) -> Reference:
    """Return a row, of the table or of the log, as a value; the path is absolute."""
    r = row
    return Reference(
        reference_id=r["reference_id"],
        item_id=r["item_id"],
        label=r["label"],
        path=Path(path),
        sha256=r["sha256"],
        size=r["size"],
        box=None if r["x0"] is None else (r["x0"], r["y0"], r["x1"], r["y1"]),
        box_given=r["box_given"],
        added_at=r["added_at"],
        how=r["how"],
    )


def read_vectors(
    connection: Connection, space: Space, wanted: set[int] | None, *, removed: bool = False
) -> Vectors:
    """Return ids, ascending, and vectors (n, dim) of references.

    Args:
        space: of the vectors.
        wanted: the references; None: all of them.
        removed: take vectors of removed references, too.
    """
    number = embeddings.c.reference_id
    query = _of_space(space, number, embeddings.c.vector, removed=removed).order_by(number)
    parts = [query]
    if wanted is not None:
        numbers = iter(sorted(wanted))
        parts = []
        while some := list(islice(numbers, VARIABLES)):
            parts.append(query.where(number.in_(some)))
    rows = [(row[0], row[1]) for part in parts for row in connection.execute(part)]
    return _arrays(rows, space)


def count_vectors(connection: Connection, space: Space) -> int:
    """Return how many references have a vector."""
    return int(connection.execute(_of_space(space, func.count())).scalar_one())


def read_vectors_in_blocks(connection: Connection, space: Space) -> Iterator[Vectors]:
    """Yield ids, ascending, and vectors (n, dim) of all references, some at a time."""
    number = embeddings.c.reference_id
    query = _of_space(space, number, embeddings.c.vector).order_by(number)
    rows = connection.execution_options(yield_per=_BLOCK).execute(query)
    for some in rows.partitions(_BLOCK):
        yield _arrays([(row[0], row[1]) for row in some], space)


def _of_space(space: Space, *columns: Any, removed: bool = False) -> Select[Any]:
    query = select(*columns).select_from(embeddings).join(spaces)
    query = query.where(spaces.c.fingerprint == space.fingerprint)
    if removed:
        return query
    there = item_references.c.reference_id == embeddings.c.reference_id
    return query.join(item_references, there)


def _arrays(rows: list[tuple[int, bytes]], space: Space) -> Vectors:
    rows = usable(rows, space)
    ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    flat = np.frombuffer(b"".join(row[1] for row in rows), "<f4")
    return ids, flat.reshape(len(rows), space.dim).astype(np.float32, copy=False)
