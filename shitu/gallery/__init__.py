"""The truth about one shop's items and references, in SQL; `gallery.Gallery` opens it."""

from __future__ import annotations

from shitu.gallery.records import (
    AllVectors,
    Change,
    Delta,
    FileState,
    Head,
    Item,
    KnownFile,
    NewReference,
    Reference,
    Space,
)

__all__ = [
    "AllVectors",
    "Change",
    "Delta",
    "FileState",
    "Head",
    "Item",
    "KnownFile",
    "NewReference",
    "Reference",
    "Space",
]
