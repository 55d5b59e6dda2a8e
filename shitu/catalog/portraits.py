"""Pictures of queries: what was looked up, as a JPEG that can be looked up again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shitu.catalog.describing import Describer, describe
from shitu.geometry import Box
from shitu.images import Image, load_image, thumbnail

SIDE = 1024  # pixels of the longer side; the networks see a quarter of it
_QUALITY = 92


def portrait(image: Image, box: Box | None) -> bytes:
    """Return a JPEG of what is in a box of a picture, or of all of it."""
    return thumbnail(image, SIDE, box, _QUALITY)


def describe_portrait(
    describer: Describer, jpeg: bytes
) -> tuple[npt.NDArray[np.float32], Image, Box]:
    """Embed all of a portrait: nothing is cropped a second time.

    Returns the vector (dim,), the picture, and the box that is all of it.
    """
    image = load_image(jpeg)
    height, width = image.shape[:2]
    box = (0.0, 0.0, float(width), float(height))
    [described] = describe(describer, [image], [box])
    return described.embedding, image, box
