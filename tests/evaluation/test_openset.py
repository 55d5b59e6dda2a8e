"""Shares of known queries and strangers at a threshold, worked out by hand."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from shitu.evaluation.openset import (
    identification,
    open_set_report,
    open_set_scores,
    oscr_area,
)

SCORES = np.array([0.9, 0.8, 0.6, 0.4, 0.7, 0.3])
RIGHT = np.array([True, False, True, True, False, False])
KNOWN = np.array([True, True, True, True, False, False])


@pytest.mark.parametrize(
    ("threshold", "strangers_unknown", "right", "wrong", "unknown"),
    [
        (0.0, 0.0, 0.75, 0.25, 0.0),  # everything is answered
        (0.5, 0.5, 0.5, 0.25, 0.25),
        (0.7, 0.5, 0.25, 0.25, 0.5),  # a score equal to the threshold is an answer
        (0.71, 1.0, 0.25, 0.25, 0.5),
        (1.0, 1.0, 0.0, 0.0, 1.0),  # nothing is
    ],
)
def test_shares_by_threshold(
    threshold: float, strangers_unknown: float, right: float, wrong: float, unknown: float
) -> None:
    found = open_set_scores(SCORES, RIGHT, KNOWN, threshold)
    assert (found.known, found.strangers, found.threshold) == (4, 2, threshold)
    assert found.strangers_unknown == strangers_unknown
    assert (found.known_right, found.known_wrong, found.known_unknown) == (right, wrong, unknown)
    # Of 4 x 2 pairs only (0.6, 0.7) and (0.4, 0.7) are the wrong way round.
    assert found.auroc == 6 / 8


@pytest.mark.parametrize(
    ("known", "strangers", "auroc"),
    [
        ([0.9, 0.8], [0.1, 0.2], 1.0),
        ([0.1, 0.2], [0.9, 0.8], 0.0),
        ([0.5, 0.5], [0.5, 0.5], 0.5),  # ties count half
        ([0.5, 0.9], [0.5], 0.75),
    ],
)
def test_auroc(known: list[float], strangers: list[float], auroc: float) -> None:
    scores = np.array(known + strangers)
    is_known = np.arange(len(scores)) < len(known)
    found = open_set_scores(scores, is_known, is_known, 0.5)
    assert found.auroc == auroc


def test_auroc_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 20, 200) / 20
    known = rng.random(200) < 0.6
    pairs = scores[known][:, None] - scores[~known][None, :]
    expected = np.mean(pairs > 0) + np.mean(pairs == 0) / 2
    found = open_set_scores(scores, np.zeros(200, bool), known, 0.5)
    assert found.auroc == pytest.approx(expected)


def test_shares_are_plain_numbers() -> None:
    values = asdict(open_set_scores(SCORES, RIGHT, KNOWN, 0.5)).values()
    assert {type(value) for value in values} == {int, float}


@pytest.mark.parametrize(
    ("scores", "right", "known", "reason"),
    [
        ([0.5], [True, False], [True, False], "must be equal"),
        ([0.5, 0.5], [False, False], [True, True], "strangers"),
        ([0.5, 0.5], [False, False], [False, False], "strangers"),
        ([0.5, 0.5], [True, True], [True, False], "no right answer"),
    ],
)
def test_impossible_input_is_refused(
    scores: list[float], right: list[bool], known: list[bool], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        open_set_scores(np.array(scores), np.array(right), np.array(known), 0.5)


@pytest.mark.parametrize(
    ("far", "above", "rate", "why"),
    [
        (0.01, 0.7, 0.25, "no stranger of two may pass: above 0.7 only 0.9 is right"),
        (0.49, 0.7, 0.25, "still less than one of two"),
        (0.5, 0.3, 0.75, "one of two may pass: 0.9, 0.6 and 0.4 are right above 0.3"),
        (1.0, -np.inf, 0.75, "all may pass: the share of right answers"),
    ],
)
def test_identification_by_hand(far: float, above: float, rate: float, why: str) -> None:
    found = identification(SCORES, RIGHT, KNOWN, far)
    assert (found.far, found.above, found.rate) == (far, above, rate), why


def test_a_stranger_at_the_bound_does_not_pass() -> None:
    scores = np.array([0.5, 0.5])
    known = np.array([True, False])
    assert identification(scores, known, known, 0.0).rate == 0


@pytest.mark.parametrize("seed", range(30))
def test_open_set_figures_equal_their_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 30, 150) / 30  # with ties
    known = rng.random(150) < 0.6
    right = known & (rng.random(150) < 0.7)
    # The curve, threshold by threshold from high to low, then trapezoids.
    steps = [np.inf, *sorted(set(scores.tolist()), reverse=True)]
    ccr = [np.mean((right & (scores >= t))[known]) for t in steps]
    fpr = [np.mean((scores >= t)[~known]) for t in steps]
    area = sum((fpr[i + 1] - fpr[i]) * (ccr[i + 1] + ccr[i]) / 2 for i in range(len(steps) - 1))
    assert oscr_area(scores, right, known) == pytest.approx(area)
    for far in (0.01, 0.1, 0.3):
        allowed = [t for t in (-1.0, *scores) if np.mean(scores[~known] > t) <= far]
        rate = np.mean((right & (scores > min(allowed)))[known])
        assert identification(scores, right, known, far).rate == pytest.approx(rate)


def test_the_report_holds_all_of_it() -> None:
    margins = np.array([0.5, 0.1, 0.3, 0.2, 0.05, 0.15])
    found = open_set_report(SCORES, margins, RIGHT, KNOWN, 0.5)
    assert found.at_threshold == open_set_scores(SCORES, RIGHT, KNOWN, 0.5)
    assert found.auroc_margin == 7 / 8, "only (0.1, 0.15) is the wrong way round"
    assert [row.far for row in found.identification] == [0.01, 0.1]
    assert found.oscr == oscr_area(SCORES, RIGHT, KNOWN)


def test_nothing_right_has_no_area() -> None:
    assert oscr_area(SCORES, np.zeros(6, bool), KNOWN) == 0
