"""Is a confidence of 0.9 right nine times in ten?

A confidence is a calibrated probability that an answer is right; a cosine is none. What is here
works on any pairs of confidence and outcome, and nothing makes the one out of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from shitu.evaluation.metrics import Bools, Floats

BINS = 15


@dataclass(frozen=True)
class ReliabilityBin:
    """Answers of nearly equal confidence; bounds are the lowest and highest of them."""

    low: float
    high: float
    answers: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error, 0..1, and the table it is made from.

    Attributes:
        bins: bins asked for; `table` has fewer where confidences are equal.
    """

    error: float
    bins: int
    table: tuple[ReliabilityBin, ...]


def calibration(confidence: Floats, correct: Bools, bins: int = BINS) -> Calibration:
    """Compare confidences with what came true.

    ECE = sum over bins b of (n_b / n) * |accuracy_b - mean confidence_b| (Naeini, Cooper,
    Hauskrecht 2015; Guo et al. 2017), the bins of equal mass (Nixon et al. 2019): the answers
    sorted by confidence are cut into `bins` runs that differ by one answer at most, and a cut
    between equal confidences moves behind the last of them.

    Args:
        confidence: (n,) in 0..1.
        correct: (n,).
        bins: at least 1.

    Raises:
        ValueError: shapes that do not fit, nothing to compare, a confidence outside 0..1.
    """
    if confidence.shape != correct.shape or confidence.ndim != 1 or not len(confidence):
        raise ValueError(f"confidences {confidence.shape} do not fit outcomes {correct.shape}")
    if bins < 1:
        raise ValueError(f"{bins} bins are too few")
    if not np.all((confidence >= 0) & (confidence <= 1)):
        raise ValueError("a confidence is a probability, 0 to 1")
    order = np.argsort(confidence, kind="stable")
    ordered, came_true = confidence[order], correct[order]
    table = tuple(
        _bin(ordered[start:end], came_true[start:end]) for start, end in _runs(ordered, bins)
    )
    error = sum(row.answers * abs(row.accuracy - row.confidence) for row in table)
    return Calibration(error / len(ordered), bins, table)


def _runs(ordered: Floats, bins: int) -> list[tuple[int, int]]:
    cuts = np.linspace(0, len(ordered), bins + 1).round().astype(np.int64)[1:-1]
    inner = cuts[(cuts > 0) & (cuts < len(ordered))]
    moved = np.searchsorted(ordered, ordered[inner - 1], side="right")
    edges = sorted({0, len(ordered), *moved.tolist()})
    return list(pairwise(edges))


def _bin(confidence: Floats, correct: Bools) -> ReliabilityBin:
    return ReliabilityBin(
        low=float(confidence[0]),
        high=float(confidence[-1]),
        answers=len(confidence),
        confidence=float(confidence.mean()),
        accuracy=float(correct.mean()),
    )
