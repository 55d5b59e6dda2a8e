"""Exact search with Faiss."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss as _stubbed
import numpy as np

from shitu._forking import after_fork
from shitu.errors import IndexFileError
from shitu.images import display_path
from shitu.index.opening import MAPPED, open_index
from shitu.index.ranking import ROUNDING, Bools, Floats, Integers, Rough, compare, rank
from shitu.index.sketch import ERROR, Sketch
from shitu.index.vector_index import VECTORS, Neighbours, Part, Sink

if TYPE_CHECKING:
    from shitu.index.audit import Audit

faiss: Any = _stubbed  # its type stubs leave out half of it

# Newer versions of Faiss take 128000 queries before they use matrix products, which makes a
# batch of 100 eight times slower than it need be; 20 is what older versions have.
faiss.cvar.distance_compute_blas_threshold = 20

# The threads of OpenMP do not come along into a forked process, which would wait for them for ever.
after_fork(lambda: faiss.omp_set_num_threads(1))

_UNIT = 1e-3  # how far from 1 a length may be
_BLOCK = 1 << 20
_ROOM = 32  # a copy has room for one more vector for so many

# Few queries among many vectors are answered three times faster by a copy in half precision, which
# takes half as much memory besides. It is made once there were so many that it has paid off.
_SKETCHED = 20_000
_PAID_OFF = 12

# Where only some vectors are allowed, copying those and comparing all at once is faster than
# having Faiss pass over the others, by 2 (1 % of 200k, one query) to 8 times (100 queries). Only
# one to three queries among many allowed ones are answered 2 to 4 times faster by Faiss.
_GATHERED = 10_000
_MATRIX = 4


class FlatIndex:
    """All vectors in memory, compared one by one: nothing is missed.

    Args:
        dim: length of the vectors.
    """

    kind = "flat"
    sealed = False
    audit = None
    worn = False

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._lock = threading.RLock()  # Faiss allows no search while vectors come or go
        self._mapped = False
        self._sketch: Sketch | None = None
        self._answered = 0  # queries, a few at a time
        # Without the map, removing a vector would shift the ids of all that follow.
        self._use(faiss.IndexIDMap2(faiss.IndexFlatIP(dim)))

    def _use(self, index: Any) -> None:
        self._index = index
        self._forget_places()

    def _forget_places(self) -> None:
        self._placed: Integers | None = None
        self._order: Integers | None = None

    @property
    def _flat(self) -> Any:
        return faiss.downcast_index(self._index.index)

    @property
    def _ids(self) -> Integers:
        """The ids by place: only to be used under the lock."""
        if self._placed is None:
            self._placed = faiss.vector_to_array(self._index.id_map)
        return self._placed

    def _by_id(self) -> Integers:
        """The places in order of their ids."""
        if self._order is None:
            ascending = (np.diff(self._ids) > 0).all()  # as they are added; quicker than sorting
            self._order = np.arange(len(self._ids)) if ascending else np.argsort(self._ids)
        return self._order

    @property
    def count(self) -> int:
        """Number of vectors."""
        return int(self._index.ntotal)

    @property
    def stored(self) -> int:
        """Number of vectors that `files` writes: all of them."""
        return self.count

    def ids(self) -> Integers:
        """Return all reference ids, ascending."""
        with self._lock:
            return self._ids[self._by_id()]

    def holds(self, ids: Integers) -> Bools:
        """Return which of these ids (n,) are there: bool (n,)."""
        with self._lock:
            there: Bools = self._at(ids) >= 0
            return there

    def vectors(self, ids: Integers) -> Floats:
        """Return the vectors (n, dim) of these ids as far as they are there, in their order."""
        with self._lock:
            at = self._at(ids)
            return self._vectors()[at[at >= 0]]

    def _at(self, ids: Integers) -> Integers:
        """Where these ids are; -1 for those that are not."""
        order, ids = self._by_id(), np.asarray(ids, np.int64)
        if not len(order):
            return np.full(len(ids), -1, np.int64)
        after = np.searchsorted(self._ids, ids, sorter=order)
        at = order[np.minimum(after, len(order) - 1)]
        return np.where(self._ids[at] == ids, at, -1)

    def add(self, ids: Integers, vectors: Floats) -> None:
        """Add vectors (n, dim) under new ids (n,); all of them or none.

        Raises:
            IndexFileError: an id is there already, or a vector is not of length one.
        """
        ids = np.ascontiguousarray(ids, np.int64)
        vectors = checked(vectors, self.dim)
        if ids.shape != (len(vectors),):
            raise ValueError(f"{len(vectors)} vectors need as many ids, not shape {ids.shape}")
        with self._lock:
            _refuse_duplicates(ids, self._ids)
            if len(ids):
                self._own()
                self._forget_places()  # before: Ctrl-C arrives when Faiss is done
                self._index.add_with_ids(vectors, ids)

    def remove(self, ids: Integers) -> int:
        """Remove these ids as far as they are there; returns how many were."""
        ids = np.ascontiguousarray(ids, np.int64)
        with self._lock:
            if not self.holds(ids).any():
                return 0
            self._forget_sketch()
            self._own()
            self._forget_places()
            return int(self._index.remove_ids(ids))

    def search(
        self,
        queries: Floats,
        k: int,
        allowed: Integers | None = None,
    ) -> Neighbours:
        """Return the k nearest of each query (m, dim); equal scores in order of their ids.

        Args:
            allowed: only these ids (n,), ascending, are looked at; unknown ones do not matter.

        Raises:
            IndexFileError: a query is not of length one.
        """
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        queries = checked(queries, self.dim)
        with self._lock:
            if allowed is None:
                rough, error = self._rough(len(queries))
                return rank(queries, k, self.count, rough, self._look_up, error)
            places = self._places(allowed)
            rough = partial(compare_some, places, self._vectors())
            return rank(queries, k, len(places), rough, self._look_up)

    def _rough(self, queries: int) -> tuple[Rough, float]:
        """What finds the nearest of so many queries, and how far its scores may be wrong."""
        if queries >= faiss.cvar.distance_compute_blas_threshold or self.count < _SKETCHED:
            return self._all, ROUNDING
        self._answered += queries
        if self._sketch is None:
            if self._answered <= _PAID_OFF:
                return self._all, ROUNDING
            self._sketch = Sketch(self.dim)
        if len(self._sketch) < self.count:  # vectors come last
            self._sketch.add(self._vectors()[len(self._sketch) :])
        return self._sketch.nearest, ERROR

    def _forget_sketch(self) -> None:
        self._sketch, self._answered = None, 0

    def _all(self, queries: Floats, fetch: int) -> tuple[Floats, Integers]:
        scores, places = self._flat.search(queries, fetch)
        return scores, places

    def _look_up(self, places: Integers) -> tuple[Integers, Floats]:
        return self._ids[places], self._vectors()[places]

    def _places(self, ids: Integers) -> Integers:
        """Where these ids (n,) are, as far as they are there; ascending."""
        order = self._by_id()
        ids = np.asarray(ids, np.int64)
        at = np.searchsorted(self._ids, ids, sorter=order)
        at[at == self.count] = 0
        places = order[at] if self.count else order
        return np.sort(places[self._ids[places] == ids[: len(places)]])

    def _vectors(self) -> Floats:
        """All vectors (count, dim), without a copy: only to be used under the lock."""
        if not self._flat.ntotal:
            return np.empty((0, self.dim), np.float32)
        view = faiss.rev_swig_ptr(self._flat.get_xb(), self._flat.ntotal * self.dim)
        return np.asarray(view).reshape(-1, self.dim)

    def files(self) -> Mapping[str, Part]:
        """Return how to write all of it: one file."""
        return {VECTORS: Part(self.write, self.count * (4 * self.dim + 8))}

    def write(self, file: Sink) -> None:
        """Write all of it."""
        with self._lock:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write, _BLOCK))

    def read(self, paths: Mapping[str, Path], audit: Audit | None = None) -> None:
        """Replace all of it by what `files` wrote.

        Raises:
            IndexFileError: the file is not one of this kind and dimension.
        """
        path = paths.get(VECTORS)
        if path is None:
            raise IndexFileError(f"the manifest names no file {VECTORS!r}")
        called = display_path(path)
        index = open_index(path, MAPPED)
        inner = getattr(index, "index", None)
        if not isinstance(index, faiss.IndexIDMap2) or index.d != self.dim or inner is None:
            raise IndexFileError(f"{called} holds another kind of index")
        if not isinstance(faiss.downcast_index(inner), faiss.IndexFlatIP):
            raise IndexFileError(f"{called} holds another kind of index")
        with self._lock:
            self._forget_sketch()
            self._use(index)
            self._mapped = True

    def _own(self) -> None:
        """Copy what is only mapped: Faiss would end the process rather than change that."""
        if not self._mapped:
            return
        flat = faiss.IndexFlatIP(self.dim)
        # What is copied for a change has room for it, or the first one would copy all once more.
        flat.codes.resize((self.count + self.count // _ROOM) * flat.code_size)
        flat.codes.resize(0)
        mine = faiss.IndexIDMap2(flat)
        mine.add_with_ids(self._vectors(), self._ids)
        self._use(mine)
        self._mapped = False


def compare_some(
    places: Integers, vectors: Floats, queries: Floats, fetch: int
) -> tuple[Floats, Integers]:
    """Return scores and places (m, fetch) of the nearest among some vectors, best first.

    Args:
        places: (n,) ascending, at least `fetch`.
        vectors: all of them, of which those at these places are looked at.
    """
    if len(places) <= _GATHERED or len(queries) >= _MATRIX:
        return compare(queries, fetch, places, vectors)
    count, dim = vectors.shape
    mask = np.zeros(count, bool)
    mask[places] = True
    selector = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
    scores = np.empty((len(queries), fetch), np.float32)
    found = np.empty((len(queries), fetch), np.int64)
    # What a flat index does with its vectors, done with any that lie in memory.
    given = [faiss.swig_ptr(queries), faiss.swig_ptr(vectors), dim, len(queries), count, fetch]
    faiss.knn_inner_product(*given, faiss.swig_ptr(scores), faiss.swig_ptr(found), selector)
    return scores, found


def checked(vectors: Floats, dim: int) -> Floats:
    """Return vectors (n, dim) as Faiss wants them.

    Raises:
        IndexFileError: one is not of length one.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"vectors are (n, {dim}), not {vectors.shape}")
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = ~(np.abs(lengths - 1.0) <= _UNIT)  # so that NaN is wrong, too
    if wrong.any():
        first = int(np.argmax(wrong))
        raise IndexFileError(
            f"vector {first} of {len(vectors)} has the length {lengths[first]:.4g} instead of "
            "1: the feature model is damaged or does not suit the index"
        )
    return vectors


def _refuse_duplicates(new: Integers, there: Integers) -> None:
    # Faiss would take them without a word and return both.
    values, counts = np.unique(new, return_counts=True)
    twice = values[counts > 1]
    if len(values) and len(there) and values[0] <= there.max():  # else it cannot be
        twice = np.concatenate([twice, np.intersect1d(values, there)])
    if len(twice):
        raise IndexFileError(f"reference {twice[0]} is in the index already: rebuild the index")
    if len(values) and values[0] < 0:
        raise IndexFileError(f"reference {values[0]} is negative: rebuild the index")
