"""What a transaction touches, as it was before and as it is after: the body of a log entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

from sqlalchemy import Connection

from shitu.gallery.known_rows import read_known_rows
from shitu.gallery.rows import read_item_rows, read_reference_rows

_Rows: TypeAlias = dict[str, dict[int, Any]]  # kind -> id -> row


class Journal:
    """Collects rows; of a row touched twice the first `before` and the last `after` count."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before: _Rows = {}
        self._after: _Rows = {}
        self.notes: dict[str, list[Any]] = {}  # what rows do not say; alone they are no change

    def items_before(self, item_ids: Collection[int]) -> None:
        """Call before items change or go."""
        self._was("items", read_item_rows(self._connection, item_ids))

    def items_after(self, item_ids: Collection[int]) -> None:
        """Call after items came or changed."""
        rows = read_item_rows(self._connection, item_ids)
        self._after.setdefault("items", {}).update(rows)

    def references_before(self, reference_ids: Collection[int]) -> None:
        """Call before references change or go."""
        self._was("references", read_reference_rows(self._connection, reference_ids))

    def references_after(self, reference_ids: Collection[int]) -> None:
        """Call after references came or changed."""
        rows = read_reference_rows(self._connection, reference_ids)
        self._after.setdefault("references", {}).update(rows)

    def known_before(self, kind: str, numbers: Collection[int]) -> None:
        """Call before rejections or golden queries change or go."""
        self._was(kind, read_known_rows(self._connection, kind, numbers))

    def known_after(self, kind: str, numbers: Collection[int]) -> None:
        """Call after rejections or golden queries came or changed."""
        rows = read_known_rows(self._connection, kind, numbers)
        self._after.setdefault(kind, {}).update(rows)

    def root(self, before: str | None, after: str, *, moved: bool) -> None:
        """Note another folder of the pictures, or the same one that was moved."""
        self._before.setdefault("root", {}).setdefault(0, {"path": before})
        self._after["root"] = {0: {"path": after, **({"moved": True} if moved else {})}}

    def heirs(self, item_ids: Collection[int]) -> dict[int, int]:
        """Return, of items whose references all went to one other item, that item."""
        after = self._after.get("references", {})
        found: dict[int, set[int]] = {}
        for number, row in self._before.get("references", {}).items():
            if row["item_id"] in item_ids and number in after:
                found.setdefault(row["item_id"], set()).add(after[number]["item_id"])
        return {item_id: heirs.pop() for item_id, heirs in found.items() if len(heirs) == 1}

    def note(self, kind: str, before: Iterable[Any], after: Iterable[Any]) -> None:
        """Note rows of a kind that is not looked up again, in their order."""
        self._before[kind] = dict(enumerate(before))
        self._after[kind] = dict(enumerate(after))

    def sides(self) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """Return the rows before and after, as they go into the log."""
        return _lists(self._before), _lists(self._after)

    def _was(self, kind: str, rows: dict[int, dict[str, Any]]) -> None:
        before, after = self._before.setdefault(kind, {}), self._after.setdefault(kind, {})
        for number, row in rows.items():
            # In `after` it was touched already: what it was at first is known, or it was not.
            if after.pop(number, None) is None:
                before.setdefault(number, row)


def _lists(side: _Rows) -> dict[str, list[Any]]:
    return {kind: [row for _, row in sorted(rows.items())] for kind, rows in side.items() if rows}
