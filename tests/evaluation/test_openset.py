"""Shares of known queries and strangers at a threshold, worked out by hand."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from shitu.evaluation.openset import open_set_scores

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
