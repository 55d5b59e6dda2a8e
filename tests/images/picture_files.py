"""Makes the bytes of picture files, also of those that Pillow does not write."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

RED = (200, 30, 40)
BLUE = (20, 60, 210)


def halves(height: int = 32, width: int = 48) -> npt.NDArray[np.uint8]:
    """Left half red, right half blue: flat, so that lossy formats keep it."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    return pixels


def encode(picture: Image.Image | npt.NDArray[Any], kind: str, **options: Any) -> bytes:
    if not isinstance(picture, Image.Image):
        picture = Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(
    size: tuple[int, int], depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG of (width, height), bit depth and colour type, and more chunks before the pixels."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def grey_tiff(*tags: tuple[int, int, int, bytes]) -> bytes:
    """A TIFF of 2 x 2 grey pixels 1 2 3 4, with more (tag, type, count, four bytes)."""
    return tiff((2, 2), bytes([1, 2, 3, 4]), *tags)


def tiff(size: tuple[int, int], pixels: bytes, *tags: tuple[int, int, int, bytes]) -> bytes:
    """A TIFF of (width, height): grey bytes, unless (tag, type, count, four bytes) say else."""
    short, long = 3, 4
    own = [
        (256, short, size[0]),
        (257, short, size[1]),
        (258, short, 8),  # bits
        (259, short, 1),  # not compressed
        (262, short, 1),  # black is zero
        (273, long, 8),  # where the strip is
        (277, short, 1),
        (278, short, size[1]),
        (279, long, len(pixels)),
    ]
    all_tags = {tag: (tag, kind, 1, struct.pack("<I", value)) for tag, kind, value in own}
    all_tags |= {entry[0]: entry for entry in tags}
    entries = sorted(all_tags.values())
    directory = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    start = b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels
    return start + struct.pack("<H", len(entries)) + directory + struct.pack("<I", 0)


def short(tag: int, value: int) -> tuple[int, int, int, bytes]:
    """One tag of a TIFF."""
    return tag, 3, 1, struct.pack("<I", value)
