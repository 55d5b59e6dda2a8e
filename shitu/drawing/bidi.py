"""Which way each character of a line runs: the Unicode bidirectional algorithm (UAX 9).

Without explicit embeddings and without pairing brackets, which no label needs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal, TypeAlias, TypeVar

Kind: TypeAlias = Literal["L", "R", "N"]
"""Left to right, right to left, or a number within right-to-left text."""

_T = TypeVar("_T")
_DIGITS = frozenset({"EN", "AN"})


def levels(characters: Sequence[str]) -> list[int]:
    """Return the embedding level of each character; odd ones run right to left."""
    classes = [unicodedata.bidirectional(character) for character in characters]
    base: Kind = "R" if _base_rtl(classes) else "L"
    kinds = _neutral(_weak(classes, base), base)
    steps = {"L": 0, "R": 1, "N": 2} if base == "L" else {"L": 2, "R": 1, "N": 2}
    return [steps[kind] for kind in kinds]


def in_sight_order(parts: Sequence[_T], levels: Sequence[int]) -> list[_T]:
    """Return the parts from left to right as they are to be seen (rule L2).

    `levels` has one for each part. The order within a part is left to whoever draws it.
    """
    order = list(range(len(parts)))
    for level in range(max(levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = end + 1
    return [parts[i] for i in order]


def _base_rtl(classes: Sequence[str]) -> bool:
    return next((name != "L" for name in classes if name in {"L", "R", "AL"}), False)


def _weak(classes: Sequence[str], base: Kind) -> list[Kind | None]:
    """Rules W1 to W7: numbers and the signs in them; None for what is neutral."""
    kinds: list[Kind | None] = []
    strong: Kind = base
    for i, name in enumerate(classes):
        kind: Kind | None = None
        if name in {"L", "R", "AL"}:
            kind = strong = "L" if name == "L" else "R"
        elif name in {"NSM", "BN"}:  # accents and joiners belong to what they follow
            kind = kinds[-1] if kinds else base
        elif name in _DIGITS or _in_number(classes, i):
            kind = "L" if strong == "L" and name != "AN" else "N"
        kinds.append(kind)
    return kinds


def _in_number(classes: Sequence[str], i: int) -> bool:
    """Whether a sign is part of a number: the point of 1.5, the per cent of 70%, the $ of $5."""
    name = classes[i]
    if name in {"CS", "ES"}:
        between = 0 < i < len(classes) - 1 and classes[i - 1] == classes[i + 1]
        return between and classes[i - 1] in _DIGITS
    if name != "ET":
        return False
    before, after = i, i
    while before >= 0 and classes[before] == "ET":
        before -= 1
    while after < len(classes) and classes[after] == "ET":
        after += 1
    return "EN" in {*classes[max(before, 0) : before + 1], *classes[after : after + 1]}


def _neutral(kinds: Sequence[Kind | None], base: Kind) -> list[Kind]:
    """Rules N1 and N2: what lies between two of one direction goes with them, else with the line.

    Numbers count as right to left here.
    """
    following: list[Kind] = []
    side: Kind = base
    for kind in reversed(kinds):
        side = _side(kind) or side
        following.append(side)
    resolved: list[Kind] = []
    side = base
    for kind, after in zip(kinds, reversed(following), strict=True):
        side = _side(kind) or side
        resolved.append(kind or (side if side == after else base))
    return resolved


def _side(kind: Kind | None) -> Kind | None:
    return "R" if kind == "N" else kind
