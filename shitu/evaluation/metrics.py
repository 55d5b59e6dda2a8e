"""Retrieval metrics over rankings of references (numpy only).

A ranking is a row of booleans, best neighbour first: is the reference of the query's label? A
query whose label has no other reference in the gallery has no right answer and is left out.
Rankings come in blocks of queries; nothing here needs all of them at once.
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
    """R@k: 1 where one of the first k neighbours is right, else 0; shape (queries,).

    R@k = [min {i : right_i} <= k]. This is the hit rate that retrieval papers call recall
    (Jegou, Douze, Schmid 2011; Oh Song et al. 2016), not the share of right references found.
    """
    return np.asarray(right[:, :k].any(axis=1), dtype=np.float64)


def map_at_r(right: Bools, relevant: NDArray[np.int64]) -> Floats:
    """MAP@R = (1 / R) * sum over i <= R of P(i) * [right_i]; shape (queries,).

    P(i) is the share of right ones among the first i. R is the number of right references, and
    what comes after rank R counts for nothing (Musgrave, Belongie, Lim 2020, section 2.3).
    """
    ranks = np.arange(1, right.shape[1] + 1)
    counted = right & (ranks <= relevant[:, None])
    precision = np.cumsum(counted, axis=1) / ranks
    averages: Floats = (precision * counted).sum(axis=1) / relevant
    return averages


def reciprocal_rank(right: Bools) -> Floats:
    """1 / rank of the first right neighbour; 0 where there is none; shape (queries,).

    Its mean over queries is the mean reciprocal rank, MRR (Voorhees 1999, TREC-8).
    """
    return reciprocal(first_right(right))


def first_right(right: Bools) -> NDArray[np.int64]:
    """Rank, from 1, of the first right neighbour; 0 where there is none; shape (queries,)."""
    if not right.shape[1]:
        return np.zeros(len(right), dtype=np.int64)
    return np.where(right.any(axis=1), right.argmax(axis=1) + 1, 0)


def reciprocal(first: NDArray[np.int64]) -> Floats:
    """1 / rank; 0 for rank 0, which means that nothing right was found."""
    return np.divide(1.0, first, out=np.zeros(len(first)), where=first > 0)


def cumulative_match(first: NDArray[np.int64], depth: int) -> Floats:
    """CMC curve: share of queries with a right neighbour among the first k, k = 1 to `depth`.

    CMC(k) = (1 / Q) * #{q : 1 <= first_q <= k}, the mean of R@k (Gray, Brennan, Tao 2007). Ranks
    count references, not items. Shape (depth,); never falls.
    """
    found = np.bincount(first, minlength=depth + 1)[1 : depth + 1]
    return np.cumsum(found) / max(len(first), 1)


def label_means(values: Floats, codes: NDArray[np.int64]) -> Floats:
    """Mean of the values of each label that occurs, by ascending code."""
    _, which, counts = np.unique(codes, return_inverse=True, return_counts=True)
    means: Floats = np.bincount(which, values) / counts
    return means


def macro_average(values: Floats, codes: NDArray[np.int64]) -> float:
    """Mean over labels of the mean over the queries of each: a rare label counts as a common one.

    (1 / L) * sum over labels l of (1 / Q_l) * sum over q in l of value_q (Yang 1999, "An
    evaluation of statistical approaches to text categorization").
    """
    return float(label_means(values, codes).mean())
