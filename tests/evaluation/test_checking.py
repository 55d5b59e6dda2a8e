"""Evaluation with the verifier: what is reported is what recognition answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeLookup, Floats, colours, reference
from flat import print_of, view

from shitu.calibration import Calibration, WithPoints
from shitu.candidates import Decider
from shitu.config import LEAD
from shitu.cropper import Cropper, CropPolicy
from shitu.deciding import Rule
from shitu.describer import Description
from shitu.evaluation.checking import Check
from shitu.evaluation.report import EvaluationOptions, RetrievalReport
from shitu.evaluation.retrieval import Query, describe_queries, score_queries
from shitu.gallery import Reference
from shitu.geometry import Box, crop
from shitu.images import Image, save_image
from shitu.recognizer import Recognizer
from shitu.verifier import Extractor, Features
from shitu.verifier.reranking import AUTO, OFF, ON, Verifier

# Prints 1 to 4 are in the gallery, two references each; 5 and 6 are strangers.
SHELF = {number: print_of(number) for number in range(1, 7)}
REFERENCES = [
    reference(10 * number + i, f"print {number}", item_id=number)
    for number in range(1, 5)
    for i in range(2)
]
VECTORS = [colours(SHELF[r.item_id]) for r in REFERENCES]
VIEWS = {number: view(picture, 90, 0.8)[0] for number, picture in SHELF.items()}


class Source:
    """Features of the prints."""

    def __init__(self) -> None:
        self.extractor = Extractor()
        self.asked = 0

    def of(self, references: Iterable[Reference]) -> Mapping[int, Features]:
        found = {r.reference_id: features_of(r.item_id) for r in references}
        self.asked += len(found)
        return found


@cache
def features_of(number: int) -> Features:
    return Extractor().extract(SHELF[number])


class Colours:
    """Embeds and describes by colours; describes what is in a box, where one is set."""

    box: Box | None = None

    def embed(self, crops: Sequence[Image]) -> Floats:
        return np.stack([colours(each) for each in crops])

    def describe(self, images: Sequence[Image]) -> list[Description]:
        parts = [each if self.box is None else crop(each, self.box) for each in images]
        return [Description(self.box, colours(part)) for part in parts]


def calibration(point: float, verify: str | None = None, proof: bool = False) -> Calibration:
    """Says the score itself, more or less; learnt with points, if a setting is named."""
    scores = (1.0, 0.0, 0.0, 0.0, 0.0)
    points = None if verify is None else WithPoints(verify, (*scores, 1.0), 0.0, point, proof)
    return (
        Calibration("space", scores, 0.0, 0.65, 0.01, {}, 0.5, points=points)
        if points
        else (Calibration("space", scores, 0.0, point, 0.01, {}, 0.5))
    )


def decider(mode: str, threshold: float = 0.5, known: Calibration | None = None) -> Decider:
    verifier = None if mode == OFF else Verifier(Source(), mode)
    return Decider(Rule(threshold), known, verifier)


@pytest.fixture
def queries(tmp_path: Path) -> list[Query]:
    found = []
    for number, picture in VIEWS.items():
        save_image(tmp_path / f"{number}.png", picture)
        found.append(Query(tmp_path / f"{number}.png", f"print {number}"))
    return found


def report_of(queries: Sequence[Query], asked: Decider, **changed: Any) -> RetrievalReport:
    known = asked.calibration
    options = EvaluationOptions(
        None,
        threshold=asked.rule.threshold,
        prototype_weight=asked.rule.prototype_weight,
        confidence=None if known is None else known.of_neighbours,
        check=Check(asked, 50),
    )
    lookup = changed.get("lookup", FakeLookup(REFERENCES, VECTORS))
    found = describe_queries(queries, changed.get("describer", Colours()), None)
    return score_queries(found, lookup, options)


@pytest.mark.parametrize(
    "known",
    [
        None,
        calibration(0.6),
        calibration(0.8),
        *(calibration(0.8, mode, proof) for mode in (AUTO, ON) for proof in (False, True)),
    ],
)
@pytest.mark.parametrize("threshold", [0.3, 0.9])
@pytest.mark.parametrize("mode", [AUTO, ON, OFF])
def test_it_reports_what_recognition_answers(
    queries: Sequence[Query], mode: str, threshold: float, known: Calibration | None
) -> None:
    asked = decider(mode, threshold, known)
    recognizer = Recognizer(
        Cropper(None, CropPolicy(main_body_threshold=0.5, threshold=0.5)),
        Colours(),  # type: ignore[arg-type]
        FakeLookup(REFERENCES, VECTORS),
        threshold,
        calibration=lambda: known,
        verifier=asked.verifier,
    )
    outcomes = report_of(queries, asked).outcomes
    assert len(outcomes) == len(VIEWS)
    for outcome, picture in zip(outcomes, VIEWS.values(), strict=True):
        [said] = recognizer.recognize(picture).objects
        assert outcome.ruling is not None
        assert outcome.answer == said.matches[0].label
        assert (outcome.answer if outcome.ruling.named else None) == said.label
        assert outcome.score == pytest.approx(said.score, abs=1e-6)
        assert outcome.confidence == (
            None if said.confidence is None else pytest.approx(said.confidence)
        )
        assert outcome.ruling.compared == (said.agreement is not None)


def test_points_put_answers_right_and_the_report_says_so(queries: Sequence[Query]) -> None:
    plain, checked = (report_of(queries, decider(mode, 0.9)) for mode in (OFF, ON))
    assert plain.recall_at_1 < 1 == checked.recall_at_1 == checked.map_at_r
    assert (plain.decided.verify, plain.decided.compared, plain.decided.changed) == (OFF, 0, 0)
    wrong = sum(not one.right for one in plain.outcomes if one.kind == "known")
    assert (checked.decided.verify, checked.decided.compared) == (ON, len(VIEWS))
    assert (checked.decided.won, checked.decided.lost) == (wrong, 0)
    assert f"{wrong} put right, 0 put wrong" in checked.decided.sentence
    assert json.loads(json.dumps(checked.to_dict()))["decided"]["won"] == wrong


def test_a_proven_answer_is_given_below_the_threshold(queries: Sequence[Query]) -> None:
    plain, checked = (report_of(queries, decider(mode, 1.0)).open_set for mode in (OFF, ON))
    assert plain is not None
    assert checked is not None
    assert (plain.at_threshold.known_right, checked.at_threshold.known_right) == (0, 1)
    assert checked.at_threshold.strangers_unknown == 1
    assert checked.at_threshold.auroc == 1, "no threshold refuses it"
    assert [row.rate for row in checked.identification] == [1, 1]


def test_the_operating_point_decides_where_there_is_one(queries: Sequence[Query]) -> None:
    found = report_of(queries, decider(OFF, 0.0, calibration(0.999)))
    assert found.open_set is not None
    assert found.open_set.at_threshold.strangers_unknown == 1, "the threshold would name them"
    assert found.decided.point == "operating point 0.999"
    by_score = report_of(queries, decider(OFF, 0.25)).decided
    assert by_score.point == f"threshold 0.25, lead {LEAD}"


def test_what_points_make_likelier_is_answered_with_more_confidence(
    queries: Sequence[Query],
) -> None:
    plain = report_of(queries, decider(OFF, known=calibration(0.8, ON)))
    seen = report_of(queries, decider(ON, known=calibration(0.8, ON)))
    assert plain.decided.operating_point == 0.65
    assert seen.decided.operating_point == 0.8
    assert "calibrated with verify on: with off" in plain.decided.sentence
    assert "calibrated" not in seen.decided.sentence
    pairs = list(zip(plain.outcomes, seen.outcomes, strict=True))
    assert all(one.confidence is not None for _, one in pairs), "whatever geometry changed"
    known = [(a.confidence or 0, b.confidence or 0) for a, b in pairs if b.kind == "known"]
    assert all(after > before for before, after in known)
    # One that agrees with nothing is as sure as by its score.
    strangers = [(a.confidence, b.confidence) for a, b in pairs if b.kind == "stranger"]
    assert all(before == pytest.approx(after) for before, after in strangers)


def test_of_two_answers_the_likelier_one_is_given(queries: Sequence[Query]) -> None:
    """Points put the right item first; a calibration that gives little for them does not."""
    asked = decider(ON, known=calibration(0.5, ON))
    known = asked.calibration
    assert known is not None
    assert known.points is not None
    nothing = replace(known.points, weights=(50.0, 50.0, 0.0, 0.0, 0.0, 0.0))
    deaf = replace(asked, calibration=replace(known, points=nothing))
    proud = replace(asked, calibration=replace(known, points=replace(nothing, proof=True)))
    plain = report_of(queries, decider(OFF))
    answers = [[one.answer for one in report_of(queries, each).outcomes] for each in (deaf, proud)]
    assert answers[0] == [one.answer for one in plain.outcomes]
    assert answers[1][:4] == [f"print {number}" for number in range(1, 5)]
    assert report_of(queries, deaf).recall_at_1 == plain.recall_at_1


def test_the_own_file_is_not_compared(queries: Sequence[Query]) -> None:
    """The one picture that would agree is the query's own file: another item is answered."""
    import hashlib

    own = hashlib.sha256(queries[0].path.read_bytes()).hexdigest()
    lookup = FakeLookup([reference(10, "print 1", item_id=1, sha256=own), *REFERENCES[1:]], VECTORS)
    alone = FakeLookup([lookup.all_references()[0], *REFERENCES[2:]], [VECTORS[0], *VECTORS[2:]])
    [with_twin], [without] = (
        [o for o in report_of(queries[:2], decider(ON), lookup=each).outcomes if o.own_file]
        for each in (lookup, alone)
    )
    assert (with_twin.kind, with_twin.answer, with_twin.answer_id) == ("known", "print 1", 11)
    assert without.kind == "alone"
    assert without.answer != "print 1"


def test_what_was_embedded_is_what_is_compared(tmp_path: Path) -> None:
    """Beside the main body stands another print, which must not speak for it."""
    both = np.hstack([SHELF[1], SHELF[2]])
    save_image(tmp_path / "both.png", both)
    colour = Colours()
    colour.box = (0.0, 0.0, float(SHELF[1].shape[1]), float(both.shape[0]))
    for label, right in (("print 1", 1), ("print 2", 0)):
        found = report_of([Query(tmp_path / "both.png", label)], decider(ON), describer=colour)
        assert found.recall_at_1 == right


def test_only_what_leaves_doubt_is_looked_at(queries: Sequence[Query]) -> None:
    asked = decider(AUTO, -1.0)
    assert asked.verifier is not None
    far = FakeLookup(
        REFERENCES, [v if r.item_id == 1 else -v for r, v in zip(REFERENCES, VECTORS, strict=True)]
    )
    save_image(queries[0].path, SHELF[1])
    report_of(queries[:1], asked, lookup=far)
    assert asked.verifier.source.asked == 0  # type: ignore[attr-defined]
