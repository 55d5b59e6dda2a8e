"""Nearest references of many queries, in blocks: no square of the gallery is ever held."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shitu.adapter.folds import Bools
from shitu.adapter.statistics import Codes

_BLOCK = 512


def named_rightly(
    vectors: npt.NDArray[np.float32], codes: Codes, queries: Bools, gallery: Bools
) -> Bools:
    """Whether the nearest reference of the gallery, but for the query itself, has its label.

    Args:
        vectors: (n, e) unit vectors of all references.
        codes: (n,) their labels.
        queries: (n,) which are asked; m of them.
        gallery: (n,) among which.

    Returns:
        (m,) in the order of the references.
    """
    asked, among = np.flatnonzero(queries), np.flatnonzero(gallery)
    place = np.full(len(codes), -1)
    place[among] = np.arange(len(among))
    base = np.ascontiguousarray(vectors[among].T)
    right = np.empty(len(asked), bool)
    for start in range(0, len(asked), _BLOCK):
        rows = asked[start : start + _BLOCK]
        scores = vectors[rows] @ base
        own = place[rows]
        scores[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        right[start : start + len(rows)] = codes[among[scores.argmax(axis=1)]] == codes[rows]
    return right
