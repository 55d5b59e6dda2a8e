"""Retrieval metrics over rankings of references (numpy only).

A ranking is a row of booleans, best neighbour first: is the reference of the query's label? A
query whose label has no other reference in the gallery has no right answer and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RetrievalScores:
    """One value per query, each in 0..1; means are what is usually reported.

    Attributes:
        recall_at_1: is the nearest reference of the right label?
        recall_at_5: is one of the five nearest?
        map_at_r: average precision over the first R neighbours, R being the number of references
            of the right label (Musgrave, Belongie, Lim 2020, "A Metric Learning Reality Check").
        reciprocal_rank: 1 / position of the first right reference; 0 if it is not in the ranking.
    """

    recall_at_1: Floats
    recall_at_5: Floats
    map_at_r: Floats
    reciprocal_rank: Floats


def retrieval_scores(right: Bools, relevant: NDArray[np.int64]) -> RetrievalScores:
    """Score rankings.

    Args:
        right: (queries, depth), depth at least the largest R; positions past the end of a
            ranking are False.
        relevant: (queries,) R, how many references are right; at least 1.

    Raises:
        ValueError: shapes that do not fit, or an R below 1 or above the depth.
    """
    if right.ndim != 2 or relevant.shape != right.shape[:1]:
        raise ValueError(f"rankings {right.shape} do not fit {relevant.shape} counts")
    if len(relevant) and not 1 <= relevant.min() <= relevant.max() <= right.shape[1]:
        raise ValueError("every query needs 1 to `depth` right references")
    return RetrievalScores(
        recall_at_1=recall_at(right, 1),
        recall_at_5=recall_at(right, 5),
        map_at_r=map_at_r(right, relevant),
        reciprocal_rank=reciprocal_rank(right),
    )


def recall_at(right: Bools, k: int) -> Floats:
    """1 where one of the first k neighbours is right, else 0; shape (queries,)."""
    return np.asarray(right[:, :k].any(axis=1), dtype=np.float64)


def map_at_r(right: Bools, relevant: NDArray[np.int64]) -> Floats:
    """(1 / R) * sum over i <= R of precision(i) where neighbour i is right; shape (queries,)."""
    ranks = np.arange(1, right.shape[1] + 1)
    counted = right & (ranks <= relevant[:, None])
    precision = np.cumsum(counted, axis=1) / ranks
    averages: Floats = (precision * counted).sum(axis=1) / relevant
    return averages


def reciprocal_rank(right: Bools) -> Floats:
    """1 / rank of the first right neighbour; 0 where there is none; shape (queries,)."""
    first = right.argmax(axis=1) + 1
    return np.where(right.any(axis=1), 1.0 / first, 0.0)
