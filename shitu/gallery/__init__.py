"""The truth about one shop's items and references, in SQL; `gallery.Gallery` opens it."""

from __future__ import annotations

from shitu.gallery.records import (
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
