"""What would change an answer: the sentence names the number, the item and the thing to do."""

from __future__ import annotations

from typing import Any

import pytest

from shitu.deciding import Rejected
from shitu.explanation.sentences import what_would_change
from shitu.geometry import Box
from shitu.recognition import (
    CONFIDENCE,
    GEOMETRY,
    LEAD,
    SCORE,
    Match,
    Recognition,
    RecognizedObject,
)
from shitu.verifier import Agreement

POINTS = Agreement(31, 40, 60.0, cover=0.4)


def thing(label: str | None, *matches: tuple[str, float], **values: Any) -> RecognizedObject:
    agreement, prototype = values.pop("agreement", None), values.pop("prototype", None)
    listed = tuple(
        Match(name, i, i, "", score, agreement if i == 0 else None, prototype=prototype)
        for i, (name, score) in enumerate(matches)
    )
    return RecognizedObject(None, None, label, listed, **values)


@pytest.mark.parametrize(
    ("item", "operating_point", "sentence"),
    [
        (
            thing(
                None,
                ("cola", 0.5),
                ("tea", 0.49),
                decided_by=LEAD,
                lead=0.0128,
                rival="cola light",
                prototype=0.5,
            ),
            None,
            "the lead of 'cola' over 'cola light', the share by which its nearest picture and the "
            "mean of all are nearer, is 0.01, 0.02 is needed: name it with --lead 0.012, or add a "
            "reference that tells them apart",
        ),
        (
            thing(None, ("cola", 0.5), decided_by=LEAD, lead=0.0198, rival="tea"),
            None,
            "the lead of 'cola' over 'tea', the share by which its nearest picture is nearer, is "
            "0.0198, 0.0200 is needed: name it with --lead 0.019, or add a reference that tells "
            "them apart",
        ),
        (
            thing(None, ("cola", 0.5), decided_by=LEAD, lead=0.0, rival="tea"),
            None,
            "the lead of 'cola' over 'tea', the share by which its nearest picture is nearer, is "
            "less than 0.01, 0.02 is needed: name it with --lead 0, or add a reference that tells "
            "them apart",
        ),
        (
            thing(None, ("cola", 0.5), confidence=0.6, decided_by=CONFIDENCE, lead=0.01),
            0.8,
            "confidence 0.60 is 0.20 below the 0.80 that an answer needs: name it with --threshold "
            "0.50 --lead 0.01, or add pictures like this one to 'cola' if that is what it is",
        ),
    ],
)
def test_an_answer_that_is_hardly_ahead(
    item: RecognizedObject, operating_point: float | None, sentence: str
) -> None:
    assert what_would_change(item, 0.34, operating_point, 0.02) == sentence


@pytest.mark.parametrize(
    ("item", "threshold", "operating_point", "sentence"),
    [
        (
            thing(None, ("cola", 0.31), ("tea", 0.2)),
            0.34,
            None,
            "score 0.31 is 0.03 below the threshold 0.34: name it with --threshold 0.31, or add a "
            "picture like this one to 'cola' if that is what it is",
        ),
        (
            thing(None, ("cola", 0.339)),
            0.34,
            None,
            "score 0.339 is less than 0.01 below the threshold 0.340: name it with --threshold "
            "0.33, or add a picture like this one to 'cola' if that is what it is",
        ),
        (
            thing(None, ("cola", 0.5), confidence=0.62, decided_by=CONFIDENCE),
            0.34,
            0.8,
            "confidence 0.62 is 0.18 below the 0.80 that an answer needs: name it with --threshold "
            "0.50, or add pictures like this one to 'cola' if that is what it is",
        ),
        (
            thing(None, ("cola", 0.5), confidence=0.99961, decided_by=CONFIDENCE),
            0.34,
            0.9998,
            "confidence 0.9996 is less than 0.01 below the 0.9998 that an answer needs: name it "
            "with --threshold 0.50, or add pictures like this one to 'cola' if that is what it is",
        ),
        (
            thing("cola", ("cola", 0.71), confidence=0.9996, decided_by=CONFIDENCE),
            0.34,
            0.8,
            "an operating point above 0.9996, or a threshold above 0.71, could make it unknown; no "
            "other item is near",
        ),
        (
            thing(None, ("cola", 0.2), ("tea", 0.3), decided_by=GEOMETRY, agreement=POINTS),
            0.34,
            0.8,
            "local features favour 'cola', but do not prove it: name it with --threshold 0.20, or "
            "add pictures like this one to 'cola' if that is what it is",
        ),
        (
            thing("cola", ("cola", 0.71), ("cola light", 0.70), decided_by=SCORE),
            0.34,
            None,
            "the next item, 'cola light', is only 0.01 behind: add a reference that tells them "
            "apart",
        ),
        (
            thing("cola", ("cola", 0.71), ("cola light", 0.79), ("tea", 0.4)),
            0.34,
            None,
            "a picture of 'cola light' is 0.08 nearer, but the mean of its pictures is not: add a "
            "reference that tells them apart",
        ),
        (
            thing("cola", ("cola", 0.71), ("tea", 0.4)),
            0.34,
            None,
            "only a threshold above 0.71 could make it unknown; the next item, 'tea', is 0.31 "
            "behind",
        ),
        (
            thing("cola", ("cola", 0.71), confidence=0.93, decided_by=CONFIDENCE),
            0.34,
            0.8,
            "an operating point above 0.93, or a threshold above 0.71, could make it unknown; no "
            "other item is near",
        ),
        (
            thing("cola", ("cola", 0.71), ("tea", 0.4), lead=0.3),
            0.34,
            None,
            "a threshold above 0.71, or a lead above 0.30, could make it unknown; the next item, "
            "'tea', is 0.31 behind",
        ),
        (
            thing("cola", ("cola", 0.99), ("tea", 0.4), lead=0.3),
            0.34,
            None,
            "only a threshold above 0.99 could make it unknown; the next item, 'tea', is 0.59 "
            "behind",
        ),
        (
            thing("cola", ("cola", 0.9962), ("tea", 0.4), lead=0.3),
            0.34,
            None,
            "hardly any threshold could make it unknown; the next item, 'tea', is 0.60 behind",
        ),
        (
            thing("cola", ("cola", 1.0), confidence=0.9983, decided_by=CONFIDENCE),
            0.34,
            0.8,
            "only an operating point above 0.998 could make it unknown; no other item is near",
        ),
        (
            thing("cola", ("cola", 0.87), ("tea", 0.4), agreement=POINTS, lead=1.0),
            0.34,
            None,
            "only a threshold above 0.87 could make it unknown; the next item, 'tea', is 0.47 "
            "behind",
        ),
        (
            thing("cola", ("cola", 0.4), decided_by=GEOMETRY, agreement=POINTS, rival="tea"),
            0.34,
            None,
            "31 points lie as in a reference of 'cola', though the scores put 'tea' first: "
            "--verify off would leave it to them",
        ),
        (
            thing("cola", ("cola", 0.3), decided_by=GEOMETRY, agreement=POINTS),
            0.34,
            None,
            "31 points lie as in a reference of 'cola': --verify off would leave the score 0.30 to "
            "decide",
        ),
        (
            thing("cola", ("cola", 0.3), decided_by=GEOMETRY, agreement=POINTS),
            0.34,
            0.8,
            "31 points lie as in a reference of 'cola': --verify off would leave it to the "
            "confidence that the scores give",
        ),
        (
            thing(None),
            0.34,
            None,
            "there is nothing to compare with: add pictures with `shitu add-item`",
        ),
    ],
)
def test_the_sentence(
    item: RecognizedObject, threshold: float, operating_point: float | None, sentence: str
) -> None:
    assert what_would_change(item, threshold, operating_point) == sentence


