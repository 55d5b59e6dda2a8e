"""EXIF rotation: pictures come out as they were seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from picture_files import encode
from PIL import Image

from shitu.images import load_image

Pixels = npt.NDArray[np.uint8]

# Three rows and two columns of blocks, all different: no turn or flip looks like another.
BLOCKS = np.array(
    [
        [(250, 0, 0), (0, 250, 0)],
        [(0, 0, 250), (250, 250, 0)],
        [(250, 0, 250), (0, 250, 250)],
    ],
    np.uint8,
)
UPRIGHT = np.repeat(np.repeat(BLOCKS, 16, axis=0), 16, axis=1)

# orientation: which sides of the upright picture the first stored row and column are (EXIF 2.32)
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def stored(orientation: int) -> Pixels:
    """The pixels in the order in which a camera held that way writes them."""
    first_row, first_column = SIDES[orientation]
    pixels = UPRIGHT
    if "bottom" in (first_row, first_column):
        pixels = pixels[::-1]
    if "right" in (first_row, first_column):
        pixels = pixels[:, ::-1]
    if first_row in {"left", "right"}:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels)


def tagged(pixels: Pixels, kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    if kind == "WEBP":
        options = {"lossless": True}
    return encode(pixels, kind, exif=exif, **options)


def same(image: Pixels, wanted: Pixels) -> bool:
    if image.shape != wanted.shape:
        return False
    middles = (slice(8, None, 16), slice(8, None, 16))
    return bool(np.abs(image[middles].astype(int) - wanted[middles].astype(int)).max() < 30)


@pytest.mark.parametrize("orientation", SIDES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_all_orientations(kind: str, orientation: int) -> None:
    assert same(load_image(tagged(stored(orientation), kind, orientation)), UPRIGHT)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_orientation_changes_nothing(orientation: int) -> None:
    assert same(load_image(tagged(UPRIGHT, "JPEG", orientation)), UPRIGHT)


def test_damaged_exif_changes_nothing() -> None:
    data = tagged(UPRIGHT, "JPEG", 6)
    start = data.index(b"Exif\0\0") + 6
    broken = data[:start] + b"\xff" * 8 + data[start + 8 :]
    assert same(load_image(broken), UPRIGHT)


def test_grey_16_bit_turns_too() -> None:
    values = np.array([[0, 65535, 0]], np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    image = load_image(encode(values, "PNG", exif=exif))
    assert image[:, :, 0].tolist() == [[0], [255], [0]]


def test_transparency_turns_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    pixels = np.array([[(0, 0, 0, 255), (0, 0, 0, 0)]], np.uint8)
    image = load_image(encode(pixels, "PNG", exif=exif))
    assert image[:, :, 0].tolist() == [[255], [0]]


def test_a_palette_turns_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    picture = Image.fromarray(UPRIGHT).quantize(8)
    assert same(load_image(encode(picture, "PNG", exif=exif)), UPRIGHT[::-1, ::-1])
