"""The gallery as it was: listed, filtered and searched exactly, built from SQL when asked for."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from copy import deepcopy
from datetime import date

import numpy as np
import numpy.typing as npt

from shitu._cached import cached_property
from shitu.catalog.filtering import select_from
from shitu.catalog.forgotten import why_forgotten
from shitu.errors import GalleryError, SpaceMismatch
from shitu.gallery import Item, Reference, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.moments import Moment, parse_moment
from shitu.gallery.where import Selection, Where, parse_where
from shitu.index import Neighbours, VectorIndex
from shitu.index.kinds import FLAT, new_index
from shitu.prototypes import Floats, PrototypesOfItems

Named = int | str | date | Moment


class PastGallery:
    """What there was at a generation, with the labels and attributes of that time.

    May be shared between threads. The vectors are read at the first search.

    Args:
        wanted: the space of all queries, None for whatever is in use.

    Attributes:
        generation: of the state.
    """

    def __init__(self, gallery: Gallery, named: Named, wanted: Space | None = None) -> None:
        self._gallery = gallery
        self._wanted = wanted
        self._lock = threading.Lock()
        self._index: VectorIndex | None = None
        self._head = gallery.head()
        self._state = gallery.state_at(parse_moment(named))
        self.generation = self._state.generation

    def lasts(self) -> bool:
        """Whether nothing was forgotten since it was read; ask it before it is used again."""
        was, head = self._head, self._gallery.head()
        if was == head:
            return True
        if was.generation > head.generation or not self._gallery.has_been_at(was):
            return False
        if any("compact" in change.after for change in self._gallery.history(was.generation)):
            return False
        self._head = head
        return True

    def items(self) -> list[Item]:
        """Return all items with the numbers of their references, by label."""
        return deepcopy(list(self._state.items))  # filters ask the attributes that are kept

    def all_references(self) -> list[Reference]:
        """Return all references, by id."""
        return list(self._state.references.values())

    def closeness(
        self,
        queries: npt.NDArray[np.float32],
        items: npt.NDArray[np.int64],
        without: Sequence[Collection[int]] = (),
    ) -> Floats:
        """Return the cosines with prototypes of that time; see `Catalog.closeness`."""
        return self._prototypes.closeness(queries, items, without)

    @cached_property
    def _prototypes(self) -> PrototypesOfItems:
        members = defaultdict[int, list[int]](list)
        for number, reference in sorted(self._state.references.items()):
            members[reference.item_id].append(number)
        by_item = {item: np.array(numbers, np.int64) for item, numbers in members.items()}
        return PrototypesOfItems(lambda _: by_item, self._vectors)

    def _vectors(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        index = self._opened()
        return np.empty((0, 1), np.float32) if index is None else index.vectors(ids)

    def references(self, reference_ids: Iterable[int]) -> dict[int, Reference]:
        """Return what was known of these references; others are left out."""
        known = self._state.references
        return {number: known[number] for number in reference_ids if number in known}

    def select(self, where: str | Where) -> Selection:
        """Return the references that a filter allows, by the attributes of that time."""
        return select_from(parse_where(where), self._state.membership())

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        allowed: npt.NDArray[np.int64] | None = None,
    ) -> Neighbours:
        """Return the k nearest references of each query (m, dim) of unit length, exactly.

        Raises:
            GalleryError: vectors of that time have been forgotten.
            SpaceMismatch: another space than the queries' is in use by now.
        """
        index = self._opened()
        if index is None:
            shape = (len(queries), k)
            return Neighbours(np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64))
        return index.search(queries, k, allowed)

    def _opened(self) -> VectorIndex | None:
        with self._lock:
            if self._index is None:
                self._index = self._read()
            return self._index

    def _read(self) -> VectorIndex | None:
        space: Space | None = self._gallery.active_space()
        if space is None:
            return None
        if self._wanted is not None and space != self._wanted:
            raise SpaceMismatch(
                f"the gallery has gone over from {self._wanted.called_beside(space)} to "
                f"{space.called_beside(self._wanted)}: restart with the new model"
            )
        ids, vectors = self._gallery.vectors_of(space, set(self._state.references))
        missing = len(self._state.references) - len(ids)
        if missing:
            raise GalleryError(
                f"generation {self.generation} cannot be searched any more: of its "
                f"{len(self._state.references)} references {missing} have no vector, because "
                f"{why_forgotten(self._gallery.history())}; name a later generation, see "
                "`shitu history`"
            )
        index = new_index(FLAT, space.dim)
        index.add(ids, vectors)
        return index
