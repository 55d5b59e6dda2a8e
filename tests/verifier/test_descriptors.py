"""Parts of pictures, the ways that blobs point, and what is said of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from flat import print_of, view

from shitu.verifier import Extractor, Features, agree
from shitu.verifier.blobs import find_blobs
from shitu.verifier.descriptors import SCALE, describe, directions
from shitu.verifier.features import shrink
from shitu.verifier.patches import Pyramid


@pytest.mark.parametrize("step", [1.0, 3.0, 8.0])
def test_gradients_follow_the_turn(step: float) -> None:
    """On a picture that grows lighter to the right, by one level a pixel."""
    ramp = np.arange(240, dtype=np.uint8)[None].repeat(200, axis=0)
    turns = np.array([0, 0.125, 0.25, 0.5], np.float32)
    places = np.full((4, 2), (120, 100), np.float32)
    right, down = Pyramid(ramp).gradients(places, turns, np.full(4, step, np.float32), 6)
    assert right.shape == down.shape == (4, 36)
    # A difference across two samples; `right` points where the turn says, `down` a quarter on.
    # Samples between pixels are rounded to a 32nd by OpenCV.
    assert right.mean(axis=1) == pytest.approx(2 * step * np.cos(turns * 2 * np.pi), abs=0.1 * step)
    assert down.mean(axis=1) == pytest.approx(-2 * step * np.sin(turns * 2 * np.pi), abs=0.1 * step)


def test_beyond_the_border_nothing_changes() -> None:
    ramp = np.arange(240, dtype=np.uint8)[None].repeat(200, axis=0)
    places, steps = np.array([(-30, 100), (300, 100)], np.float32), np.ones(2, np.float32)
    right, down = Pyramid(ramp).gradients(places, np.zeros(2, np.float32), steps, 6)
    assert not right.any()
    assert not down.any()


def test_directions_and_descriptors_turn_with_the_picture() -> None:
    grey = np.ascontiguousarray(shrink(print_of(4), 240)[:180, :180])
    blobs = find_blobs(grey, 4.0)
    blobs = blobs[np.flatnonzero(blobs.sigmas < 1.6)]  # of the finest octave
    turned = np.ascontiguousarray(np.rot90(grey, -1))
    x, y = blobs.places.T
    moved = type(blobs)(np.stack([179 - y, x], axis=1), blobs.sigmas, blobs.strengths)
    before, after = directions(Pyramid(grey), blobs), directions(Pyramid(turned), moved)
    # Each first direction; a sample may fall to another bin, where the levels are rounded.
    first = [dict(zip(which[::-1], turns[::-1], strict=True)) for which, turns in (before, after)]
    shared = sorted(first[0].keys() & first[1].keys())
    change = np.array([(first[1][i] - first[0][i] - 0.25 + 0.5) % 1 - 0.5 for i in shared])
    same = np.array(shared)[np.abs(change) < 0.01]
    assert len(same) > 0.8 * len(blobs) > 40
    one, two = (
        describe(Pyramid(picture), spots[same], np.array([ways[i] for i in same], np.float32))
        for picture, spots, ways in zip((grey, turned), (blobs, moved), first, strict=True)
    )
    apart = np.linalg.norm(one.astype(float) - two, axis=1) / SCALE
    assert np.median(apart) < 0.05


def test_every_blob_has_a_direction() -> None:
    grey = shrink(print_of(2), 240)
    blobs = find_blobs(grey, 2.0)
    which, turns = directions(Pyramid(grey), blobs)
    assert set(which) == set(range(len(blobs)))
    assert (np.diff(which) >= 0).all()
    assert len(which) < 1.6 * len(blobs)
    assert ((turns >= 0) & (turns < 1)).all()


def test_light_and_contrast_change_no_descriptor() -> None:
    grey = (shrink(print_of(3), 240) // 2).astype(np.uint8)
    blobs = find_blobs(grey, 3.0)
    turns = np.zeros(len(blobs), np.float32)
    plain, lit = (describe(Pyramid(p), blobs, turns).astype(float) for p in (grey, 2 * grey + 1))
    apart = np.linalg.norm(plain - lit, axis=1) / SCALE
    assert apart.max() < 0.12
    assert np.median(apart) < 0.03


def test_no_more_is_lost_than_with_opencv_s_sift() -> None:
    """Points that agree between a print and a photo of it, tilted, turned, darker and blurred."""
    ours, theirs = [], []
    for seed in range(8):
        image = print_of(seed)
        photo = _photo(image, seed)
        ours.append(agree(*map(Extractor().extract, (photo, image))).inliers)
        theirs.append(agree(_sift(photo), _sift(image)).inliers)
    assert min(ours) >= 15
    assert sum(ours) >= sum(theirs), (ours, theirs)


def _photo(image: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    seen, _ = view(image, float(rng.uniform(0, 360)), 0.8, float(rng.uniform(-0.3, 0.3)))
    return np.asarray(cv2.GaussianBlur(seen, (0, 0), 0.8) * 0.6, np.uint8)


def _sift(image: np.ndarray) -> Features:
    """What OpenCV's SIFT finds, in our terms."""
    grey = shrink(image, 240)
    size = grey.shape[::-1]
    points, raw = cv2.SIFT.create(350, 3, 0.03).detectAndCompute(grey, None)
    places = np.array([point.pt for point in points], np.float32) / np.array(size, np.float32)
    frames = np.array([(p.angle / 360, np.log2(p.size)) for p in points], np.float32)
    roots = np.rint(np.sqrt(raw / raw.sum(axis=1, keepdims=True)) * SCALE)
    return Features(places, frames, roots.clip(0, 255).astype(np.uint8), size)
