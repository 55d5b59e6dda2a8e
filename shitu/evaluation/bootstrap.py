"""Confidence intervals by bootstrap: what the figures would be on other queries of the kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shitu.evaluation.metrics import Floats, label_means

_CELLS = 4_000_000  # weights held at a time; 32 MB

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Resampling:
    """How a bootstrap draws.

    Attributes:
        resamples: how often; 0 for no intervals.
        seed: equal seeds give equal intervals.
        level: share of the resamples that the interval covers.
    """

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95


@dataclass(frozen=True)
class Interval:
    """Bounds of a confidence interval."""

    low: float
    high: float


def plan_for(clusters: Codes, plan: Resampling | None) -> Resampling | None:
    """Return the plan if it gives intervals for clusters (n,); see `ratio_interval`.

    One that is drawn again and again says nothing of others.
    """
    if plan is None or not plan.resamples or len(np.unique(clusters)) < 2:
        return None
    return plan


def ratio_interval(
    numerators: Floats, denominators: Floats, clusters: Codes, plan: Resampling
) -> Interval:
    """Percentile interval of sum(numerators) / sum(denominators).

    Whole clusters are drawn with replacement, as many as there are (Efron, Tibshirani 1993,
    chapters 8 and 13; Field, Welsh 2007 for clusters). For a mean over independent queries the
    denominators are ones and every query is a cluster of its own.

    Args:
        numerators: (n,).
        denominators: (n,).
        clusters: (n,) number of the cluster of each row.
        plan: resamples, seed and level.
    """
    _, which = np.unique(clusters, return_inverse=True)
    tops, bottoms = np.bincount(which, numerators), np.bincount(which, denominators)
    found = [_ratio(weights @ tops, weights @ bottoms) for weights in _draws(len(tops), plan)]
    return _percentiles(np.concatenate(found), plan.level)


def mean_interval(values: Floats, clusters: Codes, plan: Resampling) -> Interval:
    """Percentile interval of the mean; see `ratio_interval`."""
    return ratio_interval(values, np.ones(len(values)), clusters, plan)


def macro_interval(values: Floats, codes: Codes, plan: Resampling, *, by_label: bool) -> Interval:
    """Percentile interval of the macro average over labels.

    Args:
        values: (n,).
        codes: (n,) number of the label of each value.
        plan: resamples, seed and level.
        by_label: draw labels instead of queries. A label of which no query is drawn is left out.
    """
    if by_label:
        means = label_means(values, codes)
        return mean_interval(means, np.arange(len(means)), plan)
    order = np.argsort(codes, kind="stable")
    starts = np.unique(codes[order], return_index=True)[1]
    found = []
    for drawn in _draws(len(values), plan):
        weights = drawn[:, order]
        sums = np.add.reduceat(weights * values[order], starts, axis=1)
        counts = np.add.reduceat(weights, starts, axis=1)
        found.append(np.nanmean(_ratio(sums, counts), axis=1))
    return _percentiles(np.concatenate(found), plan.level)


def interval_of(
    figures: Callable[[NDArray[np.int64]], Mapping[str, float]],
    clusters: Codes,
    plan: Resampling,
) -> dict[str, Interval]:
    """Percentile intervals of figures that are no sums; see `ratio_interval`.

    Args:
        figures: from row numbers (n,), some of them several times, to values by name; an empty
            mapping where these rows have no such figures: that draw is left out.
        clusters: (rows,) number of the cluster of each row.
        plan: resamples, seed and level.
    """
    _, which, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(which, kind="stable"), np.cumsum(sizes)[:-1])
    random = np.random.default_rng(plan.seed)
    found: dict[str, list[float]] = {}
    for _ in range(plan.resamples):
        drawn = random.integers(0, len(members), len(members))
        rows = np.concatenate([members[cluster] for cluster in drawn])
        for name, value in figures(rows).items():
            found.setdefault(name, []).append(value)
    return {name: _percentiles(np.array(values), plan.level) for name, values in found.items()}


def _draws(count: int, plan: Resampling) -> Iterator[Floats]:
    """How often each of `count` things is drawn, (resamples, count) in blocks of rows."""
    random = np.random.default_rng(plan.seed)
    rows = max(1, _CELLS // max(count, 1))
    for start in range(0, plan.resamples, rows):
        block = min(rows, plan.resamples - start)
        drawn = random.integers(0, count, (block, count))
        drawn += np.arange(block)[:, None] * count
        counts = np.bincount(drawn.ravel(), minlength=block * count)
        yield counts.reshape(block, count).astype(np.float64)


def _ratio(tops: Floats, bottoms: Floats) -> Floats:
    ratio: Floats = np.divide(tops, bottoms, out=np.full(tops.shape, np.nan), where=bottoms > 0)
    return ratio


def _percentiles(found: Floats, level: float) -> Interval:
    if np.isnan(found).all():
        return Interval(float("nan"), float("nan"))
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
