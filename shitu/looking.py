"""Pictures -> boxes and vectors, ahead of whoever looks them up: all that needs no gallery."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from shitu.cropper import WHOLE, Candidates, Cropper
from shitu.embedder import Embedder
from shitu.errors import ImageError
from shitu.gallery import Space
from shitu.geometry import crop
from shitu.images import Image, load_image
from shitu.runtime.session import Float32Array

_Source = TypeVar("_Source")
_Seen = TypeVar("_Seen")


@dataclass(frozen=True)
class Look:
    """What the networks make of a picture.

    Attributes:
        image: uint8 RGB (h, w, 3).
        space: of the embeddings.
        embeddings: float32 (n, dim), one of each candidate.
        milliseconds: what it took: detect, embed.
    """

    image: Image
    space: Space
    candidates: Candidates
    embeddings: Float32Array
    milliseconds: Mapping[str, float]


class Clock:
    """Time by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}  # milliseconds
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """End a stage; the next one begins."""
        now = time.perf_counter()
        self.laps[name] = (now - self._last) * 1000
        self._last = now


@dataclass(frozen=True)
class Eyes:
    """The networks, and the space that they make; several threads may look through them."""

    cropper: Cropper
    embedder: Embedder
    space: Space

    def look(self, source: Path | bytes, *, whole_image: bool) -> Look | ImageError:
        """Decode a picture, find what is in it, and embed that."""
        try:
            image = load_image(source)
        except ImageError as error:
            return error
        clock = Clock()
        candidates = WHOLE if whole_image else self.cropper.candidates(image)
        clock.lap("detect")
        crops = [image if c.box is None else crop(image, c.box) for c in candidates.kept]
        embeddings = self.embedder.embed(crops)
        clock.lap("embed")
        return Look(image, self.space, candidates, embeddings, clock.laps)


def in_order(
    sources: Iterable[_Source], work: Callable[[_Source], _Seen], pool: Executor, ahead: int
) -> Generator[_Seen, None, None]:
    """Yield what becomes of each source, in order, while the pool works on the next ones.

    At most `ahead` are waiting or under way, however many there are.
    """
    waiting: deque[Future[_Seen]] = deque()
    try:
        for source in sources:
            waiting.append(pool.submit(work, source))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
