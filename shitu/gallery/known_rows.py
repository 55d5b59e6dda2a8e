"""Rows of rejections and golden queries as they stand in the log, and back into the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, select

from shitu.gallery.past import KEYS, Row
from shitu.gallery.tables import (
    golden_queries,
    items,
    path_to_text,
    rejections,
    text_to_path,
)

KNOWN: Mapping[str, Table] = {"rejections": rejections, "golden_queries": golden_queries}
KNOWN_KEYS = {kind: KEYS[kind] for kind in KNOWN}

_SOME = 500


def read_known_rows(
    connection: Connection, kind: str, numbers: Iterable[int]
) -> dict[int, dict[str, Any]]:
    """Return rows and the labels of their items, which may be gone, by id."""
    table, key = KNOWN[kind], KNOWN_KEYS[kind]
    columns = select(table, items.c.label).outerjoin(items, items.c.item_id == table.c.item_id)
    found: dict[int, dict[str, Any]] = {}
    for some in _chunks(numbers):
        for row in connection.execute(columns.where(table.c[key].in_(some))):
            values = dict(row._mapping)
            if "path" in values:
                values["path"] = path_to_text(values["path"])
            found[values[key]] = values
    return found


def stored_values(kind: str, row: Row) -> dict[str, Any]:
    """Return what the table takes of a row of the log."""
    values = {name: row[name] for name in KNOWN[kind].c.keys()}  # noqa: SIM118 - no mapping
    if "path" in values:
        values["path"] = text_to_path(values["path"])
    return values


def _chunks(values: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(values)
    while some := list(islice(rest, _SOME)):
        yield some
