"""Picture -> main body -> embedding: how references, and queries of one object, are described."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from shitu.cropper import Cropper
from shitu.embedder import Embedder
from shitu.errors import ImageError
from shitu.gallery import Space
from shitu.geometry import Box, crop
from shitu.images import Image, display_path, find_images, load_image
from shitu.runtime.session import Float32Array

_SOME = 32  # pictures described at a time


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


@dataclass(frozen=True)
class DescribedFolder:
    """The pictures of a folder, described.

    Attributes:
        skipped: files that could not be read, and folders that could not be listed, with the
            reason.
    """

    pictures: tuple[tuple[Path, Description], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()


def describe_folder(
    describer: Describer, folder: Path, progress: Callable[[int, int], None] | None
) -> DescribedFolder:
    """Describe all pictures of a folder that can be read.

    Raises:
        ImageError: there is none, or none can be read.
    """
    found: list[tuple[Path, Description]] = []
    skipped: list[tuple[str, str]] = []
    paths = find_images(folder, lambda closed, why: skipped.append((str(closed), why)))
    if not paths and skipped:
        raise ImageError(f"{display_path(skipped[0][0])} {skipped[0][1]}.")
    if not paths:
        raise ImageError(f"No picture found in {folder}.")
    for start in range(0, len(paths), _SOME):
        images = _read(paths[start : start + _SOME], skipped)
        found += zip(images, describer.describe(list(images.values())), strict=True)
        if progress is not None:
            progress(min(start + _SOME, len(paths)), len(paths))
    if not found:
        raise ImageError(
            f"No picture in {display_path(folder)} can be read ({len(paths)} tried); the first: "
            f"{skipped[-len(paths)][1]}"
        )
    return DescribedFolder(tuple(found), tuple(skipped))


def _read(paths: Sequence[Path], skipped: list[tuple[str, str]]) -> dict[Path, Image]:
    images = {}
    for path in paths:
        try:
            images[path] = load_image(path)
        except ImageError as error:
            skipped.append((str(path), str(error)))
    return images
