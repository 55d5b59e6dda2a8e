"""Block by block it finds what comparing all with all finds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shitu.linting import likeness as module
from shitu.linting.likeness import NEIGHBOURS
from shitu.linting.subject import Subject

Arrange = Callable[..., Subject]


@pytest.mark.parametrize("block", [1, 7, 512])
def test_it_finds_what_comparing_all_with_all_finds(
    arrange: Arrange, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    rng = np.random.default_rng(3)
    labels = [f"item {n}" for n in rng.integers(0, 12, 60)]
    vectors = rng.normal(size=(60, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    like = arrange(vectors, labels).likeness
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    same = np.array(labels)[:, None] == np.array(labels)
    own = np.where(same, cosines, -np.inf).max(axis=1)
    other = np.where(same, -np.inf, cosines)
    place, score = like.rival
    np.testing.assert_allclose(like.own, own, atol=1e-6)
    np.testing.assert_array_equal(place, other.argmax(axis=1))
    np.testing.assert_allclose(score, other.max(axis=1), atol=1e-6)
    assert like.near.shape == (60, NEIGHBOURS)
    assert not (like.near == np.arange(60)[:, None]).any()
    a, b, found = like.pairs(0.6)
    i, j = np.nonzero(np.triu(cosines >= 0.6))
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == set(
        zip(i.tolist(), j.tolist(), strict=True)
    )
    np.testing.assert_allclose(found, cosines[a, b], atol=1e-6)


def test_one_reference_alone_has_nobody(arrange: Arrange) -> None:
    like = arrange([[1, 0]], ["tea"]).likeness
    assert like.own.tolist() == [-np.inf]
    assert [part.tolist() for part in like.rival] == [[-1], [-np.inf]]
    assert [len(part) for part in like.pairs(-1.0)] == [0, 0, 0]


def test_an_empty_gallery_is_alike_to_nothing() -> None:
    nothing = np.empty(0, np.int64)
    like = module.Likeness.of(
        nothing,
        nothing,
        np.empty((0, 1), np.float32),
        None,  # type: ignore[arg-type]
        lambda vectors: vectors,
        lambda _: None,
    )
    assert [len(part) for part in (*like.rival, *like.pairs(0.5))] == [0] * 5
    assert like.members == {}
