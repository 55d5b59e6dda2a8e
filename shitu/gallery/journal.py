"""What a transaction touches, as it was before and as it is after: the body of a log entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, TypeAlias

from sqlalchemy import Connection, select

from shitu.gallery.tables import item_references, items, path_to_text

_Rows: TypeAlias = dict[str, dict[int, Any]]  # kind -> id -> row


class Journal:
    """Collects rows; of a row touched twice the first `before` and the last `after` count."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before: _Rows = {}
        self._after: _Rows = {}

    def items_before(self, item_ids: Collection[int]) -> None:
        """Call before items change or go."""
        self._was("items", self._items(item_ids))

    def items_after(self, item_ids: Collection[int]) -> None:
        """Call after items came or changed."""
        self._after.setdefault("items", {}).update(self._items(item_ids))

    def references_before(self, reference_ids: Collection[int]) -> None:
        """Call before references change or go."""
        self._was("references", self._references(reference_ids))

    def references_after(self, reference_ids: Collection[int]) -> None:
        """Call after references came or changed."""
        self._after.setdefault("references", {}).update(self._references(reference_ids))

    def root(self, before: str | None, after: str) -> None:
        """Note another folder of the pictures."""
        self._before.setdefault("root", {}).setdefault(0, {"path": before})
        self._after["root"] = {0: {"path": after}}

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

    def _items(self, item_ids: Collection[int]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        numbers = iter(item_ids)
        while some := list(islice(numbers, 500)):
            for row in self._connection.execute(select(items).where(items.c.item_id.in_(some))):
                found[row.item_id] = dict(row._mapping)
        return found

    def _references(self, reference_ids: Collection[int]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        columns = select(item_references, items.c.label).join(items)
        numbers = iter(reference_ids)
        while some := list(islice(numbers, 500)):
            query = columns.where(item_references.c.reference_id.in_(some))
            for row in self._connection.execute(query):
                values = dict(row._mapping)
                for name in ("path", "source"):  # JSON has no room for undecodable names
                    values[name] = values[name] and path_to_text(values[name])
                found[row.reference_id] = values
        return found


def _lists(side: _Rows) -> dict[str, list[Any]]:
    return {kind: [row for _, row in sorted(rows.items())] for kind, rows in side.items() if rows}
