"""Numbers in sentences: two decimals, or as many as it takes for the sentence to be true; and the
plural."""

from __future__ import annotations

_DECIMALS = 2
_MOST = 17  # then floats of a different value have different digits


def apart(value: float, limit: float) -> tuple[str, str]:
    """Two numbers that are compared, with so many decimals that they differ, if they do."""
    decimals = _DECIMALS
    while (
        value != limit and decimals < _MOST and f"{value:.{decimals}f}" == f"{limit:.{decimals}f}"
    ):
        decimals += 1
    return f"{value:.{decimals}f}", f"{limit:.{decimals}f}"


def short(value: float) -> str:
    """A number that is not told as another one of two decimals: 0.385, and 0.9996, not 1.00."""
    return apart(value, round(value, _DECIMALS))[0]


def many(count: int, noun: str) -> str:
    """A number of things: 1 picture, 2 pictures, 2 queries."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"
