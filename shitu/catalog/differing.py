"""What a gallery and an exported one have in common, and where they contradict each other."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from shitu.gallery.portable import PortableFile
from shitu.gallery.records import same_json
from shitu.gallery.tables import text_to_path

AT_A_TIME = 500

Choice: TypeAlias = Literal["keep", "take"]  # whose word counts

Holders: TypeAlias = Callable[[Sequence[str]], Mapping[str, tuple[int, str]]]


@dataclass(frozen=True)
class ItemHere:
    """What matters of an item of the gallery."""

    item_id: int
    attributes: Mapping[str, Any]
    references: int


@dataclass(frozen=True)
class LabelConflict:
    """One picture under two labels."""

    path: str
    sha256: str
    here: str
    there: str


@dataclass(frozen=True)
class AttributeConflict:
    """One attribute of one item with two values."""

    label: str
    name: str
    here: Any
    there: Any


@dataclass(frozen=True)
class GoldenConflict:
    """One picture with two right answers, each a label or "unknown"."""

    path: str
    here: str
    there: str


@dataclass(frozen=True)
class KnownDiff:
    """Rejections, or golden queries, in numbers; those that contradict are in neither.

    Attributes:
        new: only in the file.
        equal: in both: the same picture and item.
    """

    new: int = 0
    equal: int = 0


@dataclass(frozen=True)
class ItemDiff:
    """One label, in numbers of references.

    Attributes:
        is_new: the gallery has no item of this label.
        new: only in the file.
        equal: in both, under this label.
        only_here: only in the gallery.
        conflicting: here under another label than there, or the other way round.
        attributes: that come in addition.
    """

    label: str
    is_new: bool
    new: int
    equal: int
    only_here: int
    conflicting: int
    attributes: Mapping[str, Any]

    @property
    def differs(self) -> bool:
        """Whether importing would change anything, or the gallery has more."""
        return bool(self.new or self.only_here or self.conflicting or self.attributes)


@dataclass
class _Count:
    new: int = 0
    equal: int = 0
    here_as: int = 0  # in the gallery under this label, in the file under another
    there_as: int = 0


@dataclass(frozen=True)
class GalleryDiff:
    """The whole comparison; `items` by label, those of the gallery alone included."""

    items: tuple[ItemDiff, ...]
    labels: tuple[LabelConflict, ...]
    attributes: tuple[AttributeConflict, ...]
    rejections: KnownDiff = KnownDiff()
    golden: KnownDiff = KnownDiff()
    golden_conflicts: tuple[GoldenConflict, ...] = ()

    @property
    def conflicts(self) -> int:
        """Number of contradictions."""
        return len(self.labels) + len(self.attributes) + len(self.golden_conflicts)

    def total(self, name: str) -> int:
        """Sum one of the numbers of the items."""
        return sum(getattr(item, name) for item in self.items)


@dataclass
class Comparison:
    """Compares, chunk by chunk.

    Args:
        here: the items of the gallery by label.
        holders: which reference and label of the gallery has a content.
    """

    file: PortableFile
    here: Mapping[str, ItemHere]
    holders: Holders
    _counts: defaultdict[str, _Count] = field(default_factory=lambda: defaultdict(_Count))

    def run(self) -> GalleryDiff:
        """Compare everything."""
        clashes = []
        for chunk in chunks(self.file.rows(_CONTENTS)):
            held = self.holders([sha256 for sha256, _, _ in chunk])
            self.file.passes.met(len(chunk))
            for sha256, label, path in chunk:
                clash = self._enter(label, held.get(sha256, (0, None))[1])
                if clash is not None:
                    clashes.append(LabelConflict(text_to_path(path), sha256, clash, label))
        there = dict(self._attributes())
        conflicts = [
            AttributeConflict(label, name, self.here[label].attributes[name], value)
            for label, values in there.items()
            for name, value in values.items()
            if label in self.here
            and not same_json(self.here[label].attributes.get(name, value), value)
        ]
        return GalleryDiff(tuple(self._items(there)), tuple(clashes), tuple(conflicts))

    def _enter(self, label: str, here: str | None) -> str | None:
        if here is None:
            self._counts[label].new += 1
        elif here == label:
            self._counts[label].equal += 1
        else:
            self._counts[label].there_as += 1
            self._counts[here].here_as += 1
            return here
        return None

    def _attributes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for label, attributes in self.file.rows("SELECT label, attributes FROM items"):
            yield label, json.loads(attributes)

    def _items(self, there: Mapping[str, Mapping[str, Any]]) -> Iterator[ItemDiff]:
        nothing = ItemHere(0, {}, 0)
        for label in sorted({*self.here, *there}):
            count, here = self._counts[label], self.here.get(label, nothing)
            more = {n: v for n, v in there.get(label, {}).items() if n not in here.attributes}
            yield ItemDiff(
                label=label,
                is_new=label not in self.here,
                new=count.new,
                equal=count.equal,
                only_here=here.references - count.equal - count.here_as,
                conflicting=count.here_as + count.there_as,
                attributes=more,
            )


_CONTENTS = "SELECT sha256, label, path FROM refs JOIN items USING (item_id) ORDER BY reference_id"


def chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    """Gather rows."""
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == AT_A_TIME:
            yield some
            some = []
    if some:
        yield some
