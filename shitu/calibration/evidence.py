"""What the neighbours of a query say about the best answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu.prototypes import DEPTH

_NEAREST = 5

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """Of m queries; each (m,).

    Attributes:
        item: id of the item that is the answer; -1 where there is none.
        score: of its nearest reference.
        runner_up: best score of another item, or where none is among the neighbours, the last; may
            be higher, where prototypes outweighed the nearest reference.
        agreement: share of the five nearest references that are of that item.
        prototype: cosine to the prototype of that item; where nobody asked for it, the score.
    """

    item: Ids
    score: Floats
    runner_up: Floats
    agreement: Floats
    prototype: Floats

    @property
    def margin(self) -> Floats:
        """How far the best item is ahead of the next."""
        return self.score - self.runner_up

    def __len__(self) -> int:
        return len(self.item)

    def where(self, wanted: npt.NDArray[np.bool_] | Ids) -> Evidence:
        """Only of some queries: (m,) which, or the rows."""
        return Evidence(**{f.name: getattr(self, f.name)[wanted] for f in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence[Evidence]) -> Evidence:
        """All queries of several."""
        names = [field.name for field in fields(cls)]
        return cls(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def evidence_of(
    scores: npt.NDArray[np.floating[Any]],
    items: Ids,
    closeness: npt.NDArray[np.floating[Any]] | None = None,
) -> Evidence:
    """Weigh the nearest references of m queries, that of the answer first, then by score.

    Args:
        scores: (m, k); only the first `DEPTH` are looked at.
        items: (m, k) ids of their items; -1 where there is no reference.
        closeness: (m, k) cosines to the prototypes of these items, if they are known.
    """
    if not scores.shape[1]:
        scores, items = np.full((len(scores), 1), -np.inf), np.full((len(items), 1), -1)
    scores, items = scores[:, :DEPTH].astype(np.float64), items[:, :DEPTH]
    order = np.argsort(items < 0, axis=1, kind="stable")  # gaps last
    scores, items = np.take_along_axis(scores, order, 1), np.take_along_axis(items, order, 1)
    there = items >= 0
    count = there.sum(axis=1)
    best = items[:, :1]
    others = np.where(there & (items != best), scores, -np.inf).max(axis=1)
    last = np.where(there, scores, np.inf).min(axis=1)
    nearest = np.argsort(np.where(there, -scores, np.inf), axis=1, kind="stable")[:, :_NEAREST]
    agreeing = np.take_along_axis(there & (items == best), nearest, 1).sum(axis=1)
    some, first = count > 0, order[:, :1]
    close = scores[:, 0]
    if closeness is not None and closeness.shape[1]:
        close = np.take_along_axis(closeness, first, 1)[:, 0].astype(np.float64)
    return Evidence(
        item=best[:, 0].astype(np.int64),
        score=np.where(some, scores[:, 0], -1.0),
        runner_up=np.where(some, np.where(np.isfinite(others), others, last), -1.0),
        agreement=agreeing / np.clip(count, 1, _NEAREST),
        prototype=np.where(some, close, -1.0),
    )
