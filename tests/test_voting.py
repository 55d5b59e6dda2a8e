"""Which item the nearest references vote for."""

from __future__ import annotations

import numpy as np
import pytest

from shitu.voting import DEPTH, promoted


def first(scores: list[float], items: list[int], sizes: dict[int, int], voters: int = 5) -> int:
    """Column of the reference that comes first."""
    counts = np.array([[sizes.get(item, 0) for item in items]])
    order = promoted(np.array([scores], np.float32), np.array([items]), counts, voters)
    assert sorted(order[0].tolist()) == list(range(len(items)))
    rest = order[0, 1:].tolist()
    assert rest == sorted(rest)  # all others keep their order
    return int(order[0, 0])


@pytest.mark.parametrize(
    ("scores", "items", "sizes", "expected", "why"),
    [
        ([0.8, 0.5], [1, 2], {1: 1, 2: 1}, 0, "the nearer of two single references"),
        ([0.8, 0.8], [2, 1], {1: 1, 2: 1}, 0, "of equals the one that came first"),
        ([0.72, 0.7, 0.69, 0.68, 0.3, 0.3], [1, 2, 2, 2, 1, 1], {1: 3, 2: 3}, 1, "outvoted"),
        ([0.9, 0.7, 0.69, 0.68, 0.3, 0.3], [1, 2, 2, 2, 1, 1], {1: 3, 2: 3}, 0, "too near"),
        ([0.72, 0.7, 0.69, 0.68], [1, 2, 2, 2], {1: 1, 2: 3}, 0, "one reference, no disadvantage"),
        ([0.72, 0.7, 0.69, 0.2], [1, 2, 2, 3], {1: 5, 2: 2, 3: 1}, 1, "absent ones are far away"),
        ([0.5, 0.4, 0.4, 0.0], [-1, 2, 1, 1], {1: 2, 2: 1}, 1, "what is gone has no vote"),
    ],
)
def test_votes(
    scores: list[float], items: list[int], sizes: dict[int, int], expected: int, why: str
) -> None:
    assert first(scores, items, sizes) == expected, why


def test_one_voter_is_the_nearest_reference() -> None:
    assert first([0.72, 0.7, 0.7, 0.7], [1, 2, 2, 2], {1: 5, 2: 3}, voters=1) == 0


def test_no_more_than_so_many_vote() -> None:
    """Twenty fair references are no better than five, and worse than five good ones."""
    scores = [0.8, 0.8, *[0.6] * 12]
    items = [1, 1, *[2] * 12]
    assert first(scores, items, {1: 2, 2: 12}) == 0


def test_those_beyond_the_depth_have_no_say() -> None:
    near, far = [0.7] * DEPTH, [0.699] * 10
    assert (
        first([*near, *far], [*range(DEPTH), *[99] * 10], {99: 10} | dict.fromkeys(range(20), 1))
        == 0
    )


def test_a_query_without_neighbours_keeps_its_place() -> None:
    order = promoted(np.full((2, 3), -np.inf), np.full((2, 3), -1), np.zeros((2, 3), np.int64))
    assert order.tolist() == [[0, 1, 2]] * 2
    assert promoted(np.empty((2, 0)), np.empty((2, 0), int), np.empty((2, 0), int)).shape == (2, 0)
