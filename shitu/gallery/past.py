"""Rolling changes of the log back: what was there before them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shitu.gallery.records import Change

Row: TypeAlias = Mapping[str, Any]  # of the log; paths are spelt as text
KEYS = {
    "items": "item_id",
    "references": "reference_id",
    "rejections": "rejection_id",
    "golden_queries": "golden_id",
}
KNOWN_QUERIES = ("rejections", "golden_queries")


@dataclass(frozen=True)
class Past:
    """Rows as they were, of all that was touched since; None where there was none.

    Paths of references are as they would be stored now.

    Attributes:
        known: of each kind of `KNOWN_QUERIES`.
        root: the folder of the pictures, None if it was the same or there was none.
    """

    items: dict[int, Row | None] = field(default_factory=dict)
    references: dict[int, Row | None] = field(default_factory=dict)
    known: dict[str, dict[int, Row | None]] = field(default_factory=dict)
    root: str | None = None


def roll_back(changes: Sequence[Change]) -> Past:
    """Return what was there before some changes, the last ones of a gallery, in their order."""
    items: dict[int, Row | None] = {}
    references: dict[int, Row | None] = {}
    known: dict[str, dict[int, Row | None]] = {kind: {} for kind in KNOWN_QUERIES}
    root: str | None = None
    later: list[Row] = []
    for change in reversed(changes):
        items.update((number, was) for number, was, _ in pairs(change, "items"))
        for kind, rows in known.items():
            rows.update((number, was) for number, was, _ in pairs(change, kind))
        # Whatever a change does to the root, it does first: its rows are of the new one.
        references.update(
            (number, was and moved_along(was, later))
            for number, was, _ in pairs(change, "references")
        )
        for _, was, now in _roots(change):
            root = was["path"] if was else None
            later.insert(0, {"was": root, **(now or {})})
    return Past(items, references, known, root)


def pairs(change: Change, kind: str) -> Iterator[tuple[int, Row | None, Row | None]]:
    """Yield id, row before and row after of all that a change touched of one kind."""
    key = KEYS[kind]
    before = {row[key]: row for row in change.before.get(kind, ())}
    after = {row[key]: row for row in change.after.get(kind, ())}
    for number in sorted({*before, *after}):
        yield number, before.get(number), after.get(number)


def root_changes(changes: Sequence[Change]) -> list[Row]:
    """Return how the root moved: rows of `was`, `path` and perhaps `moved`."""
    return [
        {"was": was["path"] if was else None, **(now or {})}
        for change in changes
        for _, was, now in _roots(change)
    ]


def _roots(change: Change) -> Iterator[tuple[int, Row | None, Row | None]]:
    before, after = change.before.get("root", [None]), change.after.get("root", ())
    yield from ((0, was, now) for was, now in zip(before, after, strict=False))


def moved_along(row: Row, steps: Sequence[Row]) -> Row:
    """Return a row of a reference with its path as it is stored after the root changed."""
    path = row["path"]
    for step in steps:
        if not step.get("moved"):
            path = os.path.join(step["was"] or "", path)  # noqa: PTH118 - text, not yet a path
            start = os.path.join(step["path"], "")  # noqa: PTH118
            path = path[len(start) :] if path.startswith(start) else path
    return row if path == row["path"] else {**row, "path": path}
