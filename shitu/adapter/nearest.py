"""What the nearest references of many queries say, in blocks: no square of the gallery is held."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shitu.adapter.folds import Bools
from shitu.adapter.statistics import Codes
from shitu.config import VOTERS
from shitu.voting import nearest, promoted

_BLOCK = 512


def named_rightly(
    vectors: npt.NDArray[np.float32],
    codes: Codes,
    queries: Bools,
    gallery: Bools,
    voters: int = VOTERS,
) -> Bools:
    """Whether the references of the gallery, but for the query itself, vote for its label.

    Args:
        vectors: (n, e) unit vectors of all references.
        codes: (n,) their labels.
        queries: (n,) which are asked; m of them.
        gallery: (n,) among which.
        voters: of each label; 1 leaves it to the nearest reference.

    Returns:
        (m,) in the order of the references.
    """
    asked, among = np.flatnonzero(queries), np.flatnonzero(gallery)
    place = np.full(len(codes), -1)
    place[among] = np.arange(len(among))
    base, theirs = np.ascontiguousarray(vectors[among].T), codes[among]
    counts = np.bincount(theirs, minlength=int(codes.max()) + 1)
    right = np.empty(len(asked), bool)
    for start in range(0, len(asked), _BLOCK):
        rows = asked[start : start + _BLOCK]
        scores = vectors[rows] @ base
        own = place[rows]
        scores[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        answers = _answers(scores, theirs, counts, codes[rows], voters)
        right[start : start + len(rows)] = answers == codes[rows]
    return right


def _answers(
    scores: npt.NDArray[np.float32], codes: Codes, counts: Codes, own: Codes, voters: int
) -> Codes:
    """Label (m,) that the references of `codes` (n,) vote for; what is hidden scores -inf."""
    if voters == 1:
        return np.asarray(codes[scores.argmax(axis=1)], np.int64)
    near = nearest(scores)
    best = np.take_along_axis(scores, near, 1)
    found = np.where(np.isfinite(best), codes[near], -1)
    hidden = np.isneginf(scores).sum(axis=1)[:, None] * (found == own[:, None])
    order = promoted(best, found, counts[codes[near]] - hidden, voters)
    answers = np.take_along_axis(found, order[:, :1], 1)[:, 0]
    return np.asarray(answers, np.int64)
