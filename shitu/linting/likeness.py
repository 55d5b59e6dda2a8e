"""How alike the references of a gallery are, in blocks: never all against all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shitu._cached import cached_property
from shitu.index import Neighbours

NEIGHBOURS = 32  # looked at of each reference; of more copies of one picture some are not seen
_BLOCK = 512  # queries at a time

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Search: TypeAlias = Callable[[Floats, int], Neighbours]
Compared: TypeAlias = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Likeness:
    """Cosines between n references, as far as they matter.

    Attributes:
        ids: (n,) reference ids, ascending.
        owners: (n,) item ids.
        own: (n,) cosine to the nearest other reference of the same item; -inf if there is none.
        near: (n, k) places 0..n-1 of the nearest references, best first, without itself; -1: none.
        scores: (n, k) their cosines; -inf: none.
    """

    ids: Ids
    owners: Ids
    own: Floats
    near: Ids
    scores: Floats

    @classmethod
    def of(
        cls,
        ids: Ids,
        owners: Ids,
        vectors: Floats,
        search: Search,
        compared: Compared,
        progress: Callable[[int], None],
    ) -> Likeness:
        """Compare references; `vectors` (n, dim) are theirs, `search` finds the nearest k.

        Args:
            compared: vectors as `search` compares them, of length one.
        """
        own = _own(owners, vectors, compared)
        near = np.full((len(ids), NEIGHBOURS), -1, np.int64)
        scores = np.full((len(ids), NEIGHBOURS), -np.inf, np.float32)
        for start in range(0, len(ids), _BLOCK):
            rows = slice(start, start + _BLOCK)
            found = search(vectors[rows], NEIGHBOURS + 1)
            places = _places(found.reference_ids, ids)
            places[places == np.arange(start, start + len(places))[:, None]] = -1
            last = np.argsort(places < 0, axis=1, kind="stable")[:, :NEIGHBOURS]
            near[rows] = np.take_along_axis(places, last, axis=1)
            scores[rows] = np.take_along_axis(found.scores, last, axis=1)
            progress(len(places))
        scores[near < 0] = -np.inf
        return cls(ids, owners, own, near, scores)

    @cached_property
    def rival(self) -> tuple[Ids, Floats]:
        """(n,) places of the nearest references of another item, or -1, and their cosines."""
        rows = np.arange(len(self.ids))
        if not len(rows):
            return rows, np.empty(0, np.float32)
        other = (self.near >= 0) & (self.owners[self.near] != self.owners[:, None])
        first = other.argmax(axis=1)
        there = other[rows, first]
        place = np.where(there, self.near[rows, first], -1)
        return place, np.where(there, self.scores[rows, first], np.float32(-np.inf))

    @cached_property
    def rival_items(self) -> Ids:
        """(n,) the item of each one's rival; -1 where there is none."""
        place, _ = self.rival
        return np.where(place >= 0, self.owners[place], -1) if len(place) else place

    @cached_property
    def members(self) -> Mapping[int, Ids]:
        """Places of the references of each item, by item id."""
        return {int(self.owners[rows[0]]): rows for rows in by_owner(self.owners)}

    def pairs(self, at_least: float) -> tuple[Ids, Ids, Floats]:
        """Return (m,) places a < b of references that are as alike as that, and their cosines."""
        rows, columns = np.nonzero(self.scores >= at_least)
        places = np.sort(np.stack([rows, self.near[rows, columns]], axis=1), axis=1)
        places, first = np.unique(places, axis=0, return_index=True)
        return places[:, 0], places[:, 1], self.scores[rows, columns][first]


def _own(owners: Ids, vectors: Floats, compared: Compared) -> Floats:
    best = np.full(len(owners), -np.inf, np.float32)
    for rows in by_owner(owners):
        mine = compared(vectors[rows])
        for start in range(0, len(rows) if len(rows) > 1 else 0, _BLOCK):
            cosines = mine[start : start + _BLOCK] @ mine.T
            places = np.arange(len(cosines))
            cosines[places, start + places] = -np.inf
            best[rows[start : start + _BLOCK]] = cosines.max(axis=1)
    return best


def by_owner(owners: Ids) -> list[Ids]:
    """The places of each owner, in order of the owners."""
    order = np.argsort(owners, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(owners[order])) + 1)
    return groups if len(order) else []


def _places(wanted: Ids, ids: Ids) -> Ids:
    """Where in `ids` these are; -1 for those that are not."""
    if not len(ids):
        return np.full(wanted.shape, -1, np.int64)
    places = np.searchsorted(ids, wanted).clip(max=len(ids) - 1)
    return np.where(ids[places] == wanted, places, -1)
