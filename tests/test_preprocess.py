"""Resize, normalise, channels first: against the formula, and the properties of each filter."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from shitu.errors import ConfigError
from shitu.preprocess import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocessing

Picture = npt.NDArray[np.uint8]
FILTERS: tuple[Interpolation, ...] = ("antialias", "linear", "cubic")
PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def noise(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def box_filter(length: int, size: int) -> npt.NDArray[np.float64]:
    """(size, length): how much of each input pixel is in each output pixel, in float64."""
    weights = np.zeros((size, length))
    scale = length / size
    for i in range(size):
        for j in range(length):
            weights[i, j] = max(0.0, min((i + 1) * scale, j + 1) - max(i * scale, j))
    return weights / scale


def tent_filter(length: int, size: int) -> npt.NDArray[np.float64]:
    """(size, length): linear interpolation between centres of pixels, edges repeated."""
    weights = np.zeros((size, length))
    for i in range(size):
        centre = (i + 0.5) * length / size - 0.5
        low = int(np.floor(centre))
        share = centre - low
        weights[i, min(max(low, 0), length - 1)] += 1 - share
        weights[i, min(max(low + 1, 0), length - 1)] += share
    return weights


# The formula


def test_imagenet_constants_are_the_published_ones() -> None:
    assert IMAGENET_MEAN == (0.485, 0.456, 0.406)
    assert IMAGENET_STD == (0.229, 0.224, 0.225)
    assert Preprocessing((224, 224)) == Preprocessing(
        (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "linear"
    )


@pytest.mark.parametrize("interpolation", FILTERS)
def test_the_formula(interpolation: Interpolation) -> None:
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.4, 0.7)
    preprocess = Preprocessing((20, 30), mean, std, interpolation)
    image = noise(50, 70)
    resized = preprocess.resize(image).astype(np.float64)
    wanted = ((resized / 255 - mean) / std).transpose(2, 0, 1)
    np.testing.assert_allclose(preprocess([image])[0], wanted, atol=1e-6)


def test_normalisation_has_the_two_roundings_of_paddlex() -> None:
    # Scale and shift in one multiplication and one addition of float32, per channel.
    image = noise(16, 16)
    wanted = np.empty((3, 16, 16), np.float32)
    for c in range(3):
        plane = image[:, :, c].astype(np.float32)
        plane *= (1 / 255) / IMAGENET_STD[c]
        plane += -IMAGENET_MEAN[c] / IMAGENET_STD[c]
        wanted[c] = plane
    assert (Preprocessing((16, 16))([image])[0] == wanted).all()


@pytest.mark.parametrize(
    ("interpolation", "flag"), [("linear", cv2.INTER_LINEAR), ("cubic", cv2.INTER_CUBIC)]
)
@pytest.mark.parametrize("size", [(31, 17), (224, 224), (48, 64), (10, 200)])
def test_linear_and_cubic_are_those_of_opencv(
    interpolation: Interpolation, flag: int, size: tuple[int, int]
) -> None:
    image = noise(48, 64)
    wanted = cv2.resize(image, size[::-1], interpolation=flag)
    assert (Preprocessing(size, interpolation=interpolation).resize(image) == wanted).all()


def test_channels_stay_red_green_blue() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:] = (255, 128, 0)
    planes = Preprocessing((2, 2), **PLAIN)([image])[0]  # type: ignore[arg-type]
    np.testing.assert_allclose(planes[:, 0, 0], [1, 128 / 255, 0], atol=1e-6)


def test_input_size_is_height_then_width() -> None:
    assert Preprocessing((20, 30))([noise(9, 9)]).shape == (1, 3, 20, 30)


def test_the_picture_is_squashed_not_cut_or_padded() -> None:
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, 20:] = 255
    resized = Preprocessing((8, 8), interpolation="antialias").resize(image)
    assert (resized[:, :4] == 0).all()
    assert (resized[:, 4:] == 255).all()


# Batches and odd inputs


def test_no_picture_is_an_empty_batch() -> None:
    batch = Preprocessing((5, 6))([])
    assert (batch.shape, batch.dtype) == ((0, 3, 5, 6), np.float32)


@pytest.mark.parametrize("interpolation", FILTERS)
def test_a_picture_does_not_depend_on_its_batch(interpolation: Interpolation) -> None:
    preprocess = Preprocessing((32, 32), interpolation=interpolation)
    images = [noise(h, w, h) for h, w in [(1, 1), (40, 90), (32, 32), (7, 300), (200, 3)]]
    together = preprocess(images)
    for image, planes in zip(images, together, strict=True):
        assert (preprocess([image])[0] == planes).all()


def test_a_batch_is_contiguous_float32() -> None:
    batch = Preprocessing((8, 8))([noise(9, 9), noise(3, 5)])
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(
    ("view", "why"),
    [
        (lambda image: image[10:40, 5:60], "a crop"),
        (lambda image: image[::-1], "upside down"),
        (lambda image: image[:, ::-1], "mirrored"),
        (lambda image: image[::2, ::3], "every second row"),
        (lambda image: image[:, :, ::-1], "channels reversed"),
        (lambda image: image.transpose(1, 0, 2), "turned"),
        (np.asfortranarray, "column by column"),
    ],
)
def test_views_are_treated_as_what_they_show(
    interpolation: Interpolation, view: Any, why: str
) -> None:
    preprocess = Preprocessing((16, 16), interpolation=interpolation)
    image = view(noise(50, 70))
    assert (preprocess([image]) == preprocess([np.ascontiguousarray(image)])).all(), why


@pytest.mark.parametrize("interpolation", FILTERS)
def test_a_read_only_picture(interpolation: Interpolation) -> None:
    image = noise(20, 20)
    image.flags.writeable = False
    assert np.isfinite(Preprocessing((8, 8), interpolation=interpolation)([image])).all()


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [(8, 8), (20, 20), (40, 40), (8, 40)])
def test_the_picture_is_left_as_it_was(interpolation: Interpolation, size: tuple[int, int]) -> None:
    image = noise(20, 20)
    Preprocessing(size, interpolation=interpolation)([image])
    assert (image == noise(20, 20)).all()


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 500), (500, 1), (3, 40_000)])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (24, 24)])
def test_one_colour_stays_one_colour_at_any_size(
    interpolation: Interpolation, shape: tuple[int, int], size: tuple[int, int]
) -> None:
    image = np.empty((*shape, 3), np.uint8)
    image[:] = (10, 99, 200)
    batch = Preprocessing(size, interpolation=interpolation, **PLAIN)([image])  # type: ignore[arg-type]
    wanted = np.array([10, 99, 200])[:, None, None] / 255
    np.testing.assert_allclose(batch[0], np.broadcast_to(wanted, (3, *size)), atol=1e-6)


# Antialias

SMALLER = [(10, 10), (24, 32), (47, 63), (13, 64), (48, 5), (1, 1)]


@pytest.mark.parametrize("size", SMALLER)
def test_antialias_averages_all_pixels(size: tuple[int, int]) -> None:
    image = noise(48, 64)
    rows, columns = box_filter(48, size[0]), box_filter(64, size[1])
    wanted = np.einsum("yh,hwc,xw->yxc", rows, image.astype(np.float64), columns)
    resized = Preprocessing(size, interpolation="antialias").resize(image)
    assert np.abs(resized - wanted).max() <= 0.51  # only the last rounding


@pytest.mark.parametrize("size", SMALLER)
def test_antialias_keeps_the_mean(size: tuple[int, int]) -> None:
    image = noise(48, 64)
    resized = Preprocessing(size, interpolation="antialias").resize(image)
    difference = resized.mean(axis=(0, 1)) - image.mean(axis=(0, 1))
    # Roundings average out over the pixels, but for halves: OpenCV rounds them up, and of a mean
    # of four every fourth is one.
    assert np.abs(difference).max() <= 0.5 / np.sqrt(size[0] * size[1]) + 0.15


def test_antialias_sees_every_pixel_where_linear_skips_most() -> None:
    image = np.zeros((256, 256, 3), np.uint8)
    image[1::16] = 255  # lines between the pixels that a linear filter looks at
    assert Preprocessing((16, 16), interpolation="linear").resize(image).max() == 0
    antialiased = Preprocessing((16, 16), interpolation="antialias").resize(image)
    assert (antialiased == round(255 / 16)).all()


@pytest.mark.parametrize(
    ("size", "why"),
    [
        ((96, 128), "both axes grow"),
        ((12, 128), "one shrinks, one grows"),
        ((96, 16), "the other way round"),
        ((48, 128), "one grows, one stays"),
        ((12, 64), "one shrinks, one stays"),
    ],
)
def test_antialias_averages_along_what_shrinks_and_is_linear_along_what_grows(
    size: tuple[int, int], why: str
) -> None:
    image = noise(48, 64)
    rows = (box_filter if size[0] <= 48 else tent_filter)(48, size[0])
    columns = (box_filter if size[1] <= 64 else tent_filter)(64, size[1])
    wanted = np.einsum("yh,hwc,xw->yxc", rows, image.astype(np.float64), columns)
    resized = Preprocessing(size, interpolation="antialias").resize(image)
    assert np.abs(resized - wanted).max() <= 1.1, why  # two roundings, where there are two steps


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    image = noise(20, 30)
    for interpolation in FILTERS:
        resized = Preprocessing((20, 30), interpolation=interpolation).resize(image)
        assert (resized == image).all(), interpolation


# Settings and fingerprint


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"input_size": (0, 224)}, "input_size is"),
        ({"input_size": (-1, 224)}, "input_size is"),
        ({"input_size": (224,)}, "input_size is"),
        ({"input_size": (3, 224, 224)}, "input_size is"),
        ({"input_size": (224, 4097)}, "at most 4096 pixels, not 4097"),
        ({"resize_short": 10**9}, "at most 4096 pixels, not 1000000000"),
        ({"mean": (0.5, 0.5)}, "mean is three numbers"),
        ({"mean": (0.5, 0.5, float("nan"))}, "mean is three numbers"),
        ({"std": (0.5,)}, "std is three numbers"),
        ({"std": (0.5, float("inf"), 0.5)}, "std is three numbers"),
        ({"std": (0.5, 0.0, 0.5)}, "std is three numbers above zero"),
        ({"std": (0.5, -1.0, 0.5)}, "std is three numbers above zero"),
        ({"interpolation": "nearest"}, "interpolation is one of antialias, linear, cubic"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Preprocessing(**{"input_size": (224, 224), **settings})


BASE = Preprocessing((224, 224))


@pytest.mark.parametrize(
    "changed",
    [
        {"input_size": (224, 256)},
        {"input_size": (256, 224)},
        {"mean": (0.485, 0.456, 0.5)},
        {"std": (0.229, 0.224, 0.5)},
        {"interpolation": "antialias"},
    ],
    ids=str,
)
def test_whatever_changes_what_a_network_sees_changes_the_fingerprint(
    changed: dict[str, Any],
) -> None:
    assert dataclasses.replace(BASE, **changed).fingerprint() != BASE.fingerprint()


def test_equal_settings_have_equal_fingerprints_whatever_their_types() -> None:
    same = Preprocessing(
        tuple(np.array([224, 224])),  # type: ignore[arg-type]
        tuple(np.array(IMAGENET_MEAN)),  # type: ignore[arg-type]
        tuple(np.array(IMAGENET_STD)),  # type: ignore[arg-type]
    )
    assert same.fingerprint() == BASE.fingerprint()


def test_a_fingerprint_never_changes() -> None:
    # Galleries keep it: another one would make every embedding there look foreign.
    assert BASE.fingerprint() == "3541908a1c354c45a66bca19c38a2595abb34e5439159fead2f7de103bf75232"
