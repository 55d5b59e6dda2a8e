"""What PaddleX takes as pictures: files, folders, addresses, BGR arrays, and lists of these."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.arguments import name_of
from shitu.errors import ImageError
from shitu.images import Image, as_image, find_images, load_image, max_pixels, read_bytes

Input: TypeAlias = "str | Path | npt.NDArray[np.uint8] | Sequence[Any]"


@dataclass(frozen=True)
class Picture:
    """A picture that was not read yet; `path` is what PaddleX calls its input path."""

    path: str | None
    content: Path | npt.NDArray[np.uint8]

    def load(self) -> Image:
        """RGB uint8 (h, w, 3), upright; raises ImageError."""
        if isinstance(self.content, np.ndarray):
            return as_image(as_image(self.content, "BGR")[..., ::-1])  # as PaddleX' arrays are
        return load_image(self.content)

    def data(self) -> bytes:
        """What tells this picture from others; raises ImageError."""
        if isinstance(self.content, np.ndarray):
            return repr(self.content.shape).encode() + self.content.tobytes()
        return read_bytes(self.content)


def pictures_of(given: Input) -> Iterator[Picture]:
    """Pictures in the order in which they are given; those of a folder sorted by name.

    Raises:
        ImageError: something is no picture, or a folder holds none.
        ValueError: a path is empty.
    """
    if isinstance(given, np.ndarray):
        yield Picture(None, given)
    elif isinstance(given, (str, Path)):
        yield from _of_path(name_of("a picture", given))
    elif isinstance(given, (list, tuple)):
        for one in given:
            yield from pictures_of(one)
    else:
        raise ImageError(
            f"{type(given).__name__} is no picture: give a path, a folder, an address, a BGR "
            "array, or a list of these."
        )


def _of_path(path: str) -> Iterator[Picture]:
    if path.startswith(("http://", "https://")):
        yield Picture(path, _fetched(path))
    elif Path(path).is_dir():
        found = find_images(path)
        if not found:
            raise ImageError(f"No picture found in {path}.")
        yield from (Picture(str(file), file) for file in found)
    else:
        yield Picture(path, Path(path))


def _fetched(url: str) -> npt.NDArray[np.uint8]:
    from shitu.models.download import download

    max_pixels()  # a setting that is wrong is told before anything is fetched
    with tempfile.TemporaryDirectory() as folder:
        path, _ = download([url], Path(folder), None)
        return np.ascontiguousarray(load_image(path, name=url)[..., ::-1])
