"""Flat things made by number, and views of them that a camera could have taken."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from shitu.images import Image

Matrix = npt.NDArray[np.float64]


def print_of(seed: int, height: int = 240, width: int = 180) -> Image:
    """A print full of corners that no other seed has: uint8 RGB (h, w, 3)."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(90):
        x, y = (int(rng.integers(side)) for side in (width, height))
        wide, high = (int(side) for side in rng.integers(4, 28, 2))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        if rng.random() < 0.5:
            cv2.rectangle(image, (x, y), (x + wide, y + high), colour, -1)
        else:
            cv2.circle(image, (x, y), wide // 2 + 2, colour, -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8), np.uint8)


def view(
    image: Image, turned: float = 0.0, scale: float = 1.0, tilt: float = 0.0
) -> tuple[Image, Matrix]:
    """The picture as seen turned by degrees, larger or smaller, tilted; and the map (3, 3) of
    pixels from the picture to the view. The ground is grey.
    """
    height, width = image.shape[:2]
    side = round(1.5 * scale * max(height, width))
    middle = np.array([(1, 0, -width / 2), (0, 1, -height / 2), (0, 0, 1)], np.float64)
    angle = np.deg2rad(turned)
    spin = np.array(
        [
            (np.cos(angle) * scale, -np.sin(angle) * scale, 0),
            (np.sin(angle) * scale, np.cos(angle) * scale, 0),
            (tilt / width, 0, 1),
        ]
    )
    back = np.array([(1, 0, side / 2), (0, 1, side / 2), (0, 0, 1)], np.float64)
    matrix = back @ spin @ middle
    seen = cv2.warpPerspective(image, matrix, (side, side), borderValue=(128, 128, 128))
    return np.asarray(seen, np.uint8), matrix
