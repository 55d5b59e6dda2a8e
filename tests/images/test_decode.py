"""What comes out of each format and pixel type."""

from __future__ import annotations

import logging
import struct
import threading
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from picture_files import BLUE, RED, encode, grey_tiff, halves, png, short, tiff
from PIL import Image

from shitu.errors import ConfigError, ImageError
from shitu.images import as_image, load_image

LOSSY = 6  # levels that a lossy format may be off in flat colour


def off_by(image: npt.NDArray[np.uint8], wanted: object) -> int:
    return int(np.abs(image.astype(int) - np.asarray(wanted, dtype=int)).max())


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, LOSSY),
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, LOSSY),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_deflate"}, 0),
        ("GIF", {}, 0),
        ("PPM", {}, 0),
        ("TGA", {}, 0),
        ("JPEG2000", {}, 0),
        ("DIB", {}, 0),
    ],
)
def test_every_format(kind: str, options: dict[str, object], tolerance: int) -> None:
    pixels = halves()
    away_from_the_edge = np.r_[0:16, 32:48]  # lossy formats ring around it
    image = load_image(encode(pixels, kind, **options))
    assert image.shape == pixels.shape
    assert off_by(image[:, away_from_the_edge], pixels[:, away_from_the_edge]) <= tolerance


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_pixel_type_is_contiguous_rgb_bytes(mode: str) -> None:
    image = load_image(encode(Image.new(mode, (7, 5)), "TIFF"))
    assert (image.shape, image.dtype, image.flags.c_contiguous) == ((5, 7, 3), np.uint8, True)


def test_what_is_loaded_can_be_written_to() -> None:
    image = load_image(encode(halves(), "PNG"))
    image[0, 0] = 1
    assert image[0, 0].tolist() == [1, 1, 1]


def test_a_path_and_its_bytes_are_the_same_picture(tmp_path: Path) -> None:
    data = encode(halves(), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert (load_image(path) == load_image(data)).all()
    assert (load_image(str(path)) == load_image(data)).all()


def test_content_counts_not_the_extension(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encode(halves(), "PNG"))
    assert (load_image(path) == halves()).all()


def test_grey_has_three_equal_channels() -> None:
    image = load_image(encode(np.array([[0, 128, 255]], np.uint8), "PNG"))
    assert image.tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    options = {"quality": 95} if kind == "JPEG" else {}
    image = load_image(encode(Image.fromarray(halves()).convert("CMYK"), kind, **options))
    assert off_by(image[:, :16], RED) <= LOSSY
    assert off_by(image[:, 32:], BLUE) <= LOSSY


def test_cmyk_ink_is_not_light() -> None:
    # Adobe writes CMYK JPEG upside down; read as it stands, black is white.
    image = load_image(encode(Image.new("CMYK", (16, 16), (0, 0, 0, 255)), "JPEG"))
    assert image.max() <= LOSSY


# 16 bits and more


SIXTEEN = np.array([[0, 257 * 7, 257 * 128, 65535]], np.uint16)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    assert load_image(encode(SIXTEEN, kind))[0, :, 0].tolist() == [0, 7, 128, 255]


def test_16_bit_tiff_in_the_other_byte_order() -> None:
    little = encode(SIXTEEN, "TIFF", compression=None)
    big = encode(Image.frombytes("I;16B", (4, 1), SIXTEEN.astype(">u2").tobytes()), "TIFF")
    assert big[:2] != little[:2]
    assert load_image(big)[0, :, 0].tolist() == [0, 7, 128, 255]


def test_16_bit_rgb_png() -> None:
    row = b"\0" + struct.pack(">6H", 65535, 32768, 0, 256, 0, 65535)
    assert load_image(png((2, 1), 16, 2, row)).tolist() == [[[255, 128, 0], [1, 0, 255]]]


@pytest.mark.parametrize(
    ("values", "wanted", "why"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255], "0..1 is the full range"),
        ([0.0, 0.25, 0.5], [0, 64, 128], "0..1 though no pixel is white"),
        ([0.0, 100.0, 500.0], [0, 51, 255], "beyond 1: least to greatest"),
        ([-1.0, 0.0, 1.0], [0, 128, 255], "below 0: least to greatest"),
        ([np.nan, 0.5, np.inf], [0, 128, 0], "no number is black"),
        ([300.0, 300.0, 300.0], [0, 0, 0], "all equal: no range to divide by"),
    ],
)
def test_floats(values: list[float], wanted: list[int], why: str) -> None:
    image = load_image(encode(np.array([values], np.float32), "TIFF"))
    assert image[0, :, 0].tolist() == wanted, why


