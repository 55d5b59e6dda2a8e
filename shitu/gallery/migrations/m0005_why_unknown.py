"""Step 5: the log of recognitions says what decided, and how far ahead an answer was."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, String, text
from sqlalchemy.schema import CreateColumn


def upgrade(connection: Connection) -> None:
    """Add the columns; nothing is known of what was logged before."""
    for column in (Column("lead", Float), Column("decided_by", String(16))):
        added = CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE recognitions ADD COLUMN {added}"))
