"""Reads and decodes pictures ahead of the one who needs them, in threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shitu.catalog.files import file_state, sha256
from shitu.errors import ImageError
from shitu.gallery import FileState
from shitu.images import Image, display_path, load_image, read_bytes

_WORKERS = min(8, os.cpu_count() or 1)
_AHEAD = 2 * _WORKERS  # decoded pictures that may wait; one of 12 megapixels takes 36 MB


@dataclass(frozen=True)
class Picture:
    """A file that was read. `image` is None where its content needs no describing."""

    path: Path
    data: bytes
    sha256: str
    state: FileState
    image: Image | None
    problem: str = ""


def read_picture(path: Path, wanted: Callable[[str], bool]) -> Picture:
    """Read a file, and decode those very bytes if their sha256 is `wanted`.

    Raises:
        ImageError: it cannot be read or decoded.
    """
    # Before the bytes: should the file change in between, the next build looks at it again.
    state = file_state(path)
    data = read_bytes(path)
    digest = sha256(data)
    image = load_image(data, name=display_path(path)) if wanted(digest) else None
    return Picture(path, data, digest, state or FileState(len(data), 0), image)


def read_ahead(
    paths: Iterable[Path], wanted: Callable[[str], bool]
) -> Generator[Picture, None, None]:
    """Yield the pictures in order; those that cannot be used have a problem.

    At most a few are held at a time. The file's bytes are let go of: `data` is empty.
    """

    def read(path: Path) -> Picture:
        try:
            picture = read_picture(path, wanted)
        except ImageError as error:
            return Picture(path, b"", "", FileState(0, 0), None, str(error))
        return Picture(path, b"", picture.sha256, picture.state, picture.image)

    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="shitu-read")
    waiting: deque[Future[Picture]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(read, path))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