@pytest.mark.parametrize(
    ("values", "wanted", "why"),
    [
        ([0, 32768, 65535], [0, 128, 255], "16 bits in wider numbers"),
        ([0, 200_000, 1_000_000], [0, 51, 255], "more: least to greatest"),
        ([-10, 0, 10], [0, 128, 255], "negative: least to greatest"),
    ],
)
def test_32_bit_integers(values: list[int], wanted: list[int], why: str) -> None:
    image = load_image(encode(np.array([values], np.int32), "TIFF"))
    assert image[0, :, 0].tolist() == wanted, why


def test_white_is_zero_in_a_16_bit_tiff_too() -> None:
    values = np.array([0, 65535], "<u2").tobytes()
    image = load_image(tiff((2, 1), values, short(258, 16), short(262, 0)))
    assert image[0, :, 0].tolist() == [255, 0]


def test_a_12_bit_tiff_is_not_dark() -> None:
    values = bytes([0x00, 0x08, 0x01, 0xFF, 0xF0, 0x00])  # 0, 2049, 4095 and what fills the byte
    image = load_image(tiff((3, 1), values, short(258, 12)))
    assert image[0, :, 0].tolist() == [0, 128, 255]


def test_32_bits_without_a_sign() -> None:
    values = np.array([0, 2**31, 2**32 - 1], "<u4").tobytes()
    image = load_image(tiff((3, 1), values, short(258, 32)))
    assert image[0, :, 0].tolist() == [0, 128, 255]


def test_a_tall_16_bit_picture_is_scaled_alike_everywhere() -> None:
    # It is scaled in stripes of a million values.
    values = np.arange(3000, dtype=np.uint16)[:, None] * 20 + np.zeros((1, 1000), np.uint16)
    wanted = np.rint(values[:, 0] / 257.0).astype(np.uint8)
    assert (load_image(encode(values, "PNG", compress_level=1))[:, 999, 1] == wanted).all()


# Palettes and transparency: what is transparent is white, as on a product page


def test_palette() -> None:
    picture = Image.fromarray(halves()).quantize(4)
    assert picture.mode == "P"
    assert (load_image(encode(picture, "PNG")) == halves()).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_white(kind: str) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([*RED, *BLUE])
    picture.putdata([0, 1])
    image = load_image(encode(picture, kind, transparency=0))
    assert image.tolist() == [[[255, 255, 255], list(BLUE)]]


def test_a_palette_with_an_alpha_for_each_colour() -> None:
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *BLUE, 0, 0, 0])
    picture.putdata([0, 1, 2])
    image = load_image(encode(picture, "PNG", transparency=bytes([0, 255, 128])))
    assert off_by(image, [[[255] * 3, BLUE, [127] * 3]]) <= 1


@pytest.mark.parametrize(
    ("rgba", "wanted", "why"),
    [
        ((*RED, 255), RED, "opaque"),
        ((*RED, 0), (255, 255, 255), "transparent: its hidden colour does not show"),
        ((0, 0, 0, 51), (204, 204, 204), "a fifth of black on white"),
        ((255, 255, 255, 7), (255, 255, 255), "white stays white"),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_laid_on_white(
    kind: str, rgba: tuple[int, ...], wanted: tuple[int, ...], why: str
) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    image = load_image(encode(Image.new("RGBA", (4, 4), rgba), kind, **options))
    assert off_by(image, wanted) <= 1, why


def test_grey_with_alpha_is_laid_on_white() -> None:
    image = load_image(encode(Image.new("LA", (1, 1), (100, 0)), "PNG"))
    assert image.tolist() == [[[255, 255, 255]]]


def test_16_bit_rgb_with_alpha_is_laid_on_white() -> None:
    row = b"\0" + struct.pack(">8H", 65535, 0, 0, 0, 0, 0, 0, 65535)
    assert load_image(png((2, 1), 16, 6, row)).tolist() == [[[255] * 3, [0] * 3]]


@pytest.mark.parametrize(
    ("depth", "colour", "row", "key", "wanted"),
    [
        (8, 2, bytes([10, 20, 30, 9, 8, 7]), struct.pack(">3H", 10, 20, 30), [9, 8, 7]),
        (8, 0, bytes([10, 200]), struct.pack(">H", 10), [200] * 3),
        (16, 0, struct.pack(">2H", 1000, 257 * 90), struct.pack(">H", 1000), [90] * 3),
    ],
    ids=["rgb", "grey", "16-bit grey"],
)
def test_a_transparent_colour_without_palette_is_white(
    depth: int, colour: int, row: bytes, key: bytes, wanted: list[int]
) -> None:
    image = load_image(png((2, 1), depth, colour, b"\0" + row, (b"tRNS", key)))
    assert image.tolist() == [[[255] * 3, wanted]]


# Several pictures in one file: the first


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_several(kind: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in (RED, BLUE, (0, 255, 0))]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (load_image(data) == RED).all()


def test_an_animation_does_not_show_its_later_frames_through() -> None:
    first = Image.new("P", (4, 1))
    first.putpalette([*RED, *BLUE])
    second = first.copy()
    second.putdata([1, 1, 1, 1])
    data = encode(first, "GIF", save_all=True, append_images=[second], transparency=0)
    assert (load_image(data) == 255).all()


# Sizes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_one_pixel(kind: str) -> None:
    image = load_image(encode(np.full((1, 1, 3), 90, np.uint8), kind))
    assert image.shape == (1, 1, 3)
    assert off_by(image, 90) <= LOSSY


@pytest.mark.parametrize(("height", "width"), [(1, 3000), (3000, 1)])
def test_a_picture_one_pixel_thin(height: int, width: int) -> None:
    pixels = np.full((height, width, 3), 77, np.uint8)
    assert (load_image(encode(pixels, "PNG")) == pixels).all()


# Side effects


def test_no_warning_gets_out() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *BLUE])
    data = encode(palette, "PNG", transparency=bytes([0, 255]))  # Pillow warns about these
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_image(data)
    assert not caught


