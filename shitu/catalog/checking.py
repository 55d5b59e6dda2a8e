"""Compares a vector index with the gallery, reference by reference."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from shitu.gallery import Delta
from shitu.index import VectorIndex

_SAME = 1e-6


def find_problems(references: Iterable[int], gallery: Delta, index: VectorIndex) -> tuple[str, ...]:
    """Say what differs.

    Args:
        references: all of the gallery.
        gallery: all of its vectors.
        index: what should hold exactly those.
    """
    described, found = gallery.ids, index.ids()
    problems = [f"reference {i} has no vector" for i in sorted({*references} - {*described})]
    missing, extra = np.setdiff1d(described, found), np.setdiff1d(found, described)
    problems += [f"reference {i} is missing in the index" for i in missing]
    problems += [f"the index has a reference {i} too many" for i in extra]
    problems += [f"the index has reference {i} twice" for i in found[1:][np.diff(found) == 0]]
    both = np.isin(described, found)
    differs = np.abs(index.vectors(described[both]) - gallery.vectors[both]) > _SAME
    wrong = described[both][differs.any(axis=1)]
    return (*problems, *(f"reference {i} has another vector in the index" for i in wrong))
