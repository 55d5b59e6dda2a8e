"""Encode pictures, and write them without ever leaving half a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from shitu.errors import ImageError
from shitu.geometry import Box, crop
from shitu.images.decode import Image
from shitu.images.names import cannot, display_path, reason
from shitu.images.writing import write_whole

WRITTEN = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""Formats in which pictures can be written, by how the names of files end."""


def encode_jpeg(image: Image, quality: int = 85) -> bytes:
    """Return the bytes of a JPEG file."""
    return _encode(image, "JPEG", quality=quality)


def encode_png(image: Image) -> bytes:
    """Return the bytes of a PNG file, without loss."""
    return _encode(image, "PNG")


def thumbnail(image: Image, side: int = 160, box: Box | None = None, quality: int = 85) -> bytes:
    """Return a JPEG of the picture, or of the box in it, whose longer side is at most `side`."""
    part = image if box is None else crop(image, box)
    picture = Pillow.fromarray(np.ascontiguousarray(part))
    picture.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    return encode_jpeg(np.asarray(picture), quality)


def save_image(path: Path | str, image: Image, *, remark: str = "") -> None:
    """Write a picture in the format its extension names; a reader never sees half of it.

    Args:
        remark: kept near the start of a JPEG or PNG file.

    Raises:
        ImageError: the extension is unknown or the file cannot be written.
    """
    target = Path(path)
    kind = WRITTEN.get(target.suffix.lower())
    if kind is None:
        raise ImageError(
            f"{display_path(path)} cannot be written: end its name in one of {', '.join(WRITTEN)}."
        )
    options: dict[str, Any] = {"quality": 92} if kind in {"JPEG", "WEBP"} else {}
    if remark and kind == "JPEG":
        options["comment"] = remark
    elif remark and kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", remark)
    data = _encode(image, kind, **options)
    try:
        write_whole(target, data, follow=False)  # a link may lead to somebody's photo
    except OSError as error:
        raise ImageError(cannot("written", display_path(path), error)) from error


def _encode(image: Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        Pillow.fromarray(np.ascontiguousarray(image)).save(buffer, kind, **options)
    except (OSError, ValueError) as error:
        height, width = image.shape[:2]
        raise ImageError(
            f"a picture of {width} x {height} pixels cannot be written as {kind} "
            f"({reason(error)}): make it smaller or use PNG."
        ) from error
    return buffer.getvalue()
