"""Which kind of index suits a gallery, and making it; Faiss is loaded when one is made."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from shitu.config import INDEX_KINDS
from shitu.errors import IndexFileError, RecallNotReached
from shitu.index.audit import Audit
from shitu.index.ranking import Floats, Integers
from shitu.index.vector_index import VectorIndex

AUTO, FLAT = "auto", "flat"
_LARGE = "ivf-sq8"  # what `auto` takes beyond
_FLAT_UP_TO = 200_000  # vectors; comparing all of those takes 20 to 40 ms

_log = logging.getLogger(__name__)

Blocks = Iterable[tuple[Integers, Floats]]


@dataclass(frozen=True)
class IndexChoice:
    """What kind of index is wanted.

    Attributes:
        kind: one of `config.INDEX_KINDS`.
        recall: share of the nearest that an approximate kind has to find.
    """

    kind: str = AUTO
    recall: float = 0.99

    def suits(self, index: VectorIndex) -> bool:
        """Whether an index is what would be made of as many vectors."""
        asked = index.audit is None or index.audit.wanted == self.recall
        return asked and index.kind == self.kind_for(index.count)

    def like(self, kind: str, audit: Audit | None) -> IndexChoice:
        """Return the same; if no kind was named, that of an index which is not flat, as audited."""
        if self.kind != AUTO or kind not in INDEX_KINDS or audit is None:
            return self
        return IndexChoice(kind, audit.wanted)

    def kind_for(self, count: int) -> str:
        """Return the kind for so many vectors."""
        if count == 0:
            return FLAT  # there is nothing to train on
        if self.kind != AUTO:
            return self.kind
        return FLAT if count <= _FLAT_UP_TO else _LARGE


def new_index(kind: str, dim: int) -> VectorIndex:
    """Return an empty index, into which files can be read.

    Raises:
        IndexFileError: there is no such kind.
    """
    if kind == AUTO or kind not in INDEX_KINDS:
        raise IndexFileError(f"this version of shitu knows no index of kind {kind!r}")
    # Only here is Faiss loaded; listing what the catalog can do must not take its 0.2 s.
    if kind == FLAT:
        from shitu.index.faiss_index import FlatIndex

        return FlatIndex(dim)
    from shitu.index.sealed_index import SealedIndex

    return SealedIndex(kind, dim)


def gather_index(
    choice: IndexChoice, dim: int, count: int, blocks: Blocks
) -> Callable[[bool], VectorIndex]:
    """Take in `count` vectors that come in blocks of ids (n,), ascending, and vectors (n, dim).

    Returns what makes the index when it is called, which may take minutes. It is told whether to
    be strict: to raise RecallNotReached if the kind that was named misses too much, instead of
    making a flat one.
    """
    kind = choice.kind_for(count)
    if kind == FLAT:
        index = _flat(dim, blocks)
        return lambda _: index
    ids, vectors = _gather(dim, count, blocks)
    if not len(ids):  # all rows are damaged
        return lambda _: new_index(FLAT, dim)
    return partial(_sealed, kind, choice, ids, vectors)


def _sealed(
    kind: str, choice: IndexChoice, ids: Integers, vectors: Floats, strictly: bool
) -> VectorIndex:
    from shitu.index.sealed_index import SealedIndex

    try:
        return SealedIndex.build(kind, ids, vectors, choice.recall)
    except RecallNotReached as error:
        if strictly and choice.kind != AUTO:
            raise
        _log.warning("%s; a flat index is used instead", error)
    return _flat(vectors.shape[1], [(ids, vectors)])


def _flat(dim: int, blocks: Blocks) -> VectorIndex:
    index = new_index(FLAT, dim)
    for ids, vectors in blocks:
        index.add(ids, vectors)
    return index


def _gather(dim: int, count: int, blocks: Blocks) -> tuple[Integers, Floats]:
    ids, vectors = np.empty(count, np.int64), np.empty((count, dim), np.float32)
    filled = 0
    for some, their in blocks:
        ids[filled : filled + len(some)], vectors[filled : filled + len(some)] = some, their
        filled += len(some)
    return ids[:filled], vectors[:filled]
