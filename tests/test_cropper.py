"""Which parts of a picture are looked up, and what is said about the others."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FakeDetector

from shitu.cropper import WHOLE, Candidate, Cropper, CropPolicy
from shitu.detector import Suppressed
from shitu.geometry import Box

PICTURE = np.zeros((100, 200, 3), np.uint8)
A: Box = (0.0, 0.0, 40.0, 50.0)  # 10 % of the picture
B: Box = (50.0, 0.0, 70.0, 50.0)  # 5 %
C: Box = (80.0, 0.0, 99.0, 50.0)  # 4.75 %


def cropper(detector: FakeDetector | None, **policy: float) -> Cropper:
    options: dict[str, float] = {"main_body_threshold": 0.5, "threshold": 0.3, **policy}
    return Cropper(detector, CropPolicy(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("boxes", "scores", "wanted", "why"),
    [
        ([A, B], [0.9, 0.8], A, "the best box"),
        ([B, A], [0.9, 0.8], A, "the larger of two that are about as good"),
        ([B, A], [0.9, 0.6], B, "the clearly better one, though smaller"),
        ([A], [0.5], A, "the threshold itself is enough"),
        ([A], [0.49], None, "too weak: the whole picture"),
        ([B], [0.9], B, "5 % of the picture is enough"),
        ([C], [0.9], None, "too small: the whole picture"),
        ([C, A], [0.9, 0.6], A, "the best of those that are large enough"),
        ([C, A], [0.9, 0.4], None, "neither is good in both ways"),
        ([], [], None, "nothing found: the whole picture"),
    ],
)
def test_main_body(boxes: list[Box], scores: list[float], wanted: Box | None, why: str) -> None:
    assert cropper(FakeDetector(boxes, scores)).main_bodies([PICTURE]) == [wanted], why


def test_main_bodies_of_several_pictures_depend_on_their_own_size() -> None:
    large = np.zeros((1000, 1000, 3), np.uint8)
    assert cropper(FakeDetector([A], [0.9])).main_bodies([PICTURE, large]) == [A, None]


def test_the_least_share_of_a_main_body_can_be_set() -> None:
    assert cropper(FakeDetector([C], [0.9]), main_body_area=0.01).main_bodies([PICTURE]) == [C]


def test_size_need_not_count() -> None:
    found = FakeDetector([B, A], [0.9, 0.8])
    assert cropper(found, area_power=0).main_bodies([PICTURE]) == [B]


def test_a_query_threshold_does_not_move_main_bodies() -> None:
    # Otherwise a flag of `recognize` would change the embedding space.
    assert cropper(FakeDetector([A], [0.6]), threshold=0.9).main_bodies([PICTURE]) == [A]


def test_without_a_detector_everything_is_whole() -> None:
    assert cropper(None).main_bodies([PICTURE, PICTURE]) == [None, None]
    assert cropper(None).candidates(PICTURE) == WHOLE
    assert WHOLE.kept == (Candidate(None, None),)


def test_no_picture_has_no_main_body() -> None:
    assert cropper(FakeDetector([A], [0.9])).main_bodies([]) == []
    assert cropper(None).main_bodies([]) == []


@pytest.mark.parametrize(
    ("scores", "kept", "dropped", "why"),
    [
        ([0.9, 0.5, 0.3], 3, [], "the threshold itself is enough"),
        ([0.9, 0.5, 0.2], 2, ["detection"], "one is too weak"),
        ([0.9, 0.2, 0.1], 1, ["detection"] * 2, "two are too weak"),
    ],
)
def test_candidates(scores: list[float], kept: int, dropped: list[str], why: str) -> None:
    found = cropper(FakeDetector([A, B, C], scores)).candidates(PICTURE)
    assert [c.box for c in found.kept] == [A, B, C][:kept], why
    assert [c.score for c in found.kept] == pytest.approx(scores[:kept])
    assert [d.stage for d in found.dropped] == dropped, why


def test_small_boxes_of_a_query_are_looked_up() -> None:
    tiny = (1.0, 1.0, 3.0, 3.0)
    found = cropper(FakeDetector([tiny], [0.9])).candidates(PICTURE)
    assert [c.box for c in found.kept] == [tiny]


def test_a_picture_without_a_good_box_is_looked_up_as_a_whole() -> None:
    found = cropper(FakeDetector([A], [0.2])).candidates(PICTURE)
    assert found.kept == WHOLE.kept
    (lost,) = found.dropped
    assert lost.box == A
    assert lost.score == pytest.approx(0.2)
    assert lost.reason == "score 0.20 is below 0.30 (detection_threshold)"


def test_a_picture_without_any_box_is_looked_up_as_a_whole() -> None:
    assert cropper(FakeDetector()).candidates(PICTURE) == WHOLE


def test_at_most_max_objects_are_looked_up_and_the_rest_is_explained() -> None:
    detector = FakeDetector([A, B, C], [0.9, 0.8, 0.7])
    found = cropper(detector, max_objects=1).candidates(PICTURE)
    assert [c.box for c in found.kept] == [A]
    assert [(d.box, d.stage) for d in found.dropped] == [(B, "limit"), (C, "limit")]
    assert found.dropped[0].reason == "only the best 1 boxes are looked up (max_objects)"
    assert cropper(detector, max_objects=3).candidates(PICTURE).dropped == ()


def test_suppressed_boxes_are_explained() -> None:
    lost = Suppressed(B, 0.6, winner=1, iou=0.75)
    found = cropper(FakeDetector([A, C], [0.9, 0.8], [lost])).candidates(PICTURE)
    (dropped,) = found.dropped
    assert (dropped.box, dropped.score, dropped.stage) == (B, 0.6, "overlap")
    assert dropped.reason == "overlaps a stronger box (IoU 0.75, score 0.80)"


def test_only_the_best_of_the_weak_boxes_are_explained() -> None:
    scores = np.linspace(0.29, 0.1, 50)
    found = cropper(FakeDetector([A] * 50, list(scores))).candidates(PICTURE)
    assert [d.score for d in found.dropped] == pytest.approx(list(scores[:20]))
