"""Bytes or a file to upright RGB, whatever the format made of it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from shitu._forking import after_fork, held_while_forking
from shitu.errors import ConfigError, ImageError
from shitu.images.files import read_bytes
from shitu.images.jpeg import decode_jpeg
from shitu.images.names import display_path, reason

Image: TypeAlias = npt.NDArray[np.uint8]
"""(height, width, 3) uint8, RGB, C-contiguous, upright."""

MAX_PIXELS = 100_000_000

_FORMATS = (
    "JPEG MPO PNG WEBP AVIF BMP DIB GIF TIFF PPM TGA JPEG2000 ICO".split()  # noqa: SIM905
)
_MAGIC = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"RIFF",
    b"GIF8",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"II+",
    b"MM\0+",
)
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
_USUAL = (b"\xff\xd8\xff", b"\x89PNG")
_ORIENTATION_TAG = 0x0112
_TILE_TAGS = (322, 323)  # TileWidth, TileLength
_BITS_TAG = 258
_PHOTOMETRIC_TAG = 262  # 0: white is zero
_PLANES_TAG = 284  # 2: each colour by itself
_SAMPLE_FORMAT_TAG = 339  # 1, the default: without a sign
_ROWS = 1 << 20  # values that are scaled at a time
# What Pillow logs about damage is said by the ImageError; unheard, it would be printed as well.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def load_image(
    source: Path | str | bytes, *, name: str | None = None, reduce: bool = False
) -> Image:
    """Decode a file, or the bytes of one, to upright RGB.

    EXIF orientation is applied, transparency is laid on white, 16-bit values are scaled to 8,
    of an animation the first frame is taken. Boxes always refer to the picture returned here.

    Args:
        source: where the file is, or its content.
        name: what errors call it; by default its path.
        reduce: decode a JPEG with more pixels than allowed at 1/2, 1/4 or 1/8 of its size. Off
            by default, because boxes would then no longer be in pixels of the file; for callers
            who want the whole picture and keep no box.

    Raises:
        ImageError: it cannot be read or decoded, or has more than SHITU_MAX_PIXELS pixels.
    """
    if isinstance(source, bytes):
        data, called = source, name or "this picture"
    elif not isinstance(source, (str, os.PathLike)):
        raise ImageError(
            f"{type(source).__name__} is no picture file: give a path, or the bytes of a file"
        )
    else:
        data, called = read_bytes(source), name or display_path(source)
    if not data:
        raise ImageError(f"{called} is empty (0 bytes): save or download it again.")
    with _quiet_pillow():
        picture = _open(data, called)
        with picture:
            _check_size(picture, called, reduce=reduce)
            _check_planes(picture, called)
            try:
                pixels = None if reduce else _fast(picture, data)
                if pixels is None:
                    picture.load()  # before EXIF is asked for: Pillow turns TIFF files itself
                    pixels = _to_rgb(picture)
                return _upright(pixels, _orientation(picture))
            except MemoryError as error:
                raise ImageError(
                    f"{called} ({picture.width} x {picture.height}) does not fit in memory: "
                    "make it smaller."
                ) from error
            except Exception as error:  # a decoder fed with damage raises whatever it likes
                raise ImageError(
                    f"{called} is damaged or cut off and cannot be decoded ({reason(error)}): "
                    "save or download it again."
                ) from error


def as_image(array: npt.NDArray[np.uint8], order: str = "RGB") -> Image:
    """Check a picture that the caller decoded: RGB, not OpenCV's BGR.

    Args:
        array: the picture.
        order: of its colours, for the error; they stay as they are.

    Raises:
        ImageError: it is not (height, width, 3) uint8 with at least one pixel.
    """
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ImageError(
            f"a picture is an array (height, width, 3) of uint8 in {order} order, not "
            f"{array.shape} of {array.dtype}: convert it first."
        )
    return np.ascontiguousarray(array)


def max_pixels() -> int:
    """Return the most pixels a picture may have: SHITU_MAX_PIXELS, or 100 million."""
    text = os.environ.get("SHITU_MAX_PIXELS", "").strip()
    if not text:
        return MAX_PIXELS
    if not text.isdecimal() or int(text) == 0:
        raise ConfigError(
            f"SHITU_MAX_PIXELS is {text!r}: set it to a number of pixels such as {MAX_PIXELS}."
        )
    return int(text)


class _Quiet:
    """How many threads decode, and what to put back when the last one is done."""

    lock = threading.Lock()
    users = 0
    filters: warnings.catch_warnings[None] | None = None
    limit: int | None = None


@contextlib.contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings and its own size limit (ours is checked instead) out of the way.

    Both are global to the process and `catch_warnings` must not be interleaved between threads,
    so the first thread in switches them off and the last one out puts them back.
    """
    limit = max_pixels()  # raises, before anything is changed
    with _Quiet.lock:
        _Quiet.users += 1
        if _Quiet.users == 1:
            # Beyond 64 times the limit (Pillow refuses at twice its own) not even 1/8 will do.
            _Quiet.limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, 32 * limit
            _Quiet.filters = warnings.catch_warnings()
            _Quiet.filters.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        yield
    finally:
        with _Quiet.lock:
            _Quiet.users -= 1
            _put_back()


