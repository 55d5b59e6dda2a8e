"""Filters: which items may be answers.

    brand=acme and shelf in (3, 4)
    not (brand = acme or label like 'Cola%') and price < 2.5 and has "best before"

What each form means, and of which items it is true, is one table: "Filters" in docs/gallery.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shitu.gallery.where_conditions import Condition, Subject
from shitu.gallery.where_parser import Parser


@dataclass(frozen=True)
class Where:
    """A filter: its text and what it means."""

    text: str
    condition: Condition

    def allows(self, item: Subject) -> bool:
        """Whether the item may be an answer."""
        return self.condition.met_by(item)

    def attributes(self) -> tuple[str, ...]:
        """The names of the attributes that it asks for, in the order of the text."""
        names = (key.name for key in self.condition.asked() if not key.own)
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Selection:
    """What a filter allows.

    Attributes:
        ids: (n,) int64 reference ids, ascending, each but once.
        notes: sentences about the filter that whoever typed it should read.
    """

    ids: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()


def parse_where(text: str | Where) -> Where:
    """Read a filter; one that has been read already is returned as it is.

    Raises:
        WhereError: it is none; says where, what was found and what expected.
        TypeError: it is no text.
    """
    if not isinstance(text, (str, Where)):
        raise TypeError(f"a filter has to be text, not {type(text).__name__}")
    return text if isinstance(text, Where) else Where(text, Parser(text).parse())


def unknown_attributes(where: Where, items: Iterable[Subject]) -> tuple[str, ...]:
    """A sentence for each attribute of the filter that none of the items has."""
    missing = set(where.attributes())
    known: set[str] = set()
    for item in items:
        if not missing:
            return ()
        missing.difference_update(item.attributes)
        known.update(item.attributes)
    return tuple(
        f"no item has an attribute {name!r}{_did_you_mean(name, known)}"
        for name in where.attributes()
        if name in missing
    )


def _did_you_mean(name: str, known: set[str]) -> str:
    by_case = {other.lower(): other for other in sorted(known)}
    close = difflib.get_close_matches(name.lower(), by_case, n=1)
    return f"; did you mean {by_case[close[0]]!r}?" if close else ""
