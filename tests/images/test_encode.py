"""Pictures that are written: what they hold, and that there is never half of one."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from picture_files import BLUE, RED, halves
from PIL import Image

from shitu.errors import ImageError
from shitu.images import encode_jpeg, encode_png, load_image, save_image, thumbnail


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


@pytest.mark.parametrize(
    ("extension", "kind"),
    [
        (".jpg", "JPEG"),
        (".JPEG", "JPEG"),
        (".png", "PNG"),
        (".webp", "WEBP"),
        (".bmp", "BMP"),
        (".tif", "TIFF"),
        (".tiff", "TIFF"),
    ],
)
def test_the_extension_names_the_format(tmp_path: Path, extension: str, kind: str) -> None:
    path = tmp_path / ("a" + extension)
    save_image(path, halves())
    with Image.open(path) as picture:
        assert picture.format == kind
    flat = load_image(path)[:, [4, 40]].astype(int)
    assert np.abs(flat - [RED, BLUE]).max() <= 8


@pytest.mark.parametrize("name", ["a", "a.gif", "a.txt", "jpg"])
def test_an_unknown_extension_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"end its name in one of \.jpg"):
        save_image(tmp_path / name, halves())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["可乐.png", "🥫.png", "two\nlines.png", os.fsdecode(b"\xff.png"), "a" * 251 + ".png"]
)
def test_names_of_any_kind_can_be_written(tmp_path: Path, name: str) -> None:
    save_image(tmp_path / name, halves())
    assert (load_image(tmp_path / name) == halves()).all()


def test_an_old_file_is_replaced_and_nothing_else_left(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    save_image(path, halves())
    assert (load_image(path) == halves()).all()
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ImageError, match=r"a\.png cannot be written: the disk is full"):
        save_image(path, halves())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"a\.png cannot be written: .*does not exist"):
        save_image(tmp_path / "none/a.png", halves())


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ImageError, match=r"a\.png cannot be written"):
        save_image(tmp_path / "a.png", halves())
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("kind", "side"), [(".jpg", 66_000), (".webp", 17_000)])
def test_more_pixels_than_a_format_can_hold(tmp_path: Path, kind: str, side: int) -> None:
    with pytest.raises(ImageError, match=rf"{side} x 1 pixels cannot be written as"):
        save_image(tmp_path / f"a{kind}", np.zeros((1, side, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_png_is_without_loss(make_picture: Callable[..., npt.NDArray[np.uint8]]) -> None:
    assert (load_image(encode_png(make_picture(1))) == make_picture(1)).all()


def test_jpeg_of_a_higher_quality_is_larger() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert len(encode_jpeg(noise, quality=95)) > len(encode_jpeg(noise, quality=30))


def test_a_view_is_written_as_it_is_seen() -> None:
    view = halves()[:, ::-1][::2]
    assert (load_image(encode_png(view)) == view).all()


@pytest.mark.parametrize(
    ("shape", "wanted", "why"),
    [
        ((400, 800), (160, 80), "its longer side is the side"),
        ((800, 400), (80, 160), "also upright"),
        ((40, 30), (30, 40), "a small one is not enlarged"),
        ((160, 160), (160, 160), "as large as may be"),
        ((1, 5000), (160, 1), "never less than a pixel"),
        ((1, 1), (1, 1), "one pixel"),
    ],
)
def test_thumbnail_size(shape: tuple[int, int], wanted: tuple[int, int], why: str) -> None:
    assert size_of(thumbnail(np.zeros((*shape, 3), np.uint8))) == wanted, why


def test_a_thumbnail_of_a_box_shows_the_box() -> None:
    data = thumbnail(halves(100, 200), side=50, box=(100.0, 0.0, 200.0, 100.0))
    assert size_of(data) == (50, 50)
    assert np.abs(load_image(data).astype(int) - BLUE).max() <= 8


def test_a_thumbnail_does_not_touch_the_picture() -> None:
    image = halves(400, 600)
    thumbnail(image)
    assert (image == halves(400, 600)).all()
