"""Numbered steps that lead a gallery of any age to the newest tables; a step is never edited."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module

from sqlalchemy import Connection, inspect, text

from shitu.errors import SchemaTooNew
from shitu.gallery.migrations.newest import make


def _step(module: str, connection: Connection) -> None:
    import_module(f"{__name__}.{module}").upgrade(connection)


# Each is loaded when a gallery needs it, which few do.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    partial(_step, "m0001_first_tables"),
    partial(_step, "m0002_keep_removed"),
    partial(_step, "m0003_feedback"),
    partial(_step, "m0004_local_features"),
    partial(_step, "m0005_why_unknown"),
)


def schema_version(connection: Connection) -> int:
    """Return the number of the last step applied; 0 in an empty database."""
    if not inspect(connection).has_table("meta"):
        return 0
    row = connection.execute(text("SELECT value FROM meta WHERE key = 'schema'")).scalar()
    return int(row or 0)


def check_version(connection: Connection, where: str) -> bool:
    """Return whether the tables are the newest; raises SchemaTooNew."""
    version = schema_version(connection)
    if version > len(MIGRATIONS):
        raise SchemaTooNew(
            f"{where} was written by a later version of shitu (tables {version}, this one knows "
            f"{len(MIGRATIONS)}): upgrade shitu to open it"
        )
    return version == len(MIGRATIONS)


def migrate(connection: Connection) -> None:
    """Make the newest tables, or apply what is missing; the caller holds the transaction."""
    version = schema_version(connection)
    if version == 0:
        make(connection)
    else:
        upgrade(connection, version)
    connection.execute(text("DELETE FROM meta WHERE key = 'schema'"))
    row = {"version": str(len(MIGRATIONS))}
    connection.execute(text("INSERT INTO meta (key, value) VALUES ('schema', :version)"), row)


def upgrade(connection: Connection, version: int) -> None:
    """Apply the steps after this one."""
    for step in MIGRATIONS[version:]:
        step(connection)
