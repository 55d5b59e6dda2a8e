"""What query photos are changed to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from benchmarks.distortions import DISTORTIONS, blurred, darkened, squeezed, turned

STEP = np.zeros((174, 348, 3), np.uint8)
STEP[:, 174:] = 200


def test_turned_counterclockwise() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert (turned(image, 1)[:, 0] == image[0, ::-1]).all(), "the top row stands on the left"
    assert (turned(image, 2) == image[::-1, ::-1]).all()


@pytest.mark.parametrize(("scale", "sigma"), [(1, 1.0), (2, 2.0)])
def test_blur_grows_with_the_shorter_side(scale: int, sigma: float) -> None:
    edge = blurred(STEP.repeat(scale, 0).repeat(scale, 1))[0, :, 0].astype(float)
    slope = np.diff(edge) / 200  # a step through a Gaussian: its slope is the Gaussian
    at = np.arange(len(slope)) + 1
    mean = (slope * at).sum()
    assert np.sqrt((slope * (at - mean) ** 2).sum()) == pytest.approx(sigma, abs=0.1)


def test_squeezed_through_a_poor_file(make_picture: Callable[..., Any]) -> None:
    image = make_picture(1, 64, 64)
    difference = np.abs(squeezed(image).astype(int) - image)
    assert 1 < difference.mean() < 40


def test_darkened_by_half() -> None:
    assert darkened(np.full((1, 1, 3), 201, np.uint8)).ravel().tolist() == [100] * 3


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_changed_picture_is_a_picture_of_its_own(
    name: str, make_picture: Callable[..., Any]
) -> None:
    image = make_picture(2, 200, 300)
    before = image.copy()
    changed = DISTORTIONS[name](image)
    assert changed.dtype == np.uint8
    assert changed.flags.c_contiguous
    assert changed.shape == ((300, 200, 3) if "90" in name else (200, 300, 3))
    assert not np.array_equal(changed, before)
    assert np.array_equal(image, before)
