"""Agreement: found where a camera could have made it, and nowhere else."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from flat import print_of, view

from shitu.verifier import Agreement, Extractor, agree
from shitu.verifier.agreement import significance
from shitu.verifier.descriptors import SCALE
from shitu.verifier.features import Features
from shitu.verifier.maps import LEAST_POINTS, Matrix, credible, fit, transform
from shitu.verifier.matching import NEAR, match

EXTRACTOR = Extractor()


def compare(query: np.ndarray, reference: np.ndarray) -> Agreement:
    return agree(EXTRACTOR.extract(query), EXTRACTOR.extract(reference))


@pytest.mark.parametrize(
    ("turned", "scale", "tilt"),
    [
        (0, 1.0, 0.0),
        (90, 1.0, 0.0),
        (180, 1.0, 0.0),
        (-37, 1.0, 0.0),
        (10, 0.6, 0.0),
        (10, 1.5, 0.0),
        (25, 1.0, 0.4),
        (200, 0.8, -0.4),
    ],
)
def test_the_map_of_a_view_is_found(turned: float, scale: float, tilt: float) -> None:
    flat = print_of(1)
    seen, matrix = view(flat, turned, scale, tilt)
    found = compare(seen, flat)
    assert found.inliers >= 20
    assert found.significance > 20
    assert found.cover > 0.3
    assert found.transform is not None
    # Where the map says that points of the view lie in the print, they do, to 2 % of its size.
    size = np.array([flat.shape[1], flat.shape[0]])
    here = found.query_points * np.array([seen.shape[1], seen.shape[0]])
    truth = transform(np.linalg.inv(matrix), here) / size
    assert np.abs(transform(found.transform, found.query_points) - truth).max() < 0.02
    assert np.abs(found.reference_points - truth).max() < 0.04


def test_half_of_it_is_enough() -> None:
    flat = print_of(1)
    half = view(flat, 15)[0].copy()
    half[:, : half.shape[1] // 2] = 128
    found = compare(half, flat)
    assert found.inliers >= 15
    assert 0.1 < found.cover < 0.7


@pytest.mark.parametrize("seed", range(2, 12))
def test_other_prints_do_not_agree(seed: int) -> None:
    found = compare(view(print_of(1), 20)[0], print_of(seed))
    assert found.significance < 4
    assert found.inliers < 12


@pytest.mark.parametrize(("near", "wanted"), [(LEAST_POINTS - 1, 0), (LEAST_POINTS, LEAST_POINTS)])
def test_points_are_paired_only_where_enough_are_near(near: int, wanted: int) -> None:
    # Each has a descriptor of its own; so many have it in the other picture, too.
    count = 12
    own = np.zeros((count, 128), np.uint8)
    own[np.arange(count), np.arange(count)] = 180
    theirs = own.copy()
    theirs[near:] = 30
    apart = np.linalg.norm(theirs[:, None].astype(float) - own, axis=2).min(axis=0)
    assert (apart < NEAR * SCALE).sum() == near
    points = np.random.default_rng(0).random((count, 2), np.float32)
    frames = np.zeros((count, 2), np.float32)
    one, other = (Features(points, frames, each, (320, 320)) for each in (own, theirs))
    assert len(match(one, other)) == wanted


def test_a_mirror_image_does_not_agree() -> None:
    flat = print_of(1)
    assert compare(np.ascontiguousarray(flat[:, ::-1]), flat).significance < 4


def test_nothing_agrees_with_nothing() -> None:
    plain = np.full((100, 100, 3), 128, np.uint8)
    for query, reference in ((plain, print_of(1)), (print_of(1), plain), (plain, plain)):
        found = compare(query, reference)
        assert (found.inliers, found.significance, found.share) == (0, 0.0, 0.0)
        assert found.transform is None


def test_the_same_pair_gives_the_same_answer() -> None:
    seen = view(print_of(1), 33, 0.7, 0.3)[0]
    first, *others = (compare(seen, print_of(1)) for _ in range(4))
    for other in others:
        assert other == first
        assert (other.query_points == first.query_points).all()
        assert first.transform is not None
        assert (other.transform == first.transform).all()


def test_an_agreement_is_json() -> None:
    found = json.loads(json.dumps(compare(view(print_of(1), 5)[0], print_of(1)).to_dict()))
    assert found["inliers"] <= found["matches"]
    assert found["share"] == pytest.approx(found["inliers"] / found["matches"])
    assert np.array(found["transform"]).shape == (3, 3)


@pytest.mark.parametrize(
    ("inliers", "matches", "chance", "wanted"),
    [
        (4, 10, 0.01, 0.0),  # four points follow some map always
        (5, 5, 0.1, 1 - math.log10(5)),  # (5-4) * C(5,5) * C(5,4) * 0.1
        (10, 20, 0.001, 18 - math.log10(16 * math.comb(20, 10) * math.comb(10, 4))),
        (5, 100, 0.1, 0.0),  # many false alarms are as good as none
    ],
)
def test_significance(inliers: int, matches: int, chance: float, wanted: float) -> None:
    assert significance(inliers, matches, chance) == pytest.approx(wanted)


SQUARE = np.array([(0, 0), (100, 0), (100, 100), (0, 100), (50, 50)], np.float32)


def matrix(*rows: tuple[float, float, float]) -> Matrix:
    return np.array(rows, np.float64)


@pytest.mark.parametrize(
    ("found", "wanted", "why"),
    [
        (np.eye(3), True, "nothing happened"),
        (matrix((0, -1, 0), (1, 0, 0), (0, 0, 1)), True, "a quarter turn"),
        (matrix((1, 0, 0), (0, 0.4, 0), (0, 0, 1)), True, "seen from the side"),
        (matrix((1, 0, 0), (0, 1, 0), (0.002, 0, 1)), True, "tilted"),
        (matrix((-1, 0, 0), (0, 1, 0), (0, 0, 1)), False, "a mirror"),
        (matrix((20, 0, 0), (0, 20, 0), (0, 0, 1)), False, "huge"),
        (matrix((0.05, 0, 0), (0, 0.05, 0), (0, 0, 1)), False, "a dot"),
        (matrix((1, 0, 0), (0, 0.1, 0), (0, 0, 1)), False, "a line"),
        (matrix((1, 0, 0), (0, 1, 0), (-0.02, 0, 1)), False, "its horizon lies within it"),
        (matrix((1, 0, 0), (0, 1, 0), (0.02, 0, 1)), False, "tilted beyond reason"),
        (matrix((1, 1, 0), (1, 1, 0), (0, 0, 1)), False, "flat as a line"),
    ],
)
def test_maps_that_a_camera_makes(found: Matrix, wanted: bool, why: str) -> None:
    assert credible(found, SQUARE) is wanted, why


def test_a_map_needs_points_that_are_not_in_line() -> None:
    assert fit(SQUARE, SQUARE) is None
    line = np.array([(i, 2 * i) for i in range(20)], np.float32)
    assert fit(line, line[::-1].copy()) is None
