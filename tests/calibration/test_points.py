from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from photographed import photos_of

from shitu.calibration import (
    Calibrated,
    Calibration,
    Cases,
    Evidence,
    SeenCases,
    WithPoints,
    calibrate,
    calibrate_points,
    gather,
)
from shitu.candidates import Decider
from shitu.deciding import Rule
from shitu.verifier.references import ReferenceFeatures
from shitu.verifier.reranking import Verifier

FAR = 0.05


@pytest.fixture(scope="module")
def cases() -> Cases:
    return gather(*photos_of(range(60), 6, seed=1), recipe=None)


def _seen(points: npt.NDArray[np.float64], proven: npt.NDArray[np.bool_]) -> SeenCases:
    none = Evidence(np.empty(0, np.int64), *(np.empty(0) for _ in range(4)))
    return SeenCases(
        points=points,
        others=none,
        cases=np.empty(0, np.int64),
        their_points=np.empty(0),
        proven=proven,
        compared=np.ones(len(points), bool),
    )


def _learnt(cases: Cases, seen: SeenCases) -> tuple[Calibrated, Calibrated]:
    """By scores alone, and with points."""
    plain = calibrate(cases, FAR, "space")
    assert isinstance(plain, Calibrated)
    return plain, calibrate_points(plain, cases, seen, "auto")


def _some(cases: Cases, share: float, of: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return of & (np.random.default_rng(0).random(len(of)) < share)


def test_proofs_that_use_up_the_strangers_of_the_rate_are_not_given(cases: Cases) -> None:
    """Variants agree with their siblings: as many as may get a name, so nobody else would."""
    few = np.flatnonzero(cases.stranger)[: int(FAR * cases.stranger.sum())]
    proven = cases.right & _some(cases, 0.2, cases.right)
    proven[few] = True
    plain, found = _learnt(cases, _seen(np.where(proven, 0.5, 0.0), proven))
    points = found.calibration.points
    assert points is not None
    assert not points.proof
    assert found.named >= plain.named
    assert found.false_accepts <= FAR


def test_proofs_count_where_they_name_more(cases: Cases) -> None:
    proven = _some(cases, 0.5, cases.right)
    plain, found = _learnt(cases, _seen(np.zeros(len(proven)), proven))
    points = found.calibration.points
    assert points is not None
    assert points.proof
    assert points.count
    assert found.named > plain.named


def test_points_have_no_say_where_more_is_named_without_them(cases: Cases) -> None:
    """Genuine ones agree that hardly resemble the item, and so do the likeliest strangers."""
    score, right = cases.evidence.prototype, cases.right
    agree = right & (score < np.quantile(score[right], 0.3))
    agree |= cases.stranger & (score > np.quantile(score[cases.stranger], 1 - 1.5 * FAR))
    plain, found = _learnt(cases, _seen(1.5 * agree, np.zeros(len(agree), bool)))
    points, known = found.calibration.points, found.calibration
    assert points is not None
    assert found.named_with_points is not None
    assert found.named_with_points < plain.named == found.named == found.named_without_points
    assert not points.count
    evidence = cases.evidence
    same = known.confidence_with_points(evidence, 1.5 * agree)
    np.testing.assert_allclose(same, known.confidence(evidence))
    assert points.operating_point == known.operating_point
    assert Calibration.from_json(known.to_json()).points == points


@pytest.mark.parametrize(
    ("score", "lead", "asked", "why"),
    [
        (0.8, 0.1, True, "the lead is too short, which points may lengthen"),
        (0.8, 0.2, False, "it is long enough"),
        (0.8, np.inf, False, "there is no other item"),
        (0.99, 0.1, False, "a reference itself"),
    ],
)
def test_a_short_lead_leaves_doubt(score: float, lead: float, asked: bool, why: str) -> None:
    verifier = Verifier(ReferenceFeatures(None))  # type: ignore[arg-type]
    decider = Decider(Rule(0.34, lead=0.15), verifier=verifier)
    assert decider.asks(score, 0.3, None, lead) is asked, why


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_nobody_looks_where_points_have_no_say(cases: Cases, mode: str) -> None:
    plain, _ = _learnt(cases, _seen(np.zeros(len(cases.right)), np.zeros(len(cases.right), bool)))
    known = plain.calibration

    def decider(weight: float) -> Decider:
        points = WithPoints(mode, (*known.weights, weight), known.constant, 0.5, proof=False)
        verifier = Verifier(ReferenceFeatures(None), mode)  # type: ignore[arg-type]
        return Decider(Rule(0.0), replace(known, points=points), verifier)

    doubtful = (0.5, 0.0, known.operating_point)
    assert decider(1.0).asks(*doubtful)
    assert not decider(0.0).asks(*doubtful)
    assert decider(0.0).see(lambda: pytest.fail("it looked")) is None
