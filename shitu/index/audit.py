"""How many of the true neighbours an approximate search finds, and how hard it has to try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shitu.errors import RecallNotReached
from shitu.index.ranking import Floats, Integers, compare, in_order
from shitu.index.vector_index import Neighbours

_QUERIES = 500
_DEPTH = 10
_NOISE = 0.9  # length of what is added to a vector: cosine 0.74, as of another photo of the thing
_TIE = 1e-6


@dataclass(frozen=True)
class Audit:
    """What an approximate index was found to find, of what exact search finds.

    Attributes:
        wanted: the recall that was asked for.
        recall_at_1: share of the queries whose nearest neighbour it finds.
        recall_at_10: share of their ten nearest neighbours that it finds.
        queries: vectors of the gallery, disturbed, that were looked up.
        effort: what it takes: lists looked into (ivf), or candidates held (hnsw).
    """

    wanted: float
    recall_at_1: float
    recall_at_10: float
    queries: int
    effort: int

    @property
    def reached(self) -> bool:
        """Whether the recall is as wanted."""
        return min(self.recall_at_1, self.recall_at_10) >= self.wanted


def tune(
    kind: str,
    vectors: Floats,
    search: Callable[[Floats, int, int], Neighbours],
    most: int,
    wanted: float,
) -> Audit:
    """Find the least effort with which a search reaches a recall.

    Args:
        vectors: (n, dim), all that can be found, known by their places.
        search: called with queries, k and an effort from 1 to `most`.

    Raises:
        RecallNotReached: no effort is enough.
    """
    queries = disturbed(vectors, _QUERIES)
    depth = min(_DEPTH, len(vectors))
    exact = _exact(queries, vectors, depth)

    def audit(effort: int) -> Audit:
        found = search(queries, depth, effort).scores
        return Audit(wanted, *_recalls(found, exact), len(queries), effort)

    low, best = 0, audit(1)
    while not best.reached:
        if best.effort >= most:
            raise RecallNotReached(
                f"an index of kind {kind} finds only {_least(best):.4f} of the nearest among these "
                f"{len(vectors)} vectors, and {wanted:g} was asked for: ask for less with "
                "--recall, or choose --index-kind flat, which misses none"
            )
        low, best = best.effort, audit(min(2 * best.effort, most))
    while best.effort - low > max(1, low // 8):
        tried = audit((low + best.effort) // 2)
        low, best = (low, tried) if tried.reached else (tried.effort, best)
    return best


def disturbed(vectors: Floats, count: int, noise: float = _NOISE) -> Floats:
    """Return some of the vectors, each moved in a direction of its own, of length one."""
    random = np.random.default_rng(0)
    rows = np.sort(random.permutation(len(vectors))[:count])
    moves = random.standard_normal((len(rows), vectors.shape[1])) / np.sqrt(vectors.shape[1])
    moved = vectors[rows] + noise * moves
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


def _exact(queries: Floats, vectors: Floats, depth: int) -> Floats:
    every: Integers = np.arange(len(vectors), dtype=np.int64)
    _, places = compare(queries, depth, every, vectors)
    pairs = zip(queries, places, strict=True)
    return np.array([in_order(query, where, vectors[where])[0] for query, where in pairs])


def _recalls(found: Floats, exact: Floats) -> tuple[float, float]:
    # By score, not by id: of twins either will do.
    at_1 = (found[:, 0] >= exact[:, 0] - _TIE).mean()
    at_10 = (found >= exact[:, -1:] - _TIE).mean()
    return round(float(at_1), 4), round(float(at_10), 4)


def _least(audit: Audit) -> float:
    return min(audit.recall_at_1, audit.recall_at_10)
