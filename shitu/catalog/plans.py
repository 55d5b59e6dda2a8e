"""What has to be done to undo a change, and whether later changes stand in the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shitu.errors import GalleryError
from shitu.gallery import Change, Item
from shitu.gallery.past import KNOWN_QUERIES, Past, Row, moved_along, pairs, roll_back, root_changes
from shitu.gallery.records import same_json

_MISSING = object()
_ON_DISK = frozenset(("path", "size", "mtime_ns", "source"))  # the disk is as it is
_OF_THE_SPACE = frozenset(("x0", "y0", "x1", "y1"))  # which another generation may not share
_DERIVED = frozenset(("label",))  # of a reference: its item's
_KNOWN = frozenset(("items", "references", *KNOWN_QUERIES, "root", "undo", "confirm", "reject"))
_NOUNS = {
    "items": "the item",
    "references": "a picture of",
    "rejections": "a rejection of",
    "golden_queries": "a golden query for",
}


@dataclass
class Plan:
    """Rows that the gallery is to have, by id; None where there is to be none.

    Attributes:
        known: rejections and golden queries, by kind.
        root: the folder of the pictures, None to leave it.
    """

    items: dict[int, Row | None] = field(default_factory=dict)
    references: dict[int, Row | None] = field(default_factory=dict)
    known: dict[str, dict[int, Row | None]] = field(default_factory=dict)
    root: str | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.items or self.references or any(self.known.values()) or self.root)


class Present(Protocol):
    """The gallery as it is now, as far as a plan has to know it."""

    def item_rows(self, item_ids: Sequence[int]) -> Mapping[int, Row]:
        """Items by id."""

    def reference_rows(self, reference_ids: Sequence[int]) -> Mapping[int, Row]:
        """References by id."""

    def known_rows(self, kind: str, numbers: Sequence[int]) -> Mapping[int, Row]:
        """Rejections or golden queries by id."""

    def owned(self, item_id: int) -> set[int]:
        """References of an item."""

    def items_of(self, labels: Sequence[str]) -> Mapping[str, Item]:
        """Items by label."""

    def holders(self, hashes: Sequence[str]) -> Mapping[str, tuple[int, str]]:
        """Reference and label by content."""


def plan_back(later: Sequence[Change], now: Present) -> Plan:
    """Plan to undo all of the last changes of a gallery, in their order."""
    past: Past = roll_back(later)
    items, references = now.item_rows(list(past.items)), now.reference_rows(list(past.references))
    plan = Plan(root=past.root)
    for number, row in past.items.items():
        if not same_json(row, items.get(number)):
            plan.items[number] = row
    for number, row in past.references.items():
        there = references.get(number)
        if row is not None and there is not None:
            row = {**row, **{name: there[name] for name in _ON_DISK | _OF_THE_SPACE}}
        if _flat("references", row) != _flat("references", there):
            plan.references[number] = row
    for kind, rows in past.known.items():
        here = now.known_rows(kind, list(rows))
        plan.known[kind] = {
            number: row
            for number, row in rows.items()
            if _flat(kind, row) != _flat(kind, here.get(number))
        }
    return plan


def plan_undo(change: Change, later: Sequence[Change], now: Present) -> Plan:
    """Plan to undo one change.

    Raises:
        GalleryError: a later change stands in the way, or there is nothing to undo.
    """
    _refuse_unknown(change)
    plan = _Undo(change, later, now).plan()
    if plan.empty:
        raise GalleryError(
            f"generation {change.generation} ({change.operation}) only noted where pictures lie "
            "on the disk: there is nothing to undo"
        )
    return plan


def _refuse_unknown(change: Change) -> None:
    named = f"generation {change.generation} ({change.operation})"
    kinds = {*change.before, *change.after} - _KNOWN
    if "compact" in kinds:
        raise GalleryError(
            f"{named} cannot be undone: what it forgot is gone for good; name another generation, "
            "see `shitu history`"
        )
    if "space" in kinds:
        raise GalleryError(
            f"{named} went over to another model: `shitu migrate --back` goes back to the one "
            "before the last migration"
        )
    for kind, command, adapted in (
        ("adapter", "adapt", ""),
        ("calibration", "calibrate", ", in an adapted gallery `shitu adapt --off`,"),
    ):
        if kind in kinds:
            raise GalleryError(
                f"{named} touched no item: `shitu {command} --off`{adapted} goes without, and "
                f"`shitu {command}` learns anew"
            )
    if kinds:
        raise GalleryError(
            f"{named} is not of the kind that `shitu undo` takes back: name another generation, "
            "see `shitu history`"
        )


class _Undo:
    def __init__(self, change: Change, later: Sequence[Change], now: Present) -> None:
        self._change = change
        self._later = later
        self._now = now
        self._plan = Plan()
        self._steps = root_changes(later)

    def plan(self) -> Plan:
        items = {number: (was, is_) for number, was, is_ in pairs(self._change, "items")}
        references = {number: (was, is_) for number, was, is_ in pairs(self._change, "references")}
        self._references(references)
        self._items(items)
        for kind in KNOWN_QUERIES:
            self._known(kind)
        self._check_labels()
        self._check_contents()
        self._check_owners()
        for step in root_changes([self._change]):
            self._plan.root = None if self._steps else step["was"]
        return self._plan

    def _references(self, rows: Mapping[int, tuple[Row | None, Row | None]]) -> None:
        present = self._now.reference_rows(list(rows))
        for number, (was, became) in rows.items():
            row = self._undone("references", number, was, became, present.get(number))
            if row is not None and number not in present:
                row = moved_along(row, self._steps)
            if row is None or row != present.get(number):
                self._plan.references[number] = row

    def _items(self, rows: Mapping[int, tuple[Row | None, Row | None]]) -> None:
        present = self._now.item_rows(list(rows))
        for number, (was, became) in rows.items():
            if was is None and self._keeps_some(number):
                continue  # it got more pictures since; those of this change go, it stays
            row = self._undone("items", number, was, became, present.get(number))
            if row is None or not same_json(row, present.get(number)):
                self._plan.items[number] = row

    def _known(self, kind: str) -> None:
        rows = {number: (was, is_) for number, was, is_ in pairs(self._change, kind)}
        present = self._now.known_rows(kind, list(rows))
        self._plan.known[kind] = {
            number: self._undone(kind, number, was, became, present.get(number))
            for number, (was, became) in rows.items()
        }

    def _keeps_some(self, item_id: int) -> bool:
        # Of each item only its own references: there may be tens of thousands of both.
        here = {"item_id": item_id}
        then = (self._plan.references.get(n, here) for n in self._now.owned(item_id))
        return any(row is not None and row["item_id"] == item_id for row in then)

    def _undone(
        self, kind: str, number: int, was: Row | None, became: Row | None, now: Row | None
    ) -> Row | None:
        """Return the row as it is to be; what other changes did to its other fields stays."""
        old, new, there = (_flat(kind, row) for row in (was, became, now))
        touched = [
            key for key in {**old, **new} if old.get(key, _MISSING) != new.get(key, _MISSING)
        ]
        if (now is None) != (became is None) or any(
            there.get(key, _MISSING) != new.get(key, _MISSING) for key in touched
        ):
            raise self._conflict(kind, number, was or became or {})
        if was is None or now is None:
            return was
        return _unflat(now, {key: old.get(key, _MISSING) for key in touched})

    # --- what no row alone can say -----------------------------------------------------

    def _check_labels(self) -> None:
        wanted = {row["label"]: number for number, row in self._plan.items.items() if row}
        for label, item in self._now.items_of(list(wanted)).items():
            if item.item_id != wanted[label] and item.item_id not in self._plan.items:
                raise self._in_the_way("items", item.item_id, f"the label {label!r} is taken")

    def _check_contents(self) -> None:
        wanted = {row["sha256"]: number for number, row in self._plan.references.items() if row}
        for content, (number, label) in self._now.holders(list(wanted)).items():
            if number != wanted[content] and number not in self._plan.references:
                why = f"a picture of it was added again, to {label!r}"
                raise self._in_the_way("references", number, why)

    def _check_owners(self) -> None:
        owners = {row["item_id"]: row for row in self._plan.references.values() if row}
        missing = set(owners) - set(self._now.item_rows(list(owners)))
        for number in missing:
            if self._plan.items.get(number) is None:
                why = f"the item {owners[number]['label']!r} is gone"
                raise self._in_the_way("items", number, why)

    def _conflict(self, kind: str, number: int, row: Row) -> GalleryError:
        label = row["label"] or "unknown"
        return self._in_the_way(kind, number, f"{_NOUNS[kind]} {label!r} was changed")

    def _in_the_way(self, kind: str, number: int, why: str) -> GalleryError:
        named = f"generation {self._change.generation} ({self._change.operation})"
        for change in reversed(self._later):
            if any(number == touched for touched, _, _ in pairs(change, kind)):
                undone = [note.get("undone") for note in change.after.get("undo", ())]
                if undone == [self._change.generation]:
                    return GalleryError(
                        f"{named} is undone already, by generation {change.generation}: undo that "
                        "one to have it again"
                    )
                return GalleryError(
                    f"{named} cannot be undone: {why} by generation {change.generation} "
                    f"({change.operation}); undo that one first, or go back with "
                    f"`shitu undo --back-to {self._change.generation - 1}`"
                )
        return GalleryError(f"{named} cannot be undone: {why} since, and the log does not say how")


def _flat(kind: str, row: Row | None) -> dict[Any, Any]:
    """The fields of a row that may be undone one by one; each attribute is one, as JSON."""
    if row is None:
        return {}
    if kind != "items":
        return {key: row[key] for key in row if key not in _ON_DISK | _DERIVED}
    attributes = {("attributes", key): json.dumps(v) for key, v in row["attributes"].items()}
    return {**{key: row[key] for key in row if key != "attributes"}, **attributes}


def _unflat(row: Row, fields: Mapping[Any, Any]) -> Row:
    """Return the row with some fields changed; a missing one is an attribute to be unset."""
    new = dict(row)
    attributes = dict(row.get("attributes", {}))
    for key, value in fields.items():
        if not isinstance(key, tuple):
            new[key] = value
        elif value is _MISSING:
            attributes.pop(key[1], None)
        else:
            attributes[key[1]] = json.loads(value)
    if "attributes" in row:
        new["attributes"] = attributes
    return new
