"""Several references of an item vote for it: which item of the nearest references is the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu.config import VOTERS

Floats = npt.NDArray[np.floating[Any]]
Ids = npt.NDArray[np.int64]

DEPTH = 20  # neighbours looked at; the same wherever evidence is taken, or it would not compare
_HEAT = 0.12  # cosine; the higher, the more the second to fifth reference count beside the first


def table(
    numbers: Ids, known_of: Callable[[Collection[int]], Mapping[int, int]], missing: int
) -> Ids:
    """What is known of each number (m, k), asked once; `missing` for the rest and those below 0."""
    unique, places = np.unique(numbers, return_inverse=True)
    known = known_of([number for number in unique.tolist() if number >= 0])
    found = [known.get(number, missing) for number in unique.tolist()]
    return np.array(found, np.int64)[places].reshape(numbers.shape)


def nearest(scores: Floats, depth: int = DEPTH) -> Ids:
    """Columns (m, k) of the highest scores of (m, n), best first."""
    k = min(depth, scores.shape[1])
    columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, columns, 1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, 1)


def promoted(scores: Floats, items: Ids, sizes: Ids, voters: int = VOTERS) -> Ids:
    """Order (m, k) of the neighbours that has the nearest reference of the answer first.

    An item's vote is the mean of exp(score / heat) over its nearest references, up to `voters`. Of
    those that are not among the neighbours no more is known than that they are not nearer than the
    last one: they vote with its score. One reference that happens to look like the query does not
    outvote an item all of whose references do; an item with a single reference has no
    disadvantage. All other neighbours keep their order.

    Args:
        scores: (m, k) cosines, best first; only the first `DEPTH` vote.
        items: (m, k) ids of their items; -1 where there is no reference.
        sizes: (m, k) how many references these items have.
        voters: 1 leaves it to the nearest reference.
    """
    count, k = items.shape
    order = np.tile(np.arange(k), (count, 1))
    if voters < 2 or k < 2:
        return order
    first = _winners(scores[:, :DEPTH], items[:, :DEPTH], sizes[:, :DEPTH], voters)[:, None]
    return np.where(order == 0, first, order - (order <= first))


def _winners(scores: Floats, items: Ids, sizes: Ids, voters: int) -> Ids:
    """Column (m,) of the nearest reference of the item with most votes."""
    there = (items >= 0) & np.isfinite(scores)
    lowest = np.where(there, scores, np.inf).min(axis=1, keepdims=True)
    last = np.where(there.any(axis=1, keepdims=True), lowest, 0.0)
    same = (items[:, :, None] == items[:, None, :]) & there[:, None, :]
    earlier = np.tril(np.ones(same.shape[1:], bool), -1)
    votes = there & ((same & earlier).sum(axis=2) < voters)
    top = np.maximum(np.where(there, scores, -np.inf).max(axis=1, keepdims=True), last)
    weight = np.exp((np.where(votes, scores, top) - top) / _HEAT) * votes
    entitled = np.minimum(np.maximum(sizes, 1), voters)
    absent = np.maximum(entitled - (same & votes[:, None, :]).sum(axis=2), 0)
    total = (same * weight[:, None, :]).sum(axis=2) + absent * np.exp((last - top) / _HEAT)
    mean = np.where(there, total / entitled, -np.inf)
    # Of equals the nearer one; a hair less than equal is rounding.
    best = mean.max(axis=1, keepdims=True)
    return np.asarray((mean >= best * (1 - 1e-9)).argmax(axis=1), np.int64)
