"""Rows that come whole from elsewhere, with their times and, in a fresh gallery, their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Table, delete, insert, text

from shitu.gallery.records import FileState, Space
from shitu.gallery.tables import embeddings, item_references, items, thumbnails
from shitu.gallery.transaction import Transaction
from shitu.geometry import Box


@dataclass(frozen=True)
class WholeItem:
    """An item as it is somewhere else; its id is kept only in a fresh gallery."""

    item_id: int
    label: str
    attributes: Mapping[str, Any]
    created_at: str


@dataclass(frozen=True)
class WholeReference:
    """A reference as it is somewhere else; its id is kept only in a fresh gallery.

    Attributes:
        path: absolute; the file need not be there.
        thumbnail: None where there is none.
        vector: unit float32 (dim,).
    """

    reference_id: int
    item_id: int
    path: str
    sha256: str
    state: FileState
    box: Box | None
    box_given: bool
    added_at: str
    how: str
    source: str | None
    thumbnail: bytes | None
    vector: npt.NDArray[np.float32]


class Insertion:
    """Puts whole rows into a gallery inside a transaction.

    Args:
        space: of all vectors; becomes the one in use if there is none.
        keep_ids: take over the ids, if the gallery is a fresh one.

    Raises:
        SpaceMismatch: another space is in use.
    """

    def __init__(self, transaction: Transaction, space: Space, *, keep_ids: bool) -> None:
        self._to = transaction
        self._connection = transaction._connection
        self._space_id = transaction.ensure_space(space)
        # An id that was used once may mean something to somebody, even if it is free again.
        self.keeps_ids = keep_ids and transaction.generation == 0

    def items(self, new: Sequence[WholeItem]) -> list[int]:
        """Add items whose labels are free; returns their ids."""
        rows = [
            {
                "item_id": item.item_id,
                "label": item.label,
                "attributes": dict(item.attributes),
                "created_at": item.created_at,
            }
            for item in new
        ]
        numbers = self._add(items, "item_id", rows)
        self._to._journal.items_after(numbers)
        return numbers

    def references(self, new: Sequence[WholeReference]) -> list[int]:
        """Add references, each to the item of its `item_id`; returns their ids."""
        numbers = self._add(item_references, "reference_id", [self._row(one) for one in new])
        added = list(zip(numbers, new, strict=True))
        small = [(i, one.thumbnail) for i, one in added if one.thumbnail is not None]
        if small:
            rows = [{"reference_id": i, "jpeg": jpeg} for i, jpeg in small]
            self._connection.execute(insert(thumbnails), rows)
        if added:
            self._connection.execute(
                insert(embeddings),
                [
                    {
                        "space_id": self._space_id,
                        "reference_id": i,
                        "vector": np.asarray(one.vector, "<f4").tobytes(),
                    }
                    for i, one in added
                ],
            )
        self._to._journal.references_after(numbers)
        return numbers

    def attach(
        self, reference_id: int, path: str, sha256: str, state: FileState, thumbnail: bytes
    ) -> None:
        """Give a reference that came without a picture the one which was found."""
        self._to._update_reference(
            reference_id,
            path=self._to._roots.stored(path),
            sha256=sha256,
            size=state.size,
            mtime_ns=state.mtime_ns,
        )
        mine = thumbnails.c.reference_id == reference_id
        self._connection.execute(delete(thumbnails).where(mine))
        row = {"reference_id": reference_id, "jpeg": thumbnail}
        self._connection.execute(insert(thumbnails), [row])

    def _row(self, one: WholeReference) -> dict[str, Any]:
        box = one.box or (None, None, None, None)
        return {
            "reference_id": one.reference_id,
            "item_id": one.item_id,
            "path": self._to._roots.stored(one.path),
            "sha256": one.sha256,
            "size": one.state.size,
            "mtime_ns": one.state.mtime_ns,
            **dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)),
            "box_given": one.box_given,
            "added_at": one.added_at,
            "how": one.how,
            "source": one.source,
        }

    def _add(self, table: Table, key: str, rows: list[dict[str, Any]]) -> list[int]:
        if not rows:
            return []
        if not self.keeps_ids:
            rows = [{name: v for name, v in row.items() if name != key} for row in rows]
        adding = insert(table).returning(table.c[key], sort_by_parameter_order=True)
        return list(self._connection.execute(adding, rows).scalars())

    def finish(self) -> None:
        """Make sure that the next ids follow those which were kept; call it at the end."""
        if self.keeps_ids:
            count_on(self._connection, {items: "item_id", item_references: "reference_id"})


def count_on(connection: Connection, keys: Mapping[Table, str]) -> None:
    """Let the ids of tables go on from the highest that was put in."""
    if connection.dialect.name != "postgresql":
        return  # SQLite does by itself
    for table, key in keys.items():
        last = f"(SELECT coalesce(max({key}), 1) FROM {table.name})"  # noqa: S608
        sequence = f"pg_get_serial_sequence('{table.name}', '{key}')"
        connection.execute(text(f"SELECT setval({sequence}, {last})"))
