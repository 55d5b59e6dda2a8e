from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shitu.adapter import RECIPES, Statistics, choose, fit
from shitu.adapter import choosing as choosing_module
from shitu.adapter.folds import label_folds, reference_folds
from shitu.adapter.nearest import judged

if TYPE_CHECKING:
    from conftest import Made

    Make = Callable[..., Made]


def test_whitening_makes_the_variation_within_items_a_sphere(make_shop: Make) -> None:
    vectors, codes = make_shop(200, 10, dim=12)
    statistics = Statistics.of(vectors, codes, 200)
    matrix = fit(statistics, RECIPES[0].__class__("thin", 1e-6)).matrix.astype(float)
    covariance = matrix.T @ statistics.within() @ matrix
    assert np.allclose(covariance / covariance[0, 0], np.eye(12), atol=1e-3)


def test_discriminants_have_one_direction_less_than_labels(make_shop: Make) -> None:
    vectors, codes = make_shop(5, 8)
    adapter = fit(Statistics.of(vectors, codes, 5), RECIPES[-1])
    assert adapter.matrix.shape == (24, 4)


def test_a_map_is_chosen_where_light_hides_the_items(make_shop: Make) -> None:
    vectors, codes = make_shop(30, 6)
    choice = choose(vectors, codes)
    assert choice.adapter is not None
    none, *others = choice.trials
    best = next(trial for trial in others if trial.verdict == "chosen")
    assert best.recall > none.recall + 0.1
    assert best.new_recall > none.new_recall + 0.1
    # And it holds for photos that had no part in it.
    more, more_codes = make_shop(30, 12)
    new = np.arange(len(more_codes)) % 12 >= 6
    mapped = choice.adapter.apply(more)
    before = judged(more, more_codes, new, ~new)[0].mean()
    assert judged(mapped, more_codes, new, ~new)[0].mean() > before + 0.1


def test_none_is_chosen_where_nothing_is_to_be_gained(make_shop: Make) -> None:
    vectors, codes = make_shop(30, 6, nuisance=0.2, tell=3.0)
    choice = choose(vectors, codes)
    assert choice.adapter is None
    assert choice.trials[0].recall == 1.0
    assert "none of the maps" in choice.reason


def test_ranks_tell_more_than_answers_where_items_have_two_references(make_shop: Make) -> None:
    vectors, codes = make_shop(60, 2, nuisance=1.0, tell=0.5)
    choice = choose(vectors, codes)
    best = next(trial for trial in choice.trials if trial.verdict == "chosen")
    assert best.gain < 2.33 * np.sqrt(best.gained + best.lost), "may be chance, by answers alone"
    assert best.sure > 3
    assert choice.adapter is not None
    more, more_codes = make_shop(60, 12, nuisance=1.0, tell=0.5)
    shown = np.arange(len(more)) % 12 < 2
    before = judged(more, more_codes, ~shown, shown)[0].mean()
    after = judged(choice.adapter.apply(more), more_codes, ~shown, shown)[0].mean()
    assert after > before + 0.05


@pytest.mark.parametrize("each", [2, 5])
def test_none_is_chosen_among_labels_that_mean_nothing(each: int) -> None:
    """A gain by chance is none: the right answer among random vectors is never to adapt."""
    chosen, sure = 0, []
    for seed in range(12):
        random = np.random.default_rng(seed)
        vectors = random.normal(size=(120, 16)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        choice = choose(vectors, np.repeat(np.arange(120 // each), each))
        chosen += choice.adapter is not None
        sure.append(choice.trials[1].sure)
    assert chosen <= 1
    assert abs(np.mean(sure)) < 1, "and no kind of gallery has luck"
    assert max(sure) < 3


def test_ranks_are_among_the_rivals() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0.9, 0.44], [0.95, 0.31], [0, 1]], np.float32)
    codes = np.array([0, 0, 1, 1, 2])
    asked = np.arange(5) == 0
    everything = np.ones(5, bool)
    right, ranks = judged(vectors, codes, asked, everything)
    assert (right.tolist(), ranks.tolist()) == ([False], [1 / 2])
    _, ranks = judged(vectors, codes, asked, everything, rivals=codes != 1)
    assert ranks.tolist() == [1.0]
    _, ranks = judged(vectors, codes, asked, everything, rivals=codes == 1)
    assert ranks.tolist() == [0.0]
    _, ranks = judged(vectors, codes, asked, everything, rivals=codes > 2)
    assert ranks.tolist() == [0.0]


def test_what_loses_on_new_items_is_not_chosen(make_shop: Make) -> None:
    """Few items that fill few directions: discriminants of some are blind for the others."""
    vectors, codes = make_shop(16, 14, nuisance=1.0, tell=0.5)
    choice = choose(vectors, codes, recipes=RECIPES[-1:])
    assert choice.adapter is None
    assert choice.trials[1].verdict == "loses on new items"


def test_equal_galleries_give_equal_maps(shop: Made) -> None:
    one, other = choose(*shop), choose(*shop)
    assert one.adapter is not None
    assert other.adapter is not None
    assert one.adapter.fingerprint == other.adapter.fingerprint


@pytest.mark.parametrize(("labels", "each"), [(0, 0), (3, 20), (40, 1), (6, 3)])
def test_too_little_is_said_and_nothing_done(make_shop: Make, labels: int, each: int) -> None:
    vectors, codes = make_shop(labels, each)
    choice = choose(vectors, codes)
    assert choice.adapter is None
    assert choice.trials == ()
    assert "it takes at least 4 items" in choice.reason


def test_progress_reaches_its_total(shop: Made) -> None:
    told: list[tuple[int, int]] = []
    choose(*shop, recipes=RECIPES[:1], progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == len(told)


def test_large_galleries_are_measured_on_a_part(
    make_shop: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing_module, "LIMIT", 200)
    vectors, codes = make_shop(60, 12)
    choice = choose(vectors, codes, recipes=RECIPES[:1])
    assert 100 <= choice.references <= 200
    assert choice.adapter is not None
    assert choice.adapter.provenance["references"] == 720


def test_no_query_is_judged_by_a_map_it_was_fitted_into() -> None:
    codes = np.random.default_rng(0).integers(0, 9, 100)
    codes[-1] = 9  # alone
    asked = np.zeros(100, int)
    for split in reference_folds(codes, 5, seed=1):
        asked += split.queries
        assert not (split.queries & (split.fitted | split.gallery)).any()
        assert set(codes[split.queries]) <= set(codes[split.gallery])
    assert asked.tolist() == [1] * 99 + [0]


def test_new_labels_are_wholly_unknown_to_the_map() -> None:
    codes = np.random.default_rng(0).integers(0, 9, 100)
    asked = np.zeros(100, int)
    for split in label_folds(codes, 2, seed=1):
        asked += split.queries
        assert not set(codes[split.queries]) & set(codes[split.fitted])
        assert split.gallery.all()
    assert asked.tolist() == [1] * 100


def test_a_query_does_not_find_itself(shop: Made) -> None:
    vectors, _ = shop
    alone = np.arange(len(vectors))
    everything = np.ones(len(vectors), bool)
    assert not judged(vectors, alone, everything, everything)[0].any()
