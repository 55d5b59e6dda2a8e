from __future__ import annotations

import numpy as np
import pytest

from shitu.calibration.rates import cases_needed, clopper_pearson, effective_cases


@pytest.mark.parametrize(
    ("hits", "cases", "low", "high"),
    [  # Clopper and Pearson's tables, and R's binom.test
        (0, 10, 0.0, 0.3084971),
        (1, 10, 0.0025286, 0.4450161),
        (5, 10, 0.1870860, 0.8129140),
        (10, 10, 0.6915029, 1.0),
        (3, 1000, 0.0006190, 0.0087418),
    ],
)
def test_exact_intervals(hits: int, cases: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, cases) == pytest.approx((low, high), abs=2e-6)


def test_one_percent_takes_149_cases() -> None:
    assert cases_needed(0.01) == 149
    assert 0.98**149 < 0.05 < 0.98**148


def test_cases_that_repeat_each_other_count_once() -> None:
    one = np.random.default_rng(0).random(100) < 0.3
    assert effective_cases(np.repeat(one, 8), np.repeat(np.arange(100), 8)) == pytest.approx(100)


def test_independent_cases_count_each() -> None:
    hits = np.random.default_rng(0).random(4000) < 0.3
    assert effective_cases(hits, np.repeat(np.arange(500), 8)) > 3000
