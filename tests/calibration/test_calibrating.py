from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from photographed import Photos, photos_of

from shitu.adapter import Recipe
from shitu.calibration import (
    Calibrated,
    Calibration,
    Evidence,
    Refusal,
    calibrate,
    evidence_of,
    gather,
    gather_strangers,
)
from shitu.calibration.calibrating import auroc, calibration_error
from shitu.calibration.logistic import fit_logistic, sigmoid


def _calibrated(photos: Photos, far: float = 0.01) -> Calibrated:
    found = calibrate(gather(*photos, recipe=None), far, "space")
    assert isinstance(found, Calibrated)
    return found


@pytest.fixture(scope="module")
def shop() -> Photos:
    return photos_of(range(60), 8, seed=1)


def test_what_it_promises_holds_for_new_photos_and_strangers(shop: Photos) -> None:
    found = _calibrated(shop)
    known, labels = photos_of(range(60), 20, seed=2)
    strange, _ = photos_of(range(1000, 1120), 10, seed=2)
    genuine, stranger = (gather_strangers(each, *shop) for each in (known, strange))
    sure, unsure = (found.calibration.confidence(each) for each in (genuine, stranger))
    right = genuine.item == labels
    assert found.calibration.accepts(unsure).mean() <= 0.02
    assert (found.calibration.accepts(sure) & right).mean() > found.named - 0.05
    both = np.concatenate([sure, unsure])
    assert calibration_error(both, np.concatenate([right, np.zeros(len(unsure), bool)])) < 0.06
    assert auroc(sure, unsure) == pytest.approx(found.auroc, abs=0.04)


def test_strangers_to_come_are_named_at_the_wanted_rate_even_by_small_galleries() -> None:
    named = []
    for seed in range(30):
        first = 1000 * seed
        shop = photos_of(range(first, first + 15), 5, seed)
        strange, _ = photos_of(range(first + 500, first + 800), 1, seed + 100)
        found = _calibrated(shop, far=0.05).calibration
        named.append(found.accepts(found.confidence(gather_strangers(strange, *shop))).mean())
    assert 0.03 < np.mean(named) <= 0.05


def test_the_own_item_is_hidden_from_impostors(shop: Photos) -> None:
    cases = gather(*shop, recipe=None)
    assert cases.stranger.sum() == len(shop[0]) == (~cases.stranger).sum()
    assert (cases.evidence.item != cases.group)[cases.stranger].all()
    assert not cases.right[cases.stranger].any()


def test_it_tells_how_many_were_asked(shop: Photos) -> None:
    told: list[tuple[int, int]] = []
    cases = gather(*shop, recipe=None, progress=lambda *each: told.append(each))
    done = [each for each, _ in told]
    assert done == sorted(set(done)), "it never goes back"
    assert told[-1] == (len(cases.right),) * 2
    assert {total for _, total in told} == {len(cases.right)}


