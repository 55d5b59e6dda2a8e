"""The two states that a change lies between: the one that is committed, and the one to come."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shitu._cached import cached_property
from shitu.catalog.cache import IndexCache
from shitu.catalog.foresight import in_blocks, nearest_of
from shitu.catalog.learning import ADAPTER, CALIBRATION, View, calibration_from, view_from
from shitu.catalog.rejections import Screen
from shitu.gallery import Reference
from shitu.gallery.gallery import REMAKES, Gallery
from shitu.gallery.local_features import read_thumbnails
from shitu.gallery.pending import Pending
from shitu.index import Neighbours
from shitu.prototypes import PrototypesOfItems

if TYPE_CHECKING:
    from shitu.calibration import Calibration

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Committed:
    """What the index was last brought up to; see `foresight.State`.

    Attributes:
        allowed: ids (n,), ascending, of the only references that count; None: all.
    """

    gallery: Gallery
    cache: IndexCache
    screen: Screen
    calibration: Calibration | None
    allowed: Ids | None = None

    @property
    def view(self) -> View:
        """How vectors are compared."""
        return self.cache.view

    def nearest(self, queries: Floats, k: int, without: Collection[int] = ()) -> Neighbours:
        """The k nearest references of queries (m, dim), without those of some items."""
        hidden = self.gallery.ids_of(without) if without else np.empty(0, np.int64)
        return self.nearest_but(queries, k, hidden)

    def nearest_but(self, queries: Floats, k: int, hidden: Ids) -> Neighbours:
        """The k nearest references of queries (m, dim), without those of some ids."""
        allowed = self.allowed
        if len(hidden):
            there = self.cache.index.ids() if allowed is None else allowed
            allowed = np.setdiff1d(there, hidden, assume_unique=True)
        return self.cache.search(queries, k, allowed)

    def items_of(self, reference_ids: Collection[int]) -> dict[int, int]:
        """The item of each reference."""
        return self.gallery.items_of(reference_ids)

    def closeness(self, queries: Floats, items: Ids) -> npt.NDArray[np.floating[Any]]:
        """Cosines (m, k) of queries (m, dim) with the prototypes of items (m, k)."""
        return self.cache.closeness(queries, items)

    def references(self, reference_ids: Collection[int]) -> dict[int, Reference]:
        """What is known of these references."""
        return self.gallery.references(reference_ids)

    def thumbnails(self, reference_ids: Collection[int]) -> dict[int, bytes]:
        """JPEGs of references, as far as there are any."""
        return read_thumbnails(self.gallery, reference_ids)


@dataclass(eq=False)
class Foreseen:
    """What the gallery will be once a change is committed; see `foresight.State`.

    Attributes:
        queries: (m, dim) whose neighbours and items before the change are known already.
        known: those neighbours (m, k).
        items: items of references before the change, as far as they are known.
    """

    pending: Pending
    before: Committed
    queries: Floats
    known: Neighbours
    items: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._touched = self.pending.touched()
        gone = self._touched.gone
        self._gone = np.array(sorted(gone), np.int64)
        for number in gone | self._touched.moved:
            self.items.pop(number, None)

    @cached_property
    def view(self) -> View:
        """How vectors will be compared."""
        if not self.pending.kinds & set(REMAKES):
            return self.before.view
        return view_from(
            self.pending.setting(ADAPTER), self.pending.space() or self.before.view.raw
        )

    @cached_property
    def screen(self) -> Screen:
        """What will have been rejected."""
        if not self.pending.kinds & {"rejections", "space"}:
            return self.before.screen
        return Screen(self.pending.known().rejections(self.view.raw))

    @cached_property
    def calibration(self) -> Calibration | None:
        """What will be known of the scores."""
        if not self.pending.kinds & {*REMAKES, CALIBRATION}:
            return self.before.calibration
        return calibration_from(self.pending.setting(CALIBRATION), self.view.space)

    def nearest(self, queries: Floats, k: int, without: Collection[int] = ()) -> Neighbours:
        """The k nearest references of queries (m, dim), without those of some items."""
        hidden = self.pending.ids_of(without) if without else np.empty(0, np.int64)
        mapped = np.asarray(self.view(queries), np.float32)
        if self._remade:
            return nearest_of(mapped, k, self._all(hidden))
        ids, vectors = self._came
        new = ~np.isin(ids, hidden)
        start = self._start(queries, k, np.union1d(hidden, self._gone))
        return nearest_of(mapped, k, in_blocks(ids[new], vectors[new]), start)

    def items_of(self, reference_ids: Collection[int]) -> dict[int, int]:
        """The item of each reference."""
        unknown = [number for number in reference_ids if number not in self.items]
        self.items.update(self.pending.items_of(unknown))
        return {number: self.items[number] for number in reference_ids if number in self.items}

    def closeness(self, queries: Floats, items: Ids) -> npt.NDArray[np.floating[Any]]:
        """Cosines (m, k) of queries (m, dim) with the prototypes of items (m, k)."""
        mapped = np.asarray(self.view(queries), np.float32)
        return self._prototypes.closeness(mapped, items)

    def references(self, reference_ids: Collection[int]) -> dict[int, Reference]:
        """What will be known of these references."""
        return self.pending.references(reference_ids)

    def thumbnails(self, reference_ids: Collection[int]) -> dict[int, bytes]:
        """JPEGs of references, as far as there are any."""
        return self.pending.thumbnails(reference_ids)

    @property
    def _remade(self) -> bool:
        return self.view.space != self.before.view.space

    @cached_property
    def _came(self) -> tuple[Ids, Floats]:
        ids, vectors = self.pending.vectors(self.view.raw, self._touched.came)
        return ids, np.asarray(self.view(vectors), np.float32)

    @cached_property
    def _prototypes(self) -> PrototypesOfItems:
        return PrototypesOfItems(self.pending.members_of, self._vectors)

    def _vectors(self, ids: Ids) -> Floats:
        """Vectors of references as they will be compared, in any order."""
        if self._remade:
            vectors = self.pending.vectors(self.view.raw, set(ids.tolist()))[1]
            return np.asarray(self.view(vectors), np.float32)
        new, vectors = self._came
        old = ids[~np.isin(ids, new)]
        return np.concatenate([self.before.cache.index.vectors(old), vectors[np.isin(new, ids)]])

    def _all(self, hidden: Ids) -> Iterator[tuple[Ids, Floats]]:
        for ids, vectors in self.pending.all_vectors(self.view.raw):
            kept = ~np.isin(ids, hidden)
            yield ids[kept], np.asarray(self.view(vectors[kept]), np.float32)

    def _start(self, queries: Floats, k: int, hidden: Ids) -> Neighbours:
        """The nearest of what was there before and stays; most are known already."""
        if queries is not self.queries:
            return self.before.nearest_but(queries, k, hidden)
        rows = np.flatnonzero(np.isin(self.known.reference_ids, hidden).any(axis=1))
        if not len(rows):
            return self.known
        scores, ids = self.known.scores.copy(), self.known.reference_ids.copy()
        again = self.before.nearest_but(queries[rows], k, hidden)
        scores[rows], ids[rows] = again.scores, again.reference_ids
        return Neighbours(scores, ids)
