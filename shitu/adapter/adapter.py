"""The map itself: what it does to a vector, and its bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

_BLOCK = 8192  # rows mapped at a time
_FEW = 32  # crops of a photo, rather than a gallery


@dataclass(frozen=True)
class Adapter:
    """Embeddings of one space -> unit vectors of an adapted one.

    Attributes:
        mean: float32 (d,), taken away first.
        matrix: float32 (d, e), applied to what is left.
        name: of the recipe.
        provenance: what it was fitted on, as JSON can hold it.
    """

    mean: Float32Array
    matrix: Float32Array
    name: str
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or self.mean.shape != self.matrix.shape[:1]:
            raise ValueError(f"a mean {self.mean.shape} does not fit a map {self.matrix.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.matrix).all()):
            raise ValueError("a map of NaN or infinity")

    @property
    def dim(self) -> int:
        """Length of the vectors that come out."""
        return int(self.matrix.shape[1])

    def apply(self, embeddings: Float32Array) -> Float32Array:
        """Map embeddings (n, d) to vectors (n, e) of length one."""
        mapped = np.empty((len(embeddings), self.dim), np.float32)
        for start in range(0, len(embeddings), _BLOCK):
            rows = slice(start, start + _BLOCK)
            mapped[rows] = _product(embeddings[rows] - self.mean, self.matrix)
        lengths = np.linalg.norm(mapped, axis=1, keepdims=True)
        if not lengths.all():  # exactly the mean: no direction is more right than another
            mapped[lengths[:, 0] == 0, 0] = 1.0
            lengths[lengths == 0] = 1.0
        mapped /= lengths
        return mapped

    @property
    def fingerprint(self) -> str:
        """Equal for equal maps only."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The map as an .npy file: float32 (d, 1 + e), the mean being the first column."""
        file = io.BytesIO()
        columns = np.column_stack([self.mean, self.matrix]).astype("<f4")
        np.save(file, np.ascontiguousarray(columns), allow_pickle=False)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, name: str, provenance: Mapping[str, Any]) -> Adapter:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: the bytes are no such map.
        """
        columns = np.load(io.BytesIO(data), allow_pickle=False)
        if columns.ndim != 2 or columns.shape[1] < 2 or columns.dtype != np.dtype("<f4"):
            raise ValueError(f"an array {columns.shape} of {columns.dtype} is no map")
        columns = columns.astype(np.float32, copy=False)
        matrix = np.ascontiguousarray(columns[:, 1:])
        return cls(np.ascontiguousarray(columns[:, 0]), matrix, name, provenance)


def _product(a: Float32Array, b: Float32Array) -> Float32Array:
    # Of few rows without OpenBLAS, whose other threads would go on spinning for some 20 ms.
    return np.einsum("nd,de->ne", a, b) if len(a) <= _FEW else a @ b
