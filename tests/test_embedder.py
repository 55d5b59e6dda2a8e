"""Crops -> unit vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fakes import FakeSession, Floats, plain

from shitu.embedder import Embedder
from shitu.errors import ModelError

SIZE, DIM = 8, 5


def project(batch: Floats) -> list[Floats]:
    """A linear network: (n, 3, h, w) -> (n, DIM)."""
    matrix = np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, DIM))
    return [(batch.reshape(len(batch), -1) @ matrix).astype(np.float32)]


def answering(rows: Any) -> Embedder:
    """An embedder whose network always gives these rows."""
    return Embedder(FakeSession(lambda _: [np.array(rows, np.float32)]), plain(SIZE), DIM)


def test_embeddings_are_unit_vectors_in_the_order_of_the_crops(
    make_picture: Callable[..., Any],
) -> None:
    crops = [make_picture(seed, 5 + seed, 9) for seed in range(7)]
    found = Embedder(FakeSession(project), plain(SIZE), DIM, batch_size=3).embed(crops)
    assert found.shape == (7, DIM)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    for crop, row in zip(crops, found, strict=True):
        raw = project(plain(SIZE)([crop]))[0][0]
        np.testing.assert_allclose(row, raw / np.linalg.norm(raw), atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_batch_size_has_no_influence(make_picture: Callable[..., Any], batch_size: int) -> None:
    crops = [make_picture(seed) for seed in range(7)]
    wanted = Embedder(FakeSession(project), plain(SIZE), DIM).embed(crops)
    found = Embedder(FakeSession(project), plain(SIZE), DIM, batch_size).embed(crops)
    # Float32 sums in another order; the networks are held to 1e-5 in test_quality.py.
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("crops", "batch_size", "sizes", "why"),
    [
        (5, 2, [2, 2, 1], "a last, smaller batch"),
        (4, 2, [2, 2], "no empty batch at the end"),
        (1, 16, [1], "never filled up"),
        (0, 16, [], "nothing to run"),
    ],
)
def test_batches(crops: int, batch_size: int, sizes: list[int], why: str) -> None:
    session = FakeSession(project)
    pictures = [np.full((4, 4, 3), 9, np.uint8)] * crops
    found = Embedder(session, plain(SIZE), DIM, batch_size).embed(pictures)
    assert [len(batch) for batch in session.batches] == sizes, why
    assert found.shape == (crops, DIM)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([np.nan, 1, 1, 1, 1], "one NaN spoils the vector"),
        ([np.inf, 1, 1, 1, 1], "so does an infinity"),
        ([3e38, 3e38, 0, 0, 0], "so does a length beyond float32"),
        ([0, 0, 0, 0, 0], "zero has no direction"),
    ],
)
def test_what_is_no_direction_is_refused(row: list[float], why: str) -> None:
    good = [1.0, 0, 0, 0, 0]
    with (
        np.errstate(over="ignore"),
        pytest.raises(ModelError, match=r"\(fake\) returned NaN or a zero vector"),
    ):
        answering([good, row]).embed([np.zeros((4, 4, 3), np.uint8)] * 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, DIM - 1), (2, DIM), (1, DIM, 1)])
def test_an_answer_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="gives another `dim`"):
        answering(np.ones(shape)).embed([np.zeros((4, 4, 3), np.uint8)])
