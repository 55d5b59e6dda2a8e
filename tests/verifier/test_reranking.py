"""Re-ranking: real agreement wins, anything less changes nothing, and doubt decides who pays."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from fakes import reference
from flat import print_of, view

from shitu.gallery import Reference
from shitu.images import Image
from shitu.verifier import Agreement, Extractor, Features
from shitu.verifier.reranking import AUTO, ON, Checked, Contender, Policy, Seen, Verifier

SMOOTH = np.ascontiguousarray(
    np.linspace(40, 200, 200).astype(np.uint8)[:, None, None].repeat(150, 1).repeat(3, 2)
)


class Pictures:
    """Features of pictures in memory; counts what it was asked for."""

    def __init__(self, pictures: Mapping[int, Image]) -> None:
        self.extractor = Extractor()
        self.pictures = pictures
        self.asked: list[int] = []

    def of(self, references: Iterable[Reference]) -> Mapping[int, Features]:
        wanted = [r.reference_id for r in references]
        self.asked += wanted
        return {i: self.extractor.extract(self.pictures[i]) for i in wanted if i in self.pictures}


def contenders(*scores: float) -> list[Contender]:
    return [Contender((reference(i, f"item {i}"),), (s,)) for i, s in enumerate(scores, 1)]


def order(checked: Sequence[Checked]) -> list[int]:
    return [each.place + 1 for each in checked]


SHELF = {i: print_of(i) for i in range(1, 6)}


@pytest.mark.parametrize("turned", [0, 90, 180, 270, 33])
@pytest.mark.parametrize("shown", [1, 3, 5])
def test_the_item_whose_print_it_is_comes_first(shown: int, turned: float) -> None:
    verifier = Verifier(Pictures(SHELF), ON)
    seen = view(SHELF[shown], turned, 0.9, 0.2)[0]
    checked = verifier.check(seen, contenders(0.5, 0.45, 0.4, 0.3, 0.1), doubtful=True)
    assert order(checked) == [shown, *(i for i in range(1, 6) if i != shown)]
    assert verifier.proves(checked)
    assert checked[0].agreement is not None
    assert checked[0].reference.reference_id == shown


@pytest.mark.parametrize(
    ("query", "why"),
    [(view(print_of(77))[0], "a stranger's print"), (SMOOTH, "no texture at all")],
)
def test_without_real_agreement_the_order_stays(query: Image, why: str) -> None:
    verifier = Verifier(Pictures(SHELF), ON)
    checked = verifier.check(query, contenders(0.5, 0.49, 0.48, 0.47, 0.46), doubtful=True)
    assert order(checked) == [1, 2, 3, 4, 5], why
    assert not verifier.proves(checked)


@pytest.mark.parametrize(
    ("shown", "first", "why"),
    [
        (77, 1, "a stranger's print: the votes stand"),
        (1, 1, "votes and points are of one mind"),
        (2, 2, "points outweigh votes"),
        (3, 3, "wherever they are"),
    ],
)
def test_an_answer_that_outvoted_a_nearer_item_is_unseated_by_points_alone(
    shown: int, first: int, why: str
) -> None:
    seen = view(print_of(shown))[0]
    for mode in (ON, AUTO):
        checked = Verifier(Pictures(SHELF), mode).check(
            seen, contenders(0.45, 0.5, 0.3), doubtful=True
        )
        assert order(checked)[0] == first, why
        assert sorted(order(checked)) == [1, 2, 3]


def test_pictures_without_texture_keep_their_order_whatever_the_gallery() -> None:
    plain = {i: np.full((90, 60, 3), 40 * i, np.uint8) for i in range(1, 6)}
    ripple = (SMOOTH + np.random.default_rng(0).integers(0, 6, SMOOTH.shape)).astype(np.uint8)
    soft = {i: np.roll(SMOOTH, 30 * i, axis=0) for i in range(1, 6)}
    for pictures in (plain, soft):
        for query in (SMOOTH, ripple, plain[3], soft[2]):
            found = Verifier(Pictures(pictures), ON).check(
                query, contenders(0.5, 0.499, 0.498, 0.497, 0.496), doubtful=True
            )
            assert order(found) == [1, 2, 3, 4, 5]


def test_an_agreement_is_weighed_not_trumps() -> None:
    """Of two items that both agree, the scores have a say."""
    twin = print_of(1).copy()
    twin[160:] = 90
    verifier = Verifier(Pictures({1: print_of(1), 2: twin}), ON)
    close = verifier.check(view(twin)[0], contenders(0.5, 0.49), doubtful=True)
    assert order(close) == [2, 1]
    far = verifier.check(view(twin)[0], contenders(1.9, 0.1), doubtful=True)
    assert order(far) == [1, 2]
    assert not verifier.proves(close), "the other agrees nearly as well"


def test_of_several_references_the_best_counts() -> None:
    near = (
        reference(1, "a", item_id=9),
        reference(2, "a", item_id=9),
        reference(3, "a", item_id=9),
    )
    source = Pictures(SHELF)
    verifier = Verifier(source, ON, Policy(references=2))
    [checked] = verifier.check(view(SHELF[2])[0], [Contender(near, (0.5, 0.4, 0.3))], doubtful=True)
    assert checked.reference.reference_id == 2
    assert source.asked == [1, 2]


def test_only_the_nearest_items_are_compared() -> None:
    source = Pictures(SHELF)
    checked = Verifier(source, ON, Policy(items=2)).check(
        view(SHELF[5])[0], contenders(0.5, 0.4, 0.3, 0.2, 0.1), doubtful=True
    )
    assert source.asked == [1, 2]
    assert order(checked) == [1, 2, 3, 4, 5]
    assert [c.agreement is None for c in checked] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("shown", "asked"), [(2, [1, 2]), (4, [1, 2, 3, 4, 5]), (77, [1, 2, 3, 4, 5])]
)
def test_items_further_off_are_compared_only_without_a_proof(shown: int, asked: list[int]) -> None:
    source = Pictures(SHELF)
    seen = view(print_of(shown))[0]
    checked = Verifier(source, ON, Policy(first=2)).check(
        seen, contenders(0.5, 0.4, 0.3, 0.2, 0.1), doubtful=True
    )
    assert source.asked == asked
    assert order(checked)[0] == (shown if shown in SHELF else 1)
    assert [c.agreement is not None for c in sorted(checked, key=lambda c: c.place)] == [
        i in asked for i in SHELF
    ]


def test_a_reference_without_features_is_passed_over() -> None:
    checked = Verifier(Pictures({2: SHELF[2]}), ON).check(
        view(SHELF[2])[0], contenders(0.5, 0.4), doubtful=True
    )
    assert order(checked) == [2, 1]
    assert checked[1].agreement is None


@pytest.mark.parametrize(
    ("mode", "doubtful", "image", "asked", "why"),
    [
        (AUTO, True, view(SHELF[1])[0], True, "doubt, and texture"),
        (AUTO, False, view(SHELF[1])[0], False, "no doubt"),
        (AUTO, True, SMOOTH, False, "nothing to be compared by"),
        (ON, False, SMOOTH, True, "always"),
    ],
)
def test_auto_computes_nothing_where_it_cannot_pay(
    mode: str, doubtful: bool, image: Image, asked: bool, why: str
) -> None:
    source = Pictures(SHELF)
    Verifier(source, mode).check(image, contenders(0.5, 0.4), doubtful=doubtful)
    assert bool(source.asked) is asked, why


def test_nothing_to_check() -> None:
    assert Verifier(Pictures({}), ON).check(SMOOTH, [], doubtful=True) == []


@pytest.mark.parametrize(
    ("score", "margin", "doubtful", "why"),
    [
        (0.8, 0.3, False, "well above, and alone"),
        (0.8, 0.02, True, "the next is near"),
        (0.4, 0.3, True, "just above the threshold"),
        (0.2, 0.3, True, "below, but not far"),
        (0.05, 0.01, False, "like nothing in the gallery"),
    ],
)
def test_doubt_by_score(score: float, margin: float, doubtful: bool, why: str) -> None:
    assert Policy().by_score(score, margin, threshold=0.34) is doubtful, why


@pytest.mark.parametrize(
    ("confidence", "margin", "doubtful", "why"),
    [
        (0.99, 0.3, False, "sure, and alone"),
        (0.99, 0.02, True, "the next is near"),
        (0.85, 0.3, True, "just above the operating point"),
        (0.3, 0.3, True, "below, but not out of the question"),
        (0.01, 0.01, False, "out of the question"),
    ],
)
def test_doubt_by_confidence(confidence: float, margin: float, doubtful: bool, why: str) -> None:
    assert Policy().by_confidence(confidence, margin, operating_point=0.8) is doubtful, why


GOOD = Agreement(40, 50, 90.0, cover=0.4)


@pytest.mark.parametrize(
    ("first", "second", "proven", "why"),
    [
        (GOOD, None, True, "alone"),
        (GOOD, replace(GOOD, significance=40.0), True, "far ahead"),
        (GOOD, replace(GOOD, significance=60.0), False, "a variant agrees, too"),
        (GOOD, replace(GOOD, cover=0.05), True, "that has but a word of it"),
        (replace(GOOD, inliers=8), None, False, "a few points"),
        (replace(GOOD, cover=0.05), None, False, "a word that others bear as well"),
        (None, GOOD, False, "not the first"),
    ],
)
def test_proof(first: Agreement, second: Agreement, proven: bool, why: str) -> None:
    checked = [Checked(0, reference(1, "a"), first), Checked(1, reference(2, "b"), second)]
    assert Verifier(Pictures({})).proves(checked) is proven, why


@pytest.mark.parametrize(
    ("agreement", "worth", "why"),
    [
        (None, 0.0, "not compared"),
        (Agreement(7, 20, 4.9, cover=0.5), 0.0, "no more than chance may bring"),
        (Agreement(20, 30, 30.0, cover=0.5), 0.25, "in proportion"),
        (Agreement(20, 30, 30.0, cover=0.075), 0.125, "on a narrow strip: half"),
        (Agreement(90, 95, 400.0, cover=0.5), 1.5, "more makes no difference"),
    ],
)
def test_worth(agreement: Agreement | None, worth: float, why: str) -> None:
    assert Policy().bonus(agreement) == pytest.approx(worth), why


def test_threads_that_look_at_two_queries_do_not_wait_for_each_other() -> None:
    both = threading.Barrier(2)

    def picture() -> Image:
        both.wait(10)
        return SHELF[1]

    with ThreadPoolExecutor(2) as pool:
        seen = [Seen(picture, Pictures(SHELF)) for _ in range(2)]
        assert all(pool.map(Seen.corners, seen))
