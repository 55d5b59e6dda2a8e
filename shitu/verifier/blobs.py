"""Blobs of a picture: extrema of differences of Gaussians in place and size.

Lowe, "Distinctive image features from scale-invariant keypoints" (2004), sections 3 and 4, with two
sizes an octave, from the picture as it is: SIFT makes it twice as large first, which takes long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Grey: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Numbers: TypeAlias = npt.NDArray[np.int64]

_FINEST = 0.8  # sigma in pixels of the finest Gaussian
_GIVEN = 0.5  # that a picture has before it is blurred
_SIZES = 2  # an octave
_LONG = 15.0  # a blob so many times as long as wide is an edge, which could lie anywhere along it
_LEAST_SIDE = 12  # pixels of an octave
_NONE = np.empty(0, np.float32)
_OFF = 0.6  # of a pixel by which an extremum may lie beside the pixel that is one


@dataclass(frozen=True)
class Blobs:
    """Of one picture, strongest first.

    Attributes:
        places: (n, 2) x and y in pixels; the first pixel's centre is (0, 0).
        sigmas: (n,) of the Gaussian that each resembles, in pixels.
        strengths: (n,) of the difference there, in grey levels.
    """

    places: Floats
    sigmas: Floats
    strengths: Floats

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, some: slice | Numbers) -> Blobs:
        return Blobs(self.places[some], self.sigmas[some], self.strengths[some])


def find_blobs(grey: Grey, contrast: float) -> Blobs:
    """Find the blobs of a picture.

    Args:
        grey: uint8 (h, w).
        contrast: in grey levels; a weaker blob is none.
    """
    places, sigmas, strengths = [np.empty((0, 2), np.float32)], [_NONE], [_NONE]
    for octave, differences in enumerate(_differences(grey)):
        found = _fit(differences, _extrema(differences, contrast))
        strong = found[np.flatnonzero(found.strengths >= contrast)]
        places.append(strong.places * np.float32(2**octave))
        sigmas.append(strong.sigmas * np.float32(2**octave))
        strengths.append(strong.strengths)
    every = Blobs(np.concatenate(places), np.concatenate(sigmas), np.concatenate(strengths))
    return every[np.argsort(-every.strengths, kind="stable")]


def _differences(grey: Grey) -> Iterator[Floats]:
    """For each octave (sizes + 2, h, w), every one half as large as the one before."""
    import cv2

    base = _blurred(grey.astype(np.float32), (_FINEST**2 - _GIVEN**2) ** 0.5)
    sigmas = _FINEST * 2 ** (np.arange(_SIZES + 3) / _SIZES)
    steps = np.sqrt(np.diff(sigmas**2))
    while min(base.shape) >= _LEAST_SIDE:
        blurred = [base]
        differences = np.empty((_SIZES + 2, *base.shape), np.float32)
        for step, difference in zip(steps, differences, strict=True):
            blurred.append(_blurred(blurred[-1], float(step)))
            cv2.subtract(blurred[-1], blurred[-2], dst=difference)
        yield differences
        base = np.ascontiguousarray(blurred[_SIZES][::2, ::2])


def _blurred(picture: Floats, sigma: float) -> Floats:
    import cv2

    side = 2 * int(np.ceil(2.5 * sigma)) + 1
    return np.asarray(cv2.GaussianBlur(picture, (side, side), sigma), np.float32)


def _extrema(differences: Floats, contrast: float) -> Numbers:
    """Positions in the flat differences that none around in place and size exceeds."""
    import cv2

    strengths, around = np.abs(differences), np.ones((3, 3), np.uint8)
    reach = np.empty_like(strengths)
    for strength, most in zip(strengths, reach, strict=True):
        cv2.dilate(strength, around, dst=most)
    # Between the pixels it may be somewhat stronger.
    high = (strengths == reach) & (strengths > 0.8 * contrast)
    high[[0, -1]] = high[:, :2] = high[:, -2:] = high[:, :, :2] = high[:, :, -2:] = False
    at, area = np.flatnonzero(high), strengths[0].size
    value, flat = strengths.ravel()[at], reach.ravel()
    hit: Numbers = at[(value >= flat[at - area]) & (value >= flat[at + area])]
    return hit


def _fit(differences: Floats, at: Numbers) -> Blobs:
    """Fit a parabola to each extremum, and leave out edges (Lowe 2004, equations 3 and 4)."""
    _, height, width = differences.shape
    flat, area = differences.ravel(), height * width
    value = flat[at]

    def slopes(step: int) -> tuple[Floats, Floats]:
        before, after = flat[at - step], flat[at + step]
        slope, curve = (after - before) / np.float32(2), after + before - np.float32(2) * value
        return np.asarray(slope, np.float32), np.asarray(curve, np.float32)

    (dx, dxx), (dy, dyy), (ds, dss) = slopes(1), slopes(width), slopes(area)
    (_, falling), (_, rising) = slopes(width + 1), slopes(width - 1)  # along the diagonals
    dxy = (falling - rising) * np.float32(0.25)
    bend = dxx * dyy - dxy**2
    # The finest ones are told too roughly by `bend` alone: it takes diagonal edges for blobs.
    compact = _compact(dxx + dyy, bend) & _compact(falling + rising, falling * rising)
    at, parts = at[compact], np.stack((value, bend, dx, dy, ds, dxx, dyy, dss, dxy))[:, compact]
    value, bend, dx, dy, ds, dxx, dyy, dss, dxy = parts
    x = ((dxy * dy - dyy * dx) / bend).clip(-_OFF, _OFF)
    y = ((dxy * dx - dxx * dy) / bend).clip(-_OFF, _OFF)
    size = (-ds / np.where(dss == 0, np.float32(1), dss)).clip(-0.5, 0.5)
    strength = np.abs(value + (dx * x + dy * y + ds * size) / 2)
    places = np.stack([at % width + x, at % area // width + y], axis=1)
    sigmas = _FINEST * 2 ** ((at // area + size) / _SIZES)
    return Blobs(places.astype(np.float32), sigmas.astype(np.float32), strength)


def _compact(trace: Floats, determinant: Floats) -> npt.NDArray[np.bool_]:
    """(n,) whether no direction is curved much more than the one across it."""
    found: npt.NDArray[np.bool_] = trace**2 * _LONG < (_LONG + 1) ** 2 * determinant
    return found
