"""What happens to photos between the shop and the network: turned, blurred, squeezed, dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from shitu.images import Image, encode_jpeg, load_image

_SHORT_SIDES_IN_SIGMA = 174  # sigma is 2 pixels in a photo whose shorter side has 348
_QUALITY = 20


def turned(image: Image, quarters: int) -> Image:
    """Turned counterclockwise by so many times 90 degrees."""
    return np.ascontiguousarray(np.rot90(image, quarters))


def blurred(image: Image) -> Image:
    """Through a Gaussian filter that grows with the picture."""
    import cv2

    sigma = min(image.shape[:2]) / _SHORT_SIDES_IN_SIGMA
    soft: Image = cv2.GaussianBlur(image, (0, 0), sigma)
    return soft


def squeezed(image: Image) -> Image:
    """Through a JPEG file of poor quality."""
    return load_image(encode_jpeg(image, _QUALITY))


def darkened(image: Image) -> Image:
    """Every value halved."""
    return image // 2


DISTORTIONS: Mapping[str, Callable[[Image], Image]] = {
    "turned by 90 degrees": lambda image: turned(image, 1),
    "turned by 180 degrees": lambda image: turned(image, 2),
    "blurred": blurred,
    f"JPEG quality {_QUALITY}": squeezed,
    "half brightness": darkened,
}
