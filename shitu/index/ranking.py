"""From rough scores to exact answers: what all kinds of index have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.index.vector_index import Neighbours

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Rough: TypeAlias = Callable[[Floats, int], tuple[Floats, Integers]]
LookUp: TypeAlias = Callable[[Integers], tuple[Integers, Floats]]

TIE = 1e-6  # scores closer than this may be equal ones, rounded in different ways
ROUNDING = TIE / 2  # how far a score of float32 may be from the exact one
_SPARE = 16  # neighbours fetched beyond k to put ties in order
_MORE = 64  # the same where scores are rougher
_BLOCK = 1 << 14  # vectors compared at a time
_DENSE = 2  # copying one vector takes as long as comparing so many where they are


def rank(
    queries: Floats, k: int, count: int, rough: Rough, look_up: LookUp, error: float = ROUNDING
) -> Neighbours:
    """Return the k nearest of each query (m, dim); equal scores in order of their ids.

    Args:
        count: how many vectors there are to be found.
        rough: called with queries and a number n of at most `count`, returns scores and places of
            the n nearest by these, best first.
        look_up: called with places (n,), returns their ids (n,) and vectors (n, dim).
        error: how far a rough score may be from the exact one.
    """
    scores = np.full((len(queries), k), -np.inf, np.float32)
    ids = np.full((len(queries), k), -1, np.int64)
    kept, fetch = min(k, count), min(count, k + (_SPARE if error <= ROUNDING else _MORE))
    open_ = np.arange(len(queries) if count else 0)
    while len(open_):
        found, places = rough(queries[open_], fetch)
        # What was not fetched may be better by the error, and the last that is kept worse.
        unsure = (found[:, -1] >= found[:, kept - 1] - 2 * error) & (fetch < count)
        for row, where in zip(open_[~unsure], places[~unsure], strict=True):
            best, who = in_order(queries[row], *look_up(where))
            scores[row, :kept], ids[row, :kept] = best[:kept], who[:kept]
        open_, fetch = open_[unsure], min(count, fetch * 4)
    return Neighbours(scores, ids)


def in_order(query: Floats, ids: Integers, vectors: Floats) -> tuple[Floats, Integers]:
    """Return exact scores (n,) and ids (n,) of vectors (n, dim), best first, then by id."""
    # Faiss rounds differently with the number of queries and the place of a vector; in
    # float64 equal vectors have equal scores, and an answer does not depend on its batch.
    exact = np.minimum(vectors.astype(np.float64) @ query.astype(np.float64), 1.0)
    scores = exact.astype(np.float32)
    order = np.lexsort((ids, -scores))
    return scores[order], ids[order]


def compare(
    queries: Floats, fetch: int, places: Integers, vectors: Floats
) -> tuple[Floats, Integers]:
    """Return scores and places (m, fetch) of the nearest among the vectors at these places.

    Few are held in memory at a time. There must be at least `fetch` places, ascending.
    """
    best = np.empty((len(queries), 0), np.float32)
    where = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(places), _BLOCK):
        some = places[start : start + _BLOCK]
        best = np.concatenate([best, _products(queries, some, vectors)], axis=1)
        where = np.concatenate([where, np.broadcast_to(some, (len(queries), len(some)))], axis=1)
        if best.shape[1] > fetch:
            top = np.argpartition(best, -fetch, axis=1)[:, -fetch:]
            best = np.take_along_axis(best, top, axis=1)
            where = np.take_along_axis(where, top, axis=1)
    order = np.argsort(-best, axis=1)
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(where, order, axis=1)


def _products(queries: Floats, places: Integers, vectors: Floats) -> Floats:
    first, beyond = places[0], places[-1] + 1
    if beyond - first > _DENSE * len(places):
        scores: Floats = queries @ vectors[places].T
    else:
        scores = (queries @ vectors[first:beyond].T)[:, places - first]
    return scores
