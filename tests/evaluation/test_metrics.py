"""Retrieval metrics: examples worked by hand, and a literal second implementation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from shitu.evaluation.metrics import (
    cumulative_match,
    first_right,
    label_means,
    macro_average,
    map_at_r,
    recall_at,
    reciprocal_rank,
    retrieval_scores,
)


def row(text: str) -> np.ndarray:
    """`"x.x"` -> right, wrong, right."""
    return np.array([[mark == "x" for mark in text]])


@pytest.mark.parametrize(
    ("ranking", "relevant", "at_1", "at_5", "map_at_r_", "mrr", "why"),
    [
        ("x....", 1, 1, 1, 1, 1, "the only right one comes first"),
        (".x...", 1, 0, 1, 0, 1 / 2, "second is too late for R = 1"),
        ("....x", 1, 0, 1, 0, 1 / 5, "the last of five"),
        (".....x", 1, 0, 0, 0, 1 / 6, "the sixth"),
        (".....", 1, 0, 0, 0, 0, "never"),
        ("xx", 2, 1, 1, 1, 1, "both first"),
        ("x.x", 2, 1, 1, 1 / 2, 1, "half of R are found, with precision 1"),
        (".xx", 2, 0, 1, 1 / 4, 1 / 2, "found second, precision 1/2, of R = 2"),
        ("xxx", 3, 1, 1, 1, 1, "all three first"),
        ("x.x.x", 3, 1, 1, (1 + 2 / 3) / 3, 1, "precisions 1 and 2/3 within R = 3"),
        (".x.xx", 3, 0, 1, (1 / 2) / 3, 1 / 2, "what comes after R does not count"),
        # Musgrave, Belongie and Lim 2020, section 2.3: rankings that R-precision calls equal.
        ("x" + "." * 9, 10, 1, 1, 0.1, 1, "one of ten, first"),
        ("." * 9 + "x", 10, 0, 0, 0.01, 0.1, "one of ten, last"),
    ],
)
def test_worked_examples(
    ranking: str,
    relevant: int,
    at_1: float,
    at_5: float,
    map_at_r_: float,
    mrr: float,
    why: str,
) -> None:
    scores = retrieval_scores(row(ranking), np.array([relevant]))
    assert scores.recall_at_1 == pytest.approx([at_1]), why
    assert scores.recall_at_5 == pytest.approx([at_5]), why
    assert scores.map_at_r == pytest.approx([map_at_r_]), why
    assert scores.reciprocal_rank == pytest.approx([mrr]), why


def slow_map_at_r(ranking: Sequence[bool], relevant: int) -> float:
    """MAP@R as the paper writes it: (1/R) sum over i of P(i) if the i-th is right, else 0."""
    total = 0.0
    for i in range(1, relevant + 1):
        if ranking[i - 1]:
            total += sum(ranking[:i]) / i
    return total / relevant


def slow_reciprocal_rank(ranking: Sequence[bool]) -> float:
    for i, right in enumerate(ranking, start=1):
        if right:
            return 1 / i
    return 0.0


@pytest.mark.parametrize("seed", range(50))
def test_random_rankings_equal_the_literal_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, depth = int(rng.integers(1, 9)), int(rng.integers(1, 40))
    right = rng.random((queries, depth)) < rng.random()
    relevant = rng.integers(1, depth + 1, queries)
    scores = retrieval_scores(right, relevant)
    for i in range(queries):
        ranking = right[i].tolist()
        assert scores.recall_at_1[i] == float(ranking[0])
        assert scores.recall_at_5[i] == float(any(ranking[:5]))
        assert scores.map_at_r[i] == pytest.approx(slow_map_at_r(ranking, relevant[i]))
        assert scores.reciprocal_rank[i] == pytest.approx(slow_reciprocal_rank(ranking))


@pytest.mark.parametrize("seed", range(50))
def test_what_holds_for_every_ranking(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    right = rng.random((5, 12)) < 0.3
    relevant = np.maximum(right.sum(axis=1), 1)
    scores = retrieval_scores(right, relevant)
    for values in vars(scores).values():
        assert values.shape == (5,)
        assert values.dtype == np.float64
        assert np.all((values >= 0) & (values <= 1))
    assert np.all(scores.recall_at_1 <= scores.recall_at_5)
    assert np.all(scores.recall_at_1 <= scores.reciprocal_rank)
    # The best order of the same answers is perfect, and the worst is not better than ours.
    best = -np.sort(-right.astype(int), axis=1) > 0
    answered = right.any(axis=1)
    np.testing.assert_allclose(map_at_r(best, relevant)[answered], 1)
    worst = best[:, ::-1]
    assert np.all(map_at_r(worst, relevant) <= scores.map_at_r + 1e-12)
    assert np.all(reciprocal_rank(worst) <= scores.reciprocal_rank)


@pytest.mark.parametrize("seed", range(20))
def test_moving_a_right_answer_up_never_hurts(seed: int) -> None:
    rng = np.random.default_rng(2000 + seed)
    right = rng.random((1, 10)) < 0.4
    better = right.copy()
    swap = next((i for i in range(9) if better[0, i + 1] and not better[0, i]), None)
    if swap is not None:
        better[0, [swap, swap + 1]] = True, False
    relevant = np.array([5])
    before, after = retrieval_scores(right, relevant), retrieval_scores(better, relevant)
    for name, values in vars(before).items():
        assert getattr(after, name)[0] >= values[0] - 1e-12, name


def test_padding_changes_nothing() -> None:
    right, relevant = row(".x.x"), np.array([3])
    padded = np.concatenate([right, np.zeros((1, 6), bool)], axis=1)
    for name, values in vars(retrieval_scores(right, relevant)).items():
        assert getattr(retrieval_scores(padded, relevant), name) == pytest.approx(values), name


def test_recall_beyond_the_ranking_is_recall_of_all_of_it() -> None:
    assert recall_at(row("..x"), 100).tolist() == [1.0]
    assert recall_at(row("..x"), 2).tolist() == [0.0]


def test_no_query_has_no_scores() -> None:
    scores = retrieval_scores(np.zeros((0, 4), bool), np.zeros(0, np.int64))
    assert [len(values) for values in vars(scores).values()] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("shape", "relevant", "message", "why"),
    [
        ((3,), [1], "do not fit", "one dimension"),
        ((2, 3), [1], "do not fit", "a count too few"),
        ((1, 3), [0], "1 to `depth`", "no right answer: the mean would be undefined"),
        ((1, 3), [4], "1 to `depth`", "R beyond the ranking"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], relevant: list[int], message: str, why: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        retrieval_scores(np.zeros(shape, bool), np.array(relevant))
    assert message in str(caught.value), why


def test_the_cmc_curve_is_the_mean_recall_at_every_k() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((40, 12)) < 0.15
    first = first_right(right)
    assert (first == 0).any(), "some are never found, or this tests too little"
    curve = cumulative_match(first, 15)
    for k in range(1, 16):
        assert curve[k - 1] == pytest.approx(recall_at(right, k).mean())


def test_no_query_and_no_neighbour_have_a_curve_of_zeros() -> None:
    assert cumulative_match(np.zeros(0, np.int64), 3).tolist() == [0, 0, 0]
    assert first_right(np.zeros((2, 0), bool)).tolist() == [0, 0]


def test_a_rare_label_counts_as_a_common_one() -> None:
    values, codes = np.array([1.0, 1.0, 1.0, 0.0]), np.array([7, 7, 7, 2])
    assert label_means(values, codes).tolist() == [0.0, 1.0]
    assert macro_average(values, codes) == 0.5
