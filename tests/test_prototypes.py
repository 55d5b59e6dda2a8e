"""Which item is the answer: the nearest reference and the mean of all speak for it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pytest

from shitu.prototypes import (
    DEPTH,
    Floats,
    Ids,
    Prototypes,
    PrototypesOfItems,
    distances,
    leads,
    nearest,
    promoted,
    rivals,
)


def first(
    scores: list[float], items: list[int], closeness: dict[int, float], weight: float = 1.0
) -> int:
    """Column of the reference that comes first."""
    close = np.array([[closeness.get(item, 0.0) for item in items]])
    order = promoted(np.array([scores], np.float32), np.array([items]), close, weight)
    assert sorted(order[0].tolist()) == list(range(len(items)))
    rest = order[0, 1:].tolist()
    assert rest == sorted(rest)  # all others keep their order
    return int(order[0, 0])


@pytest.mark.parametrize(
    ("scores", "items", "closeness", "expected", "why"),
    [
        ([0.8, 0.5], [1, 2], {1: 0.8, 2: 0.5}, 0, "the nearer of two single references"),
        ([0.8, 0.8], [2, 1], {2: 0.8, 1: 0.8 + 1e-8}, 0, "of equals the one that came first"),
        ([0.72, 0.7, 0.69, 0.3], [1, 2, 2, 1], {1: 0.6, 2: 0.75}, 1, "all of its references"),
        ([0.9, 0.7, 0.69, 0.3], [1, 2, 2, 1], {1: 0.6, 2: 0.75}, 0, "too near to be outweighed"),
        ([0.99, 0.8], [1, 2], {1: 0.5, 2: 0.95}, 0, "a reference itself is what it is"),
        ([0.97, 0.8], [1, 2], {1: 0.5, 2: 0.95}, 1, "one that is merely like it is not"),
        ([0.5, 0.4, 0.4, 0.0], [-1, 2, 1, 1], {2: 0.4, 1: 0.5}, 2, "what is gone is no answer"),
    ],
)
def test_two_cosines(
    scores: list[float], items: list[int], closeness: dict[int, float], expected: int, why: str
) -> None:
    assert first(scores, items, closeness) == expected, why


def test_many_at_once_are_what_each_is_alone() -> None:
    rng = np.random.default_rng(0)
    kept = Prototypes.summed(list(rng.normal(size=(50, 12)).astype(np.float32)), 12)
    queries = rng.normal(size=(3, 12)).astype(np.float32)
    codes = rng.integers(-1, 50, (3, 1000))
    close = kept.closeness(queries, codes)
    for column in range(0, 1000, 90):
        alone = kept.closeness(queries, codes[:, column : column + 1])
        assert (alone == close[:, column : column + 1]).all()


def test_those_beyond_the_depth_are_no_answer() -> None:
    scores, items = [0.7] * DEPTH + [0.699], [*range(DEPTH), 99]
    assert first(scores, items, {99: 1.0} | dict.fromkeys(range(DEPTH), 0.1)) == 0


def test_the_weight_says_how_much_prototypes_count() -> None:
    asked = [0.72, 0.7], [1, 2], {1: 0.6, 2: 0.75}
    assert [first(*asked, weight) for weight in (0.0, 0.1, 0.2, 1.0)] == [0, 0, 1, 1]


def test_what_is_gone_is_no_answer_where_prototypes_have_no_say() -> None:
    scores, items = np.array([[0.9, 0.8, 0.7]], np.float32), np.array([[-1, 2, 1]])
    assert promoted(scores, items, None, 0.0).tolist() == [[1, 0, 2]]


def test_a_query_without_neighbours_keeps_its_place() -> None:
    order = promoted(np.full((2, 3), -np.inf), np.full((2, 3), -1), np.zeros((2, 3)), 1.0)
    assert order.tolist() == [[0, 1, 2]] * 2
    assert promoted(np.empty((2, 0)), np.empty((2, 0), int), np.empty((2, 0)), 1.0).shape == (2, 0)


@pytest.mark.parametrize(
    ("scores", "items", "closeness", "lead", "why"),
    [
        ([0.8, 0.5], [1, 2], {1: 0.8, 2: 0.5}, 1 - 0.2 / 0.5, "single references"),
        ([0.7, 0.72, 0.6], [2, 1, 2], {1: 0.6, 2: 0.76}, 1 - 0.27 / 0.34, "the prototype decided"),
        ([0.8, 0.7, 0.2], [1, 1, 2], {1: 0.6, 2: 0.2}, 1 - 0.3 / 0.8, "another one of the item"),
        ([0.5, 0.8], [1, 2], {1: 0.5, 2: 0.8}, 0.0, "behind, as a reference itself may be"),
        ([1.0, 1.0], [1, 2], {1: 1.0, 2: 1.0}, 0.0, "twins"),
        ([0.8, 0.7], [1, 1], {1: 0.6}, np.inf, "no other item"),
        ([0.8, 0.7], [1, -1], {1: 0.6}, np.inf, "what is gone is none"),
        ([-np.inf, -np.inf], [-1, -1], {}, np.inf, "nothing at all"),
    ],
)
def test_how_far_ahead_the_answer_is(
    scores: list[float], items: list[int], closeness: dict[int, float], lead: float, why: str
) -> None:
    close = np.array([[closeness.get(item, 0.0) for item in items]])
    asked = np.array([scores], np.float32), np.array([items])
    assert leads(distances(*asked, close, 1.0)) == pytest.approx([lead], abs=1e-6), why
    rivals = [s for s, item in zip(scores, items, strict=True) if item not in (-1, items[0])]
    apart = distances(*asked, None, 1.0)
    if rivals:
        assert apart == pytest.approx(np.array([[1 - scores[0], 1 - max(rivals)]]), abs=1e-6)
    else:
        assert leads(apart).tolist() == [np.inf], "without prototypes"


@pytest.mark.parametrize(
    ("items", "closeness", "weight", "rival", "why"),
    [
        ([1, 2, 3], {1: 0.8, 2: 0.2, 3: 0.6}, 1.0, 3, "the nearest by both cosines"),
        ([1, 2, 3], {1: 0.8, 2: 0.2, 3: 0.6}, 0.1, 2, "of which one counts little"),
        ([1, 2, 3], {1: 0.8, 2: 0.2, 3: 0.6}, 0.0, 2, "of which one does not count"),
        ([1, 1, 3], {1: 0.8, 3: -0.9}, 1.0, 3, "not the answer itself"),
        ([1, 1, -1], {1: 0.8}, 1.0, -1, "there is none"),
    ],
)
def test_which_item_is_next(
    items: list[int], closeness: dict[int, float], weight: float, rival: int, why: str
) -> None:
    scores, codes = np.array([[0.7, 0.6, 0.5]], np.float32), np.array([items])
    close = np.array([[closeness.get(item, 0.0) for item in items]])
    assert rivals(scores, codes, close, weight).tolist() == [rival], why
    alone = next((item for item in items if item not in (1, -1)), -1)
    assert rivals(scores, codes, None, weight).tolist() == [alone], "without prototypes"


def test_points_put_an_answer_nearer() -> None:
    apart = np.array([[0.4, 0.5]])
    assert leads(apart, 0.2) == pytest.approx([1 - 0.2 / 0.5])
    assert leads(apart, -0.2).tolist() == [0.0]
    assert leads(apart, 1.5).tolist() == [1.0]


def test_of_two_that_are_the_picture_itself_none_is_ahead() -> None:
    # Cosines of float32, which may be rounded to 1.
    assert leads(np.array([[0.0, 6e-8], [6e-8, 0.0]])).tolist() == [0.0, 0.0]


def test_who_is_beyond_the_depth_is_no_rival() -> None:
    scores, items = np.full((1, DEPTH + 1), 0.7), np.array([[1] * DEPTH + [2]])
    assert leads(distances(scores, items, None, 1.0)).tolist() == [np.inf]
    nothing = distances(np.empty((2, 0)), np.empty((2, 0), int), None, 1.0)
    assert leads(nothing).tolist() == [np.inf] * 2
    assert rivals(scores, items, None, 1.0).tolist() == [-1]
    assert rivals(np.empty((2, 0)), np.empty((2, 0), int), None, 1.0).tolist() == [-1] * 2


def unit(*shape: int, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).normal(size=shape)
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


VECTORS = unit(30, 8)
CODES = np.random.default_rng(1).integers(0, 4, 30)


def plainly(query: Floats, rows: Ids) -> float:
    mean = VECTORS[rows].mean(axis=0)
    return float(mean @ query / np.linalg.norm(mean))


def test_closeness_is_the_cosine_with_the_mean() -> None:
    queries = unit(5, 8, seed=2)
    codes = np.array([[0, 1, 2, 3, -1]] * 5)
    close = Prototypes.of(VECTORS, CODES, 4).closeness(queries, codes)
    for row, query in enumerate(queries):
        for code in range(4):
            assert close[row, code] == pytest.approx(
                plainly(query, np.flatnonzero(code == CODES)), abs=1e-6
            )
    assert (close[:, 4] == 0).all()


def test_a_query_is_no_reference_of_its_own() -> None:
    codes = np.tile(np.arange(4), (30, 1))
    close = Prototypes.of(VECTORS, CODES, 4).closeness(VECTORS, codes, CODES)
    for row, own in enumerate(CODES.tolist()):
        others = np.flatnonzero((own == CODES) & (np.arange(30) != row))
        assert close[row, own] == pytest.approx(plainly(VECTORS[row], others), abs=1e-5)


def test_the_only_reference_left_out_leaves_nothing() -> None:
    alone = Prototypes.of(VECTORS[:1], np.zeros(1, np.int64), 1)
    assert alone.closeness(VECTORS[:1], np.zeros((1, 1), np.int64), np.zeros(1, np.int64)) == 0


def members(items: Collection[int]) -> dict[int, Ids]:
    return {item: np.flatnonzero(item == CODES) for item in items}


def test_of_a_gallery_they_are_the_same() -> None:
    asked: list[int] = []

    def counted(items: Collection[int]) -> dict[int, Ids]:
        asked.extend(items)
        return members(items)

    lazy = PrototypesOfItems(counted, lambda ids: VECTORS[ids])
    queries, items = unit(5, 8, seed=2), np.array([[2, 0, -1, 3]] * 5)
    close = lazy.closeness(queries, items)
    expected = Prototypes.of(VECTORS, CODES, 4).closeness(queries, items)
    assert close == pytest.approx(expected, abs=1e-6)
    lazy.closeness(queries, np.array([[1, 2]] * 5))
    assert asked == [0, 2, 3, 1], "each is made once"


def test_references_that_do_not_count_are_left_out() -> None:
    lazy = PrototypesOfItems(members, lambda ids: VECTORS[ids])
    hidden = [np.flatnonzero(CODES == 1)[:2].tolist(), []]
    close = lazy.closeness(VECTORS[:2], np.array([[1, 0]] * 2), hidden)
    assert close[0, 0] == pytest.approx(
        plainly(VECTORS[0], np.flatnonzero(CODES == 1)[2:]), abs=1e-6
    )
    assert close[1, 0] == pytest.approx(plainly(VECTORS[1], np.flatnonzero(CODES == 1)), abs=1e-6)


def test_an_item_of_many_references_is_sampled() -> None:
    many = unit(3500, 8, seed=3)
    read: list[int] = []

    def vectors(ids: Ids) -> Floats:
        read.append(len(ids))
        return many[ids]

    lazy = PrototypesOfItems(lambda items: dict.fromkeys(items, np.arange(3500)), vectors)
    close = lazy.closeness(many[:1], np.array([[7]]))
    assert read == [875]
    mean = many[::4].mean(axis=0)
    assert close[0, 0] == pytest.approx(float(mean @ many[0] / np.linalg.norm(mean)), abs=1e-6)


def test_nearest_columns_come_best_first() -> None:
    assert nearest(np.array([[0.1, 0.3, 0.2]]), 2).tolist() == [[1, 2]]
