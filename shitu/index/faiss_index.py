"""Exact search with Faiss."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import faiss as _stubbed
import numpy as np
import numpy.typing as npt

from shitu.errors import IndexFileError
from shitu.images import display_path
from shitu.index.vector_index import Neighbours, Sink

faiss: Any = _stubbed  # its type stubs leave out half of it

# Newer versions of Faiss take 128000 queries before they use matrix products, which makes a
# batch of 100 eight times slower than it need be; 20 is what older versions have.
faiss.cvar.distance_compute_blas_threshold = 20

_UNIT = 1e-3  # how far from 1 a length may be
_TIE = 1e-6  # scores closer than this may be equal ones, rounded in different ways
_SPARE = 16  # neighbours fetched beyond k to put ties in order
_BLOCK = 1 << 20


class FlatIndex:
    """All vectors in memory, compared one by one: nothing is missed.

    Args:
        dim: length of the vectors.
    """

    kind = "flat"

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._lock = threading.RLock()  # Faiss allows no search while vectors come or go
        # Without the map, removing a vector would shift the ids of all that follow.
        self._use(faiss.IndexIDMap2(faiss.IndexFlatIP(dim)))

    def _use(self, index: Any) -> None:
        self._index = index
        self._flat = faiss.downcast_index(index.index)
        self._ids: npt.NDArray[np.int64] = faiss.vector_to_array(index.id_map)

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self._ids)

    def ids(self) -> npt.NDArray[np.int64]:
        """Return all reference ids, ascending."""
        with self._lock:
            return np.sort(self._ids)

    def vectors(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the vectors (n, dim) of ids (n,) that are all there."""
        with self._lock:
            order = np.argsort(self._ids)
            places = order[np.searchsorted(self._ids, ids, sorter=order)]
            return self._vectors()[places]

    def add(self, ids: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """Add vectors (n, dim) under new ids (n,); all of them or none.

        Raises:
            IndexFileError: an id is there already, or a vector is not of length one.
        """
        ids = np.ascontiguousarray(ids, np.int64)
        vectors = self._checked(vectors)
        if ids.shape != (len(vectors),):
            raise ValueError(f"{len(vectors)} vectors need as many ids, not shape {ids.shape}")
        with self._lock:
            _refuse_duplicates(ids, self._ids)
            if len(ids):
                try:
                    self._index.add_with_ids(vectors, ids)
                finally:  # Ctrl-C arrives after Faiss is done: know what it did
                    self._use(self._index)

    def remove(self, ids: npt.NDArray[np.int64]) -> int:
        """Remove these ids as far as they are there; returns how many were."""
        ids = np.ascontiguousarray(ids, np.int64)
        with self._lock:
            if not np.isin(ids, self._ids).any():
                return 0
            try:
                return int(self._index.remove_ids(ids))
            finally:
                self._use(self._index)

    def search(self, queries: npt.NDArray[np.float32], k: int) -> Neighbours:
        """Return the k nearest of each query (m, dim); equal scores in order of their ids.

        Raises:
            IndexFileError: a query is not of length one.
        """
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        queries = self._checked(queries)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        with self._lock:
            if self.count and len(queries):
                self._search(queries, scores, ids)
        return Neighbours(scores, ids)

    def _search(
        self,
        queries: npt.NDArray[np.float32],
        scores: npt.NDArray[np.float32],
        ids: npt.NDArray[np.int64],
    ) -> None:
        k = scores.shape[1]
        fetch = min(self.count, k + _SPARE)
        open_ = np.arange(len(queries))
        while len(open_):
            rough, places = self._flat.search(queries[open_], fetch)
            kept = min(k, self.count)
            # A tie that reaches the end of what was fetched may go on beyond it.
            unsure = (rough[:, -1] >= rough[:, kept - 1] - _TIE) & (fetch < self.count)
            for row, found in zip(open_[~unsure], places[~unsure], strict=True):
                best, who = self._in_order(queries[row], found)
                scores[row, :kept], ids[row, :kept] = best[:kept], who[:kept]
            open_, fetch = open_[unsure], min(self.count, fetch * 4)

    def _in_order(
        self, query: npt.NDArray[np.float32], places: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        # Faiss rounds differently with the number of queries and the place of a vector; in
        # float64 equal vectors have equal scores, and an answer does not depend on its batch.
        rows = self._vectors()[places].astype(np.float64)
        exact = np.minimum(rows @ query.astype(np.float64), 1.0).astype(np.float32)
        order = np.lexsort((self._ids[places], -exact))
        return exact[order], self._ids[places][order]

    def _vectors(self) -> npt.NDArray[np.float32]:
        """All vectors (count, dim), without a copy: only to be used under the lock."""
        if not self._flat.ntotal:
            return np.empty((0, self.dim), np.float32)
        view = faiss.rev_swig_ptr(self._flat.get_xb(), self._flat.ntotal * self.dim)
        return np.asarray(view).reshape(-1, self.dim)

    def write(self, file: Sink) -> None:
        """Write all of it."""
        with self._lock:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(file.write, _BLOCK))

    def read(self, path: Path) -> None:
        """Replace all of it by what `write` wrote.

        Raises:
            IndexFileError: the file is not one of this kind and dimension.
        """
        called = display_path(path)
        try:
            # Through Python, because Faiss cannot open every name that a file can have.
            with path.open("rb") as file:
                index = faiss.read_index(faiss.PyCallbackIOReader(file.read, _BLOCK))
        except (OSError, RuntimeError, MemoryError) as error:
            raise IndexFileError(f"{called} cannot be read ({error})") from error
        inner = getattr(index, "index", None)
        if not isinstance(index, faiss.IndexIDMap2) or index.d != self.dim or inner is None:
            raise IndexFileError(f"{called} holds another kind of index")
        if not isinstance(faiss.downcast_index(inner), faiss.IndexFlatIP):
            raise IndexFileError(f"{called} holds another kind of index")
        with self._lock:
            self._use(index)

    def _checked(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        vectors = np.ascontiguousarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise ValueError(f"vectors are (n, {self.dim}), not {vectors.shape}")
        lengths = np.linalg.norm(vectors, axis=1)
        wrong = ~(np.abs(lengths - 1.0) <= _UNIT)  # so that NaN is wrong, too
        if wrong.any():
            first = int(np.argmax(wrong))
            raise IndexFileError(
                f"vector {first} of {len(vectors)} has the length {lengths[first]:.4g} instead of "
                "1: the feature model is damaged or does not suit the index"
            )
        return vectors


def _refuse_duplicates(new: npt.NDArray[np.int64], there: npt.NDArray[np.int64]) -> None:
    # Faiss would take them without a word and return both.
    values, counts = np.unique(new, return_counts=True)
    twice = np.concatenate([values[counts > 1], np.intersect1d(values, there)])
    if len(twice):
        raise IndexFileError(f"reference {twice[0]} is in the index already: rebuild the index")
    if len(values) and values[0] < 0:
        raise IndexFileError(f"reference {values[0]} is negative: rebuild the index")
