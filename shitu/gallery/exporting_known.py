"""What goes into a portable file of rejections and golden queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from shitu.gallery.known_queries import KnownQueries
from shitu.gallery.tables import (
    golden_queries,
    items,
    path_to_text,
    queries,
    query_vectors,
    rejections,
    spaces,
)
from shitu.gallery.vectors import damage

_AT_A_TIME = 50  # pictures, some hundred kilobytes each

Put = Callable[[str, Iterable[Any]], None]  # table, rows


@dataclass(frozen=True)
class KnownExport:
    """How many there were.

    Attributes:
        inert: of both, those whose query has no vector in the space in use.
        left_behind: of both, those whose item is gone. Only an undo brings an item back under its
            id, and what could be undone is not exported.
    """

    rejections: int
    golden: int
    inert: int
    left_behind: int


def export_known(source: Connection, put: Put) -> KnownExport:
    """Write rejections and golden queries, with the queries that they are about."""
    refused, wanted = list(source.execute(_rejections())), list(source.execute(_golden()))
    put("rejections", refused)
    put(
        "golden_queries",
        ((r.golden_id, r.query_id, r.item_id, path_to_text(r.path), r.at) for r in wanted),
    )
    used = {row.query_id for row in (*refused, *wanted)}
    put("queries", _pictures(source, used))
    vectors = list(_vectors(source, used))
    put("query_vectors", vectors)
    able = {query_id for query_id, *_ in vectors}
    return KnownExport(
        rejections=len(refused),
        golden=len(wanted),
        inert=sum(row.query_id not in able for row in (*refused, *wanted)),
        left_behind=sum(KnownQueries(source).counts()) - len(refused) - len(wanted),
    )


def _rejections() -> Select[Any]:
    r = rejections.c
    columns = select(r.rejection_id, r.query_id, r.item_id, r.at)
    return columns.join(items, items.c.item_id == r.item_id).order_by(r.rejection_id)


def _golden() -> Select[Any]:
    g = golden_queries.c
    there = or_(g.item_id.is_(None), items.c.item_id.is_not(None))
    columns = select(g.golden_id, g.query_id, g.item_id, g.path, g.at)
    return columns.outerjoin(items, items.c.item_id == g.item_id).where(there).order_by(g.golden_id)


def _pictures(source: Connection, used: set[int]) -> Iterator[tuple[int, bytes]]:
    query = select(queries.c.query_id, queries.c.jpeg).order_by(queries.c.query_id)
    for row in source.execute(query.execution_options(yield_per=_AT_A_TIME)):
        if row.query_id in used:
            yield row.query_id, row.jpeg


def _vectors(source: Connection, used: set[int]) -> Iterator[tuple[Any, ...]]:
    """Those of the space in use; a damaged one is as good as none."""
    v = query_vectors.c
    columns = select(v.query_id, v.space_id, v.vector, v.radius, spaces.c.dim)
    query = columns.join(spaces, spaces.c.space_id == v.space_id).where(spaces.c.active)
    for row in source.execute(query.order_by(v.query_id)):
        if row.query_id in used and not damage(row.vector, row.dim):
            yield row.query_id, row.space_id, row.vector, row.radius
