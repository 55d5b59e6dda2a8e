"""Embeddings of things of all kinds that come with a model, to stand in for strangers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shitu.errors import WeightsCorrupt

BACKGROUND = "background.npz"
_EMBEDDED = Path(__file__).parent / "weights"


@cache
def background(space: str) -> npt.NDArray[np.float32] | None:
    """Unit vectors (n, dim) in the space of that fingerprint; None where none come with it.

    Made by scripts/embedded/background.py, with the crop and the network that make the space.

    Raises:
        WeightsCorrupt: a file cannot be read.
    """
    for path in sorted(_EMBEDDED.glob(f"*/{BACKGROUND}")):
        try:
            with np.load(path) as kept:
                if str(kept["space"]) == space:
                    return _unit(kept["vectors"])
        except (OSError, ValueError, KeyError) as error:
            raise WeightsCorrupt(
                f"The background embeddings {path} cannot be read ({error}). Install shitu again."
            ) from None
    return None


def _unit(vectors: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    wide = vectors.astype(np.float32)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))
