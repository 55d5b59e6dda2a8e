"""Expected calibration error: by hand, against its definition, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from shitu.evaluation.calibration import calibration


def test_by_hand() -> None:
    found = calibration(
        np.array([0.9, 0.1, 0.8, 0.3]), np.array([True, False, False, True]), bins=2
    )
    # {0.1, 0.3}: mean 0.2, one of two right; {0.8, 0.9}: mean 0.85, one of two right.
    assert found.error == pytest.approx((0.3 + 0.35) / 2)
    assert [(row.low, row.high, row.answers) for row in found.table] == [
        (0.1, 0.3, 2),
        (0.8, 0.9, 2),
    ]
    assert [row.accuracy for row in found.table] == [0.5, 0.5]


@pytest.mark.parametrize("seed", range(20))
def test_bins_are_of_equal_mass_and_the_error_is_their_weighted_gap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.random(int(rng.integers(20, 200)))
    correct = rng.random(len(confidence)) < confidence
    bins = int(rng.integers(1, 16))
    found = calibration(confidence, correct, bins)
    sizes = [row.answers for row in found.table]
    assert len(sizes) == bins
    assert max(sizes) - min(sizes) <= 1
    error = 0.0
    for row in found.table:
        inside = (confidence >= row.low) & (confidence <= row.high)
        assert inside.sum() == row.answers
        gap = correct[inside].mean() - confidence[inside].mean()
        error += inside.mean() * abs(gap)
    assert found.error == pytest.approx(error)


def test_the_order_of_the_answers_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.integers(0, 5, 100) / 4  # many are equal
    correct = rng.random(100) < confidence
    order = rng.permutation(100)
    assert calibration(confidence, correct) == calibration(confidence[order], correct[order])


def test_equal_confidences_share_a_bin() -> None:
    found = calibration(np.full(10, 0.7), np.arange(10) < 6)
    assert len(found.table) == 1
    assert found.error == pytest.approx(0.1)


def test_an_honest_confidence_has_a_small_error_and_a_boaster_a_large_one() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(20_000)
    correct = rng.random(20_000) < confidence
    assert calibration(confidence, correct).error < 0.02
    assert calibration(np.sqrt(confidence), correct).error > 0.1


@pytest.mark.parametrize(
    ("confidence", "correct", "bins", "reason"),
    [
        ([], [], 15, "do not fit"),
        ([0.5], [True, False], 15, "do not fit"),
        ([1.2], [True], 15, "a probability"),
        ([float("nan")], [True], 15, "a probability"),
        ([0.5], [True], 0, "too few"),
    ],
)
def test_impossible_input_is_refused(
    confidence: list[float], correct: list[bool], bins: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        calibration(np.array(confidence), np.array(correct, bool), bins)
