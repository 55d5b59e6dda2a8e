"""Arguments of the public functions: right, or named in a TypeError or ValueError."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

_Listed = TypeVar("_Listed")


def path_of(name: str, given: object) -> Path:
    """Return what was given as a path."""
    if not isinstance(given, (str, os.PathLike)):
        raise TypeError(f"{name} has to be a path, not {type(given).__name__}")
    if not os.fspath(given):  # which Path takes for the current folder
        raise ValueError(f"{name} has to be a path, and this one is empty")
    return Path(given)


def name_of(name: str, given: object) -> str:
    """Return what was given, a name or the path of a folder, as text."""
    path = path_of(name, given)
    return given if isinstance(given, str) else str(path)


def words_of(name: str, given: object) -> str:
    """Return what was given as text that says something."""
    if not isinstance(given, str):
        raise TypeError(f"{name} has to be text, not {type(given).__name__}")
    if not given.strip():
        raise ValueError(f"{name} has to be words, and this one is empty")
    if any("\ud800" <= character <= "\udfff" for character in given):  # bytes of a command line
        raise ValueError(f"{name} has to be words, and this one is not UTF-8")
    return given


def list_of(
    name: str, given: Iterable[_Listed], kind: type[_Listed] | None = None
) -> list[_Listed]:
    """Return what was given as a list; of one text Python would take each letter."""
    if isinstance(given, (str, bytes, os.PathLike)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} has to be a list, not {type(given).__name__}")
    listed = list(given)
    for one in listed:
        if kind is not None and not isinstance(one, kind):
            raise TypeError(f"{name} has to be a list of {kind.__name__}, not {type(one).__name__}")
    return listed


def number_of(name: str, given: Any) -> int:
    """Return a whole number, which may be one of NumPy, as one of Python."""
    try:
        if not isinstance(given, bool):
            return operator.index(given)
    except TypeError:
        pass
    raise TypeError(f"{name} has to be a whole number, not {type(given).__name__}")


def figure_of(name: str, given: Any) -> float:
    """Return a number, which may be one of NumPy, as one of Python."""
    if isinstance(given, bool) or not isinstance(given, Real):
        raise TypeError(f"{name} has to be a number, not {type(given).__name__}")
    figure = float(given)
    if math.isnan(figure):
        raise ValueError(f"{name} has to be a number, and this one is NaN")
    return figure


def count_of(name: str, given: Any) -> int:
    """Return a whole number of at least 1."""
    count = number_of(name, given)
    if count < 1:
        raise ValueError(f"{name} has to be at least 1, not {count}")
    return count


def box_of(given: Any) -> tuple[float, float, float, float]:
    """Return four numbers, which may be in a list or an array, as a box."""
    try:
        left, top, right, bottom = map(_coordinate, given)
    except (TypeError, ValueError):
        raise TypeError(
            f"box has to be four numbers, left, top, right and bottom in pixels, not {given!r:.80}"
        ) from None
    return left, top, right, bottom


def _coordinate(given: Any) -> float:
    if isinstance(given, (str, bytes, bool)):
        raise TypeError
    return float(given)


def named_of(name: str, given: Any) -> dict[str, Any]:
    """Return a mapping whose keys are text; JSON would make text of all others."""
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise TypeError(f"{name} has to be a mapping with text as keys, not {given!r:.80}")
    return dict(given)
