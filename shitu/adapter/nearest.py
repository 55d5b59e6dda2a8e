"""What the nearest references of many queries say, in blocks: no square of the gallery is held."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shitu.adapter.folds import Bools
from shitu.adapter.statistics import Codes
from shitu.config import PROTOTYPE_WEIGHT
from shitu.prototypes import Prototypes, nearest, promoted

_BLOCK = 512


def named_rightly(
    vectors: npt.NDArray[np.float32],
    codes: Codes,
    queries: Bools,
    gallery: Bools,
    prototype_weight: float = PROTOTYPE_WEIGHT,
) -> Bools:
    """Whether the references of the gallery, but for the query itself, speak for its label.

    Args:
        vectors: (n, e) unit vectors of all references.
        codes: (n,) their labels.
        queries: (n,) which are asked; m of them.
        gallery: (n,) among which.
        prototype_weight: of each label's; 0 leaves it to the nearest reference.

    Returns:
        (m,) in the order of the references.
    """
    asked, among = np.flatnonzero(queries), np.flatnonzero(gallery)
    place = np.full(len(codes), -1)
    place[among] = np.arange(len(among))
    there, theirs = vectors[among], codes[among]
    base = np.ascontiguousarray(there.T)
    prototypes = Prototypes.of(there, theirs, int(codes.max()) + 1)
    right = np.empty(len(asked), bool)
    for start in range(0, len(asked), _BLOCK):
        rows = asked[start : start + _BLOCK]
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
        right[start : start + len(rows)] = found[:, 0] == codes[rows]
    return right