def test_what_was_rejected_is_not_nothing() -> None:
    near = Rejected("cola", 1, 1, 0.4, 1.0, "2026-11-27")
    far = Rejected("cola", 1, 1, None, 1.0, "2026-11-27")
    told = [what_would_change(thing(None, rejected=(one,)), 0.34, None) for one in (near, far)]
    assert told[0].startswith("all that is near was rejected: ")
    assert told[1].startswith("there is nothing to compare with: ")


def test_an_item_that_is_not_listed_is_not_denied() -> None:
    told = what_would_change(thing("cola", ("cola", 0.71), lead=0.3), 0.34, None)
    assert told == "a threshold above 0.71, or a lead above 0.30, could make it unknown"


@pytest.mark.parametrize("score", [-0.301, -0.005, 0.001, 0.119, 0.25, 0.3349, 0.29])
def test_the_threshold_named_would_do(score: float) -> None:
    told = what_would_change(thing(None, ("cola", score)), 0.34, None)
    named = float(told.partition("--threshold ")[2].partition(",")[0])
    assert score - 0.0101 < named <= score


def _agreeing(label: str, item_id: int, score: float, inliers: int) -> Match:
    return Match(label, item_id, item_id, "", score, Agreement(inliers, 40, 60.0, cover=0.4))


@pytest.mark.parametrize(
    ("matches", "decided_by", "points", "flags", "why"),
    [
        ([Match("cola", 1, 1, "", 0.3)], CONFIDENCE, False, "", "points have no say"),
        ([Match("cola", 1, 1, "", 0.3)], CONFIDENCE, True, " --verify off", "may be asked then"),
        ([_agreeing("cola", 1, 0.3, 9)], CONFIDENCE, True, "", "were asked"),
        (
            [_agreeing("cola", 1, 0.3, 0), _agreeing("tea", 2, 0.2, 20)],
            CONFIDENCE,
            True,
            " --verify off",
            "speak for another, and count where the score decides",
        ),
        (
            [_agreeing("cola", 1, 0.2, 20), _agreeing("tea", 2, 0.3, 25)],
            GEOMETRY,
            True,
            "",
            "made it the best",
        ),
    ],
)
def test_points_do_not_stand_against_what_is_promised(
    matches: list[Match], decided_by: str, points: bool, flags: str, why: str
) -> None:
    item = RecognizedObject(None, None, None, tuple(matches), 0.5, decided_by=decided_by)
    told = what_would_change(item, 0.34, 0.8, 0.02, points=points)
    assert f"name it with --threshold {matches[0].score:.2f}{flags}, or" in told, why


def test_a_box_that_would_be_merged_says_with_which() -> None:
    def cola(box: Box, score: float) -> RecognizedObject:
        return RecognizedObject(box, 0.9, None, (Match("cola", 1, 1, "", score),))

    small, large, apart = (0.0, 0.0, 50.0, 90.0), (0.0, 0.0, 60.0, 100.0), (60.0, 0.0, 99.0, 99.0)
    objects = (cola(small, 0.2), cola(large, 0.3), cola(apart, 0.3))
    found = Recognition(objects, (), 0.34, {})
    named = [found.what_would_change(item).partition(": ")[2] for item in objects]
    assert named[0].startswith("name it, or the box 0,0,60,100 on the same, with --threshold 0.20,")
    assert named[1].startswith("name it with --threshold 0.30,"), "nothing outranks it"
    assert named[2].startswith("name it with --threshold 0.30,")
