from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

Made = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def _make(
    labels: int, each: int, nuisance: float = 2.0, seed: int = 0, dim: int = 24, tell: float = 1.0
) -> Made:
    """Embeddings whose first six numbers say how the photo was taken, the others what is on it."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(labels), each)
    means = np.zeros((labels, dim))
    means[:, 6:] = random.normal(size=(labels, dim - 6)) * tell
    noise = random.normal(size=(len(codes), dim)) * 0.5
    noise[:, :6] *= 2 * nuisance
    vectors = means[codes] + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), codes


@pytest.fixture(name="make_shop")
def _make_shop() -> Callable[..., Made]:
    return _make


@pytest.fixture
def shop() -> Made:
    """Thirty items, six photos of each, which differ more by light than by item."""
    return _make(30, 6)
