"""The story from boxes to labels, with a gallery of four colours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from fakes import FakeDetector, FakeLookup, FakeSession, Floats, plain, reference
from flat import print_of, view

from shitu.candidates import Decider, Found
from shitu.cropper import Cropper, CropPolicy
from shitu.deciding import Rule
from shitu.detector import Suppressed
from shitu.embedder import Embedder
from shitu.errors import WhereError
from shitu.gallery import Reference
from shitu.geometry import Box
from shitu.recognition import Match, RecognizedObject
from shitu.recognizer import Recognizer
from shitu.verifier import Agreement, Extractor, Features
from shitu.verifier.reranking import Contender, Verifier

RED, GREEN, BLUE = np.eye(3)
LEFT: Box = (0.0, 0.0, 50.0, 100.0)
RIGHT: Box = (50.0, 0.0, 100.0, 100.0)
MOST_OF_LEFT: Box = (0.0, 0.0, 50.0, 80.0)
LARGER: Box = (0.0, 0.0, 90.0, 100.0)


def mean_colour(batch: Floats) -> list[Floats]:
    return [batch.mean(axis=(2, 3))]


def picture(left: Any = RED, right: Any = GREEN) -> Any:
    """100 x 100 pixels, its left half of one colour and its right half of another."""
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, :50], image[:, 50:] = np.asarray(left) * 255, np.asarray(right) * 255
    return image


COLOURS = FakeLookup(
    [reference(1, "red"), reference(2, "green"), reference(3, "blue")], [RED, GREEN, BLUE]
)


def recognizer(
    boxes: Sequence[Box] = (),
    scores: Sequence[float] = (),
    lookup: FakeLookup = COLOURS,
    threshold: float = 0.5,
    top_k: int = 5,
    suppressed: Sequence[Suppressed] = (),
    max_objects: int = 20,
    lead: float = 0.0,
    prototype_weight: float = 1.0,
) -> Recognizer:
    policy = CropPolicy(main_body_threshold=0.5, threshold=0.5, max_objects=max_objects)
    cropper = Cropper(FakeDetector(boxes, scores, suppressed), policy)  # type: ignore[arg-type]
    embedder = Embedder(FakeSession(mean_colour), plain(8), 3)
    return Recognizer(
        cropper, embedder, lookup, threshold, top_k, lead=lead, prototype_weight=prototype_weight
    )


def test_each_box_gets_its_label() -> None:
    found = recognizer([LEFT, RIGHT], [0.9, 0.8]).recognize(picture(RED, BLUE))
    assert [(o.box, o.label) for o in found.objects] == [(LEFT, "red"), (RIGHT, "blue")]
    assert [o.detection_score for o in found.objects] == pytest.approx([0.9, 0.8])
    assert [o.score for o in found.objects] == pytest.approx([1, 1])
    assert found.objects[0].matches[0] == Match("red", 1, 1, "/pictures/1.jpg", pytest.approx(1.0))
    assert found.dropped == ()
    assert found.threshold == 0.5
    assert list(found.milliseconds) == ["detect", "embed", "search"]
    assert all(lap >= 0 for lap in found.milliseconds.values())


def test_objects_are_listed_by_detection_score_not_by_score() -> None:
    mixed = RED + 0.3 * GREEN
    found = recognizer([LEFT, RIGHT], [0.9, 0.8]).recognize(picture(mixed / 2, BLUE))
    assert [o.label for o in found.objects] == ["red", "blue"]
    assert found.objects[0].score is not None
    assert found.objects[0].score < 0.99


@pytest.mark.parametrize(
    ("threshold", "label", "why"),
    [
        (0.5, "red", "well above"),
        (0.7, "red", "above"),
        (0.72, None, "below: unknown"),
        (1.0, None, "nothing but equality is trusted"),
        (-1.0, "red", "everything is trusted"),
    ],
)
def test_a_label_below_the_threshold_is_unknown(
    threshold: float, label: str | None, why: str
) -> None:
    half = (RED + 0.99 * GREEN) / 2  # cosine with red: 0.711
    found = recognizer(threshold=threshold).recognize(picture(half, half)).objects[0]
    assert found.label == label, why
    assert found.score == pytest.approx(0.711, abs=2e-3)
    assert [m.label for m in found.matches] == ["red", "green", "blue"], "shown all the same"


@pytest.mark.parametrize(
    ("green", "lead", "label", "why"),
    [
        (0.9, 0.15, "red", "nearer by 0.23"),
        (0.95, 0.15, None, "nearer by 0.11"),
        (0.95, 0.1, "red", "less is asked for"),
        (1.0, 0.0, "red", "a tie, and nothing is asked for"),
    ],
)
def test_an_answer_is_ahead_of_the_next_item(
    green: float, lead: float, label: str | None, why: str
) -> None:
    colour = (RED + green * GREEN) / 2
    result = recognizer(lead=lead).recognize(picture(colour, colour))
    (found,) = result.objects
    assert (found.label, found.matches[0].label) == (label, "red"), why
    assert found.decided_by == ("score" if label else "lead")
    best, next_one = (match.score for match in found.matches[:2])
    assert found.lead == pytest.approx(1 - (1 - best) / (1 - next_one))
    if label is None:
        assert result.what_would_change(found) == (
            "the lead of 'red' over 'green', the share by which its nearest picture and the mean "
            "of all are nearer, is 0.11, 0.15 is needed: name it with --lead 0.11, or add a "
            "reference that tells them apart"
        )
        named = recognizer(lead=0.11).recognize(picture(colour, colour))
        assert named.objects[0].label == "red", "as the sentence says"


def test_the_item_that_is_as_near_is_named_though_it_is_not_listed() -> None:
    colour = (RED + 0.95 * GREEN) / 1.95
    result = recognizer(lead=0.15, top_k=1).recognize(picture(colour, colour))
    (found,) = result.objects
    assert (len(found.matches), found.rival) == (1, "green")
    assert "the lead of 'red' over 'green', " in result.what_would_change(found)


def test_a_score_below_the_threshold_is_what_is_told() -> None:
    colour = (RED + GREEN) / 2
    found = recognizer(threshold=0.9, lead=0.1).recognize(picture(colour, colour)).objects[0]
    assert (found.label, found.decided_by) == (None, "score")


def test_a_reference_itself_needs_no_lead() -> None:
    twins = FakeLookup([reference(1, "cola"), reference(2, "cola light")], [RED, RED])
    found = recognizer(lookup=twins, lead=0.1).recognize(picture(RED, RED)).objects[0]
    assert (found.label, found.lead) == ("cola", 0.0)


def test_the_only_item_is_ahead_of_nothing() -> None:
    cans = FakeLookup([reference(1, "can"), reference(2, "can", item_id=1)], [RED, RED])
    near = (RED + 0.5 * GREEN) / 1.5
    found = recognizer(lookup=cans, lead=0.1).recognize(picture(near, near)).objects[0]
    assert (found.label, found.lead, found.rival) == ("can", None, None)


def test_the_threshold_itself_is_enough() -> None:
    found = recognizer(threshold=1.0, lookup=FakeLookup([reference(1, "x")], [RED]))
    assert found.recognize(picture(RED, RED)).objects[0].label == "x"


def test_an_empty_gallery_knows_nothing() -> None:
    found = recognizer([LEFT], [0.9], lookup=FakeLookup()).recognize(picture()).objects[0]
    assert (found.label, found.score, found.matches) == (None, None, ())


def test_references_of_one_item_are_one_match() -> None:
    near = RED + 0.1 * GREEN
    lookup = FakeLookup(
        [
            reference(1, "tomato", item_id=7),
            reference(2, "cherry", item_id=8),
            reference(3, "tomato", item_id=7),
        ],
        [near / np.linalg.norm(near), GREEN, RED],
    )
    matches = recognizer(lookup=lookup).recognize(picture(RED, RED)).objects[0].matches
    assert [(m.label, m.item_id, m.reference_id) for m in matches] == [
        ("tomato", 7, 3),
        ("cherry", 8, 2),
    ]


def test_items_of_equal_label_stay_apart() -> None:
    lookup = FakeLookup(
        [reference(1, "cola", item_id=1), reference(2, "cola", item_id=2)], [RED, GREEN]
    )
    matches = recognizer(lookup=lookup).recognize(picture(RED, RED)).objects[0].matches
    assert [m.item_id for m in matches] == [1, 2]


@pytest.mark.parametrize(("top_k", "wanted"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_top_k(top_k: int, wanted: int) -> None:
    found = recognizer(top_k=top_k).recognize(picture())
    assert len(found.objects[0].matches) == wanted


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_references_that_have_just_been_removed_are_passed_over(weight: float) -> None:
    # Between the search and the look-up another process took the best one away.
    refs = [reference(1, "old"), reference(2, "new"), reference(3, "far")]
    lookup = FakeLookup(refs, [RED, (RED + GREEN) / np.sqrt(2), GREEN], vanished=[1])
    asked = recognizer(lookup=lookup, lead=0.15, prototype_weight=weight)
    found = asked.recognize(picture(RED, RED)).objects[0]
    assert [m.label for m in found.matches] == ["new", "far"]
    assert (found.label, found.rival, found.lead) == ("new", "far", pytest.approx(0.5**0.5))


def test_a_gallery_that_lost_everything_meanwhile_knows_nothing() -> None:
    lookup = FakeLookup([reference(1, "old")], [RED], vanished=[1])
    assert recognizer(lookup=lookup).recognize(picture()).objects[0].label is None


def test_all_boxes_are_one_search() -> None:
    lookup = FakeLookup([reference(1, "red")], [RED])
    recognizer([LEFT, RIGHT], [0.9, 0.8], lookup=lookup).recognize(picture())
    assert len(lookup.searches) == 1
    assert lookup.searches[0][0] == 2


def test_whole_image_asks_no_detector() -> None:
    found = recognizer([LEFT, RIGHT], [0.9, 0.8]).recognize(picture(RED, RED), whole_image=True)
    assert [(o.box, o.detection_score, o.label) for o in found.objects] == [(None, None, "red")]
    assert found.dropped == ()


def test_a_picture_without_boxes_is_looked_up_as_a_whole() -> None:
    found = recognizer([LEFT], [0.2]).recognize(picture(RED, RED))
    assert [(o.box, o.label) for o in found.objects] == [(None, "red")]
    assert [d.stage for d in found.dropped] == ["detection"]


@pytest.mark.parametrize(
    ("boxes", "colours", "kept", "why"),
    [
        ([LEFT, MOST_OF_LEFT], (RED, GREEN), 1, "same thing, same answer"),
        ([MOST_OF_LEFT, LEFT], (RED, GREEN), 1, "whichever was detected first"),
        ([LEFT, RIGHT], (RED, RED), 2, "two equal products side by side"),
        ([LEFT, LARGER], (RED, RED), 1, "one box inside the other, same answer"),
        ([LEFT, LARGER], (RED, GREEN), 1, "one inside the other, mostly of the same colour"),
        ([LEFT, RIGHT, LARGER], (GREEN, GREEN), 2, "a box over both joins one"),
    ],
)
def test_boxes_around_the_same_thing(
    boxes: list[Box], colours: tuple[Any, Any], kept: int, why: str
) -> None:
    scores = [0.9, 0.8, 0.7][: len(boxes)]
    found = recognizer(boxes, scores).recognize(picture(*colours))
    assert len(found.objects) == kept, why
    assert len(found.dropped) == len(boxes) - kept
    for dropped in found.dropped:
        assert dropped.stage == "merge"
        assert "lies on another box with the same answer" in dropped.reason


def test_boxes_on_each_other_with_different_answers_stay() -> None:
    # Left: rather red than green. With the green on its right: rather green than red.
    image = picture(GREEN, GREEN)
    image[:, :50] = (120, 100, 0)
    found = recognizer([LEFT, LARGER], [0.9, 0.8]).recognize(image)
    assert [o.label for o in found.objects] == ["red", "green"]
    assert found.dropped == ()


def test_unknown_boxes_are_not_merged() -> None:
    found = recognizer([LEFT, MOST_OF_LEFT], [0.9, 0.8], threshold=1.0, lookup=FakeLookup())
    assert len(found.recognize(picture()).objects) == 2


@pytest.mark.parametrize(
    ("part", "kept", "why"),
    [
        ((10.0, 10.0, 30.0, 20.0), 1, "a lid is no stranger"),
        ((40.0, 10.0, 60.0, 20.0), 2, "half of it lies outside"),
        (LARGER, 2, "what contains a product is not a part of it"),
    ],
)
def test_an_unknown_part_of_something_known(part: Box, kept: int, why: str) -> None:
    image = picture(RED, BLUE)
    image[10:20, 10:30] = 128  # like neither
    image[10:20, 40:60] = 128
    found = recognizer([LEFT, part], [0.9, 0.8], threshold=0.95).recognize(image)
    assert len(found.objects) == kept, why
    assert [d.reason for d in found.dropped] == ["unknown, and part of 'red'"] * (2 - kept)


def test_the_better_answer_survives_the_merge() -> None:
    # The tight box scores higher than the loose one that was detected first.
    image = picture(RED, 0.5 * GREEN)
    found = recognizer([LARGER, LEFT], [0.95, 0.6]).recognize(image)
    (kept,) = found.objects
    assert kept.box == LEFT
    assert found.dropped[0].box == LARGER
    assert found.dropped[0].score == pytest.approx(0.95)


def test_what_was_dropped_names_every_stage() -> None:
    lost = Suppressed((1.0, 1.0, 50.0, 99.0), 0.7, winner=0, iou=0.9)
    boxes: list[Box] = [LEFT, MOST_OF_LEFT, RIGHT, (60.0, 60.0, 70.0, 70.0)]
    found = recognizer(boxes, [0.9, 0.8, 0.7, 0.1], suppressed=[lost], max_objects=2)
    stages = [d.stage for d in found.recognize(picture()).dropped]
    assert stages == ["merge", "limit", "overlap", "detection"]


def test_a_recognition_is_json() -> None:
    lost = Suppressed((1.0, 1.0, 50.0, 99.0), 0.7, winner=0, iou=0.9)
    found = recognizer([LEFT, RIGHT], [0.9, 0.8], suppressed=[lost], threshold=0.9)
    blurred = (RED + GREEN) / 2
    printed = json.loads(json.dumps(found.recognize(picture(RED, blurred)).to_dict()))
    assert set(printed) == {
        *("objects", "dropped", "threshold", "lead", "operating_point", "milliseconds", "notes"),
    }
    first, second = printed["objects"]
    assert first["box"] == list(LEFT)
    assert (first["label"], first["unknown"]) == ("red", False)
    assert (second["label"], second["unknown"]) == (None, True)
    assert second["score"] == pytest.approx(0.707, abs=2e-3)
    assert set(first["matches"][0]) == {
        *("label", "item_id", "reference_id", "path", "score", "prototype"),
        *("references", "agreement"),
    }
    assert [m["prototype"] for m in first["matches"]] == pytest.approx([1, 0, 0], abs=1e-6)
    assert first["matches"][0]["references"] == [
        {"reference_id": 1, "path": "/pictures/1.jpg", "score": pytest.approx(1.0)}
    ]
    assert second["what_would_change"].startswith("score 0.71 is 0.19 below the threshold 0.90")
    assert printed["dropped"][0]["stage"] == "overlap"


def test_a_recognition_of_a_whole_picture_and_an_empty_gallery_is_json() -> None:
    found = recognizer(lookup=FakeLookup()).recognize(picture())
    (only,) = json.loads(json.dumps(found.to_dict()))["objects"]
    assert only == {
        "box": None,
        "detection_score": None,
        "label": None,
        "matches": [],
        "confidence": None,
        "margin": None,
        "lead": None,
        "decided_by": "score",
        "rejected": [],
        "recognition_id": None,
        "score": None,
        "unknown": True,
        "what_would_change": "there is nothing to compare with: add pictures with `shitu add-item`",
    }


def test_the_score_of_an_object_is_that_of_its_first_match() -> None:
    matches = (Match("a", 1, 1, "p", 0.4), Match("b", 2, 2, "q", 0.3))
    assert RecognizedObject(None, None, None, matches).score == 0.4
    assert RecognizedObject(None, None, None, ()).score is None


def test_only_what_the_filter_allows_is_an_answer() -> None:
    reddish = (RED + 0.5 * GREEN) / 1.5
    found = recognizer([LEFT], [0.9], threshold=0.4).recognize(
        picture(reddish), where="label != red"
    )
    (only,) = found.objects
    assert only.label == "green"
    assert [match.label for match in only.matches] == ["green", "blue"]
    assert found.notes == ()


def test_a_filter_that_allows_nothing_makes_all_unknown_and_says_so() -> None:
    found = recognizer([LEFT, RIGHT], [0.9, 0.8]).recognize(picture(), where="label=pink")
    assert [(o.label, o.matches) for o in found.objects] == [(None, ()), (None, ())]
    assert found.to_dict()["notes"] == ["nothing is allowed"]


def test_a_filter_that_cannot_be_read_is_refused_before_anything_is_detected() -> None:
    with pytest.raises(WhereError, match="at character 7"):
        recognizer([LEFT], [0.9]).recognize(picture(), where="label=")


class Shelf:
    """Features of prints, by reference id."""

    extractor = Extractor()

    def of(self, references: Iterable[Reference]) -> Mapping[int, Features]:
        return {
            r.reference_id: self.extractor.extract(print_of(r.reference_id)) for r in references
        }


@pytest.mark.parametrize(
    ("threshold", "mode", "label", "decided", "why"),
    [
        (0.5, "on", "print 2", "geometry", "its points outweigh a score that is a little lower"),
        (0.5, "auto", "print 2", "geometry", "the scores are close"),
        (1.0, "on", "print 2", "geometry", "and prove it whatever the threshold"),
        (0.5, None, "print 1", "score", "nothing but the scores"),
    ],
)
def test_points_that_agree_decide(
    threshold: float, mode: str | None, label: str, decided: str, why: str
) -> None:
    image = view(print_of(2), 90)[0]
    grey = image.reshape(-1, 3).mean(axis=0)
    near = grey + 20 * GREEN
    lookup = FakeLookup(
        [reference(1, "print 1"), reference(2, "print 2")],
        [grey / np.linalg.norm(grey), near / np.linalg.norm(near)],
    )
    policy = CropPolicy(main_body_threshold=0.5, threshold=0.5)
    found = Recognizer(
        Cropper(None, policy),
        Embedder(FakeSession(mean_colour), plain(8), 3),
        lookup,
        threshold,
        verifier=None if mode is None else Verifier(Shelf(), mode),
    ).recognize(image)
    [only] = found.objects
    assert (only.label, only.decided_by) == (label, decided), why
    assert ("verify" in found.milliseconds) is (mode is not None)
    assert only.margin is not None
    assert (only.margin < 0) is (mode is not None), "of the scores"
    assert [m.label for m in only.matches] == sorted(
        ("print 1", "print 2"), reverse=mode is not None
    )
    printed = json.loads(json.dumps(found.to_dict()))["objects"][0]["matches"][0]["agreement"]
    assert (printed is None) is (mode is None)
    if printed:
        assert printed["with"] == 2
        assert printed["inliers"] >= 15


class Agreeing:
    """A query that agrees with one reference."""

    def __init__(self, reference_id: int) -> None:
        self._found = {reference_id: Agreement(31, 40, 60.0, cover=0.4)}

    def corners(self) -> int:
        return 100

    def agreements(self, references: Sequence[Reference]) -> Mapping[int, Agreement]:
        return {
            r.reference_id: self._found[r.reference_id]
            for r in references
            if r.reference_id in self._found
        }


@pytest.mark.parametrize(("agreeing", "margin"), [(2, 0.03), (3, -0.03)])
def test_the_margin_of_what_points_put_first_is_to_the_best_other_item(
    agreeing: int, margin: float
) -> None:
    # The first one by its prototype, and not the nearest.
    scores = {1: 0.6, 2: 0.65, 3: 0.62}
    contenders = [Contender((reference(i, f"item {i}"),), (s,)) for i, s in scores.items()]
    decider = Decider(Rule(0.5), verifier=Verifier(Shelf(), "on"))
    verdict = decider.decide(Found(tuple(contenders), -0.05, None), Agreeing(agreeing))
    assert verdict.matches[0].item_id == agreeing
    assert verdict.margin == pytest.approx(margin)
    assert (verdict.lead, verdict.rival) == (None, "item 1"), "which the scores put first"


def test_what_is_sure_is_not_checked() -> None:
    class Untouched:
        extractor = Extractor()

        def of(self, references: Iterable[Reference]) -> Mapping[int, Features]:
            raise AssertionError("nothing was to be computed")

    image = print_of(1)
    grey = image.reshape(-1, 3).mean(axis=0)
    lookup = FakeLookup([reference(1, "a"), reference(2, "b")], [grey / np.linalg.norm(grey), -RED])
    found = Recognizer(
        Cropper(None, CropPolicy(main_body_threshold=0.5, threshold=0.5)),
        Embedder(FakeSession(mean_colour), plain(8), 3),
        lookup,
        0.5,
        verifier=Verifier(Untouched(), "auto"),
    ).recognize(image)
    assert found.objects[0].label == "a"
    assert found.objects[0].agreement is None
