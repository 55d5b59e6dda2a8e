"""What the catalog asks of whoever describes pictures, and a check of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from shitu.describer import Description
from shitu.errors import GalleryError, ModelError
from shitu.gallery import Space
from shitu.geometry import Box
from shitu.images import Image, display_path


class Describer(Protocol):
    """What a `shitu.describer.Describer` does, whether or not its networks are loaded yet."""

    @property
    def space(self) -> Space:
        """The space of all its embeddings; must not need the networks."""

    def describe(
        self, images: Sequence[Image], boxes: Sequence[Box | None]
    ) -> Sequence[Description]:
        """Describe each picture (h, w, 3) uint8 RGB; where a box is given, it is the one used."""


def describe(
    describer: Describer, images: Sequence[Image], boxes: Sequence[Box | None]
) -> list[Description]:
    """Describe pictures and check what came back before any of it is kept.

    Raises:
        ModelError: a vector is missing, of another size, not finite or not of length one.
    """
    described = list(describer.describe(images, boxes))
    if len(described) != len(images):
        raise ModelError(
            f"the feature model described {len(described)} of {len(images)} pictures: reinstall it"
        )
    for one in described:
        length = float(np.linalg.norm(one.embedding))
        if one.embedding.shape != (describer.space.dim,) or not abs(length - 1.0) < 1e-3:
            raise ModelError(
                f"the feature model returned a vector of shape {one.embedding.shape} and length "
                f"{length:.4g} instead of ({describer.space.dim},) and 1: reinstall it"
            )
    return described


def check_box(image: Image, box: Box | None, path: Path) -> None:
    """Refuse a box, if one is given, in which there is nothing of the picture.

    Raises:
        GalleryError: it lies outside, is empty, or is no box.
    """
    if box is None:
        return
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    inside = x0 < x1 and y0 < y1 and x0 < width and y0 < height and x1 > 0 and y1 > 0
    if not (inside and np.isfinite(box).all()):
        raise GalleryError(
            f"the box {box} holds nothing of {display_path(path)} ({width} x {height} pixels): "
            "give left, top, right, bottom in pixels"
        )
