"""Exported galleries, changed by hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from shitu.gallery.portable import _checksum, _put_meta


def edit(file: Path, *statements: str) -> None:
    """Change a file by hand, and make its checksum right again."""
    connection = sqlite3.connect(file, isolation_level=None)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for statement in statements:
        connection.execute(statement)
    connection.execute("DELETE FROM meta WHERE key = 'checksum'")
    _put_meta(connection, "checksum", _checksum(connection, version))
    connection.close()
