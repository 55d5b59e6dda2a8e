"""A copy of vectors in half precision: half as much to read, and nothing is missed all the same."""

from __future__ import annotations

from typing import Any

import faiss as _stubbed

from shitu.index.ranking import Floats, Integers

faiss: Any = _stubbed  # its type stubs leave out half of it

ERROR = 2**-11 + 1e-6
"""How far a score may be from the exact one, for vectors of length one.

A number of float16 is wrong by 2^-11 of itself at most, so a product is wrong by 2^-11 of the sum
of |q_i x_i|, which is at most 1 (Cauchy and Schwarz); the rest is for numbers below 2^-14 and for
sums in float32.
"""


class Sketch:
    """Vectors of length one in float16, by place; none to begin with."""

    def __init__(self, dim: int) -> None:
        half = faiss.ScalarQuantizer.QT_fp16
        self._index = faiss.IndexScalarQuantizer(dim, half, faiss.METRIC_INNER_PRODUCT)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def add(self, vectors: Floats) -> None:
        """Put more vectors (n, dim) behind the others."""
        self._index.add(vectors)

    def nearest(self, queries: Floats, fetch: int) -> tuple[Floats, Integers]:
        """Scores, wrong by `ERROR` at most, and places (m, fetch), best first."""
        scores, places = self._index.search(queries, fetch)
        return scores, places
