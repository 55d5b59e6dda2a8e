"""Picture -> main body -> embedding: how references, and queries of one object, are described."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
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

    Each is described by itself: what it is together with cannot change its vector.

    Args:
        cropper: chooses the main body.
        embedder: turns the crop into a vector.
        space: identity of what these two do together.
        pool: threads that describe several pictures at a time, if there are any.
    """

    def __init__(
        self, cropper: Cropper, embedder: Embedder, space: Space, pool: Executor | None = None
    ) -> None:
        self._cropper = cropper
        self._embedder = embedder
        self.space = space
        self._pool = pool

    def describe(
        self, images: Sequence[Image], boxes: Sequence[Box | None] | None = None
    ) -> list[Description]:
        """Describe each picture, uint8 RGB (h, w, 3), by its main body or by the box given."""
        given: Sequence[Box | None] = [None] * len(images) if boxes is None else boxes
        if len(given) != len(images):
            raise ValueError(f"{len(given)} boxes do not fit {len(images)} pictures")
        run = map if self._pool is None else self._pool.map
        return list(run(self._one, images, given))

    def _one(self, image: Image, box: Box | None) -> Description:
        if box is None:
            (box,) = self._cropper.main_bodies([image])
        (embedding,) = self._embedder.embed([image if box is None else crop(image, box)])
        return Description(box, embedding)
