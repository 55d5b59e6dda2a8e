"""What a filter is made of, and whether an item meets it; see `shitu.gallery.where`."""

from __future__ import annotations

import fnmatch
import json
import operator
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Number: TypeAlias = int | float

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_EXACT = 300  # digits beyond which an integer need not be exact; Python refuses very long ones

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Subject(Protocol):
    """What a filter looks at: an item, or as much of one."""

    @property
    def item_id(self) -> int:
        """Its id."""

    @property
    def label(self) -> str:
        """Its label."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Whatever JSON can hold, by name."""


class Condition(Protocol):
    """Anything an item may meet or not."""

    def met_by(self, item: Subject) -> bool:
        """Whether the item meets it."""

    def asked(self) -> Iterator[Key]:
        """The keys that it asks for, in the order in which they were typed."""


@dataclass(frozen=True)
class Key:
    """What is looked at: an attribute, or with `own` the item's `label` or `item` (its id)."""

    name: str
    own: bool = False

    def of(self, item: Subject) -> Any:
        """The item's value; None where it has none."""
        if self.own:
            return item.label if self.name == "label" else item.item_id
        return item.attributes.get(self.name)


@dataclass(frozen=True)
class Value:
    """A value as it was typed; `number` is None where it is to be taken as text."""

    text: str
    number: Number | None = None


@dataclass(frozen=True)
class OneOf:
    """`=`, `in`, and with `negated` `!=`, `not in`: true only of items that have the key."""

    key: Key
    values: tuple[Value, ...]
    negated: bool = False
    _numbers: frozenset[Number] = field(init=False, repr=False, compare=False)
    _texts: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = frozenset(v.number for v in self.values if v.number is not None)
        texts = frozenset(v.text for v in self.values if v.number is None)
        object.__setattr__(self, "_numbers", numbers)
        object.__setattr__(self, "_texts", texts)

    def met_by(self, item: Subject) -> bool:
        """Whether the item's value, or an element of it, is one of the values."""
        found = self.key.of(item)
        return found is not None and self.negated != any(map(self._has, _elements(found)))

    def _has(self, found: Any) -> bool:
        if self._texts and text_of(found) in self._texts:
            return True
        return bool(self._numbers) and number_of(found) in self._numbers

    def asked(self) -> Iterator[Key]:
        """The one key."""
        yield self.key


@dataclass(frozen=True)
class Ordered:
    """`<`, `<=`, `>`, `>=`: by number if the value typed is one, else by text."""

    key: Key
    order: str
    value: Value

    def met_by(self, item: Subject) -> bool:
        """Whether the item's value, or an element of it, is on that side of the value."""
        return any(map(self._holds, _elements(self.key.of(item))))

    def _holds(self, found: Any) -> bool:
        if self.value.number is None:
            return ORDERS[self.order](text_of(found), self.value.text)
        number = number_of(found)
        return number is not None and ORDERS[self.order](number, self.value.number)

    def asked(self) -> Iterator[Key]:
        """The one key."""
        yield self.key


@dataclass(frozen=True)
class Like:
    r"""`like`: `%` stands for any text, `_` for one character, `\` makes the next one plain."""

    key: Key
    pattern: str
    negated: bool = False
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", _like(self.pattern))

    def met_by(self, item: Subject) -> bool:
        """Whether the item's value, or an element of it, looks like the pattern."""
        found = self.key.of(item)
        return found is not None and self.negated != any(
            self._compiled.match(text_of(element)) for element in _elements(found)
        )

    def asked(self) -> Iterator[Key]:
        """The one key."""
        yield self.key


@dataclass(frozen=True)
class Has:
    """`has KEY`: there is a value, and it is not null."""

    key: Key

    def met_by(self, item: Subject) -> bool:
        """Whether the item has the key."""
        return self.key.of(item) is not None

    def asked(self) -> Iterator[Key]:
        """The one key."""
        yield self.key


@dataclass(frozen=True)
class Not:
    """True exactly where the part is false."""

    part: Condition

    def met_by(self, item: Subject) -> bool:
        """Whether the item does not meet the part."""
        return not self.part.met_by(item)

    def asked(self) -> Iterator[Key]:
        """Those of the part."""
        yield from self.part.asked()


@dataclass(frozen=True)
class Both:
    """`and`: true where all parts are."""

    parts: tuple[Condition, ...]

    def met_by(self, item: Subject) -> bool:
        """Whether the item meets all parts."""
        return all(part.met_by(item) for part in self.parts)

    def asked(self) -> Iterator[Key]:
        """Those of the parts."""
        for part in self.parts:
            yield from part.asked()


@dataclass(frozen=True)
class Either:
    """`or`: true where one part is."""

    parts: tuple[Condition, ...]

    def met_by(self, item: Subject) -> bool:
        """Whether the item meets one of the parts."""
        return any(part.met_by(item) for part in self.parts)

    def asked(self) -> Iterator[Key]:
        """Those of the parts."""
        for part in self.parts:
            yield from part.asked()


def text_of(found: Any) -> str:
    """An attribute as text: composed (NFC), numbers and truth as JSON spells them."""
    if isinstance(found, str):
        return found if found.isascii() else unicodedata.normalize("NFC", found)
    return json.dumps(found)


def number_of(found: Any) -> Number | None:
    """An attribute, or text that spells one, as a number; None for anything else."""
    if isinstance(found, bool):
        return None
    if isinstance(found, (int, float)):
        return found
    return read_number(found)


def read_number(text: str) -> Number | None:
    """The number that a text spells: `3`, `-0.5`, `1e3`, with blanks around it or not."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    whole = text.lstrip("+-").isdigit() and len(text) <= _EXACT
    return int(text) if whole else float(text)


def _elements(found: Any) -> Iterator[Any]:
    """The scalars to compare with: of a list its elements; a mapping compares with nothing."""
    for element in found if isinstance(found, list) else (found,):
        if isinstance(element, (str, int, float)):
            yield element


def _like(pattern: str) -> re.Pattern[str]:
    # fnmatch makes expressions that cannot run away, whatever the pattern is.
    glob, escaped = "", False
    for char in pattern:
        if escaped or char not in "\\%_":
            glob += f"[{char}]" if char in "*?[" else char
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            glob += {"%": "*", "_": "?"}[char]
    return re.compile(fnmatch.translate(glob + ("\\" if escaped else "")))
