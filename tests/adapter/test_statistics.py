from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from shitu.adapter import Statistics

if TYPE_CHECKING:
    from conftest import Made


def _equal(one: Statistics, other: Statistics) -> bool:
    pairs = zip(
        (one.counts, one.sums, one.moment), (other.counts, other.sums, other.moment), strict=True
    )
    return all(np.allclose(mine, theirs, atol=1e-9) for mine, theirs in pairs)


def test_they_follow_adds_and_removes(shop: Made) -> None:
    vectors, codes = shop
    some = np.random.default_rng(0).random(len(codes)) < 0.3
    whole = Statistics.of(vectors, codes, 30)
    gone = Statistics.of(vectors[some], codes[some], 30)
    rest = Statistics.of(vectors[~some], codes[~some], 30)
    assert _equal(whole - gone, rest)
    assert _equal(rest + gone, whole)


def test_a_new_label_may_come(shop: Made) -> None:
    vectors, codes = shop
    old = codes < 20
    known = Statistics.of(vectors[old], codes[old], 20)
    new = Statistics.of(vectors[~old], codes[~old], 30)
    assert _equal(known + new, Statistics.of(vectors, codes, 30))


def test_what_is_not_there_cannot_be_taken_away(shop: Made) -> None:
    vectors, codes = shop
    none = Statistics.of(vectors[:0], codes[:0], 30)
    with pytest.raises(ValueError, match="fewer references"):
        _ = none - Statistics.of(vectors[:1], codes[:1], 30)


def test_within_is_the_pooled_covariance(shop: Made) -> None:
    vectors, codes = shop
    centred = vectors.astype(float).copy()
    for code in range(30):
        centred[codes == code] -= centred[codes == code].mean(axis=0)
    wanted = centred.T @ centred / (len(codes) - 30)
    assert np.allclose(Statistics.of(vectors, codes, 30).within(), wanted, atol=1e-9)


def test_between_has_no_share_of_the_noise() -> None:
    """Labels with one and the same true mean differ by noise only, and that is taken away."""
    random = np.random.default_rng(0)
    codes = np.repeat(np.arange(2000), 3)
    vectors = random.normal(size=(len(codes), 4)).astype(np.float32)
    assert np.abs(Statistics.of(vectors, codes, 2000).between()).max() < 0.05


def test_counts(shop: Made) -> None:
    vectors, codes = shop
    statistics = Statistics.of(vectors, codes, 40)
    assert (statistics.count, statistics.labels, statistics.repeats) == (180, 30, 150)
