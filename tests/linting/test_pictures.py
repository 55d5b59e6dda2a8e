"""What is measured of a picture, on pictures whose faults are known."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageFilter

from shitu.images import Image
from shitu.linting.pictures import colour_distances, hash_distances, measure
from shitu.linting.references import BLANK, BLURRED

Change = Callable[[Pillow.Image], Pillow.Image]


@pytest.fixture
def photo() -> Image:
    """Smooth patches under fine print, 160 x 120."""
    rng = np.random.default_rng(5)
    patches = rng.integers(40, 216, (3, 4, 3), dtype=np.uint8)
    image = np.asarray(Pillow.fromarray(patches).resize((160, 120), Pillow.Resampling.BICUBIC))
    image = image.copy()
    image[40:80:4, 30:130] = 20
    return image


def changed(photo: Image, change: Change) -> Image:
    return np.asarray(change(Pillow.fromarray(photo)))


def resaved(picture: Pillow.Image) -> Pillow.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return Pillow.open(buffer).convert("RGB")


def test_blur_takes_the_sharpness(photo: Image) -> None:
    radii = (0, 0.7, 1.5)
    blurs = [
        changed(photo, lambda p, r=r: p.filter(ImageFilter.GaussianBlur(r)))  # type: ignore[misc]
        for r in radii
    ]
    sharpness = measure(blurs).sharpness
    assert (np.diff(sharpness) < 0).all()
    assert sharpness[0] > 4 * BLURRED
    assert sharpness[2] < BLURRED


def test_darkness_takes_none_of_it(photo: Image) -> None:
    bright, dark = measure([photo, photo // 3]).sharpness
    assert dark == pytest.approx(bright, rel=0.1)


def test_contrast_is_nothing_on_an_empty_sheet(photo: Image) -> None:
    rng = np.random.default_rng(1)
    sheet = np.clip(240 + rng.normal(0, 3, photo.shape), 0, 255).astype(np.uint8)  # sensor noise
    flat, noise, real = measure([np.full_like(photo, 250), sheet, photo]).contrast
    assert flat == 0
    assert noise < BLANK < real


@pytest.mark.parametrize(
    ("change", "bits", "colours", "why"),
    [
        (lambda p: p, 0, 0, "the same"),
        (resaved, 4, 5, "another quality"),
        (lambda p: p.resize((100, 75)), 4, 5, "another size"),
        (lambda p: p.crop((4, 4, 158, 118)), 10, 15, "cut a little"),
    ],
)
def test_a_picture_saved_again_is_the_same(
    photo: Image, change: Change, bits: int, colours: float, why: str
) -> None:
    m = measure([photo, changed(photo, change)])
    assert hash_distances(m.hashes[:1], m.hashes[1:])[0] <= bits, why
    assert colour_distances(m.colours[:1], m.colours[1:])[0] <= colours, why


def test_another_flavour_is_not_the_same(photo: Image) -> None:
    m = measure([photo, np.ascontiguousarray(photo[..., ::-1])])  # red for blue
    assert colour_distances(m.colours[:1], m.colours[1:])[0] > 15


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 90, 3), (3, 3, 3), (160, 1, 3)])
def test_pictures_of_any_size_are_measured(shape: tuple[int, int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = measure([picture])
    assert found.sides[0] == max(shape[:2])
    assert found.hashes.shape == (1, 64)
    assert np.isfinite(found.sharpness).all()


def test_no_pictures_at_all() -> None:
    found = measure([])
    assert (len(found.sides), found.hashes.shape, found.colours.shape) == (0, (0, 64), (0, 8, 8, 3))
