"""Large files are verified in part: the head always, other blocks by chance, all when asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from shitu.errors import IndexFileError
from shitu.index import checksums
from shitu.index.checksums import Checksum, StoredFile, verify

BLOCK, BLOCKS, HEAD = 64, 20, 100


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredFile:
    """A file of 20 blocks and 5 bytes, the first 100 of which explain the others."""
    monkeypatch.setattr(checksums, "_WHOLE", 200)
    monkeypatch.setattr(checksums, "_BLOCK", BLOCK)
    monkeypatch.setattr(checksums, "_SAMPLE", 3)
    data = bytes(number % 251 for number in range(BLOCK * BLOCKS + 5))
    with (tmp_path / "vectors.faiss").open("wb") as file:
        counter = Checksum(file)
        for start in range(0, len(data), 37):
            counter.write(data[start : start + 37])
    assert (tmp_path / "vectors.faiss").read_bytes() == data
    return counter.stored("vectors.faiss", len(data) - HEAD)


def flip(folder: Path, place: int) -> None:
    data = bytearray((folder / "vectors.faiss").read_bytes())
    data[place] ^= 1
    (folder / "vectors.faiss").write_bytes(data)


def test_a_file_that_was_written_fits(tmp_path: Path, stored: StoredFile) -> None:
    assert (len(stored.blocks), stored.size) == (BLOCKS + 1, BLOCK * BLOCKS + 5)
    assert stored.head >= HEAD
    for thoroughly in (False, True):
        verify(tmp_path, stored, thoroughly=thoroughly)


@pytest.mark.parametrize("place", [0, 63, 64, 99, BLOCK * BLOCKS, BLOCK * BLOCKS + 4])
def test_head_and_end_are_always_read(tmp_path: Path, stored: StoredFile, place: int) -> None:
    flip(tmp_path, place)
    with pytest.raises(IndexFileError, match="damaged"):
        verify(tmp_path, stored)


def test_other_blocks_are_found_by_and_by(tmp_path: Path, stored: StoredFile) -> None:
    flip(tmp_path, BLOCK * 10)
    with pytest.raises(IndexFileError, match="damaged"):
        verify(tmp_path, stored, thoroughly=True)
    found = 0
    for _ in range(200):
        try:
            verify(tmp_path, stored)
        except IndexFileError:
            found += 1
    assert 5 < found < 100  # 3 of the 17 blocks in between are read each time


def test_a_missing_byte_is_seen_without_reading(tmp_path: Path, stored: StoredFile) -> None:
    file = tmp_path / "vectors.faiss"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(IndexFileError, match="damaged"):
        verify(tmp_path, stored)
    file.unlink()
    with pytest.raises(IndexFileError, match="cannot be read"):
        verify(tmp_path, stored)


def test_small_files_are_read_as_a_whole(tmp_path: Path) -> None:
    with (tmp_path / "vectors.faiss").open("wb") as file:
        counter = Checksum(file)
        counter.write(b"small")
    stored = counter.stored("vectors.faiss", 5)
    assert stored.blocks == ()
    flip(tmp_path, 4)
    with pytest.raises(IndexFileError, match="damaged"):
        verify(tmp_path, stored)
