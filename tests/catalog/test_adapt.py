"""A gallery learns from its own references, and everything follows in one commit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt
import pytest
from fakes import FakeCropper, FakeDescriber, colours

from shitu.candidates import Decider
from shitu.catalog import Catalog, adapting, asking
from shitu.catalog import cache as cache_module
from shitu.catalog.asking import Photos
from shitu.deciding import Rule
from shitu.errors import GalleryError
from shitu.gallery.gallery import Gallery
from shitu.images import Image, save_image
from shitu.index.kinds import IndexChoice
from shitu.index.manifest import MANIFEST
from shitu.linting.separation import find_strays
from shitu.linting.subject import read_subject

if TYPE_CHECKING:
    from conftest import Shop

ITEMS, EACH = 32, 6


def _photo(item: int, number: int) -> Image:
    """Squares of an item under light of some colour: what differs most tells nothing."""
    random = np.random.default_rng([item, number])
    squares = np.random.default_rng(item).normal(0, 18, (4, 4, 3))
    light = random.normal(0, 30, 3)
    shown = np.clip(128 + squares + light + random.normal(0, 8, (4, 4, 3)), 0, 255)
    return np.ascontiguousarray(shown.astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1))


def _queries(items: range) -> tuple[npt.NDArray[np.float32], list[str]]:
    photos = [(item, number) for item in items for number in range(100, 104)]
    return np.stack([colours(_photo(*photo)) for photo in photos]), [f"{i:02}" for i, _ in photos]


def _named(catalog: Catalog, items: range = range(ITEMS)) -> float:
    vectors, labels = _queries(items)
    found = catalog.search(vectors, 1).reference_ids[:, 0]
    known = catalog.references(found.tolist())
    return float(np.mean([known[i].label == want for i, want in zip(found, labels, strict=True)]))


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos by label; not to be changed."""
    photos = tmp_path_factory.mktemp("lit") / "photos"
    for item in range(ITEMS):
        (photos / f"{item:02}").mkdir(parents=True)
        for number in range(EACH):
            save_image(photos / f"{item:02}" / f"{number}.png", _photo(item, number))
    return photos


@pytest.fixture
def lit_shop(shop: Shop, taken: Path) -> Shop:
    """Built, and nothing learnt yet."""
    shutil.copytree(taken, shop.photos)
    with Catalog.open(shop.index, FakeDescriber(), url=shop.url, create=True) as catalog:
        shop.build(catalog)
    return shop