def test_settings_of_pillow_are_put_back() -> None:
    before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    load_image(encode(halves(), "PNG"))
    with pytest.raises(ImageError):
        load_image(b"no picture")
    assert before == Image.MAX_IMAGE_PIXELS
    assert warnings.filters == filters


def test_a_wrong_limit_changes_no_setting_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Image.MAX_IMAGE_PIXELS
    monkeypatch.setenv("SHITU_MAX_PIXELS", "many")
    with pytest.raises(ConfigError):
        load_image(encode(halves(), "PNG"))
    monkeypatch.delenv("SHITU_MAX_PIXELS")
    load_image(encode(halves(), "PNG"))
    assert before == Image.MAX_IMAGE_PIXELS


def test_many_threads_decode_alike_and_put_the_settings_back() -> None:
    before, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    files = [encode(np.full((40, 40, 3), level, np.uint8), "PNG") for level in range(8)]
    wrong: list[int] = []

    def work(level: int) -> None:
        wrong.extend(level for _ in range(20) if (load_image(files[level]) != level).any())

    threads = [threading.Thread(target=work, args=(level,)) for level in range(len(files))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert before == Image.MAX_IMAGE_PIXELS
    assert warnings.filters == filters


def test_pillow_prints_nothing_of_its_own(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    # Python prints what is logged where nobody listens; pytest does, so look for its cause.
    samples = (277, 3, 1, struct.pack("<I", 7168))
    data = grey_tiff().replace(
        struct.pack("<HHII", 277, 3, 1, 1), struct.pack("<HHI", *samples[:3]) + samples[3]
    )
    with caplog.at_level(logging.ERROR), pytest.raises(ImageError):
        load_image(data)
    assert caplog.records, "this file no longer makes Pillow log anything"
    assert logging.getLogger("PIL").handlers
    assert capsys.readouterr().err == ""


# Pictures that the caller decoded


def test_an_array_is_taken_as_it_is() -> None:
    assert (as_image(halves()) == halves()).all()


def test_a_view_is_made_contiguous() -> None:
    view = halves()[:, ::-1]
    image = as_image(view)
    assert image.flags.c_contiguous
    assert (image == view).all()


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros((4, 4), np.uint8), "grey"),
        (np.zeros((4, 4, 4), np.uint8), "with alpha"),
        (np.zeros((3, 4, 4), np.uint8), "channels first"),
        (np.zeros((1, 4, 4, 3), np.uint8), "a batch"),
        (np.zeros((4, 4, 3), np.float32), "floats"),
        (np.zeros((4, 4, 3), np.int64), "integers"),
        (np.zeros((0, 4, 3), np.uint8), "no row"),
        (np.zeros((4, 0, 3), np.uint8), "no column"),
    ],
)
def test_an_array_that_is_no_picture(array: npt.NDArray[np.uint8], why: str) -> None:
    with pytest.raises(ImageError, match=r"height, width, 3.*uint8"):
        as_image(array)
