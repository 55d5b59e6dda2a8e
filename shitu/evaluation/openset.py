"""What a threshold does when some queries show things that the gallery does not have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shitu.evaluation.metrics import Bools, Floats


@dataclass(frozen=True)
class OpenSetScores:
    """Shares of queries, 0..1, at one threshold; a query below it is answered `unknown`.

    Attributes:
        strangers_unknown: of the strangers, those answered `unknown`, as they should be.
        known_right: of the known queries, those answered with their label.
        known_wrong: of the known queries, those answered with another label.
        known_unknown: of the known queries, those answered `unknown`.
        auroc: chance that a known query scores higher than a stranger, whatever the threshold;
            0.5 is a coin.
    """

    threshold: float
    strangers: int
    known: int
    strangers_unknown: float
    known_right: float
    known_wrong: float
    known_unknown: float
    auroc: float


def open_set_scores(scores: Floats, right: Bools, known: Bools, threshold: float) -> OpenSetScores:
    """Score the best answers to known queries and strangers.

    Args:
        scores: (queries,) of the nearest reference.
        right: (queries,) whether that has the label of the query; never true of a stranger.
        known: (queries,) whether the gallery has the label of the query at all.
        threshold: answers with a lower score are `unknown`.

    Raises:
        ValueError: shapes that do not fit, no stranger, no known query, or a stranger that is
            answered rightly.
    """
    if not scores.shape == right.shape == known.shape or scores.ndim != 1:
        raise ValueError(f"shapes {scores.shape}, {right.shape} and {known.shape} must be equal")
    if known.all() or not known.any():
        raise ValueError("an open set needs known queries and strangers")
    if (right & ~known).any():
        raise ValueError("a stranger has no right answer")
    answered = scores >= threshold
    return OpenSetScores(
        threshold=float(threshold),
        strangers=int(np.count_nonzero(~known)),
        known=int(np.count_nonzero(known)),
        strangers_unknown=float(np.mean(~answered[~known])),
        known_right=float(np.mean((answered & right)[known])),
        known_wrong=float(np.mean((answered & ~right)[known])),
        known_unknown=float(np.mean(~answered[known])),
        auroc=_auroc(scores[known], scores[~known]),
    )


def _auroc(higher: Floats, lower: Floats) -> float:
    """Chance that one of `higher` is above one of `lower`; equal ones count half."""
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher, side="left")
    not_above = np.searchsorted(ordered, higher, side="right")
    return float(np.mean(below + not_above) / 2 / len(ordered))
