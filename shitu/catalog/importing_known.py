"""Brings rejections and golden queries of an exported gallery in, inside its import."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from shitu.catalog.differing import Choice, GalleryDiff
from shitu.catalog.differing_known import GOLDEN, REJECTIONS, Coming, KnownComparison
from shitu.errors import GalleryError
from shitu.gallery import Space
from shitu.gallery.known_insertion import KnownInsertion
from shitu.gallery.known_queries import Vector
from shitu.gallery.portable import PortableFile
from shitu.gallery.transaction import Transaction
from shitu.gallery.vectors import damage


@dataclass(frozen=True)
class KnownCame:
    """How many came, or would come.

    Attributes:
        homeless: rejections and golden queries whose item the gallery does not have, because all
            its pictures are of other items here.
    """

    rejections: int = 0
    golden: int = 0
    homeless: int = 0

    @classmethod
    def of(cls, coming: Iterable[Coming], labels: Collection[str]) -> KnownCame:
        """Count those that find their item among some labels."""
        kinds = [one.kind if _at_home(one, labels) else "" for one in coming]
        return cls(kinds.count(REJECTIONS), kinds.count(GOLDEN), kinds.count(""))


def foresee_known(known: KnownComparison, diff: GalleryDiff, on_conflict: Choice) -> KnownCame:
    """Count what an import would bring."""
    taking = on_conflict == "take"
    labels = {
        item.label
        for item in diff.items
        if not item.is_new or item.new or (taking and item.conflicting)
    }
    return KnownCame.of(_wanted(known, on_conflict), labels)


def import_known(
    file: PortableFile,
    transaction: Transaction,
    space: Space | None,
    known: KnownComparison,
    on_conflict: Choice,
) -> KnownCame:
    """Bring them in, once the references are there; what they replace goes.

    Raises:
        GalleryError: the file is damaged.
    """
    coming = _wanted(known, on_conflict)
    found = transaction.items_of({one.label for one in coming if one.label is not None})
    items = {label: item.item_id for label, item in found.items()}
    able = [one for one in coming if _at_home(one, items)]
    if able:
        replaced = {number for one in able for number in one.against}
        if replaced:
            transaction.known().drop(GOLDEN, sorted(replaced))
        work = _Import(file, KnownInsertion(transaction, space), items, space)
        for one in able:
            work.take(one)
        work.into.finish()
    return KnownCame.of(coming, items)


def _wanted(known: KnownComparison, on_conflict: Choice) -> tuple[Coming, ...]:
    return (*known.new, *(known.contradicting if on_conflict == "take" else ()))


def _at_home(one: Coming, labels: Collection[str]) -> bool:
    return one.label is None or one.label in labels


@dataclass
class _Import:
    file: PortableFile
    into: KnownInsertion
    items: dict[str, int]
    space: Space | None
    _queries: dict[int, int] = field(default_factory=dict)  # there -> here

    def take(self, one: Coming) -> None:
        """Put a row in, with its picture."""
        said = one.said
        if said.query_id not in self._queries:
            self._queries[said.query_id] = self._query(said.query_id)
        item_id = None if one.label is None else self.items[one.label]
        values = {"query_id": self._queries[said.query_id], "item_id": item_id, "at": said.at}
        if one.kind == GOLDEN:
            values["path"] = said.path
        self.into.row(one.kind, said.number, values)

    def _query(self, number: int) -> int:
        jpeg, vector, radius = next(self.file.rows(_QUERY, number))
        return self.into.query(number, jpeg, self._vector(number, vector), radius)

    def _vector(self, number: int, data: bytes | None) -> Vector | None:
        if data is None or self.space is None:
            return None
        why = damage(data, self.space.dim)
        if why:
            raise GalleryError(
                f"the file is damaged (query {number} {why}): export the gallery again; nothing "
                "was imported"
            )
        return np.frombuffer(data, "<f4").astype(np.float32)


_QUERY = (
    "SELECT jpeg, vector, radius FROM queries LEFT JOIN query_vectors USING (query_id) "
    "WHERE query_id = ?"
)
