"""Whether a file is the one that was written: all of it, or quickly the parts that matter most."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shitu.errors import IndexFileError
from shitu.images import display_path

_WHOLE = 64 << 20  # bytes; a larger file is not read as a whole each time it is opened
_BLOCK = 4 << 20
_SAMPLE = 8  # blocks of a large file that are read nevertheless


@dataclass(frozen=True)
class StoredFile:
    """One file of an index.

    Attributes:
        size: in bytes; -1 for unknown.
        checksum: sha256 of all of it, in hex.
        head: the first so many bytes tell how to read the others, so they are always verified.
        blocks: the beginnings of the sha256 of each block of a large file; none of a small one.
    """

    name: str
    size: int
    checksum: str
    head: int = 0
    blocks: tuple[str, ...] = ()


class Checksum:
    """A file that sums up what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum, self._block = hashlib.sha256(), hashlib.sha256()
        self._size = 0
        self._blocks: list[str] = []

    def write(self, data: bytes) -> int:
        """Write it, and count it in."""
        self._sum.update(data)
        rest = memoryview(data)
        while len(rest):
            some = rest[: _BLOCK - self._size % _BLOCK]
            self._block.update(some)
            self._size += len(some)
            rest = rest[len(some) :]
            if self._size % _BLOCK == 0:
                self._end_block()
        return self._file.write(data)

    def _end_block(self) -> None:
        self._blocks.append(_short(self._block.hexdigest()))
        self._block = hashlib.sha256()

    def stored(self, name: str, bulk: int) -> StoredFile:
        """Return what to remember of the file, the last `bulk` bytes of which explain nothing."""
        if self._size <= _WHOLE:
            return StoredFile(name, self._size, self._sum.hexdigest())
        if self._size % _BLOCK:
            self._end_block()
        head = min(self._size, self._size - bulk + _BLOCK)
        return StoredFile(name, self._size, self._sum.hexdigest(), head, tuple(self._blocks))


def verify(folder: Path, stored: StoredFile, *, thoroughly: bool = False) -> None:
    """Read a file, of a large one only its head and some blocks unless asked for all.

    Raises:
        IndexFileError: it is missing, or another one than was written.
    """
    path = folder / stored.name
    called = display_path(path)
    wrong = IndexFileError(f"{called} is damaged or belongs to another manifest")
    try:
        if stored.size not in (-1, path.stat().st_size):
            raise wrong
        with path.open("rb") as file:
            good = (
                _sha256(file) == stored.checksum
                if thoroughly or not stored.blocks
                else all(_fits(file, stored, number) for number in _chosen(stored))
            )
    except OSError as error:
        raise IndexFileError(f"{called} cannot be read ({error.strerror})") from error
    if not good:
        raise wrong


def _chosen(stored: StoredFile) -> list[int]:
    head = range(-(-stored.head // _BLOCK))
    others = range(len(head), len(stored.blocks) - 1)
    some = random.sample(others, min(_SAMPLE, len(others)))
    return sorted({*head, *some, len(stored.blocks) - 1})


def _fits(file: BinaryIO, stored: StoredFile, number: int) -> bool:
    file.seek(number * _BLOCK)
    return _short(hashlib.sha256(file.read(_BLOCK)).hexdigest()) == stored.blocks[number]


def _short(digest: str) -> str:
    return digest[:16]


def _sha256(file: BinaryIO) -> str:
    checksum = hashlib.sha256()
    while block := file.read(1 << 20):
        checksum.update(block)
    return checksum.hexdigest()
