"""Picture -> main body -> embedding: how references, and queries of one object, are described."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shitu.cropper import Cropper
from shitu.embedder import Embedder
from shitu.gallery import Space
from shitu.geometry import Box, crop
from shitu.images import Image
from shitu.runtime.session import Float32Array


@dataclass(frozen=True)
class Description:
    """What was embedded of a picture.

    Attributes:
        box: xyxy in pixels of the picture; None for all of it.
        embedding: float32 (dim,) of length one.
    """

    box: Box | None
    embedding: Float32Array


class Describer:
    """Describes pictures in one embedding space.

    Args:
        cropper: chooses the main body.
        embedder: turns the crop into a vector.
        space: identity of what these two do together.
    """

    def __init__(self, cropper: Cropper, embedder: Embedder, space: Space) -> None:
        self._cropper = cropper
        self._embedder = embedder
        self.space = space

    def describe(
        self, images: Sequence[Image], boxes: Sequence[Box | None] | None = None
    ) -> list[Description]:
        """Describe each picture, uint8 RGB (h, w, 3), by its main body or by the box given."""
        chosen: list[Box | None] = list(boxes) if boxes is not None else [None] * len(images)
        open_ = [i for i, box in enumerate(chosen) if box is None]
        for i, box in zip(
            open_, self._cropper.main_bodies([images[i] for i in open_]), strict=True
        ):
            chosen[i] = box
        crops = [
            image if box is None else crop(image, box)
            for image, box in zip(images, chosen, strict=True)
        ]
        embeddings = self._embedder.embed(crops)
        return [Description(box, row) for box, row in zip(chosen, embeddings, strict=True)]