def test_no_case_is_judged_by_a_map_that_knows_it() -> None:
    """Labels that mean nothing must look like that, however well a map may learn them by heart."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(240, 48)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = np.repeat(np.arange(40), 6)
    cases = gather(vectors, items, Recipe("all by heart", 0.01, 0.0, True))
    assert cases.right[~cases.stranger].mean() < 0.12


def test_items_have_thresholds_of_their_own() -> None:
    calm = photos_of(range(30), 8, 1, noise=0.08)
    moved = photos_of(range(30, 60), 8, 1, noise=0.22)
    shop = np.concatenate([calm[0], moved[0]]), np.concatenate([calm[1], moved[1]])
    found = _calibrated(shop)
    usual = found.calibration.usual
    assert min(usual[item] for item in range(30)) > max(usual[item] for item in range(30, 60))
    alike = Evidence(np.array([3, 33]), *(np.full(2, v) for v in (0.7, 0.4, 1.0, 0.7)))
    calm_item, moved_item = found.calibration.confidence(alike)
    assert calm_item < moved_item


@pytest.mark.parametrize(
    ("items", "each", "far", "needed"), [(5, 4, 0.01, 149), (60, 1, 0.05, 30), (30, 5, 0.001, 1497)]
)
def test_too_few_references_are_refused(items: int, each: int, far: float, needed: int) -> None:
    found = calibrate(gather(*photos_of(range(items), each, 1), recipe=None), far, "space")
    assert isinstance(found, Refusal)
    assert found.references_needed == needed
    assert f"takes {needed} references" in found.reason
    assert "elsewhere" not in found.reason


def test_strangers_that_are_no_references_are_not_counted_unsaid() -> None:
    small = photos_of(range(30), 5, 1)
    lent, _ = photos_of(range(1000, 1040), 1, seed=4)
    cases = gather(*small, recipe=None).with_strangers(gather_strangers(lent, *small), lent=True)
    found = calibrate(cases, 0.001, "space")
    assert isinstance(found, Refusal)
    assert "there are 190, 40 strangers from elsewhere among them, and 150" in found.reason


def test_strangers_are_lent_to_a_small_shop() -> None:
    small = photos_of(range(12), 5, 1)
    lent, _ = photos_of(range(1000, 1200), 1, seed=4)
    cases = gather(*small, recipe=None)
    assert isinstance(calibrate(cases, 0.01, "space"), Refusal)
    found = calibrate(
        cases.with_strangers(gather_strangers(lent, *small), lent=True), 0.01, "space"
    )
    assert isinstance(found, Calibrated)
    assert (found.strangers, found.lent, found.items) == (60 + 200, 200, 12)
    strange, _ = photos_of(range(2000, 2400), 1, seed=5)
    sure = found.calibration.confidence(gather_strangers(strange, *small))
    assert found.calibration.accepts(sure).mean() <= 0.02
    # Easy strangers in numbers buy no licence to take the shop's own for each other.
    own = found.calibration.confidence(cases.evidence.where(cases.stranger))
    assert not found.calibration.accepts(own).any()


def test_easy_strangers_do_not_lower_the_point(shop: Photos) -> None:
    """The more of them are given, the more of the own items would pass for each other."""
    cases = gather(*shop, recipe=None)
    easy, _ = photos_of(range(1000, 3000), 1, seed=4)
    found = calibrate(cases.with_strangers(gather_strangers(easy, *shop)), 0.01, "space")
    assert isinstance(found, Calibrated)
    own = found.calibration.confidence(cases.evidence.where(cases.stranger))
    assert 0 < found.calibration.accepts(own).mean() <= 0.01
    assert found.false_accepts < 0.01


def test_what_would_be_named_at_other_rates(shop: Photos) -> None:
    found, looser = _calibrated(shop, 0.02), _calibrated(shop, 0.1)
    assert list(found.named_at) == ["0.05", "0.1", "0.2"]
    shares = [found.named, *found.named_at.values()]
    assert shares == sorted(shares)
    assert found.named_at["0.1"] == looser.named


def test_too_few_items_are_refused() -> None:
    found = calibrate(gather(*photos_of(range(4), 60, 1), recipe=None), 0.01, "space")
    assert isinstance(found, Refusal)
    assert "5 items" in found.reason


def test_a_stricter_rate_has_a_higher_point(shop: Photos) -> None:
    points = [_calibrated(shop, far).calibration.operating_point for far in (0.05, 0.02, 0.01)]
    assert points == sorted(points)
    assert points[0] < points[2]


def test_the_reported_rate_is_within_the_wanted_one(shop: Photos) -> None:
    found = _calibrated(shop, 0.02)
    assert found.false_accepts_low <= found.false_accepts <= 0.02
    assert found.false_accepts <= found.false_accepts_high


def test_better_evidence_never_makes_less_sure(shop: Photos) -> None:
    calibration = _calibrated(shop).calibration
    assert min(calibration.weights) >= 0


def test_json_brings_it_back(shop: Photos) -> None:
    calibration = _calibrated(shop).calibration
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    evidence = gather(*shop, recipe=None).evidence
    assert np.allclose(again.confidence(evidence), calibration.confidence(evidence), atol=1e-4)
    assert again.operating_point == calibration.operating_point


def test_before_prototypes_had_a_say_they_had_no_weight(shop: Photos) -> None:
    calibration = _calibrated(shop).calibration
    old = calibration.to_json()
    old["weights"] = old["weights"][:-1]
    assert Calibration.from_json(old).weights == (*calibration.weights[:-1], 0.0)


def test_they_are_asked_in_blocks_that_do_not_matter(
    shop: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gather(*shop, recipe=None)
    monkeypatch.setattr("shitu.calibration.cases._BLOCK", 7)
    parts = gather(*shop, recipe=None)
    for each in fields(whole.evidence):
        assert getattr(parts.evidence, each.name) == pytest.approx(
            getattr(whole.evidence, each.name), abs=1e-6
        )
    assert (parts.near.query == whole.near.query).all()
    assert (parts.near.rows == whole.near.rows).all()


def test_the_prototype_is_evidence() -> None:
    """Where a single reference is often near by chance, the mean of all tells more."""
    random = np.random.default_rng(3)
    items = np.repeat(np.arange(40), 12)
    centres = random.normal(size=(40, 32))
    vectors = centres[items] + random.normal(size=(len(items), 32)) * 1.3
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cases = gather(vectors.astype(np.float32), items, recipe=None)
    true, strange = ~cases.stranger & cases.right, cases.stranger
    by_score, by_prototype = (
        auroc(each[true], each[strange])
        for each in (cases.evidence.score, cases.evidence.prototype)
    )
    assert by_prototype > by_score + 0.01


def test_other_json_is_refused() -> None:
    with pytest.raises(ValueError, match="not a calibration"):
        Calibration.from_json({"weights": []})


def test_no_answer_has_no_confidence(shop: Photos) -> None:
    nothing = evidence_of(np.zeros((2, 0), np.float32), np.zeros((2, 0), np.int64))
    assert _calibrated(shop).calibration.confidence(nothing).tolist() == [0.0, 0.0]


def test_logistic_finds_the_truth_and_no_negative_weight() -> None:
    random = np.random.default_rng(0)
    columns = random.normal(size=(20_000, 3)) * [1.0, 5.0, 1.0] + 3
    chances = sigmoid(1.5 * columns[:, 0] + 0.2 * columns[:, 1] - 1.0 * columns[:, 2] - 1)
    targets = (random.random(20_000) < chances).astype(float)
    found = fit_logistic(columns, targets, np.ones(20_000))
    assert found[2] == 0.0
    assert found[0] == pytest.approx(1.3, abs=0.3)
    assert found[1] == pytest.approx(0.2, abs=0.05)


def test_logistic_bears_cases_that_a_line_parts() -> None:
    columns = np.linspace(-1, 1, 40)[:, None]
    found = fit_logistic(columns, (columns[:, 0] > 0).astype(float), np.ones(40))
    assert np.isfinite(found).all()
    assert found[0] > 4
