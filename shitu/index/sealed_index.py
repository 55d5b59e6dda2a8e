"""An approximate index that never changes, and beside it what came and went since."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import faiss as _stubbed
import numpy as np

from shitu.errors import IndexFileError
from shitu.images import display_path
from shitu.index.approximate import KINDS, open_mapped, search, train
from shitu.index.audit import Audit, tune
from shitu.index.faiss_index import FlatIndex, checked, compare_some
from shitu.index.ranking import TIE, Bools, Floats, Integers, in_order, rank
from shitu.index.vector_index import Neighbours, Part, Sink

faiss: Any = _stubbed

_IO_BLOCK = 1 << 20
_CHECKED = 1 << 14
_WORN_SHARE = 20  # worn out when one in so many vectors came or went,
_WORN_LEAST, _WORN_MOST = 100, 20_000  # but not before, and not after so many did
_ENDINGS = (".faiss", ".ids.npy", ".vectors.npy")


class SealedIndex:
    """A sealed base of any approximate kind, a flat tail of later vectors, a mask of removed ones.

    The base consists of the trained Faiss index and the vectors themselves, with which whatever
    it finds is compared exactly. Its files are only mapped, so processes share the memory.

    Args:
        kind: one of `approximate.KINDS`.
        dim: length of the vectors.
    """

    sealed = True

    def __init__(self, kind: str, dim: int) -> None:
        self.kind, self.dim = kind, dim
        self._kind = KINDS[kind]
        self._lock = threading.RLock()
        self._name = ""
        self._base: Any = None
        self._ids: Integers = np.empty(0, np.int64)
        self._vectors: Floats = np.empty((0, dim), np.float32)
        self._alive = np.empty(0, bool)
        self._tail = FlatIndex(dim)
        self._audit: Audit | None = None

    @classmethod
    def build(cls, kind: str, ids: Integers, vectors: Floats, recall: float) -> SealedIndex:
        """Train an index of vectors (n, dim), at least one, and make sure of its recall.

        Args:
            ids: (n,), ascending.
            vectors: kept, not copied.

        Raises:
            IndexFileError: a vector is not of length one.
            RecallNotReached: this kind cannot find enough of these vectors.
        """
        index = cls(kind, vectors.shape[1])
        for start in range(0, len(vectors), _CHECKED):
            checked(vectors[start : start + _CHECKED], index.dim)
        index._use(secrets.token_hex(8), train(index._kind, vectors), ids, vectors)
        index._audit = tune(kind, vectors, index._find, index._kind.most(index._base), recall)
        return index

    def _use(self, name: str, base: Any, ids: Integers, vectors: Floats) -> None:
        with self._lock:
            self._name, self._base, self._ids, self._vectors = name, base, ids, vectors
            self._alive = np.ones(len(ids), bool)
            self._tail = FlatIndex(self.dim)

    @property
    def audit(self) -> Audit | None:
        """What the base was found to find."""
        return self._audit

    @property
    def count(self) -> int:
        """Number of vectors."""
        return int(np.count_nonzero(self._alive)) + self._tail.count

    @property
    def stored(self) -> int:
        """Number of vectors that `files` writes: those of the base, whatever came and went."""
        return len(self._ids)

    @property
    def worn(self) -> bool:
        """Whether so much came and went that a new base is due."""
        changed = np.count_nonzero(~self._alive) + self._tail.count
        limit = max(_WORN_LEAST, min(_WORN_MOST, len(self._ids) // _WORN_SHARE))
        return bool(changed > min(limit, len(self._ids)))

    def ids(self) -> Integers:
        """Return all reference ids, ascending."""
        with self._lock:
            return np.sort(np.concatenate([self._ids[self._alive], self._tail.ids()]))

    def holds(self, ids: Integers) -> Bools:
        """Return which of these ids (n,) are there: bool (n,)."""
        with self._lock:
            there: Bools = (self._at(ids) >= 0) | self._tail.holds(ids)
            return there

    def vectors(self, ids: Integers) -> Floats:
        """Return the vectors (n, dim) of these ids as far as they are there, in their order."""
        with self._lock:
            at = self._at(ids)
            new = (at < 0) & self._tail.holds(ids)
            found = np.empty((len(ids), self.dim), np.float32)
            found[at >= 0] = self._vectors[at[at >= 0]]
            found[new] = self._tail.vectors(np.asarray(ids)[new])
            return found[(at >= 0) | new]

    def _at(self, ids: Integers) -> Integers:
        """Where these ids are in the base; -1 for those that are not, or no longer."""
        ids = np.asarray(ids, np.int64)
        if not len(self._ids):
            return np.full(len(ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where((self._ids[at] == ids) & self._alive[at], at, -1)

    def add(self, ids: Integers, vectors: Floats) -> None:
        """Add vectors (n, dim) under new ids (n,); all of them or none.

        Raises:
            IndexFileError: an id is there already, or a vector is not of length one.
        """
        with self._lock:
            there = self._at(ids) >= 0
            if there.any():
                number = np.asarray(ids)[there][0]
                raise IndexFileError(f"reference {number} is in the index already: rebuild it")
            self._tail.add(ids, vectors)

    def remove(self, ids: Integers) -> int:
        """Remove these ids as far as they are there; returns how many were."""
        with self._lock:
            at = np.unique(self._at(ids))
            at = at[at >= 0]
            self._alive[at] = False
            return len(at) + self._tail.remove(ids)

    # --- searching ---------------------------------------------------------------------

    def search(self, queries: Floats, k: int, allowed: Integers | None = None) -> Neighbours:
        """Return k near ones of each query (m, dim); equal scores in order of their ids.

        Scores are exact, and among `allowed` none of the nearest is missed.

        Raises:
            IndexFileError: a query is not of length one.
        """
        if k < 1:
            raise ValueError(f"k is {k}, it must be at least 1")
        queries = checked(queries, self.dim)
        with self._lock:
            if allowed is None:
                assert self._audit is not None  # noqa: S101 - only before anything is in it
                base = self._find(queries, k, self._audit.effort)
            else:
                base = self._compare_all(queries, k, np.sort(self._at(allowed)))
            return _merged(base, self._tail.search(queries, k, allowed))

    def _compare_all(self, queries: Floats, k: int, places: Integers) -> Neighbours:
        places = places[np.searchsorted(places, 0) :]
        rough = partial(compare_some, places, self._vectors)
        return rank(queries, k, len(places), rough, self._look_up)

    def _look_up(self, places: Integers) -> tuple[Integers, Floats]:
        return self._ids[places], self._vectors[places]

    def _find(self, queries: Floats, k: int, effort: int) -> Neighbours:
        """Return what the base finds with an effort, every score exact."""
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        total = int(np.count_nonzero(self._alive))
        alive = None if total == len(self._alive) else self._alive
        fetch, kept = min(total, self._kind.candidates(k)), min(total, k)
        most = self._kind.most(self._base)
        open_ = np.arange(len(queries) if total else 0)
        lost = open_[:0]
        while len(open_):
            rough, places = search(self._kind, self._base, queries[open_], fetch, effort, alive)
            # A damaged file may claim places that there are not.
            good = (places >= 0) & (places < len(self._ids))
            short = good.sum(axis=1) < kept
            # Twins have the same code: those that reach the end may go on beyond it.
            tied = (rough[:, -1] >= rough[:, kept - 1] - TIE) & (fetch < total) & good.all(axis=1)
            for done in np.flatnonzero(~(short | tied)):
                row, where = open_[done], places[done][good[done]]
                best, who = in_order(queries[row], *self._look_up(where))
                scores[row, :kept], ids[row, :kept] = best[:kept], who[:kept]
            if effort >= most:  # and still too few
                lost, short = np.append(lost, open_[short]), np.zeros_like(short)
            open_ = open_[short | tied]
            fetch, effort = min(total, fetch * 4), min(most, effort * 4)
        if len(lost):
            exact = self._compare_all(queries[lost], k, np.flatnonzero(self._alive))
            scores[lost], ids[lost] = exact.scores, exact.reference_ids
        return Neighbours(scores, ids)

    # --- files -------------------------------------------------------------------------

    def files(self) -> Mapping[str, Part]:
        """Return how to write the base, by name of the file; the names are new with each base."""

        def base(file: Sink) -> None:
            faiss.write_index(self._base, faiss.PyCallbackIOWriter(file.write, _IO_BLOCK))

        count = len(self._ids)
        bulks = (count * self._kind.code(self._base), count * 8, count * self.dim * 4)
        writes = (base, _array(self._ids), _array(self._vectors))
        return {
            f"base-{self._name}{ending}": Part(write, bulk)
            for ending, write, bulk in zip(_ENDINGS, writes, bulks, strict=True)
        }

    def read(self, paths: Mapping[str, Path], audit: Audit | None) -> None:
        """Map the base that `files` wrote, verified; tail and mask are empty then.

        Raises:
            IndexFileError: the files are not those of an index of this kind and dimension.
        """
        name = next(iter(paths), "").split(".")[0].removeprefix("base-")
        try:
            faiss_, ids_, vectors_ = (paths[f"base-{name}{ending}"] for ending in _ENDINGS)
        except KeyError as error:
            raise IndexFileError(f"the manifest names no file {error}") from error
        if audit is None:
            raise IndexFileError("the manifest does not say how to search the index")
        ids = np.array(_mapped(ids_, np.dtype(np.int64), (-1,)))
        vectors = _mapped(vectors_, np.dtype(np.float32), (len(ids), self.dim))
        if not (np.diff(ids) > 0).all():
            raise IndexFileError(f"{display_path(ids_)} holds ids that do not ascend")
        base = open_mapped(self._kind, faiss_, len(ids), self.dim)
        with self._lock:
            self._use(name, base, ids, vectors)
            self._audit = audit


def _array(values: Any) -> Any:
    return lambda file: np.lib.format.write_array(file, values, allow_pickle=False)


def _mapped(path: Path, kind: Any, shape: tuple[int, ...]) -> Any:
    called = display_path(path)
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise IndexFileError(f"{called} cannot be read ({error})") from error
    fits = len(values.shape) == len(shape) and all(
        wanted in (-1, side) for side, wanted in zip(values.shape, shape, strict=True)
    )
    if values.dtype != kind or not fits or not values.flags.c_contiguous:
        raise IndexFileError(f"{called} holds something else than was written")
    return np.asarray(values)


def _merged(first: Neighbours, second: Neighbours) -> Neighbours:
    """The best k of both, equal scores in order of their ids."""
    k = first.scores.shape[1]
    scores = np.concatenate([first.scores, second.scores], axis=1)
    ids = np.concatenate([first.reference_ids, second.reference_ids], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    return Neighbours(
        np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
    )
