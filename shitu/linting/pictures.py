"""What can be measured of a picture by its thumbnail: sharpness, contrast, and a small hash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from shitu.images import Image

Floats: TypeAlias = npt.NDArray[np.float64]

_GRID = 8  # squares on a side of what pictures are compared by
_WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in what the eye calls bright (BT.601)


@dataclass(frozen=True)
class Measures:
    """Of n pictures.

    Attributes:
        sides: (n,) pixels of the longer side of the thumbnail.
        contrast: (n,) standard deviation of the brightness, 0..127.
        sharpness: (n,) variance of the Laplacian over that of the brightness; 0 is all blur.
        hashes: (n, 64) bool: is the next square to the right brighter.
        colours: (n, 8, 8, 3) uint8, the mean colours of the squares.
    """

    sides: npt.NDArray[np.int64]
    contrast: Floats
    sharpness: Floats
    hashes: npt.NDArray[np.bool_]
    colours: npt.NDArray[np.uint8]


def measure(thumbnails: Iterable[Image]) -> Measures:
    """Measure pictures, uint8 RGB (h, w, 3), one after the other."""
    rows = [(_side(image), *_relief(image), _hash(image), _colours(image)) for image in thumbnails]
    sides, contrast, sharpness, hashes, colours = zip(*rows, strict=True) if rows else ((),) * 5
    return Measures(
        np.array(sides, np.int64),
        np.array(contrast, np.float64),
        np.array(sharpness, np.float64),
        np.array(hashes, np.bool_).reshape(-1, _GRID * _GRID),
        np.array(colours, np.uint8).reshape(-1, _GRID, _GRID, 3),
    )


def hash_distances(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return (n,) how many of the 64 bits of n pairs (n, 64) differ."""
    return np.asarray(np.count_nonzero(a != b, axis=1))


def colour_distances(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> Floats:
    """Return (n,) by how much the squares of n pairs (n, 8, 8, 3) differ on average, 0..255."""
    difference = a.astype(np.float64) - b
    return np.asarray(np.abs(difference).mean(axis=(1, 2, 3)))


def _side(image: Image) -> int:
    height, width = image.shape[:2]
    return int(max(height, width))


def _relief(image: Image) -> tuple[float, float]:
    """Contrast and sharpness."""
    light = image @ np.array(_WEIGHTS)
    variance = float(light.var())
    if min(light.shape) < 3 or variance == 0:
        return variance**0.5, 0.0
    middle = light[1:-1, 1:-1]
    around = light[:-2, 1:-1] + light[2:, 1:-1] + light[1:-1, :-2] + light[1:-1, 2:]
    return variance**0.5, float((around - 4 * middle).var()) / variance


def _hash(image: Image) -> npt.NDArray[np.bool_]:
    # The difference hash: it survives another size, quality or brightness.
    light = Pillow.fromarray(image).convert("L")
    squares = np.asarray(light.resize((_GRID + 1, _GRID), Pillow.Resampling.BOX))
    return np.asarray(squares[:, 1:] > squares[:, :-1]).ravel()


def _colours(image: Image) -> npt.NDArray[np.uint8]:
    return np.asarray(Pillow.fromarray(image).resize((_GRID, _GRID), Pillow.Resampling.BOX))
