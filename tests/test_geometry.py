"""Boxes against brute force: pixel counting, and suppression one pair at a time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from shitu.geometry import Box, area, as_boxes, clip, crop, intersection, iou, nms, overlap

SIDE = 24
Numbers = npt.NDArray[np.float32]


def whole_boxes(rng: np.random.Generator, n: int) -> Numbers:
    """Boxes with whole corners within 0..SIDE; some are empty."""
    corners = rng.integers(0, SIDE + 1, (n, 2, 2))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)


def pixels(box: Numbers) -> npt.NDArray[np.bool_]:
    """The picture with the pixels in the box set."""
    left, top, right, bottom = box.astype(int)
    picture = np.zeros((SIDE, SIDE), np.bool_)
    picture[top:bottom, left:right] = True
    return picture


def slow_nms(boxes: Numbers, scores: Numbers, threshold: float, keep: int) -> list[int]:
    limit = np.float32(threshold)  # NumPy 1 compares a single float32 and a Python float as doubles
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(iou(boxes[i : i + 1], boxes[j : j + 1])[0, 0] <= limit for j in kept):
            kept.append(i)
    return kept[:keep]


# Arrays of boxes


@pytest.mark.parametrize(
    ("given", "shape", "why"),
    [
        ([], (0, 4), "no box"),
        (np.zeros((0, 4)), (0, 4), "no row"),
        ([(1, 2, 3, 4)], (1, 4), "one tuple"),
        (np.zeros((5, 4), np.float64), (5, 4), "another type"),
        (np.zeros((5, 4), np.int64), (5, 4), "integers"),
    ],
)
def test_boxes_are_n_rows_of_float32(given: npt.ArrayLike, shape: object, why: str) -> None:
    boxes = as_boxes(given)
    assert (boxes.shape, boxes.dtype) == (shape, np.float32), why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((1, 2, 3, 4), "a box by itself"),
        ([(1, 2, 3)], "three corners"),
        (np.zeros((2, 2, 4)), "a batch"),
        (np.zeros((4, 5)), "the other way round, with scores"),
    ],
)
def test_other_shapes_are_refused(given: npt.ArrayLike, why: str) -> None:
    with pytest.raises(ValueError, match="got shape"):
        as_boxes(given)


# Clip


@pytest.mark.parametrize(
    ("box", "wanted", "why"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4), "inside"),
        ((0, 0, 20, 10), (0, 0, 20, 10), "the whole picture"),
        ((-5, -6, 3, 4), (0, 0, 3, 4), "over the top left corner"),
        ((15, 5, 25, 15), (15, 5, 20, 10), "over the bottom right corner"),
        ((-9, -9, 99, 99), (0, 0, 20, 10), "all around"),
        ((30, 2, 40, 4), (20, 2, 20, 4), "to the right: empty"),
        ((-9, -9, -1, -1), (0, 0, 0, 0), "to the left and above: empty"),
        ((1.5, 2.25, 3.75, 4.5), (1.5, 2.25, 3.75, 4.5), "fractions stay"),
        ((-math.inf, 1, math.inf, 2), (0, 1, 20, 2), "without end"),
    ],
)
def test_clip(box: Box, wanted: Box, why: str) -> None:
    assert clip([box], 20, 10).tolist() == [list(wanted)], why


def test_clip_of_no_box() -> None:
    assert clip([], 20, 10).shape == (0, 4)


def test_clip_does_not_touch_what_it_is_given() -> None:
    boxes = np.array([[-5, -5, 50, 50]], np.float32)
    clip(boxes, 20, 10)
    assert boxes.tolist() == [[-5, -5, 50, 50]]


def test_clip_twice_is_clip_once() -> None:
    boxes = np.random.default_rng(0).normal(10, 20, (200, 4)).astype(np.float32)
    once = clip(boxes, 20, 10)
    assert (clip(once, 20, 10) == once).all()


# Areas and overlaps


def test_area_is_the_count_of_pixels() -> None:
    boxes = whole_boxes(np.random.default_rng(1), 200)
    assert area(boxes).tolist() == [pixels(box).sum() for box in boxes]


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ((5, 5, 5, 9), "no width"),
        ((5, 5, 5, 5), "a point"),
        ((9, 2, 5, 8), "left and right swapped"),
        ((9, 8, 5, 2), "both swapped: two wrongs make no right"),
    ],
)
def test_an_empty_box_has_no_area_and_overlaps_nothing(box: Box, why: str) -> None:
    others = [box, (0, 0, 20, 20), (5, 5, 9, 9)]
    assert area([box]).tolist() == [0], why
    assert iou([box], others).tolist() == [[0, 0, 0]], why
    assert overlap([box], others).tolist() == [[0, 0, 0]], why


def test_overlaps_are_ratios_of_pixel_counts() -> None:
    rng = np.random.default_rng(2)
    first, second = whole_boxes(rng, 60), whole_boxes(rng, 40)
    masks = [pixels(box) for box in first], [pixels(box) for box in second]
    shared = np.array([[(a & b).sum() for b in masks[1]] for a in masks[0]])
    either = np.array([[(a | b).sum() for b in masks[1]] for a in masks[0]])
    smaller = np.array([[min(a.sum(), b.sum()) for b in masks[1]] for a in masks[0]])
    assert (intersection(first, second) == shared).all()
    np.testing.assert_allclose(iou(first, second), shared / np.maximum(either, 1), rtol=1e-6)
    np.testing.assert_allclose(overlap(first, second), shared / np.maximum(smaller, 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "wanted", "why"),
    [
        ((0, 0, 4, 4), (0, 0, 4, 4), 1.0, "the same"),
        ((0, 0, 4, 4), (4, 0, 8, 4), 0.0, "they touch"),
        ((0, 0, 4, 4), (5, 5, 8, 8), 0.0, "apart"),
        ((0, 0, 4, 4), (2, 0, 6, 4), 1 / 3, "half of each"),
        ((0, 0, 4, 4), (1, 1, 3, 3), 0.25, "one in the other"),
    ],
)
def test_iou(a: Box, b: Box, wanted: float, why: str) -> None:
    assert iou([a], [b])[0, 0] == pytest.approx(wanted), why


def test_iou_is_symmetric() -> None:
    rng = np.random.default_rng(3)
    a, b = whole_boxes(rng, 30), whole_boxes(rng, 50)
    assert (iou(a, b) == iou(b, a).T).all()


def test_overlap_of_a_box_in_another_is_one() -> None:
    assert overlap([(0, 0, 9, 9)], [(2, 3, 4, 5)]).tolist() == [[1.0]]


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_shapes_of_overlaps(n: int, m: int) -> None:
    a, b = np.ones((n, 4), np.float32), np.ones((m, 4), np.float32)
    shapes = {intersection(a, b).shape, iou(a, b).shape, overlap(a, b).shape}
    assert shapes == {(n, m)}


# Suppression


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3, 0.5, 0.6, 0.99, 1.0])
@pytest.mark.parametrize("n", [1, 2, 10, 100])  # 64 are compared at once
def test_nms_is_what_a_pair_at_a_time_gives(n: int, threshold: float) -> None:
    rng = np.random.default_rng(n)
    boxes = whole_boxes(rng, n)
    scores = rng.integers(0, 20, n).astype(np.float32) / 20  # with ties
    for keep in (1, 5, n):
        assert nms(boxes, scores, threshold, keep).tolist() == slow_nms(
            boxes, scores, threshold, keep
        )


@pytest.mark.parametrize(
    ("boxes", "scores", "wanted", "why"),
    [
        ([], [], [], "no box"),
        ([(0, 0, 4, 4)], [0.0], [0], "one box stays, whatever its score"),
        ([(0, 0, 4, 4)] * 3, [0.5, 0.9, 0.7], [1], "of equal boxes the best"),
        ([(0, 0, 4, 4)] * 3, [0.5, 0.5, 0.5], [0], "of equal boxes and scores the first"),
        ([(0, 0, 4, 4), (8, 8, 9, 9)], [0.1, 0.2], [1, 0], "both, best first"),
        ([(3, 3, 3, 3)] * 2, [0.1, 0.2], [1, 0], "empty boxes suppress nothing"),
        ([(0, 0, 4, 4), (3, 3, 3, 3)], [0.9, 0.2], [0, 1], "nor are they suppressed"),
        ([(0, 0, 10, 10), (0, 0, 10, 5)], [0.9, 0.8], [0, 1], "the threshold itself stays"),
        ([(0, 0, 10, 10), (0, 0, 10, 5.1)], [0.9, 0.8], [0], "more goes"),
        (
            [(0, 0, 10, 4), (0, 2, 10, 6), (0, 4, 10, 8)],
            [0.9, 0.8, 0.7],
            [0, 1, 2],
            "a third of each is not enough",
        ),
        (
            [(0, 0, 10, 10), (0, 0, 10, 6), (0, 0, 10, 3.7)],
            [0.9, 0.8, 0.7],
            [0, 2],
            "what was suppressed suppresses nothing",
        ),
        ([(0, 0, 4, 4)] * 2, [math.nan, 0.1], [1], "a score that is no number never stays"),
        ([(0, 0, 4, 4)] * 2, [math.inf, 0.1], [1], "nor one without end"),
        ([(0, 0, 4, math.nan), (0, 0, 4, 4)], [0.9, 0.1], [1], "nor a box with such a corner"),
    ],
)
def test_nms_at_one_half(
    boxes: list[Box], scores: list[float], wanted: list[int], why: str
) -> None:
    assert nms(boxes, scores, 0.5, 100).tolist() == wanted, why


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_nms_keeps_the_best(keep: int) -> None:
    boxes = [(10.0 * i, 0.0, 10.0 * i + 5, 5.0) for i in range(6)]
    scores = [0.1, 0.6, 0.3, 0.5, 0.2, 0.4]
    assert nms(boxes, scores, 0.5, keep).tolist() == [1, 3, 5][:keep]


def test_nms_does_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(7)
    boxes, scores = whole_boxes(rng, 80), rng.permutation(80).astype(np.float32)
    order = rng.permutation(80)
    straight = nms(boxes, scores, 0.4, 80)
    shuffled = nms(boxes[order], scores[order], 0.4, 80)
    assert order[shuffled].tolist() == straight.tolist()


def test_identical_boxes_stay_at_a_threshold_of_one() -> None:
    # 2a - a must be a exactly, also where an area is no round number.
    boxes = np.random.default_rng(8).uniform(0, 1000, (50, 2)).astype(np.float32)
    boxes = np.concatenate([boxes, boxes + np.float32(333.3)], axis=1).repeat(2, axis=0)
    assert len(nms(boxes, np.ones(100), 1.0, 100)) == 100


@pytest.mark.parametrize("scores", [[], [0.1], [[0.1, 0.2]], [0.1, 0.2, 0.3]])
def test_scores_of_another_shape_are_refused(scores: npt.ArrayLike) -> None:
    with pytest.raises(ValueError, match="2 boxes need"):
        nms([(0, 0, 1, 1), (2, 2, 3, 3)], scores, 0.5, 10)


# Crops

PICTURE = np.arange(10 * 20 * 3, dtype=np.uint8).reshape(10, 20, 3)


@pytest.mark.parametrize(
    ("box", "rows", "columns", "why"),
    [
        ((2, 3, 5, 7), (3, 7), (2, 5), "right and bottom are exclusive"),
        ((0, 0, 20, 10), (0, 10), (0, 20), "the whole picture"),
        ((2.9, 3.9, 5.9, 7.9), (3, 7), (2, 5), "truncated, as PP-ShiTu does"),
        ((-4.5, -3.5, 5, 7), (0, 7), (0, 5), "pulled in at the top left"),
        ((15, 5, 99, 99), (5, 10), (15, 20), "pulled in at the bottom right"),
        ((5, 5, 5, 5), (5, 6), (5, 6), "a point is a pixel"),
        ((5.2, 5.2, 5.8, 5.8), (5, 6), (5, 6), "less than a pixel is a pixel"),
        ((8, 8, 2, 2), (8, 9), (8, 9), "corners the wrong way round"),
        ((20, 10, 25, 15), (9, 10), (19, 20), "below and right: the last pixel"),
        ((-9, -9, -5, -5), (0, 1), (0, 1), "above and left: the first pixel"),
        ((-1e30, 0, 1e30, 10), (0, 10), (0, 20), "enormous numbers"),
    ],
)
def test_crop(box: Box, rows: tuple[int, int], columns: tuple[int, int], why: str) -> None:
    wanted = PICTURE[slice(*rows), slice(*columns)]
    assert crop(PICTURE, box).tolist() == wanted.tolist(), why


def test_any_crop_has_a_pixel_and_lies_inside() -> None:
    for box in np.random.default_rng(4).normal(5, 15, (500, 4)):
        part = crop(PICTURE, tuple(box.tolist()))
        assert part.size
        assert part.shape[0] <= 10
        assert part.shape[1] <= 20


def test_a_crop_is_a_view() -> None:
    assert np.shares_memory(crop(PICTURE, (1, 1, 5, 5)), PICTURE)


def test_a_crop_of_one_pixel() -> None:
    assert crop(PICTURE[:1, :1], (0, 0, 1, 1)).shape == (1, 1, 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("corner", range(4))
def test_a_corner_that_is_no_number_is_refused(corner: int, bad: float) -> None:
    box = [1.0, 1.0, 5.0, 5.0]
    box[corner] = bad
    with pytest.raises(ValueError, match="four finite numbers"):
        crop(PICTURE, (box[0], box[1], box[2], box[3]))
