"""Local features: few, small, and the same before and after they were kept."""

from __future__ import annotations

import numpy as np
import pytest
from flat import print_of

from shitu.verifier import Extractor, Features
from shitu.verifier.features import corners, shrink


def test_features_are_few_and_strongest_first() -> None:
    many, few = Extractor(most=200).extract(print_of(1)), Extractor(most=40).extract(print_of(1))
    assert (len(few), few.descriptors.shape) == (40, (40, 128))
    assert len(many) > 100
    assert (many.points[:40] == few.points).all()
    assert few.points.min() >= 0
    assert few.points.max() <= 1


def test_a_larger_picture_is_made_smaller_first() -> None:
    large = np.kron(print_of(1), np.ones((4, 4, 1), np.uint8))
    found = Extractor(side=240).extract(large)
    assert found.size == (180, 240)
    assert np.abs(found.pixels.max(axis=0) - (180, 240)).max() < 40


def test_packing_changes_nothing() -> None:
    found = Extractor().extract(print_of(2))
    data = found.to_bytes()
    again = Features.from_bytes(data)
    assert again is not None
    assert len(data) == 10 + 136 * len(found)
    assert again.size == found.size
    for name in ("points", "frames", "descriptors"):
        assert (getattr(again, name) == getattr(found, name)).all(), name


@pytest.mark.parametrize("damage", ["short", "empty", "other"])
def test_what_is_damaged_is_no_features(damage: str) -> None:
    data = Extractor().extract(print_of(2)).to_bytes()
    spoilt = {"short": data[:-1], "empty": b"", "other": b"RSF9" + data[4:]}[damage]
    assert Features.from_bytes(spoilt) is None


def test_descriptors_are_of_length_one() -> None:
    lengths = np.linalg.norm(Extractor().extract(print_of(3)).descriptors / 512, axis=1)
    assert np.abs(lengths - 1).max() < 0.02


@pytest.mark.parametrize("shape", [(481, 1203), (960, 720), (240, 100), (1, 4000), (4000, 1)])
def test_a_picture_is_shrunk_to_its_longer_side(shape: tuple[int, int]) -> None:
    image = np.linspace(0, 255, shape[1]).astype(np.uint8)[None, :, None]
    small = shrink(np.broadcast_to(image, (*shape, 3)), 240)
    scale = min(1, 240 / max(shape))
    assert max(small.shape) == 240
    assert min(small.shape) == max(1, round(min(shape) * scale))
    wanted = (np.arange(small.shape[1]) + 0.5) / small.shape[1] * 255
    assert np.abs(small - wanted).max() < 4 or shape[1] < 10


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (np.full((80, 60, 3), 90, np.uint8), "nothing on it"),
        (np.full((1, 1, 3), 90, np.uint8), "a single pixel"),
        (np.full((1, 900, 3), 90, np.uint8), "a line"),
    ],
)
def test_a_plain_picture_has_none(image: np.ndarray, why: str) -> None:
    found = Extractor().extract(image)
    assert len(found) == 0, why
    assert corners(image) == 0
    again = Features.from_bytes(found.to_bytes())
    assert again is not None
    assert len(again) == 0


def test_corners_tell_texture_from_none() -> None:
    smooth = np.linspace(0, 255, 240).astype(np.uint8)[:, None, None].repeat(180, 1).repeat(3, 2)
    assert corners(np.ascontiguousarray(smooth)) < 5
    assert corners(print_of(1)) > 50


def test_the_fingerprint_names_settings_and_box() -> None:
    one = Extractor()
    marks = {
        *(one.fingerprint(), one.fingerprint((0.0, 0.0, 5.0, 5.0))),
        *(Extractor(most=10).fingerprint(), Extractor(side=100).fingerprint()),
    }
    assert len(marks) == 4
    assert one.fingerprint() == Extractor().fingerprint()
