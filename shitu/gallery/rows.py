"""Rows of the tables as they stand in the log, and from the log back into the tables."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from shitu.gallery.past import Row
from shitu.gallery.tables import item_references, items, path_to_text, text_to_path

_SOME = 500


def read_item_rows(connection: Connection, item_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return the rows of items as they go into the log, by id."""
    found: dict[int, dict[str, Any]] = {}
    for some in _chunks(item_ids):
        for row in connection.execute(select(items).where(items.c.item_id.in_(some))):
            found[row.item_id] = dict(row._mapping)
    return found


def read_reference_rows(
    connection: Connection, reference_ids: Iterable[int]
) -> dict[int, dict[str, Any]]:
    """Return the rows of references, and their labels, as they go into the log, by id."""
    found: dict[int, dict[str, Any]] = {}
    columns = select(item_references, items.c.label).join(items)
    for some in _chunks(reference_ids):
        query = columns.where(item_references.c.reference_id.in_(some))
        for row in connection.execute(query):
            values = dict(row._mapping)
            for name in ("path", "source"):  # JSON has no room for undecodable names
                values[name] = values[name] and path_to_text(values[name])
            found[row.reference_id] = values
    return found


def put_rows(
    connection: Connection,
    item_rows: Mapping[int, Row | None],
    reference_rows: Mapping[int, Row | None],
) -> None:
    """Make rows what the log says they were; None removes them. All of it or an error."""
    gone = [number for number, row in reference_rows.items() if row is None]
    _delete(connection, item_references.c.reference_id, gone)
    _free_labels(connection, item_rows)
    _put(connection, items.c.item_id, {n: dict(r) for n, r in item_rows.items() if r is not None})
    back = {n: _reference_values(r) for n, r in reference_rows.items() if r is not None}
    _put(connection, item_references.c.reference_id, back)
    empty = [number for number, row in item_rows.items() if row is None]
    _delete(connection, items.c.item_id, empty)


def _free_labels(connection: Connection, item_ids: Collection[int]) -> None:
    """Two items may exchange their labels, which no two items share even for a moment."""
    for number in item_ids:
        new = update(items).where(items.c.item_id == number).values(label=uuid.uuid4().hex)
        connection.execute(new)


def _put(connection: Connection, key: Any, rows: Mapping[int, dict[str, Any]]) -> None:
    there: set[int] = set()
    for some in _chunks(rows):
        there.update(connection.execute(select(key).where(key.in_(some))).scalars())
    for number in there:
        connection.execute(update(key.table).where(key == number).values(**rows[number]))
    new = [row for number, row in rows.items() if number not in there]
    if new:
        connection.execute(insert(key.table), new)


def _reference_values(row: Row) -> dict[str, Any]:
    values = {name: row[name] for name in item_references.c.keys()}  # noqa: SIM118 - no mapping
    for name in ("path", "source"):
        values[name] = values[name] and text_to_path(values[name])
    return values


def _delete(connection: Connection, key: Any, numbers: Iterable[int]) -> None:
    for some in _chunks(numbers):
        connection.execute(delete(key.table).where(key.in_(some)))


def _chunks(values: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(values)
    while some := list(islice(rest, _SOME)):
        yield some
