"""What a picture looks like around its blobs: which way each points, and its RootSIFT."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.verifier.blobs import Blobs, Floats, Numbers
from shitu.verifier.patches import Pyramid

Descriptors: TypeAlias = npt.NDArray[np.uint8]

SCALE = 512.0  # of RootSIFT, whose values lie in 0..1 and hardly ever above a half
_DIRECTIONS = 36
_SMOOTH = np.array([1, 4, 6, 4, 1], np.float32) / 16
_PEAK = 0.8  # of the strongest direction; each that is as strong makes a point of its own
_AROUND = 4.5  # sigmas from the centre within which the direction is told
_SAMPLES = 9  # a side
_REACH = 6.0  # sigmas from the centre to the sides of what is described
_SIDE = 12  # samples of it
_CELLS = 4  # a side
_BINS = 8  # directions a cell


def directions(pyramid: Pyramid, blobs: Blobs) -> tuple[Numbers, Floats]:
    """Tell which ways blobs point: peaks in the histogram of gradients (Lowe 2004, section 5).

    Returns:
        For each point (m,) its blob, in the blobs' order, and its direction in turns 0..1.
    """
    import cv2

    n = len(blobs)
    if not n:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    upright = np.zeros(n, np.float32)
    steps = blobs.sigmas * np.float32(2 * _AROUND / _SAMPLES)
    right, down = pyramid.gradients(blobs.places, upright, steps, _SAMPLES)
    strength, angle = cv2.cartToPolar(right, down)
    way = (angle * np.float32(_DIRECTIONS / (2 * np.pi))).astype(np.int64) % _DIRECTIONS
    way += np.arange(n)[:, None] * _DIRECTIONS
    weights = (strength * _window(_SAMPLES, _SAMPLES / 6).ravel()).ravel()
    counts = np.bincount(way.ravel(), weights, n * _DIRECTIONS).reshape(n, _DIRECTIONS)
    shifts = range(-2, 3)
    counts = sum(w * np.roll(counts, s, axis=1) for w, s in zip(_SMOOTH, shifts, strict=True))
    before, after = np.roll(counts, 1, axis=1), np.roll(counts, -1, axis=1)
    high = counts >= _PEAK * counts.max(axis=1, keepdims=True)
    blob, peak = np.nonzero((counts > before) & (counts >= after) & high)
    left, here, next_ = before[blob, peak], counts[blob, peak], after[blob, peak]
    between = (left - next_) / (left - 2 * here + next_) / 2
    return blob, ((peak + 0.5 + between) / _DIRECTIONS % 1).astype(np.float32)


def describe(pyramid: Pyramid, blobs: Blobs, turns: Floats) -> Descriptors:
    """Describe each blob (n,), turned by its direction, by RootSIFT, uint8 (n, 128).

    Histograms of eight directions in four by four cells (Lowe 2004, section 6), of which the root
    of the share of each bin is kept (Arandjelović and Zisserman 2012). Directions are told by the
    parts of a gradient that point their way, not by its angle, which takes longer.
    """
    steps = blobs.sigmas * np.float32(2 * _REACH / _SIDE)
    right, down = pyramid.gradients(blobs.places, turns, steps, _SIDE)
    half = np.float32(0.5**0.5)
    ways = np.empty((len(blobs), _BINS, _SIDE**2), np.float32)
    for way, part in enumerate((right, (right + down) * half, down, (down - right) * half)):
        np.maximum(part, 0, out=ways[:, way])
        np.subtract(ways[:, way], part, out=ways[:, way + _BINS // 2])
    # One small product for each blob: NumPy wakes no other threads for that.
    return _rooted((ways @ _pooling()).reshape(len(blobs), _BINS * _CELLS**2))


def _rooted(cells: Floats) -> Descriptors:
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1e-7)
    return np.asarray(np.rint(np.sqrt(shares) * SCALE).clip(0, 255), np.uint8)


@lru_cache(1)
def _pooling() -> Floats:
    """(samples, cells): how much each sample counts for the cells around it, less far out."""
    place = (np.arange(_SIDE) + 0.5) / _SIDE * _CELLS - 0.5
    shares = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(_CELLS)))
    pooled = np.einsum("ya,xb,yx->yxab", shares, shares, _window(_SIDE, _SIDE / 2))
    return np.asarray(pooled.reshape(_SIDE**2, _CELLS**2), np.float32)


@lru_cache(2)
def _window(side: int, sigma: float) -> Floats:
    """(side, side) of a Gaussian."""
    line = np.exp(-((np.arange(side) - (side - 1) / 2) ** 2) / (2 * sigma**2))
    return np.asarray(np.outer(line, line), np.float32)
