"""A share, and how well so many cases can know it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from shitu.calibration.evidence import Floats, Ids

_SURE = 0.95
_SLACK = 2.0  # the upper bound may be so many times the rate that is promised


def clopper_pearson(hits: float, cases: float, sure: float = _SURE) -> tuple[float, float]:
    """Two-sided exact interval of a share of which `hits` of `cases` were seen.

    Neither need be whole: cases that resemble each other count for fewer.
    """
    tail = (1 - sure) / 2
    low = 0.0 if hits <= 0 else _solve(lambda p: 1 - _beta_cdf(p, hits, cases - hits + 1), 1 - tail)
    high = (
        1.0 if hits >= cases else _solve(lambda p: 1 - _beta_cdf(p, hits + 1, cases - hits), tail)
    )
    return low, high


def cases_needed(rate: float) -> int:
    """Cases without a single hit after which a share is surely (95 %) below twice the rate."""
    return math.ceil(math.log(1 - _SURE) / math.log(1 - min(_SLACK * rate, 0.999)))


def effective_cases(hits: npt.NDArray[np.bool_], group: Ids) -> float:
    """How many independent cases so many in groups are worth, by the spread between groups."""
    share = float(hits.mean())
    if share in (0.0, 1.0):
        return float(len(hits))
    _, codes = np.unique(group, return_inverse=True)
    sizes = np.bincount(codes)
    excess: Floats = np.bincount(codes, hits) - share * sizes
    effect = float(np.sum(excess**2)) / (len(hits) * share * (1 - share))
    return len(hits) / max(effect, 1.0)


def _solve(falling: Callable[[float], float], wanted: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if falling(middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function, by its continued fraction (Press et al., 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / max(1 - (a + b) * x / (a + 1), tiny)
    result = d
    for m in range(1, 300):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            result *= d * c
        if abs(d * c - 1) < 1e-12:
            break
    return result
