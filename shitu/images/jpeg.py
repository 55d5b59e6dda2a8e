"""JPEG by simplejpeg: Pillow's pixels, by the same library, in a quarter of the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def decode_jpeg(data: bytes, size: tuple[int, int], orientation: int) -> Pixels | None:
    """Decode to upright RGB (h, w, 3); None where Pillow had better say what is wrong.

    Args:
        data: of a JPEG in grey or YCbCr.
        size: width and height that its header tells.
        orientation: of EXIF, 1..8.
    """
    try:
        import simplejpeg
    except ImportError:  # there is no wheel of it for this machine
        return None
    try:
        found = simplejpeg.decode_jpeg(data, "RGB")  # strict: any damage is an error
    except (ValueError, MemoryError):
        return None
    if found.shape != (size[1], size[0], 3):
        return None
    turn = None if orientation == 1 else _turns().get(orientation)
    return np.asarray(found if turn is None else turn(found), np.uint8)


def _turns() -> Mapping[int, Callable[[Pixels], Any]]:
    """What makes a picture upright, by its EXIF orientation."""
    import cv2

    return {
        2: lambda picture: cv2.flip(picture, 1),
        3: lambda picture: cv2.rotate(picture, cv2.ROTATE_180),
        4: lambda picture: cv2.flip(picture, 0),
        5: cv2.transpose,
        6: lambda picture: cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE),
        7: lambda picture: cv2.rotate(cv2.transpose(picture), cv2.ROTATE_180),
        8: lambda picture: cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE),
    }
