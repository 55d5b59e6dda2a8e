"""References that were read once, for as long as the gallery stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from sqlalchemy import Connection

from shitu.gallery import history
from shitu.gallery.reading import VARIABLES, read_references
from shitu.gallery.records import Head, Reference
from shitu.gallery.roots import Roots
from shitu.gallery.tables import item_references

_KEPT = 20_000  # 20 MB


class ReferenceMemory:
    """Gives references by id, those asked for before from memory. May be shared between threads.

    Whatever a reference tells of itself and its item changes with the head or the root alone.
    """

    def __init__(self) -> None:
        self._kept: tuple[Head, Roots, dict[int, Reference]] | None = None

    def read(
        self, connection: Connection, roots: Roots, wanted: Collection[int]
    ) -> dict[int, Reference]:
        """Return what is known of these references, by id; those that are gone are left out."""
        memory = self._at(history.head(connection), roots)
        # Each is taken once: another thread may clear the memory in between.
        found = {i: kept for i in wanted if (kept := memory.get(i)) is not None}
        missing = sorted(i for i in wanted if i not in found)
        new = {r.reference_id: r for r in _read(connection, roots, missing)}
        if len(memory) + len(new) > _KEPT:
            memory.clear()
        memory.update(new)
        return dict(sorted((found | new).items()))

    def _at(self, head: Head, roots: Roots) -> dict[int, Reference]:
        kept = self._kept
        if kept is None or kept[:2] != (head, roots):
            kept = self._kept = head, roots, {}
        return kept[2]


def _read(connection: Connection, roots: Roots, wanted: Collection[int]) -> Iterator[Reference]:
    numbers = iter(wanted)
    while some := list(islice(numbers, VARIABLES)):
        key = item_references.c.reference_id.in_(some)
        yield from read_references(connection, roots, key)
