r"""Filters: which items may be answers.

    brand=acme and shelf in (3, 4)
    not (brand = acme or label like 'Cola%') and price < 2.5 and has "best before"

A key is the name of an attribute, or `label` or `item` (the item's id); quoted it is always an
attribute. Keywords may be in any case; keys and values are compared exactly.

| filter | true of an item |
|---|---|
| `shelf = 3` | whose shelf is the number 3, or text that spells it: `"3"`, `"3.0"`, `"03"` |
| `shelf = '3'`, `brand = acme` | whose value is that text; numbers and truth as JSON spells them: 3 is `3`, true is `true` |
| `shelf != 3`, `shelf not in (3, 4)`, `label not like 'A%'` | that has the key, and no such value |
| `shelf in (3, four, '5')` | of which one of them is true with `=` |
| `price < 2.5` (`<=`, `>`, `>=`) | whose value is a number, or spells one, on that side |
| `since >= '2026-01-01'`, `since >= 2026-01-01` | whose value, as text, comes then or later in order of characters |
| `label like 'Cola%'`, `label ~ 'Cola%'` | whose value fits: `%` is any text, `_` one character, `\%` a per cent sign |
| `has shelf`, `shelf is not null` | that has the key; a null counts as missing |
| `shelf is null` | that has not |
| `not ...` | of which the rest is false; so `not shelf = 3` holds without a shelf, `shelf != 3` does not |

A list is compared element by element and matches when one does; a mapping matches only `has`.
"""  # noqa: E501 - rows of a table

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from shitu.gallery.records import Item
from shitu.gallery.where_conditions import Condition
from shitu.gallery.where_parser import Parser


@dataclass(frozen=True)
class Where:
    """A filter: its text and what it means."""

    text: str
    condition: Condition

    def allows(self, item: Item) -> bool:
        """Whether the item may be an answer."""
        return self.condition.met_by(item)

    def attributes(self) -> tuple[str, ...]:
        """The names of the attributes that it asks for, in the order of the text."""
        names = (key.name for key in self.condition.asked() if not key.own)
        return tuple(dict.fromkeys(names))


def parse_where(text: str | Where) -> Where:
    """Read a filter; one that has been read already is returned as it is.

    Raises:
        WhereError: it is none; says where, what was found and what expected.
    """
    return text if isinstance(text, Where) else Where(text, Parser(text).parse())


def unknown_attributes(where: Where, items: Iterable[Item]) -> tuple[str, ...]:
    """A sentence for each attribute of the filter that none of the items has."""
    wanted = where.attributes()
    known = {name for item in items for name in item.attributes} if wanted else set()
    return tuple(
        f"no item has an attribute {name!r}{_did_you_mean(name, known)}"
        for name in wanted
        if name not in known
    )


def _did_you_mean(name: str, known: set[str]) -> str:
    by_case = {other.lower(): other for other in sorted(known)}
    close = difflib.get_close_matches(name.lower(), by_case, n=1)
    return f"; did you mean {by_case[close[0]]!r}?" if close else ""
