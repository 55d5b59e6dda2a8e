"""Confidence intervals: against closed forms, a literal second implementation, and the seed."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from shitu.evaluation.bootstrap import (
    Interval,
    Resampling,
    interval_of,
    macro_interval,
    mean_interval,
    ratio_interval,
)

PLAN = Resampling(resamples=2000, seed=3)


def test_the_interval_of_a_share_is_that_of_the_normal_approximation() -> None:
    values = np.repeat([1.0, 0.0], [700, 300])
    found = mean_interval(values, np.arange(1000), PLAN)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 1000)
    assert found.low == pytest.approx(0.7 - half, abs=0.004)
    assert found.high == pytest.approx(0.7 + half, abs=0.004)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    plan = Resampling(resamples=300, level=0.9)
    hits = 0
    for _ in range(200):
        found = mean_interval((rng.random(120) < 0.6).astype(float), np.arange(120), plan)
        hits += found.low <= 0.6 <= found.high
    assert 0.82 <= hits / 200 <= 0.97


def test_equal_seeds_give_equal_intervals() -> None:
    values = np.random.default_rng(0).random(50)
    first = mean_interval(values, np.arange(50), Resampling(seed=1))
    assert first == mean_interval(values, np.arange(50), Resampling(seed=1))
    assert first != mean_interval(values, np.arange(50), Resampling(seed=2))


def test_queries_that_go_together_tell_less() -> None:
    labels = np.arange(20).repeat(30)
    values = (labels % 2).astype(float)  # each label is right altogether or not at all
    alone = mean_interval(values, np.arange(600), PLAN)
    together = mean_interval(values, labels, PLAN)
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_a_ratio_is_of_sums_not_a_mean_of_ratios() -> None:
    tops, bottoms = np.array([9.0, 0.0]), np.array([10.0, 1.0])
    found = ratio_interval(tops, bottoms, np.arange(2), PLAN)
    assert found == Interval(0.0, 0.9)


@pytest.mark.parametrize("by_label", [False, True])
def test_the_macro_interval_equals_its_literal_definition(by_label: bool) -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 6, 80)
    values = (rng.random(80) < 0.2 + codes / 10).astype(float)
    found = macro_interval(values, codes, Resampling(resamples=4000), by_label=by_label)
    draws = []
    for _ in range(4000):
        if by_label:
            drawn = rng.integers(0, 6, 6)
            draws.append(np.mean([values[codes == code].mean() for code in drawn]))
        else:
            rows = rng.integers(0, 80, 80)
            v, c = values[rows], codes[rows]
            draws.append(np.mean([v[c == code].mean() for code in set(c.tolist())]))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_what_never_has_a_denominator_has_no_interval() -> None:
    found = ratio_interval(np.zeros(3), np.zeros(3), np.arange(3), PLAN)
    assert np.isnan([found.low, found.high]).all()


def test_a_hundred_thousand_queries_need_little_memory() -> None:
    values = np.random.default_rng(0).random(100_000)
    tracemalloc.start()
    mean_interval(values, np.arange(100_000), Resampling(resamples=60))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize("size", [1, 5])
def test_the_interval_of_any_figure_agrees_with_that_of_a_mean(size: int) -> None:
    values = np.random.default_rng(0).random(200)
    clusters = np.arange(200) // size
    plan = Resampling(resamples=3000)
    found = interval_of(lambda rows: {"mean": float(values[rows].mean())}, clusters, plan)["mean"]
    expected = mean_interval(values, clusters, plan)
    assert found.low == pytest.approx(expected.low, abs=0.005)
    assert found.high == pytest.approx(expected.high, abs=0.005)


def test_draws_without_the_figure_are_left_out() -> None:
    def figures(rows: np.ndarray) -> dict[str, float]:
        return {"has both": 1.0} if len(set(rows.tolist())) == 2 else {}

    assert interval_of(figures, np.arange(2), PLAN) == {"has both": Interval(1.0, 1.0)}
