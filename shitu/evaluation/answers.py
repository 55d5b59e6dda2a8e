"""Which neighbours of a query are right answers, for many queries at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shitu.gallery import Reference
from shitu.index import Neighbours

NOBODY = -2  # unlike any label's number, and unlike -1, the number of labels not in the gallery


@dataclass(frozen=True)
class Ranking:
    """Neighbours of queries, best first; what is no neighbour stands at the end.

    Attributes:
        ids: (queries, depth) of the references.
        codes: (queries, depth) numbers of their labels; `NOBODY` past the end.
        items: (queries, depth) ids of their items; -1 past the end.
        scores: (queries, depth) cosines; -inf past the end.
    """

    ids: NDArray[np.int64]
    codes: NDArray[np.int64]
    items: NDArray[np.int64]
    scores: NDArray[np.float64]

    def reordered(self, order: NDArray[np.int64]) -> Ranking:
        """The same neighbours in another order, (queries, depth) places."""
        return Ranking(
            np.take_along_axis(self.ids, order, axis=1),
            np.take_along_axis(self.codes, order, axis=1),
            np.take_along_axis(self.items, order, axis=1),
            np.take_along_axis(self.scores, order, axis=1),
        )


@dataclass(frozen=True)
class AnswerKey:
    """References as arrays: ids ascending, and item and number of the label of each."""

    ids: NDArray[np.int64]
    items: NDArray[np.int64]
    codes: NDArray[np.int64]
    code_of: Mapping[str, int]
    by_hash: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, references: Sequence[Reference]) -> AnswerKey:
        """The key of a gallery."""
        references = sorted(references, key=lambda r: r.reference_id)
        code_of: dict[str, int] = {}
        by_hash: dict[str, list[int]] = {}
        for reference in references:
            code_of.setdefault(reference.label, len(code_of))
            by_hash.setdefault(reference.sha256, []).append(reference.reference_id)
        return cls(
            np.array([r.reference_id for r in references], dtype=np.int64),
            np.array([r.item_id for r in references], dtype=np.int64),
            np.array([code_of[r.label] for r in references], dtype=np.int64),
            code_of,
            by_hash,
        )

    def codes_of(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """The number of each label; -1 for one that the gallery does not have."""
        return np.array([self.code_of.get(label, -1) for label in labels], dtype=np.int64)

    def same_files(self, hashes: Sequence[str]) -> list[Sequence[int]]:
        """For each query the references that are the very same file."""
        return [self.by_hash.get(sha256, ()) for sha256 in hashes]

    def relevant(self, codes: NDArray[np.int64], own: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """How many references have the label of each query and are not its own file."""
        counts = np.bincount(self.codes, minlength=1)
        relevant = np.where(codes >= 0, counts[codes], 0)
        for row, ids in enumerate(own):
            relevant[row] -= np.count_nonzero(self._codes_at(np.array(ids)) == codes[row])
        return relevant

    def right(
        self, ids: NDArray[np.int64], codes: NDArray[np.int64], own: Sequence[Sequence[int]]
    ) -> NDArray[np.bool_]:
        """Which neighbours are right; own files are taken out and the rest moves up."""
        scores = np.zeros(ids.shape, dtype=np.float32)
        right: NDArray[np.bool_] = self.ranked(Neighbours(scores, ids), own).codes == codes[:, None]
        return right

    def ranked(self, found: Neighbours, own: Sequence[Sequence[int]]) -> Ranking:
        """The neighbours with numbers of labels, without own files and those that are gone."""
        codes = self._codes_at(found.reference_ids)
        for row, same in enumerate(own):
            if same:
                codes[row, np.isin(found.reference_ids[row], same)] = NOBODY
        gone = codes == NOBODY
        order = np.argsort(gone, axis=1, kind="stable")
        scores = np.where(gone, -np.inf, found.scores)
        items = self._items_at(found.reference_ids, gone)
        return Ranking(found.reference_ids, codes, items, scores).reordered(order)

    def _items_at(self, ids: NDArray[np.int64], gone: NDArray[np.bool_]) -> NDArray[np.int64]:
        if not len(self.ids):
            return np.full(ids.shape, -1, dtype=np.int64)
        places = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        return np.where(gone, -1, self.items[places])

    def _codes_at(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the labels of these references; `NOBODY` for those not in the gallery."""
        if not (len(self.ids) and ids.size):
            return np.full(ids.shape, NOBODY, dtype=np.int64)
        places = np.searchsorted(self.ids, ids).clip(max=len(self.ids) - 1)
        return np.where(self.ids[places] == ids, self.codes[places], NOBODY)
