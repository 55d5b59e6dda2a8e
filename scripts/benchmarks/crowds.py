"""Made-up embeddings that lie as those of products do: photos crowd around items, items around
kinds of goods, and a few of the dimensions say most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

PER_ITEM = 10
_ITEMS_PER_KIND = 100
_ITEM_SPREAD = 0.9  # cosine of two items of a kind: 0.55
_PHOTO_SPREAD = 0.6  # cosine of two photos of an item: 0.74
_DECAY = 0.9  # the variance along an axis falls with this power of its number
_BLOCK = 1000  # items made at a time
_QUERIES = -1  # in place of a block's number


@dataclass(frozen=True)
class Crowds:
    """`size` vectors of length one, the same each time.

    Attributes:
        size: PER_ITEM for each item.
    """

    size: int
    dim: int = 512

    def blocks(self) -> Iterator[Floats]:
        """Yield the vectors item by item, some (n, dim) at a time."""
        items = -(-self.size // PER_ITEM)
        for start in range(0, items, _BLOCK):
            wanted = np.arange(start, min(start + _BLOCK, items))
            centres = np.repeat(self._centres(wanted), PER_ITEM, axis=0)
            photos = self._around(centres, _PHOTO_SPREAD, start)
            yield photos[: self.size - start * PER_ITEM]

    def queries(self, count: int) -> Floats:
        """Return other photos of some items: (count, dim)."""
        items = -(-self.size // PER_ITEM)
        chosen = np.sort(np.random.default_rng(7).integers(0, items, count))
        return self._around(self._centres(chosen), _PHOTO_SPREAD, _QUERIES)

    def _centres(self, items: Integers) -> Floats:
        kinds = self._lone(items // _ITEMS_PER_KIND, 1)
        return _unit(kinds + _ITEM_SPREAD * self._lone(items, 2))

    def _lone(self, numbers: Integers, what: int) -> Floats:
        """A direction of its own for each number."""
        values, places = np.unique(numbers, return_inverse=True)
        rows = [np.random.default_rng((what, int(n))).standard_normal(self.dim) for n in values]
        return _unit(np.array(rows) * self._spread())[places]

    def _around(self, centres: Floats, spread: float, number: int) -> Floats:
        random = np.random.default_rng((3, number + 1))
        moves = random.standard_normal(centres.shape, np.float32) * self._spread()
        return _unit(centres + spread * moves)

    def _spread(self) -> Floats:
        """Standard deviation along each axis (dim,); of all together it is one."""
        variance = np.arange(1.0, self.dim + 1) ** -_DECAY
        return np.sqrt(variance / variance.sum()).astype(np.float32)


def _unit(vectors: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