def _put_back() -> None:
    if _Quiet.users == 0 and _Quiet.filters is not None:
        _Quiet.filters.__exit__(None, None, None)
        _Quiet.filters = None
        Pillow.MAX_IMAGE_PIXELS = _Quiet.limit


def _after_fork() -> None:
    _Quiet.users = 0  # they are threads of the parent
    _put_back()


held_while_forking(_Quiet.lock)
after_fork(_after_fork)


def _open(data: bytes, called: str) -> Pillow.Image:
    # All formats take a hundredth of a second to load; nearly every picture is one of two.
    if data.startswith(_USUAL):
        Pillow.preinit()
    else:
        Pillow.init()
    try:
        # Named, so that nothing of the kind of EPS (which starts Ghostscript) is ever opened.
        return Pillow.open(io.BytesIO(data), formats=[f for f in _FORMATS if f in Pillow.OPEN])
    except Pillow.DecompressionBombError as error:
        raise ImageError(_too_large(called, "far")) from error
    except Exception as error:  # a decoder fed with damage raises whatever it likes
        raise ImageError(
            f"{called} cannot be read as a picture: {_diagnosis(data, error)}."
        ) from error


def _diagnosis(data: bytes, error: Exception) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC and b"avif" not in data[:64]:
        return "it is a HEIC file; convert it to JPEG or PNG"
    if data.startswith(_MAGIC) or not isinstance(error, UnidentifiedImageError):
        return (
            "its header is damaged or cut off, or its kind is not supported; download it again, "
            "or save it as JPEG or PNG"
        )
    return "use JPEG, PNG, WebP, BMP, GIF or TIFF"


