"""Crops -> unit vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shitu.errors import ModelError
from shitu.images import Image
from shitu.preprocess import Preprocessing
from shitu.runtime.session import Float32Array, Session


class Embedder:
    """Turns crops into embeddings that are compared by cosine.

    Args:
        session: maps (n, 3, h, w) to (n, dim).
        preprocessing: what the network expects.
        dim: length of the embedding.
        batch_size: crops per run of the network; has no influence on the result.
    """

    def __init__(
        self, session: Session, preprocessing: Preprocessing, dim: int, batch_size: int = 16
    ) -> None:
        self._session = session
        self._preprocessing = preprocessing
        self._batch_size = batch_size
        self.dim = dim

    def embed(self, crops: Sequence[Image]) -> Float32Array:
        """Embeddings (n, dim) of crops, uint8 RGB (h, w, 3), each of length one.

        Raises:
            ModelError: the network answered with something that is no direction (NaN or zero),
                or not with `dim` numbers a crop.
        """
        embeddings = np.empty((len(crops), self.dim), dtype=np.float32)
        for start in range(0, len(crops), self._batch_size):
            batch = crops[start : start + self._batch_size]
            embeddings[start : start + len(batch)] = self._run(batch)
        norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
        if not np.all(np.isfinite(norms) & (norms > 0)):
            raise ModelError(
                f"The feature extractor ({self._session.engine}) returned NaN or a zero vector. "
                "Try another `engine`, or install shitu again."
            )
        unit: Float32Array = embeddings / norms
        return unit

    def _run(self, crops: Sequence[Image]) -> Float32Array:
        features: Float32Array = self._session.run(self._preprocessing(crops))[0]
        if features.shape != (len(crops), self.dim):
            raise ModelError(
                f"The feature extractor ({self._session.engine}) returned {features.shape} for "
                f"{len(crops)} crops instead of vectors of {self.dim}: its `model.yml` gives "
                "another `dim`."
            )
        return features
