"""Arguments of the public functions: right, or named in a TypeError or ValueError."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

_Listed = TypeVar("_Listed")


def path_of(name: str, given: object) -> Path:
    """Return what was given as a path."""
    if not isinstance(given, (str, os.PathLike)):
        raise TypeError(f"{name} has to be a path, not {type(given).__name__}")
    if not os.fspath(given):  # which Path takes for the current folder
        raise ValueError(f"{name} has to be a path, and this one is empty")
    return Path(given)


def list_of(name: str, given: Iterable[_Listed]) -> list[_Listed]:
    """Return what was given as a list; of one text Python would take each letter."""
    if isinstance(given, (str, bytes, os.PathLike)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} has to be a list, not {type(given).__name__}")
    return list(given)
