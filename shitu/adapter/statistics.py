"""All that a fit needs to know of the references; follows adds and removes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_BLOCK = 8192


@dataclass(frozen=True)
class Statistics:
    """Sufficient statistics of labelled embeddings.

    Labels are small integers, given by whoever asks.

    Attributes:
        counts: (labels,) references of each label.
        sums: (labels, d) of their embeddings.
        moment: (d, d), the sum of x x^T over all of them.
    """

    counts: Floats
    sums: Floats
    moment: Floats

    @classmethod
    def of(cls, embeddings: npt.NDArray[np.float32], codes: Codes, labels: int) -> Statistics:
        """Sum up embeddings (n, d) whose labels are codes (n,) below `labels`."""
        dim = embeddings.shape[1]
        sums, moment = np.zeros((labels, dim)), np.zeros((dim, dim))
        for start in range(0, len(embeddings), _BLOCK):
            some = codes[start : start + _BLOCK]
            order = np.argsort(some, kind="stable")
            block = embeddings[start : start + _BLOCK][order].astype(np.float64)
            present, first = np.unique(some[order], return_index=True)
            sums[present] += np.add.reduceat(block, first)
            moment += block.T @ block
        return cls(np.bincount(codes, minlength=labels).astype(np.float64), sums, moment)

    def __add__(self, other: Statistics) -> Statistics:
        """With these references, too; later labels may be new."""
        mine, theirs = self._grown(len(other.counts)), other._grown(len(self.counts))
        return Statistics(
            mine.counts + theirs.counts, mine.sums + theirs.sums, mine.moment + theirs.moment
        )

    def __sub__(self, other: Statistics) -> Statistics:
        """Without these references, which must be among them.

        Raises:
            ValueError: there are not so many of a label.
        """
        mine, theirs = self._grown(len(other.counts)), other._grown(len(self.counts))
        counts = mine.counts - theirs.counts
        if (counts < 0).any():
            raise ValueError(f"label {counts.argmin()} has fewer references than are taken away")
        sums = np.where(counts[:, None] > 0, mine.sums - theirs.sums, 0.0)
        return Statistics(counts, sums, mine.moment - theirs.moment)

    def _grown(self, labels: int) -> Statistics:
        more = labels - len(self.counts)
        if more <= 0:
            return self
        counts = np.concatenate([self.counts, np.zeros(more)])
        sums = np.concatenate([self.sums, np.zeros((more, self.sums.shape[1]))])
        return Statistics(counts, sums, self.moment)

    @property
    def count(self) -> int:
        """Number of references."""
        return int(self.counts.sum())

    @property
    def labels(self) -> int:
        """Number of labels that have references."""
        return int(np.count_nonzero(self.counts))

    @property
    def repeats(self) -> int:
        """References beyond the first of each label: only these tell how a label varies."""
        return self.count - self.labels

    @property
    def mean(self) -> Floats:
        """Mean embedding (d,)."""
        return np.asarray(self.sums.sum(axis=0) / self.count)

    def within(self) -> Floats:
        """Covariance (d, d) around the means of the labels."""
        sums, counts = self._present()
        scatter = self.moment - sums.T @ (sums / counts[:, None])
        return np.asarray((scatter + scatter.T) / 2 / max(self.repeats, 1))

    def between(self) -> Floats:
        """Covariance (d, d) of the means of the labels, less what their own noise adds."""
        sums, counts = self._present()
        centred = sums / counts[:, None]
        centred -= centred.mean(axis=0)
        spread = centred.T @ centred / max(len(counts) - 1, 1)
        return np.asarray(spread - self.within() * np.mean(1 / counts))

    def _present(self) -> tuple[Floats, Floats]:
        there = self.counts > 0
        return self.sums[there], self.counts[there]
