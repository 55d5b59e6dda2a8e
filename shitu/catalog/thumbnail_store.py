"""Thumbnails that wait on the disk until they are committed."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

from shitu.gallery import FileState


@dataclass(frozen=True)
class Shot:
    """A picture that was read: its content's name, and where its thumbnail waits."""

    sha256: str
    state: FileState
    start: int
    length: int


class ThumbnailStore:
    """A file without a name, which goes with the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        self._end = 0

    def keep(self, sha256: str, state: FileState, jpeg: bytes) -> Shot:
        """Put a thumbnail aside."""
        self._file.seek(self._end)
        self._file.write(jpeg)
        shot = Shot(sha256, state, self._end, len(jpeg))
        self._end += len(jpeg)
        return shot

    def read(self, shot: Shot) -> bytes:
        """Return a thumbnail."""
        self._file.seek(shot.start)
        return self._file.read(shot.length)

    def close(self) -> None:
        """Forget all of them."""
        self._file.close()
