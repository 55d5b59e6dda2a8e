"""What the nearest references of many queries say, in blocks: no square of the gallery is held."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shitu.adapter.folds import Bools
from shitu.adapter.statistics import Codes
from shitu.config import PROTOTYPE_WEIGHT
from shitu.prototypes import Prototypes, nearest, promoted

_BLOCK = 512

Floats = npt.NDArray[np.float64]


def judged(
    vectors: npt.NDArray[np.float32],
    codes: Codes,
    queries: Bools,
    gallery: Bools,
    prototype_weight: float = PROTOTYPE_WEIGHT,
    *,
    rivals: Bools | None = None,
) -> tuple[Bools, Floats]:
    """Whether the references of the gallery, but for the query itself, speak for its label.

    Args:
        vectors: (n, e) unit vectors of all references.
        codes: (n,) their labels.
        queries: (n,) which are asked; m of them.
        gallery: (n,) among which.
        prototype_weight: of each label's; 0 leaves it to the nearest reference.
        rivals: (n,) references that are ranked; None: those of the gallery.

    Returns:
        (m,) in the order of the references; and (m,) 1 / the place of the label among those of
        the rivals by their nearest references, 0 where it is none of them.
    """
    asked, among = np.flatnonzero(queries), np.flatnonzero(gallery)
    place = np.full(len(codes), -1)
    place[among] = np.arange(len(among))
    there, theirs = vectors[among], codes[among]
    base = np.ascontiguousarray(there.T)
    prototypes = Prototypes.of(there, theirs, int(codes.max()) + 1)
    ranked = np.arange(len(among)) if rivals is None else np.flatnonzero(rivals[among])
    by_label = ranked[np.argsort(theirs[ranked], kind="stable")]
    labels, starts = np.unique(theirs[by_label], return_index=True)
    right, ranks = np.empty(len(asked), bool), np.zeros(len(asked))
    for start in range(0, len(asked), _BLOCK):
        rows = asked[start : start + _BLOCK]
        block = slice(start, start + len(rows))
        scores = vectors[rows] @ base
        own = place[rows]
        scores[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        near = nearest(scores)
        best = np.take_along_axis(scores, near, 1)
        found = np.where(np.isfinite(best), theirs[near], -1)
        if prototype_weight:
            mine = np.where(own >= 0, codes[rows], -1)
            closeness = prototypes.closeness(vectors[rows], found, mine)
            order = promoted(best, found, closeness, prototype_weight)
            found = np.take_along_axis(found, order[:, :1], 1)
        right[block] = found[:, 0] == codes[rows]
        if len(labels):
            ranks[block] = _ranks(scores[:, by_label], starts, labels, codes[rows])
    return right, ranks


def _ranks(scores: npt.NDArray[np.float32], starts: Codes, labels: Codes, wanted: Codes) -> Floats:
    """1 / place (m,) of the labels wanted, of scores (m, n) of references in order of labels."""
    nearest_of = np.maximum.reduceat(scores, starts, axis=1)
    mine = np.where(labels == wanted[:, None], nearest_of, -np.inf).max(axis=1)
    places = 1 + np.count_nonzero(nearest_of > mine[:, None], axis=1)
    return np.where(np.isfinite(mine), 1 / places, 0.0)
