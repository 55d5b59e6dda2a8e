"""Plays the log of a gallery from its beginning and compares where it leads with what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from shitu.gallery.records import Change

_COPY = "restore a copy of the database"

Rows: TypeAlias = Mapping[int, tuple[Any, ...]]  # by id, the columns of `KINDS`

KINDS = {
    "items": ("item", "item_id", ("label", "attributes")),
    "references": ("reference", "reference_id", ("item_id", "sha256")),
    "rejections": ("rejection", "rejection_id", ("query_id", "item_id")),
    "golden_queries": ("golden query", "golden_id", ("query_id", "item_id")),
}


@dataclass(frozen=True)
class _Came:
    generation: int
    label: str
    row: tuple[Any, ...]


class Replay:
    """Which rows there must be after the changes played so far.

    Attributes:
        length: number of changes played.
        removed: references that went and did not come back.
    """

    def __init__(self) -> None:
        self.length = 0
        self.removed: set[int] = set()
        self._there: dict[str, dict[int, _Came]] = {kind: {} for kind in KINDS}
        self._last = 0

    def play(self, change: Change) -> list[str]:
        """Take the next change; returns what does not fit to those before."""
        problems = self._gap(change.generation)
        self.length += 1
        self._last = change.generation
        for kind, (_, key, columns) in KINDS.items():
            there = self._there[kind]
            before = {row[key] for row in change.before.get(kind, ())}
            after = {row[key]: row for row in change.after.get(kind, ())}
            for number in before - after.keys():
                there.pop(number, None)
            for number, row in after.items():
                values = tuple(row.get(column) for column in columns)
                there[number] = _Came(change.generation, str(row.get("label", "")), values)
            if kind == "references":
                self.removed |= before
                self.removed -= after.keys()
        return problems

    def end(self, generation: int) -> list[str]:
        """Say what is missing up to the generation that the gallery claims to be at."""
        if generation < self._last:
            return [
                f"the history goes up to generation {self._last}, the gallery only to "
                f"{generation}: {_COPY}"
            ]
        return self._gap(generation + 1)

    def _gap(self, generation: int) -> list[str]:
        first, last = self._last + 1, generation - 1
        if last < first:
            return []
        which = f"generation {first} is" if first == last else f"generations {first} to {last} are"
        return [f"{which} missing in the history: {_COPY}"]

    def compare(self, kind: str, rows: Rows) -> list[str]:
        """Say where the rows of a kind (see `KINDS`) are not those that the log leads to."""
        noun, _, columns = KINDS[kind]
        there = self._there[kind]
        problems = [
            f"{noun} {number} ({came.label!r}) of generation {came.generation} is gone, and the "
            f"history does not say why: {_COPY}, or add its pictures again"
            for number, came in there.items()
            if number not in rows
        ]
        for number, row in rows.items():
            came = there.get(number)
            if came is None:
                problems.append(f"{noun} {number} is not in the history: {_COPY}")
                continue
            differ = [c for c, a, b in zip(columns, row, came.row, strict=True) if a != b]
            if differ:
                problems.append(
                    f"{noun} {number} ({came.label!r}) has another {' and '.join(differ)} than "
                    f"generation {came.generation} gave it: {_COPY}"
                )
        return problems