def _check_size(picture: Pillow.Image, called: str, *, reduce: bool) -> None:
    limit = max_pixels()
    width, height = picture.size
    if reduce and width * height > limit and picture.format in {"JPEG", "MPO"}:
        fits = (s for s in (2, 4) if -(-width // s) * -(-height // s) <= limit)
        scale = next(fits, 8)
        # Only the first draft counts. Rounded down: it is never smaller than what is asked for.
        picture.draft(None, (width // scale, height // scale))
    for width, height in (picture.size, _tile(picture)):
        if width * height > limit:
            raise ImageError(_too_large(called, f"{width} x {height} pixels,"))


def _tile(picture: Pillow.Image) -> tuple[int, int]:
    """Width and height of what is decoded at once; a small TIFF may be cut from a huge tile."""
    tags = _tiff_tags(picture)
    width, height = (tags.get(tag) for tag in _TILE_TAGS)
    if isinstance(width, int) and isinstance(height, int):
        return width, height
    return 0, 0  # none, or damaged: then Pillow does not read them as tiles either


def _tiff_tags(picture: Pillow.Image) -> Mapping[int, Any]:
    return picture.tag_v2 if isinstance(picture, TiffImageFile) else {}


def _check_planes(picture: Pillow.Image, called: str) -> None:
    """Refuse what Pillow makes another picture of: it takes each half of such a value for one."""
    tags = _tiff_tags(picture)
    if tags.get(_PLANES_TAG) != 2 or picture.info.get("compression") != "raw":
        return
    if not picture.mode.startswith(("I", "F")) and max(tags.get(_BITS_TAG, (1,))) > 8:
        raise ImageError(
            f"{called} cannot be read as a picture: it has 16 bits a colour in separate planes; "
            "save it again as PNG."
        )


def _too_large(called: str, size: str) -> str:
    return (
        f"{called} has {size} more than the {max_pixels():,} pixels allowed: make it smaller, or "
        "raise SHITU_MAX_PIXELS."
    )


def _fast(picture: Pillow.Image, data: bytes) -> Image | None:
    """What is made of a usual JPEG the quick way; None for all else, and where it is damaged."""
    if picture.format not in {"JPEG", "MPO"} or picture.mode not in {"L", "RGB"}:
        return None
    return decode_jpeg(data, picture.size)


def _upright(pixels: Image, orientation: int) -> Image:
    """Turn a picture as EXIF wants it."""
    if orientation not in range(2, 9):
        return pixels
    import cv2  # which turns a photo four times as fast as NumPy or Pillow

    turns: dict[int, Callable[[Image], Any]] = {
        2: lambda picture: cv2.flip(picture, 1),
        3: lambda picture: cv2.rotate(picture, cv2.ROTATE_180),
        4: lambda picture: cv2.flip(picture, 0),
        5: cv2.transpose,
        6: lambda picture: cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE),
        7: lambda picture: cv2.rotate(cv2.transpose(picture), cv2.ROTATE_180),
        8: lambda picture: cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE),
    }
    return np.asarray(turns[orientation](pixels), np.uint8)


def _orientation(picture: Pillow.Image) -> int:
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF says nothing about the pixels
        return 1


def _to_rgb(picture: Pillow.Image) -> Image:
    if picture.mode.startswith(("I", "F")):
        values = _grey_values(picture)
        grey = _to_8_bit(values)
        if _tiff_tags(picture).get(_PHOTOMETRIC_TAG) == 0:
            grey = 255 - grey
        if "transparency" in picture.info:  # of a PNG: the one value that is
            grey[values == picture.info["transparency"]] = 255
        return np.repeat(grey[..., None], 3, axis=2)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        paper = Pillow.new("RGBA", layer.size, "white")
        picture = Pillow.alpha_composite(paper, layer)
    return np.array(picture.convert("RGB"))


def _grey_values(picture: Pillow.Image) -> npt.NDArray[Any]:
    """(h, w) of more than 8 bits; of a TIFF with the sign and the range that Pillow leaves out."""
    values = np.asarray(picture)
    tags = _tiff_tags(picture)
    if tags and values.dtype == np.int32 and tags.get(_SAMPLE_FORMAT_TAG, (1,)) == (1,):
        return values.view(np.uint32)
    return values << 4 if tags.get(_BITS_TAG) == (12,) else values


def _to_8_bit(grey: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """(h, w) of 16 or 32 bits, or floats, to uint8: scaled, never clipped.

    16-bit values by their full range. Wider types have none, so theirs is 0..65535 or 0..1 where
    they fit in it, else from their least to their greatest value.
    """
    low, high = _extremes(grey)
    full = 1.0 if grey.dtype.kind == "f" else 65535.0
    if low >= 0 and high <= full:
        low, high = 0.0, full
    scaled = np.empty(grey.shape, np.uint8)
    step = max(1, _ROWS // grey.shape[1])  # a float64 copy of it all would be eight times as large
    for top in range(0, len(grey), step):
        part = _finite(grey[top : top + step].astype(np.float64))
        scaled[top : top + step] = np.rint((part - low) * (255.0 / max(high - low, 1e-300)))
    return scaled


def _extremes(grey: npt.NDArray[np.generic]) -> tuple[float, float]:
    if grey.dtype.kind == "f":
        grey = _finite(grey)
    return float(grey.min()), float(grey.max())


def _finite(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    finite: npt.NDArray[Any] = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return finite