def test_it_names_more_and_embeds_nothing(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    assert catalog.could_learn
    before, described = _named(catalog), lit_shop.describer.described
    summary = catalog.adapt(far=0.02)
    assert summary.outcome == "adapted"
    assert _named(catalog) > before + 0.05
    assert lit_shop.describer.described == described
    assert catalog.check().problems == ()
    assert summary.generation == catalog.gallery.head().generation
    assert not catalog.could_learn


def test_its_calibration_learns_from_photos_too(lit_shop: Shop) -> None:
    vectors, labels = _queries(range(ITEMS))
    catalog = lit_shop.open()
    measured = catalog.adapt(photos=Photos(vectors, labels)).measured
    assert measured is not None
    assert (measured.photos, measured.strange_photos) == (len(labels), len(labels))
    calibration = catalog.calibration()
    assert calibration is not None
    assert calibration.report["photos"] == len(labels)


def test_a_reader_notices_and_the_next_open_needs_not_rebuild(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    reader = lit_shop.open(read_only=True)
    catalog.adapt(far=0.02)
    assert reader.calibration() is None
    assert reader.refresh()
    assert _named(reader) == _named(catalog)
    assert reader.calibration() is not None
    again = lit_shop.open()
    assert again.index_state == "loaded"
    assert _named(again) == _named(catalog)


@pytest.mark.sqlite  # what is tested lies beside the database
@pytest.mark.parametrize("kind", ["flat", "ivf-sq8"])
def test_a_reader_takes_the_index_that_was_saved_for_the_map(
    lit_shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with lit_shop.open(choice=IndexChoice(kind, 0.9)) as builder:
        lit_shop.build(builder)
    catalog, reader = lit_shop.open(), lit_shop.open()
    catalog.adapt(far=0.02)

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("it lies there already")

    monkeypatch.setattr(cache_module, "gather_index", refuse)
    assert reader.refresh()
    assert (reader.index_kind, reader.index_state) == (kind, "loaded")
    assert _named(reader) == _named(catalog)


def test_off_goes_back_to_what_was(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    before = catalog.search(_queries(range(4))[0], 5)
    catalog.adapt(far=0.02)
    assert catalog.unlearn(adapter=True).outcome == "off"
    after = catalog.search(_queries(range(4))[0], 5)
    assert np.array_equal(before.reference_ids, after.reference_ids)
    assert np.array_equal(before.scores, after.scores)
    assert catalog.calibration() is None
    assert catalog.unlearn(adapter=True).outcome == "was off"
    assert catalog.check().problems == ()


def test_the_kind_of_the_index_stays(lit_shop: Shop) -> None:
    with lit_shop.open(choice=IndexChoice("ivf-sq8", 0.9)) as catalog:
        lit_shop.build(catalog)
    catalog, other = lit_shop.open(), lit_shop.open()
    for learn in (lambda: catalog.adapt(far=0.02), lambda: catalog.unlearn(adapter=True)):
        learn()
        other.refresh()
        opened = lit_shop.open()
        assert {c.index_kind for c in (catalog, other, opened)} == {"ivf-sq8"}
        assert opened.index_state == "loaded"
        assert opened.audit is not None
        assert opened.audit.wanted == 0.9
        assert opened.check(full=True).problems == ()


def test_a_map_does_not_stay_without_its_calibration(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    generation = catalog.adapt(far=0.02).generation
    with pytest.raises(GalleryError, match="`shitu adapt --off` takes both back"):
        catalog.unlearn(adapter=False)
    assert catalog.calibration() is not None
    assert catalog.gallery.head().generation == generation
    catalog.unlearn(adapter=True)
    assert catalog.unlearn(adapter=False).outcome == "was off"


def test_what_is_known_of_scores_without_a_map_stays_when_there_is_none(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    catalog.calibrate(far=0.02)
    assert catalog.unlearn(adapter=True).outcome == "was off"
    assert catalog.calibration() is not None
    catalog.adapt(far=0.02)
    catalog.migrate(FakeCropper(), max_loss=None)
    catalog.calibrate(far=0.05)
    off = catalog.unlearn(adapter=True)
    assert (off.outcome, off.reason.split(", ")[1]) == ("off", "and the calibration stays")
    assert catalog.gallery.setting("adapter") is None
    assert catalog.calibration() is not None
    assert catalog.unlearn(adapter=False).outcome == "off"
    assert catalog.calibration() is None


def test_a_map_that_comes_meanwhile_keeps_its_calibration(
    lit_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, other, write = lit_shop.open(), lit_shop.open(), Gallery.write
    catalog.calibrate(far=0.02)

    def interrupted(self: Gallery, operation: str) -> Any:
        monkeypatch.setattr(Gallery, "write", write)
        other.adapt(far=0.02)
        return write(self, operation)

    monkeypatch.setattr(Gallery, "write", interrupted)
    with pytest.raises(GalleryError, match="`shitu adapt --off` takes both back"):
        catalog.unlearn(adapter=False)
    catalog.refresh()
    assert catalog.calibration() is not None


def test_a_map_that_stays_where_no_new_one_helps_is_said_to(
    lit_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = lit_shop.open()
    monkeypatch.setattr("shitu.adapter.choosing._SURE", 1e9)
    monkeypatch.setattr("shitu.adapter.choosing._SURE_BY_RANKS", 1e9)
    told = catalog.adapt(far=0.02)
    assert told.choice is not None
    assert any(trial.gain > 0 for trial in told.choice.trials), "but may be chance"
    assert told.reason.endswith("surely helps the items that there are without hurting new ones")
    monkeypatch.undo()
    catalog.adapt(far=0.02)
    monkeypatch.setattr("shitu.adapter.choosing._SURE", 1e9)
    monkeypatch.setattr("shitu.adapter.choosing._SURE_BY_RANKS", 1e9)
    told = catalog.adapt(far=0.02)
    assert told.outcome == "nothing to gain"
    assert told.reason.endswith("; the map in use stays, `shitu adapt --off` goes without")
    assert catalog.gallery.setting("adapter") is not None


def test_what_is_added_later_is_mapped_too(lit_shop: Shop, tmp_path: Path) -> None:
    catalog = lit_shop.open()
    catalog.adapt(far=0.02)
    new = tmp_path / "new.png"
    save_image(new, _photo(77, 0))
    added = catalog.add([new], "new")
    found = catalog.search(colours(_photo(77, 0))[None], 1)
    assert found.scores[0, 0] == pytest.approx(1.0, abs=1e-5)
    number = int(found.reference_ids[0, 0])
    assert catalog.references([number])[number].label == "new"
    assert added is not None
    assert catalog.check(full=True).problems == ()


def test_a_misplaced_picture_is_found_through_the_map(lit_shop: Shop, tmp_path: Path) -> None:
    catalog = lit_shop.open()
    catalog.adapt(far=0.02)
    save_image(tmp_path / "wrong.png", _photo(4, 50))
    (wrong,) = catalog.add([tmp_path / "wrong.png"], "10").reference_ids
    subject = read_subject(catalog.gallery, catalog.resembling, catalog.compared, None)
    assert [subject.references[place].reference_id for place in find_strays(subject)] == [wrong]


@pytest.mark.parametrize("command", ["adapt", "calibrate"])
def test_half_as_many_items_more_outgrow_a_calibration(
    lit_shop: Shop, tmp_path: Path, command: str
) -> None:
    catalog = lit_shop.open()
    assert catalog.outgrown is None
    getattr(catalog, command)(far=0.02)
    new = tmp_path / "new.png"
    for item in range(100, 100 + ITEMS // 2):
        assert catalog.outgrown is None
        save_image(new, _photo(item, 0))
        catalog.add([new], f"{item}")
    assert f"calibrated with {ITEMS} items" in str(catalog.outgrown)
    assert f"`shitu {command} --far 0.02`" in str(catalog.outgrown)
    assert getattr(catalog, command)(far=0.02).measured is not None
    assert catalog.outgrown is None


@pytest.mark.parametrize("kept", ["", "{}", "[1]", '{"space": "colours", "map": "AAAA"}'])
def test_what_was_learnt_and_cannot_be_read_is_said_to_be_damaged(
    lit_shop: Shop, kept: str
) -> None:
    catalog = lit_shop.open()
    with catalog.gallery.write("calibrate") as transaction:
        transaction.set_setting("calibration", kept, "nothing")
    said = "of the gallery cannot be read: it is damaged, or of a newer version of shitu"
    with pytest.raises(GalleryError, match=f"^the calibration {said}"):
        lit_shop.open().calibration()
    (problem,) = lit_shop.open().check().problems
    assert problem.startswith(f"the calibration {said}")
    lit_shop.open().calibrate(far=0.02)
    assert lit_shop.open().check().problems == ()
    assert lit_shop.open().calibration() is not None
    with catalog.gallery.write("adapt") as transaction:
        transaction.set_setting("adapter", kept, "nothing")
    with pytest.raises(GalleryError, match=f"^the map {said}"):
        lit_shop.open()


@pytest.mark.parametrize("damage", ["torn", "gone"])
def test_a_damaged_index_is_made_anew_through_the_map(lit_shop: Shop, damage: str) -> None:
    catalog = lit_shop.open()
    catalog.adapt(far=0.02)
    wanted = _named(catalog)
    file = lit_shop.index / MANIFEST
    file.write_bytes(file.read_bytes()[:50]) if damage == "torn" else file.unlink()
    again = lit_shop.open()
    assert again.index_state.startswith("rebuilt")
    assert _named(again) == wanted
    assert again.check().problems == ()


def test_a_dry_run_changes_nothing(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    head = catalog.gallery.head()
    assert catalog.adapt(far=0.02, dry_run=True).outcome == "dry run"
    assert catalog.calibrate(far=0.02, dry_run=True).outcome == "dry run"
    assert catalog.gallery.head() == head


def test_a_dry_run_needs_no_right_to_write(lit_shop: Shop) -> None:
    catalog = lit_shop.open(read_only=True)
    assert catalog.adapt(far=0.02, dry_run=True).outcome == "dry run"
    assert catalog.calibrate(far=0.02, dry_run=True).outcome == "dry run"
    assert catalog.unlearn(adapter=True, dry_run=True).outcome == "was off"
    with pytest.raises(GalleryError, match="open for reading only"):
        catalog.calibrate(far=0.02)


def test_history_tells_and_undo_says_what_to_do_instead(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    catalog.adapt(far=0.02)
    last = catalog.events()[-1]
    assert last.operation == "adapt"
    assert "adapted by" in last.sentence
    assert "calibrated for 2.00% false accepts" in last.sentence
    with pytest.raises(GalleryError, match="`shitu adapt --off`"):
        catalog.undo()


def test_undoing_a_calibration_names_what_is_not_refused_in_an_adapted_gallery(
    lit_shop: Shop,
) -> None:
    catalog = lit_shop.open()
    catalog.adapt(far=0.02)
    catalog.calibrate(far=0.05)
    with pytest.raises(GalleryError, match="in an adapted gallery `shitu adapt --off`, goes with"):
        catalog.undo()
    with pytest.raises(GalleryError, match="`shitu adapt --off` takes both back"):
        catalog.unlearn(adapter=False)


def test_going_back_leaves_the_map_in_use(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    generation = catalog.gallery.head().generation
    catalog.adapt(far=0.02)
    wanted = _named(catalog)
    catalog.remove(label="03")
    assert catalog.go_back(generation).stays == ("map", "calibration")
    assert catalog.go_back(generation).what == "nothing is to be undone"
    assert _named(catalog) == wanted
    assert catalog.check().problems == ()


def test_another_weight_of_prototypes_than_was_learnt_with_is_said(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    catalog.calibrate(far=0.02)
    known = catalog.calibration()
    assert Decider(Rule(0.5), known).note is None
    plain = Rule(0.5, prototype_weight=0.0)
    said = "calibrated with prototype_weight 1: with 0 confidences are not true; calibrate again"
    assert Decider(plain, known).note == said
    assert Decider(replace(plain, by_score=True), known).note is None


def test_too_few_references_are_not_adapted(tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    summary = catalog.adapt()
    assert summary.outcome == "too little"
    assert catalog.gallery.setting("adapter") is None
    assert catalog.calibrate().outcome == "too little"
    assert catalog.calibration() is None


def test_a_small_gallery_is_lent_strangers(lit_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = lit_shop.open()
    for item in range(ITEMS - 12):
        catalog.remove(label=f"{item:02}")
    assert catalog.calibrate().outcome == "too little"  # no background of these colours
    others = np.stack([colours(_photo(item, 0)) for item in range(500, 700)])
    monkeypatch.setattr(asking, "background", lambda space: others)
    told = catalog.calibrate()
    assert told.outcome == "calibrated"
    assert told.measured is not None
    assert (told.measured.lent, told.measured.strangers) == (200, 12 * EACH + 200)


def test_without_a_calibration_there_is_no_map(lit_shop: Shop) -> None:
    """It changes the scale of all scores, so that the model's threshold would mean nothing."""
    catalog = lit_shop.open()
    summary = catalog.adapt(far=0.001)
    assert summary.outcome == "too little"
    assert "takes 1497 references" in summary.reason
    assert catalog.gallery.setting("adapter") is None


def test_calibrating_keeps_the_map_and_knows_its_scores(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    catalog.adapt(far=0.05)
    wanted = _named(catalog)
    strangers = _queries(range(500, 540))[0]
    assert catalog.calibrate(far=0.02, strangers=strangers).outcome == "calibrated"
    assert _named(catalog) == wanted
    calibration = catalog.calibration()
    assert calibration is not None
    assert calibration.far == 0.02
    assert calibration.report["strangers"] == ITEMS * EACH + len(strangers)


@pytest.mark.parametrize("adapted", [False, True])
def test_a_calibration_never_takes_the_place_of_another_maps(
    lit_shop: Shop, monkeypatch: pytest.MonkeyPatch, adapted: bool
) -> None:
    catalog, other, calibrated = lit_shop.open(), lit_shop.open(), adapting._calibrated
    if adapted:
        catalog.adapt(far=0.02)

    def interrupted(*arguments: Any) -> Any:
        found = calibrated(*arguments)
        monkeypatch.setattr(adapting, "_calibrated", calibrated)
        other.unlearn(adapter=True) if adapted else other.adapt(far=0.02)
        return found

    monkeypatch.setattr(adapting, "_calibrated", interrupted)
    with pytest.raises(GalleryError, match="meanwhile: nothing was learnt; try again"):
        catalog.calibrate(far=0.02)
    catalog.refresh()
    assert (catalog.calibration() is None) == adapted


def test_both_tell_how_far_they_are(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    for learn in (catalog.adapt, catalog.calibrate):
        told: list[tuple[int, int]] = []
        measured = learn(dry_run=True, progress=lambda *each, told=told: told.append(each)).measured
        assert measured is not None
        asked = measured.genuine + measured.strangers - measured.lent
        assert told[-1] == (asked, asked)


def test_a_map_of_another_model_is_as_good_as_none(lit_shop: Shop) -> None:
    catalog = lit_shop.open()
    catalog.adapt(far=0.02)
    catalog.migrate(FakeCropper(), max_loss=None)
    assert catalog.calibration() is None
    assert catalog.could_learn  # in this space nobody has tried
    assert catalog.search(np.eye(27, dtype=np.float32)[:1], 1).reference_ids[0, 0] > 0
    assert catalog.check().problems == ()
    catalog.migrate(FakeDescriber(), max_loss=None)
    assert catalog.calibration() is not None
    assert _named(catalog) > 0.5


def test_a_map_does_not_come_back_without_its_calibration(lit_shop: Shop) -> None:
    """What was learnt in between took its place, and the model's threshold is not about it."""
    catalog = lit_shop.open()
    before = _named(catalog)
    catalog.adapt(far=0.02)
    assert catalog.migrate(FakeCropper(), max_loss=None).left == ("map", "calibration")
    assert catalog.calibrate(far=0.05).outcome == "calibrated"
    back = catalog.migrate(FakeDescriber(), max_loss=None)
    assert back.left == ("calibration",)
    assert catalog.gallery.setting("adapter") is None
    assert catalog.calibration() is None
    assert _named(catalog) == before
    assert catalog.check().problems == ()
    assert catalog.migrate(FakeCropper(), max_loss=None).left == ()
    assert catalog.calibration() is not None
