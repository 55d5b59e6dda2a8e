"""Resize, normalise, channels first: one definition for training, export and inference."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.errors import ConfigError

if TYPE_CHECKING:
    from shitu.images import Image

Interpolation: TypeAlias = Literal["antialias", "linear", "cubic"]
Triple: TypeAlias = tuple[float, float, float]

_LONGEST = 4096  # side of an input, in pixels; a batch of larger ones would fill the memory

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a picture before a network sees it.

    The picture is squashed to `input_size` (height, width) without keeping its aspect, as PP-ShiTu
    does, then (x * scale - mean) / std per RGB channel.

    `resize_short`: for networks that are used to it, the short side is resized to this length
    instead, with the aspect kept, and `input_size` is cut out of the middle.

    `interpolation`: "linear" and "cubic" are OpenCV's, equal to PaddleX's to the last bit; they
    skip pixels of a picture that is much larger than the input. "antialias" averages them all
    (area) along each axis that shrinks, and interpolates linearly along one that grows.

    Raises:
        ConfigError: a value that makes no sense.
    """

    input_size: tuple[int, int]
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    interpolation: Interpolation = "linear"
    scale: float = 1 / 255
    resize_short: int | None = None

    def __post_init__(self) -> None:
        if len(self.input_size) != 2 or min(self.input_size) < 1:
            raise ConfigError(f"input_size is (height, width) in pixels, not {self.input_size}.")
        longest = max(*self.input_size, self.resize_short or 0)
        if longest > _LONGEST:
            raise ConfigError(f"a side of the input is at most {_LONGEST} pixels, not {longest}.")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(map(math.isfinite, values)):
                raise ConfigError(f"{name} is three numbers, one per RGB channel, not {values}.")
        if min(self.std) <= 0:
            raise ConfigError(f"std is three numbers above zero, not {self.std}.")
        if self.interpolation not in _RESIZE:
            known = ", ".join(_RESIZE)
            raise ConfigError(f"interpolation is one of {known}, not {self.interpolation!r}.")
        if not 0 < self.scale < math.inf:
            raise ConfigError(f"scale is a number above zero, not {self.scale}.")
        if self.resize_short is not None and self.resize_short < max(self.input_size):
            raise ConfigError(
                f"resize_short is at least the input size {self.input_size}, which is cut out of "
                f"the middle, not {self.resize_short}."
            )

    def __call__(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Turn pictures of any size, (h, w, 3) uint8 RGB, into one (n, 3, height, width) batch."""
        import cv2

        batch = np.empty((len(images), 3, *self.input_size), dtype=np.float32)
        tables = self._tables()
        for picture, planes in zip(images, batch, strict=True):
            # One look-up per value writes the plane in place: no float copy of the picture.
            for channel, table, plane in zip(
                cv2.split(self.resize(picture)), tables, planes, strict=True
            ):
                cv2.LUT(channel, table, dst=plane)
        return batch

    def resize(self, image: Image) -> Image:
        """Return the picture at `input_size`, still uint8 RGB."""
        height, width = self.input_size
        if self.resize_short is None:
            return self._scaled(image, width, height)
        factor = self.resize_short / min(image.shape[:2])
        whole = self._scaled(image, round(image.shape[1] * factor), round(image.shape[0] * factor))
        top, left = (whole.shape[0] - height) // 2, (whole.shape[1] - width) // 2
        return whole[top : top + height, left : left + width]

    def _scaled(self, image: Image, width: int, height: int) -> Image:
        return _RESIZE[self.interpolation](image, width, height)

    def describe(self) -> dict[str, object]:
        """Every constant that changes what a network sees, in JSON types."""
        return {
            "input_size": [int(side) for side in self.input_size],
            "mean": [float(value) for value in self.mean],
            "std": [float(value) for value in self.std],
            "interpolation": self.interpolation,
            "aspect": "squash"
            if self.resize_short is None
            else f"short side {self.resize_short}, middle",
            "channels": "RGB",
            "scale": "1/255" if math.isclose(self.scale, 1 / 255) else repr(self.scale),
        }

    def fingerprint(self) -> str:
        """SHA-256 of `describe()`: equal if and only if pictures are treated equally."""
        text = json.dumps(self.describe(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _tables(self) -> npt.NDArray[np.float32]:
        """(3, 256): the normalised value of each of the 256 that a channel can have.

        x * alpha + beta in float32, with both constants rounded once from float64, as PaddleX
        does it: the same two roundings, so the same bits.
        """
        std = np.array(self.std, dtype=np.float64)
        alpha = (self.scale / std).astype(np.float32)[:, None]
        beta = (-np.array(self.mean, dtype=np.float64) / std).astype(np.float32)[:, None]
        levels = np.arange(256, dtype=np.float32)
        tables: npt.NDArray[np.float32] = levels * alpha + beta
        return tables


def _linear(image: Image, width: int, height: int) -> Image:
    import cv2

    resized: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized


def _cubic(image: Image, width: int, height: int) -> Image:
    import cv2

    resized: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return resized


def _antialias(image: Image, width: int, height: int) -> Image:
    import cv2

    # Shrink first and separately: asked to shrink one axis and enlarge the other, OpenCV's
    # INTER_AREA falls back to a linear filter for both.
    smaller = (min(width, image.shape[1]), min(height, image.shape[0]))
    if smaller != image.shape[1::-1]:
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    if smaller != (width, height):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image


_RESIZE: dict[str, Callable[[Image, int, int], Image]] = {
    "antialias": _antialias,
    "linear": _linear,
    "cubic": _cubic,
}
