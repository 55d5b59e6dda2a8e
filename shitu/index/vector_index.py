"""What every kind of vector index can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from shitu.index.audit import Audit

VECTORS = "vectors.faiss"  # the one file of a flat index


@dataclass(frozen=True)
class Neighbours:
    """The nearest references of m queries, best first.

    Attributes:
        scores: (m, k) float32 cosines, higher is better; -inf where there are fewer than k.
        reference_ids: (m, k) int64; -1 where there are fewer than k.
    """

    scores: npt.NDArray[np.float32]
    reference_ids: npt.NDArray[np.int64]


class Sink(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> int:
        """Take all of them."""


@dataclass(frozen=True)
class Part:
    """One file of an index to be written.

    Attributes:
        bulk: so many bytes at its end are mere numbers; those before say how to read them.
    """

    write: Callable[[Sink], None]
    bulk: int = 0


class VectorIndex(Protocol):
    """Unit vectors by reference id. All kinds can delete; all may be shared between threads."""

    kind: str
    dim: int
    sealed: bool  # whether its files stay the same whatever is added and removed

    @property
    def audit(self) -> Audit | None:
        """What share of the neighbours it finds; None for all."""

    @property
    def worn(self) -> bool:
        """Whether it should be made anew, because too much came and went."""

    @property
    def count(self) -> int:
        """Number of vectors."""

    @property
    def stored(self) -> int:
        """Number of vectors that `files` writes."""

    def ids(self) -> npt.NDArray[np.int64]:
        """Return all reference ids, ascending."""

    def holds(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which of these ids (n,) are there: bool (n,)."""

    def vectors(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return the vectors (n, dim) of these ids as far as they are there, in their order."""

    def add(self, ids: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]) -> None:
        """Add vectors (n, dim) under new ids (n,); all of them or none.

        Raises:
            IndexFileError: an id is there already, or a vector is not of length one.
        """

    def remove(self, ids: npt.NDArray[np.int64]) -> int:
        """Remove these ids as far as they are there; returns how many were."""

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        allowed: npt.NDArray[np.int64] | None = None,
    ) -> Neighbours:
        """Return the k nearest of each query (m, dim); equal scores in order of their ids.

        Args:
            allowed: only these ids (n,), ascending and each but once, are looked at, and none of
                those nearest is missed; unknown ones do not matter. None allows all.
        """

    def files(self) -> Mapping[str, Part]:
        """Return how to write it, by name of the file. What changes later is not in there of a
        sealed kind, and of the others all of it is.
        """

    def read(self, paths: Mapping[str, Path], audit: Audit | None) -> None:
        """Replace all of it by what was written with `files`, at these places by name.

        Raises:
            IndexFileError: the files are not those of an index of this kind and dimension.
        """
