"""What both programs took -> the table of `bench paddlex`."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.sections import Section


@dataclass(frozen=True)
class Figure:
    """One thing measured on all sides.

    Attributes:
        what: was measured.
        unit: of all values; without one, they are told, not compared.
        ours: each measured value.
        theirs: the same, by how PaddleX was set.
        target: the least ratio that is wanted; None if none was set.
        more_is_better: as of photos a second.
    """

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Mapping[str, Sequence[float]]
    target: float | None = None
    more_is_better: bool = False

    def ratio(self, other: str) -> float:
        """How many times as good ours is, by the medians; above 1 is faster, or smaller."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs[other])
        return ours / theirs if self.more_is_better else theirs / ours


def against_section(figures: Sequence[Figure], sides: Sequence[str]) -> Section:
    """Medians with their spread, and ratios; blank where a side was not measured.

    Args:
        figures: the rows.
        sides: ways in which PaddleX was set; targets are held against the first.
    """
    values = [_values(one, sides) for one in figures]
    header = ("", "", "shitu", *(f"PaddleX {side}" for side in sides))
    ratios = tuple(f"ratio {side}" for side in sides)
    rows = [
        (
            one.what,
            one.unit,
            _spread(one.ours),
            *(_spread(one.theirs.get(side, ())) for side in sides),
            *(_ratio(row["ratios"].get(side)) for side in sides),
            _verdict(row),
        )
        for one, row in zip(figures, values, strict=True)
    ]
    title = "shitu and PaddleX 3.4.3: median (least to most); ratio: how many times as good ours is"
    return Section("paddlex", values, title, (*header, *ratios, "wanted"), rows)


def _values(one: Figure, sides: Sequence[str]) -> dict[str, Any]:
    ratios = {side: one.ratio(side) for side in sides if one.unit and one.theirs.get(side)}
    first = ratios.get(sides[0])
    return {
        "what": one.what,
        "unit": one.unit,
        "ours": list(one.ours),
        "theirs": {side: list(found) for side, found in one.theirs.items()},
        "ratios": ratios,
        "target": one.target,
        "met": None if one.target is None or first is None else first >= one.target,
    }


def _spread(found: Sequence[float]) -> str:
    if not found:
        return ""
    middle = statistics.median(found)
    return f"{_number(middle)} ({_number(min(found))} to {_number(max(found))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _verdict(row: Mapping[str, Any]) -> str:
    if row["target"] is None:
        return ""
    return f"{row['target']:g}: {'met' if row['met'] else 'missed'}"
