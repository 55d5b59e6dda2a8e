"""All tables at once, as the last step leaves them, for a database that has none."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from sqlalchemy import Connection, Dialect, text
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from shitu.gallery.tables import metadata

_SPELT: dict[str, tuple[str, ...]] = {}


def make(connection: Connection) -> None:
    """Make the tables of an empty gallery, which is at generation 0."""
    for statement in _spelt_for(connection.dialect):
        connection.exec_driver_sql(statement)
    rows = [{"key": "generation", "value": "0"}, {"key": "token", "value": uuid.uuid4().hex}]
    connection.execute(text("INSERT INTO meta (key, value) VALUES (:key, :value)"), rows)


def _spelt_for(dialect: Dialect) -> tuple[str, ...]:
    """What is sent; spelling it out once takes longer than SQLite takes to obey."""
    if dialect.name not in _SPELT:
        _SPELT[dialect.name] = tuple(str(made.compile(dialect=dialect)) for made in _statements())
    return _SPELT[dialect.name]


def _statements() -> Iterator[ExecutableDDLElement]:
    for table in metadata.sorted_tables:
        yield CreateTable(table)
        yield from (
            CreateIndex(index) for index in sorted(table.indexes, key=lambda i: str(i.name))
        )
