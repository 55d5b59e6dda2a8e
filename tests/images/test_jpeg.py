"""JPEG by simplejpeg gives Pillow's pixels, and leaves to it what is damaged."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from shitu.errors import ImageError
from shitu.images import decode, load_image
from shitu.images.jpeg import decode_jpeg

GALLERY = Path(__file__).parents[2] / "gallery"


def picture(width: int = 61, height: int = 47, seed: int = 0) -> Pillow.Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Pillow.fromarray(coarse).resize((width, height), Pillow.Resampling.BICUBIC)


def coded(image: Pillow.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Decode by Pillow alone."""

    def load(data: bytes) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(decode, "decode_jpeg", lambda *_: None)
            return load_image(data)

    return load


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 20}, {"quality": 98}])
@pytest.mark.parametrize("size", [(61, 47), (1, 1), (640, 481), (17, 300)])
def test_the_same_pixels(
    subsampling: str, options: dict[str, Any], size: tuple[int, int], slow: Any
) -> None:
    data = coded(picture(*size), subsampling=subsampling, **options)
    assert decode_jpeg(data, size) is not None
    assert np.array_equal(load_image(data), slow(data))


def test_the_same_pixels_of_grey_and_of_restarts(slow: Any) -> None:
    for data in (
        coded(picture().convert("L")),
        coded(picture(), restart_marker_blocks=2),
        coded(picture(), keep_rgb=True),
    ):
        assert np.array_equal(load_image(data), slow(data))


def test_the_same_pixels_of_photos(slow: Any) -> None:
    some = sorted(GALLERY.rglob("*.jpg"))[::9]
    assert len(some) > 10
    for path in some:
        assert np.array_equal(load_image(path), slow(path.read_bytes()))


@pytest.mark.parametrize("orientation", range(10))
def test_the_same_turn(orientation: int, slow: Any) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = coded(picture(), exif=exif)
    found = load_image(data)
    assert np.array_equal(found, slow(data))
    assert found.flags.c_contiguous
    assert found.flags.writeable


def test_what_follows_the_end_does_not_matter(slow: Any) -> None:
    for behind in (b"\0" * 99, b"ftyp" + bytes(range(256)), coded(picture(seed=1))):
        data = coded(picture()) + behind
        assert decode_jpeg(data, (61, 47)) is not None
        assert np.array_equal(load_image(data), slow(data))


@pytest.mark.parametrize("progressive", [False, True])
def test_one_that_is_cut_off_is_refused(progressive: bool) -> None:
    whole = coded(picture(300, 300), progressive=progressive)
    for kept in range(2, len(whole) - 1, 37):
        assert decode_jpeg(whole[:kept], (300, 300)) is None
        with pytest.raises(ImageError):
            load_image(whole[:kept])


def test_a_thumbnail_inside_is_not_the_end(slow: Any) -> None:
    exif = Pillow.Exif()
    exif[0x9286] = coded(picture(16, 16))  # a comment that holds a JPEG, end and all
    whole = coded(picture(300, 300), exif=exif)
    assert whole.count(b"\xff\xd9") == 2
    assert np.array_equal(load_image(whole), slow(whole))
    with pytest.raises(ImageError, match="cut off"):
        load_image(whole[:-200])


def _outcome(load: Any, data: bytes) -> bytes | str:
    try:
        pixels: bytes = load(data).tobytes()
    except ImageError as error:
        return str(error)
    return pixels


def test_damage_is_left_to_pillow_and_nothing_is_printed(
    slow: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = coded(picture(300, 300))
    rng = np.random.default_rng(0)
    left = 0
    for _ in range(60):
        hurt = bytearray(whole)
        for place in rng.integers(700, len(whole) - 2, 3):
            hurt[place] = rng.integers(0, 256)
        left += decode_jpeg(bytes(hurt), (300, 300)) is None
        assert _outcome(load_image, bytes(hurt)) == _outcome(slow, bytes(hurt))
    assert left > 20
    assert capfd.readouterr() == ("", "")


def test_it_works_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    data = coded(picture())
    wanted = load_image(data)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    assert decode_jpeg(data, (61, 47)) is None
    assert np.array_equal(load_image(data), wanted)
