"""Which points of two pictures look alike."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.index.distances import squared_distances
from shitu.verifier.descriptors import SCALE, Descriptors
from shitu.verifier.features import Features
from shitu.verifier.maps import LEAST_POINTS

Pairs: TypeAlias = npt.NDArray[np.int64]

NEAR = 0.25  # distance of RootSIFT within which some points of two pictures of one print lie
RATIO = 0.85  # a point that resembles two others nearly as well says nothing (Lowe 2004)
_TURN = 0.09  # turns, and ...
_SIZE = 0.9  # octaves by which pairs of one map differ at most; a tilt makes some difference
_APART = 0.02  # shares of the longer side: nearer points are the same one, seen twice


def match(query: Features, reference: Features) -> Pairs:
    """Return (m, 2) rows of points that are each other's nearest, and clearly so.

    Sorted from the clearest to the least clear, and each point is in one pair at most. None where
    too few are near at all, as in three of four pictures of other things: that is soon seen.
    """
    if len(query) < 2 or len(reference) < 2:
        return np.empty((0, 2), np.int64)
    distances = _distances(query.descriptors, reference.descriptors)
    if np.count_nonzero(distances.min(axis=1) < (NEAR * SCALE) ** 2) < LEAST_POINTS:
        return np.empty((0, 2), np.int64)
    forth, back = distances.argmin(axis=1), distances.argmin(axis=0)
    mutual = np.flatnonzero(back[forth] == np.arange(len(query)))
    nearest = forth[mutual]
    second = _second(distances[mutual], nearest, reference)
    ratio = np.sqrt(distances[mutual, nearest] / np.maximum(second, 1e-9))
    good = np.flatnonzero(ratio < RATIO)
    good = good[np.argsort(ratio[good], kind="stable")]
    return _apart(np.stack([mutual[good], nearest[good]], axis=1), query, reference)


def in_step(pairs: Pairs, query: Features, reference: Features) -> Pairs:
    """Return those of the pairs (m, 2) that tell of about the same turn and change of size.

    A cheap vote (Jegou, Douze and Schmid 2008): pairs that match by chance point anywhere.
    """
    if not len(pairs):
        return pairs
    change = query.frames[pairs[:, 0]] - reference.frames[pairs[:, 1]]
    turn = np.abs((change[:, None, 0] - change[:, 0] + 0.5) % 1 - 0.5)
    size = np.abs(change[:, None, 1] - change[:, 1])
    agreeing = (turn < _TURN) & (size < _SIZE)
    return np.asarray(pairs[agreeing[agreeing.sum(axis=1).argmax()]])


def _distances(a: Descriptors, b: Descriptors) -> npt.NDArray[np.float32]:
    """(n, m) squared, exact in float32: 128 * 255**2 is below 2**24."""
    return squared_distances(a.astype(np.float32), b.astype(np.float32))


def _second(
    distances: npt.NDArray[np.float32], nearest: Pairs, reference: Features
) -> npt.NDArray[np.float32]:
    """(n,) distance to the nearest of the points that lie elsewhere than the nearest one."""
    x, y = reference.pixels.T
    near = _APART * max(reference.size)
    elsewhere = (x[nearest, None] - x) ** 2 + (y[nearest, None] - y) ** 2 > near**2
    found = np.where(elsewhere, distances, np.float32(np.inf)).min(axis=1)
    return np.asarray(found)


def _apart(pairs: Pairs, query: Features, reference: Features) -> Pairs:
    """Of several pairs at one place (a corner with two orientations) only the clearest."""
    ends = (query.pixels[pairs[:, 0]], reference.pixels[pairs[:, 1]])
    # One number for four coordinates below 2**16, which `unique` sorts much sooner than rows.
    x, y, u, v = np.rint(np.concatenate(ends, axis=1)).astype(np.int64).T
    _, first = np.unique(x << 48 | y << 32 | u << 16 | v, return_index=True)
    return pairs[np.sort(first)]
