"""Rankings that begin with what recognition finds, and go deeper than that."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shitu.index import Neighbours
from shitu.runtime.session import Float32Array


def ranked_deeper(
    search: Callable[[Float32Array, int], Neighbours], queries: Float32Array, first: int, depth: int
) -> Neighbours:
    """The neighbours of queries (n, dim): those of a search for `first`, and what comes after them.

    An index that is not flat finds more of the nearest ones when it is asked for more neighbours.
    What it misses when it is asked for `first` is not found, however deep the ranking.

    Args:
        search: the k nearest references of each query.
        first: as many as recognition asks for.
        depth: at most so many; past the end of a ranking ids are -1.
    """
    near = search(queries, min(first, depth))
    if first >= depth:
        return near
    deep = search(queries, depth)
    last, last_id = near.scores[:, -1:], near.reference_ids[:, -1:]
    equal = deep.scores == last
    beyond = (deep.scores < last) | (equal & (deep.reference_ids > last_id))
    return Neighbours(
        np.hstack([near.scores, np.where(beyond, deep.scores, -np.inf)]),
        np.hstack([near.reference_ids, np.where(beyond, deep.reference_ids, -1)]),
    )
