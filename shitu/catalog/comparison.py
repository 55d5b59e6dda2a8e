"""Compares two spaces on the gallery itself: what would be recognised otherwise?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shitu.gallery import Space
from shitu.gallery.gallery import Gallery

_QUERIES = 20_000  # so many references are looked up; of a larger gallery, a sample
_ROWS, _COLUMNS = 512, 16_384  # scores held at a time: 32 MB, however large the gallery is


@dataclass(frozen=True)
class Comparison:
    """Each reference looked up among all others, in the old space and in the new one.

    Attributes:
        queries: how many were looked up; a sample of a large gallery.
        agreement: share of them whose nearest other reference is of the same item in both.
        answerable: those whose item has another reference.
        recall_before, recall_after: share of these whose nearest other reference is of their item
            (leave-one-out recall@1).

    A share of nothing is None.
    """

    queries: int
    agreement: float | None
    answerable: int
    recall_before: float | None
    recall_after: float | None

    @property
    def loss(self) -> float:
        """How much recall falls; 0 where it cannot be measured."""
        return (self.recall_before or 0.0) - (self.recall_after or 0.0)


def compare_spaces(gallery: Gallery, old: Space, new: Space, most: int = _QUERIES) -> Comparison:
    """Compare them on the references that have vectors in both.

    Args:
        most: number of references looked up.
    """
    with gallery.spaces() as reader:
        ids, items, before = reader.vectors(old)
        others, _, after = reader.vectors(new)
    both, at, there = np.intersect1d(ids, others, assume_unique=True, return_indices=True)
    items, before, after = items[at], before[at], after[there]
    if len(both) < 2:
        return Comparison(0, None, 0, None, None)
    queries = np.arange(len(both))
    if len(both) > most:
        queries = np.sort(np.random.default_rng(0).choice(len(both), most, replace=False))
    first = items[nearest_others(before, queries)]
    second = items[nearest_others(after, queries)]
    # Only an item with another reference can be found at all.
    _, number, counts = np.unique(items, return_inverse=True, return_counts=True)
    answerable = counts[number][queries] > 1
    truth = items[queries]
    return Comparison(
        queries=len(queries),
        agreement=_share(first == second),
        answerable=int(answerable.sum()),
        recall_before=_share((first == truth)[answerable]),
        recall_after=_share((second == truth)[answerable]),
    )


def nearest_others(
    vectors: npt.NDArray[np.float32], queries: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the place of the nearest other vector of each vector in question; the first of equals.

    Args:
        vectors: (n, dim) of length one, at least two.
        queries: (m,) places of those in question.
    """
    found = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), _ROWS):
        rows = queries[start : start + _ROWS]
        found[start : start + _ROWS] = _nearest(vectors, rows)
    return found


def _nearest(
    vectors: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    best = np.full(len(rows), -np.inf, np.float32)
    where = np.zeros(len(rows), np.int64)
    line = np.arange(len(rows))
    for start in range(0, len(vectors), _COLUMNS):
        scores = vectors[rows] @ vectors[start : start + _COLUMNS].T
        own = (rows >= start) & (rows < start + scores.shape[1])
        scores[line[own], rows[own] - start] = -np.inf
        top = scores.argmax(axis=1)
        better = scores[line, top] > best
        best[better], where[better] = scores[line, top][better], start + top[better]
    return where


def _share(hits: npt.NDArray[np.bool_]) -> float | None:
    return float(hits.mean()) if len(hits) else None
