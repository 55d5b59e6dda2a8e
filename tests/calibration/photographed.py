"""Photos that are made up, as vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Photos = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def photos_of(items: range, each: int, seed: int, noise: float = 0.16) -> Photos:
    """Photos of items; an item is the same whatever the seed, a photo is not."""
    ids = np.repeat(np.array(items), each)
    means = {item: np.random.default_rng(item).normal(size=32) for item in items}
    vectors = np.stack([means[item] for item in ids])
    vectors += np.random.default_rng(seed).normal(size=vectors.shape) * noise * 8
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), ids
