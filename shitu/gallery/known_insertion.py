"""Rejections and golden queries that come from elsewhere; in a fresh gallery with their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shitu.gallery.insertion import count_on
from shitu.gallery.known_queries import Vector
from shitu.gallery.known_rows import KNOWN, KNOWN_KEYS
from shitu.gallery.records import Space
from shitu.gallery.tables import queries
from shitu.gallery.transaction import Transaction


class KnownInsertion:
    """Puts them into a gallery inside a transaction.

    Args:
        space: of all vectors; becomes the one in use if there is none.

    Raises:
        SpaceMismatch: another space is in use.
    """

    def __init__(self, transaction: Transaction, space: Space | None) -> None:
        self._connection = transaction._connection
        self._known = transaction.known()
        self._space_id = None if space is None else transaction.ensure_space(space)
        self._keeps_ids = transaction.generation == 0

    def query(self, query_id: int, jpeg: bytes, vector: Vector | None, radius: float | None) -> int:
        """Keep a picture and its vector, if it has one; returns the id that it has here."""
        number = self._known.keep(jpeg, query_id if self._keeps_ids else None)
        if vector is not None and self._space_id is not None:
            self._known.put_vector(number, self._space_id, vector, radius)
        return number

    def row(self, kind: str, number: int, values: Mapping[str, Any]) -> int:
        """Add a rejection or golden query; returns the id that it has here."""
        key = {KNOWN_KEYS[kind]: number} if self._keeps_ids else {}
        return self._known.bring(kind, {**values, **key})

    def finish(self) -> None:
        """Make sure that the next ids follow those which were kept; call it at the end."""
        if self._keeps_ids:
            keys = {KNOWN[kind]: key for kind, key in KNOWN_KEYS.items()}
            count_on(self._connection, {queries: "query_id", **keys})
