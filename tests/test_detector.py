"""The detector: PicoDet's raw answer -> boxes, checked against a literal decoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fakes import FakeSession, Floats, plain

from shitu.detector import Detections, Detector, to_box
from shitu.errors import ModelError
from shitu.geometry import Box

SIZE, STRIDES, REG_MAX = 64, (8, 16), 7
CELLS = [
    ((column + 0.5) * stride, (row + 0.5) * stride, stride)
    for stride in STRIDES
    for row in range(SIZE // stride)
    for column in range(SIZE // stride)
]


def slow_decode(sides: npt.NDArray[Any], cell: int, width: int, height: int) -> list[float]:
    """Generalized Focal Loss, equations 3 and 4, one number at a time, in float64."""
    x, y, stride = CELLS[cell]
    distances = []
    for side in range(4):
        logits = [float(v) for v in sides[side * (REG_MAX + 1) : (side + 1) * (REG_MAX + 1)]]
        total = sum(math.exp(v) for v in logits)
        expected = sum(n * math.exp(v) / total for n, v in enumerate(logits))
        distances.append(expected * stride)
    left, top, right, bottom = distances
    return [
        min(max((x - left) * width / SIZE, 0), width),
        min(max((y - top) * height / SIZE, 0), height),
        min(max((x + right) * width / SIZE, 0), width),
        min(max((y + bottom) * height / SIZE, 0), height),
    ]


def slow_iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0


def slow_detect(
    scores: npt.NDArray[Any], sides: npt.NDArray[Any], width: int, height: int, threshold: float
) -> list[tuple[float, list[float]]]:
    """Decode everything, then let each box in order of score stay if no better one overlaps."""
    kept: list[tuple[float, list[float]]] = []
    for cell in sorted(range(len(CELLS)), key=lambda c: -scores[c]):
        if scores[cell] < 0.025:
            continue
        box = slow_decode(sides[cell], cell, width, height)
        if all(slow_iou(box, other) <= threshold for _, other in kept):
            kept.append((float(scores[cell]), box))
    return kept[:100]


def planted(*objects: tuple[Box, float]) -> Callable[[Floats], list[Floats]]:
    """A network that finds these boxes, (box in input pixels, score), and nothing else."""
    scores = np.zeros((1, len(CELLS), 1), np.float32)
    sides = np.zeros((1, len(CELLS), 4, REG_MAX + 1), np.float32)
    free = list(range(len(CELLS)))
    for box, score in objects:
        cell = min(free, key=lambda c: max(_distances(box, c)))
        free.remove(cell)
        scores[0, cell, 0] = score
        for side, distance in enumerate(_distances(box, cell)):
            assert 0 <= distance <= REG_MAX, f"{box} is out of reach of cell {cell}"
            below = min(int(distance), REG_MAX - 1)
            weights = np.zeros(REG_MAX + 1)
            weights[below : below + 2] = below + 1 - distance, distance - below
            sides[0, cell, side] = np.log(np.maximum(weights, 1e-30))
    flat = sides.reshape(1, len(CELLS), -1)
    return lambda batch: [np.repeat(scores, len(batch), 0), np.repeat(flat, len(batch), 0)]


def _distances(box: Box, cell: int) -> list[float]:
    x, y, stride = CELLS[cell]
    found = [(x - box[0]) / stride, (y - box[1]) / stride, (box[2] - x) / stride]
    found.append((box[3] - y) / stride)
    return found if min(found) >= 0 else [math.inf] * 4


def from_content(batch: Floats) -> list[Floats]:
    """A network whose answer for a picture depends on that picture, and on nothing else."""
    scores = np.empty((len(batch), len(CELLS), 1), np.float32)
    sides = np.empty((len(batch), len(CELLS), 4 * (REG_MAX + 1)), np.float32)
    for i, picture in enumerate(batch):
        rng = np.random.default_rng(int(picture.astype(np.float64).sum() * 1000))
        scores[i, :, 0] = rng.random(len(CELLS)) ** 2
        sides[i] = rng.normal(0, 2, sides[i].shape)
    return [scores, sides]


def detector(answer: Callable[[Floats], list[Floats]], **options: float) -> Detector:
    return Detector(FakeSession(answer), plain(SIZE), STRIDES, REG_MAX, **options)


def blank(height: int = SIZE, width: int = SIZE) -> npt.NDArray[np.uint8]:
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (480, 640), (31, 200)])
@pytest.mark.parametrize("seed", range(3))
def test_decoding_equals_the_literal_definition(
    make_picture: Callable[..., Any], seed: int, height: int, width: int, threshold: float
) -> None:
    image = make_picture(seed, height, width)
    scores, sides = from_content(plain(SIZE)([image]))
    wanted = slow_detect(scores[0, :, 0], sides[0], width, height, threshold)
    found = detector(from_content, nms_threshold=threshold).detect([image])[0]
    assert len(found) == len(wanted)
    np.testing.assert_allclose(found.scores, [score for score, _ in wanted], atol=1e-7)
    np.testing.assert_allclose(found.xyxy, [box for _, box in wanted], atol=2e-3)


@pytest.mark.parametrize(
    ("height", "width", "box", "why"),
    [
        (64, 64, (10, 20, 50, 60), "picture of the input's size"),
        (128, 64, (10, 40, 50, 120), "rows count twice"),
        (64, 640, (100, 20, 500, 60), "columns count ten times"),
        (16, 32, (5, 5, 25, 15), "picture smaller than the input"),
    ],
)
def test_boxes_are_in_pixels_of_the_picture(height: int, width: int, box: Box, why: str) -> None:
    found = detector(planted(((10, 20, 50, 60), 0.9))).detect([blank(height, width)])[0]
    assert to_box(found.xyxy[0]) == pytest.approx(box, abs=1e-3), why
    assert found.xyxy.dtype == found.scores.dtype == np.float32


@pytest.mark.parametrize(
    ("box", "wanted", "why"),
    [
        ((-8, 4, 40, 40), (0, 4, 40, 40), "over the left edge"),
        ((4, -8, 40, 40), (4, 0, 40, 40), "over the top"),
        ((24, 24, 72, 60), (24, 24, 64, 60), "over the right edge"),
        ((24, 24, 60, 72), (24, 24, 60, 64), "over the bottom"),
        ((-8, -8, 72, 72), (0, 0, 64, 64), "larger than the picture"),
    ],
)
def test_boxes_are_clipped_to_the_picture(box: Box, wanted: Box, why: str) -> None:
    found = detector(planted((box, 0.9))).detect([blank()])[0]
    assert to_box(found.xyxy[0]) == pytest.approx(wanted, abs=1e-3), why


def test_the_best_box_comes_first() -> None:
    objects = [((4, 4, 20, 20), 0.3), ((40, 4, 60, 20), 0.9), ((4, 40, 20, 60), 0.6)]
    found = detector(planted(*objects)).detect([blank()])[0]
    np.testing.assert_allclose(found.scores, [0.9, 0.6, 0.3], atol=1e-6)
    assert to_box(found.xyxy[1]) == pytest.approx((4, 40, 20, 60), abs=1e-3)


@pytest.mark.parametrize(
    ("scores", "wanted", "why"),
    [
        ([0.024], [], "below upstream's least score"),
        ([0.025], [0.025], "at upstream's least score"),
        ([float("nan"), 0.5], [0.5], "NaN is no score"),
        ([], [], "nothing there"),
    ],
)
def test_scores_that_never_matter_are_dropped(
    scores: list[float], wanted: list[float], why: str
) -> None:
    boxes: list[Box] = [(4, 4, 20, 20), (40, 40, 60, 60)]
    found = detector(planted(*zip(boxes, scores, strict=False))).detect([blank()])[0]
    assert found.scores.tolist() == pytest.approx(wanted), why
    assert found.xyxy.shape == (len(wanted), 4)


def test_distributions_that_are_not_finite_give_no_box() -> None:
    def broken(batch: Floats) -> list[Floats]:
        scores, sides = planted(((4, 4, 20, 20), 0.9), ((40, 40, 60, 60), 0.5))(batch)
        sides[:, scores[0, :, 0] > 0.8] = np.nan
        return [scores, sides]

    with np.errstate(invalid="ignore"):
        found = detector(broken).detect([blank()])[0]
    assert found.scores.tolist() == [0.5]


FIRST, SECOND, THIRD = (10, 10, 50, 50), (10, 10, 50, 46), (10, 10, 50, 30)
"""IoU: first with second 0.9, first with third 0.5, second with third 0.56."""


@pytest.mark.parametrize(
    ("threshold", "kept", "lost", "why"),
    [
        (0.6, [0.9, 0.7], [(0.8, 0, 0.9)], "only the second overlaps enough"),
        (0.4, [0.9], [(0.8, 0, 0.9), (0.7, 0, 0.5)], "both overlap enough"),
        (0.95, [0.9, 0.8, 0.7], [], "none does"),
    ],
)
def test_suppressed_boxes_are_reported_with_their_winner(
    threshold: float, kept: list[float], lost: list[tuple[float, int, float]], why: str
) -> None:
    answer = planted((FIRST, 0.9), (SECOND, 0.8), (THIRD, 0.7))
    found = detector(answer, nms_threshold=threshold, explain_above=0.4).detect([blank()])[0]
    assert found.scores.tolist() == pytest.approx(kept), why
    assert [(s.score, s.winner, s.iou) for s in found.suppressed] == [
        pytest.approx(row, abs=1e-3) for row in lost
    ], why


def test_a_box_never_loses_to_a_weaker_one() -> None:
    # The second loses to the first (IoU 0.64); the weaker third stays and overlaps it more.
    answer = planted(((8, 8, 48, 48), 0.9), ((8, 8, 48, 33.6), 0.8), ((8, 8, 48, 29), 0.7))
    found = detector(answer, nms_threshold=0.6, explain_above=0.1).detect([blank()])[0]
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])
    (lost,) = found.suppressed
    assert (lost.score, lost.winner) == (pytest.approx(0.8), 0)


@pytest.mark.parametrize(("explain_above", "reported"), [(0.79, 1), (0.81, 0)])
def test_weak_suppressed_boxes_are_not_worth_a_word(explain_above: float, reported: int) -> None:
    answer = planted((FIRST, 0.9), (SECOND, 0.8))
    found = detector(answer, explain_above=explain_above).detect([blank()])[0]
    assert len(found.suppressed) == reported


def test_at_most_a_hundred_boxes_stay_and_the_rest_is_not_called_suppressed() -> None:
    strides = (4,)

    def everywhere(batch: Floats) -> list[Floats]:
        scores = np.linspace(0.9, 0.5, 256, dtype=np.float32)[None, :, None]
        return [scores, np.zeros((1, 256, 4 * (REG_MAX + 1)), np.float32)]

    tiny = Detector(FakeSession(everywhere), plain(SIZE), strides, REG_MAX, nms_threshold=1.0)
    found = tiny.detect([blank()])[0]
    assert len(found) == 100
    assert found.scores.min() > 0.7
    assert found.suppressed == ()


def test_only_the_best_thousand_cells_are_decoded() -> None:
    def everywhere(batch: Floats) -> list[Floats]:
        scores = np.full((1, 1024, 1), 0.5, np.float32)
        scores[0, -1] = 0.9
        sides = np.zeros((1, 1024, 4, REG_MAX + 1), np.float32)
        sides[..., 0] = 50  # boxes of no size: nothing suppresses anything
        return [scores, sides.reshape(1, 1024, -1)]

    many = Detector(FakeSession(everywhere), plain(SIZE), (2,), REG_MAX)
    found = many.detect([blank()])[0]
    assert len(found) == 100
    assert found.scores[0] == np.float32(0.9), "the last cell is among the best thousand"


def test_neighbours_in_a_batch_play_no_part(make_picture: Callable[..., Any]) -> None:
    images = [make_picture(seed, 40 + seed, 90 - seed) for seed in range(4)]
    together = detector(from_content).detect(images)
    for image, found in zip(images, together, strict=True):
        alone = detector(from_content).detect([image])[0]
        np.testing.assert_array_equal(found.xyxy, alone.xyxy)
        np.testing.assert_array_equal(found.scores, alone.scores)
        assert found.suppressed == alone.suppressed


def test_a_batch_is_one_run_of_the_network() -> None:
    session = FakeSession(planted())
    found = Detector(session, plain(SIZE), STRIDES, REG_MAX).detect([blank()] * 3)
    assert [batch.shape for batch in session.batches] == [(3, 3, SIZE, SIZE)]
    assert [len(each) for each in found] == [0, 0, 0]


def test_no_picture_runs_no_network() -> None:
    session = FakeSession(planted())
    assert Detector(session, plain(SIZE), STRIDES, REG_MAX).detect([]) == []
    assert session.batches == []


def test_strides_that_do_not_divide_the_input_have_a_last_partial_cell() -> None:
    # 20 pixels at stride 8: three rows of three cells; the last centre lies at 20.
    def last(batch: Floats) -> list[Floats]:
        scores = np.zeros((1, 9, 1), np.float32)
        scores[0, 8] = 0.9
        sides = np.zeros((1, 9, 4, REG_MAX + 1), np.float32)
        sides[..., 1] = 50
        return [scores, sides.reshape(1, 9, -1)]

    found = Detector(FakeSession(last), plain(20), (8,), REG_MAX).detect([blank(20, 20)])[0]
    assert to_box(found.xyxy[0]) == pytest.approx((12, 12, 20, 20), abs=1e-4)


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, len(CELLS) - 1, 1), (1, len(CELLS) - 1, 4 * (REG_MAX + 1))],
        [(1, len(CELLS) + 1, 1), (1, len(CELLS) + 1, 4 * (REG_MAX + 1))],
        [(1, len(CELLS), 1), (1, len(CELLS), 4 * REG_MAX)],
        [(1, len(CELLS), 1)],
        [(1, 512)],
        [],
    ],
    ids=["too few", "too many", "other bins", "scores alone", "a vector", "nothing"],
)
def test_outputs_that_the_description_does_not_fit(shapes: list[tuple[int, ...]]) -> None:
    outputs = [np.ones(shape, np.float32) for shape in shapes]
    with pytest.raises(ModelError, match=rf"not scores and sides of {len(CELLS)} cells"):
        detector(lambda batch: outputs).detect([blank()])


def test_boxes_and_scores_must_fit() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4\) boxes do not fit \(2,\) scores"):
        Detections(np.zeros((1, 4), np.float32), np.zeros(2, np.float32))
