"""Confirming and rejecting what was recognised, with colours in place of networks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from answering import answer, ask, between, logged, save
from fakes import FakeCropper, paint

from shitu.catalog import Catalog
from shitu.catalog.rejections import NEAR, radius_of
from shitu.config import LEAD
from shitu.errors import DuplicateReference, GalleryError, ItemNotFound

if TYPE_CHECKING:
    from conftest import Shop


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    return catalog


STRANGER = between(3, 4, 0.4)  # takes after the coffee
ALIKE = between(3, 4, 0.42)  # nearly the same picture


def test_a_log_is_no_change_of_the_gallery(catalog: Catalog, tea_shop: Shop) -> None:
    reader = tea_shop.open()
    before = catalog.gallery.head()
    number = logged(catalog, STRANGER)
    assert catalog.gallery.head() == before
    assert not reader.refresh()
    kept = reader.recognition(number).seen
    assert (kept.label, kept.matches[0].label) == ("coffee", "coffee")
    assert kept.matches[0].score == ask(catalog, STRANGER).objects[0].score
    assert catalog.check().problems == ()


@pytest.mark.parametrize("act", ["confirm", "reject"])
@pytest.mark.parametrize("merged", [True, False])
def test_an_answer_is_about_the_item_that_another_renames_or_merges_meanwhile(
    catalog: Catalog, tea_shop: Shop, monkeypatch: pytest.MonkeyPatch, act: str, merged: bool
) -> None:
    number, other, write = logged(catalog, STRANGER), tea_shop.open(), catalog.gallery.write

    def write_later(operation: str) -> Any:
        if merged:
            other.merge(["coffee"], into="tea")
        else:
            other.relabel("coffee", "espresso")
        return write(operation)

    monkeypatch.setattr(catalog.gallery, "write", write_later)
    done = catalog.confirm(number) if act == "confirm" else catalog.reject(number)
    assert done.label == ("tea" if merged else "espresso")
    assert [item.label for item in catalog.items()] == (["tea"] if merged else ["espresso", "tea"])
    assert catalog.check().problems == ()


def test_nothing_is_logged_unless_asked_for(catalog: Catalog) -> None:
    assert ask(catalog, STRANGER).objects[0].recognition_id is None
    assert catalog.unanswered() == []


def test_confirmed_is_a_reference(catalog: Catalog, tea_shop: Shop) -> None:
    described = tea_shop.describer.described
    number = logged(catalog, STRANGER)
    done = catalog.confirm(number)
    assert (done.label, done.already) == ("coffee", False)
    assert tea_shop.describer.described == described, "the logged vector is used again"
    assert ask(catalog, STRANGER).objects[0].score == pytest.approx(1)
    assert done.path.parent == tea_shop.photos / "coffee"
    assert done.path.exists()
    assert catalog.unanswered() == []
    assert f"confirmed recognition {number}" in catalog.events()[-1].sentence
    again = tea_shop.build(catalog)
    assert (again.added, again.unchanged) == (0, 4), "a build knows the picture"
    assert catalog.check(full=True).problems == ()


def test_confirming_twice_is_a_no_op_that_says_so(catalog: Catalog) -> None:
    number = logged(catalog, STRANGER)
    first = catalog.confirm(number)
    head = catalog.gallery.head()
    second = catalog.confirm(number)
    assert (second.already, second.reference_id) == (True, first.reference_id)
    assert catalog.gallery.head() == head
    with pytest.raises(
        DuplicateReference, match=f"is reference {first.reference_id} of 'coffee' already"
    ):
        catalog.confirm(number, "tea")
    # Another recognition of the same photo was not confirmed itself.
    again = logged(catalog, STRANGER)
    with pytest.raises(DuplicateReference, match=f"picture of recognition {again} is reference"):
        catalog.confirm(again, "tea")


def test_confirmed_as_a_new_item(catalog: Catalog) -> None:
    done = catalog.confirm(logged(catalog, STRANGER), "cocoa")
    assert answer(catalog, ALIKE) == "cocoa"
    assert done.item_id == catalog.gallery.item(label="cocoa").item_id


def test_undoing_a_confirmation_asks_again(catalog: Catalog) -> None:
    number = logged(catalog, STRANGER)
    done = catalog.confirm(number, "cocoa")
    undone = catalog.undo()
    assert undone.removed == (done.reference_id,)
    assert not done.path.exists(), "it was put aside"
    assert [one.recognition_id for one in catalog.unanswered()] == [number]
    assert catalog.confirm(number, "cocoa").already is False


def test_a_match_follows_its_item(catalog: Catalog) -> None:
    number = logged(catalog, STRANGER)
    catalog.relabel("coffee", "espresso")
    assert catalog.confirm(number).label == "espresso"


def test_a_match_follows_an_item_that_was_merged(catalog: Catalog) -> None:
    first, second = logged(catalog, STRANGER), logged(catalog, between(3, 4, 0.2))
    catalog.merge(["coffee"], "tea")
    assert catalog.confirm(first).label == "tea"
    assert catalog.reject(second).label == "tea"
    catalog.go_back(1)
    assert catalog.confirm(first).label == "coffee"


def test_what_waits_is_called_as_its_items_are_now(catalog: Catalog) -> None:
    number = logged(catalog, STRANGER)
    catalog.relabel("coffee", "cocoa")
    catalog.relabel("tea", "coffee")
    for one in (*catalog.unanswered(), catalog.recognition(number)):
        assert (one.seen.label, one.seen.matches[0].label) == ("coffee", "cocoa")
    assert catalog.confirm(number).label == "cocoa"


def test_what_cannot_be_confirmed_says_why(catalog: Catalog) -> None:
    with pytest.raises(ItemNotFound, match="no recognition 99"):
        catalog.confirm(99)
    number = logged(catalog, STRANGER)
    catalog.remove(label="coffee")
    with pytest.raises(ItemNotFound, match=r"'coffee'.*is gone.*--label"):
        catalog.confirm(number)


def test_a_rejected_match_does_not_come_back(catalog: Catalog) -> None:
    catalog.reject(logged(catalog, STRANGER))
    for image in (STRANGER, ALIKE):
        found = ask(catalog, image)
        [item] = found.objects
        assert item.label != "coffee"
        assert "coffee" not in [match.label for match in item.matches]
        assert item.matches, "the next item moves up"
        assert [(one.label, one.score is not None) for one in item.rejected] == [("coffee", True)]
        assert any("'coffee'" in note and "rejected on" in note for note in found.notes)
    assert answer(catalog, paint(3)) == "coffee", "a photo of the item is not silenced"
    assert answer(catalog, between(3, 4, 0.05)) == "coffee"
    assert "'coffee' is no answer" in catalog.events()[-1].sentence
    assert catalog.check().problems == ()


def test_an_item_that_moves_up_may_be_rejected_itself(catalog: Catalog, tea_shop: Shop) -> None:
    # More pictures of coffee than are looked at: only without them does cocoa come into sight.
    near = [between(4, 6, 0.1 + step / 1000) for step in range(60)]
    paths = [save(tea_shop.photos / f"more/{i}.png", image) for i, image in enumerate(near)]
    catalog.add(paths, "coffee")
    catalog.add([save(tea_shop.photos / "more/cocoa.png", between(4, 7, 0.4))], "cocoa")
    catalog.reject(logged(catalog, paint(4)), "coffee")
    catalog.reject(logged(catalog, between(4, 5, 0.3)), "cocoa")
    [item] = ask(catalog, paint(4)).objects
    assert [match.label for match in item.matches] == ["tea"]
    assert {one.label for one in item.rejected} == {"coffee", "cocoa"}


def test_rejecting_twice_is_a_no_op_that_says_so(catalog: Catalog) -> None:
    number = logged(catalog, STRANGER)
    first = catalog.reject(number)
    head = catalog.gallery.head()
    second = catalog.reject(number)
    assert (second.already, second.rejection_id) == (True, first.rejection_id)
    assert catalog.gallery.head() == head
    assert catalog.unanswered() == []


def test_other_processes_see_a_rejection_with_their_next_picture(
    catalog: Catalog, tea_shop: Shop
) -> None:
    reader = tea_shop.open()
    assert answer(reader, STRANGER) == "coffee"
    catalog.reject(logged(catalog, STRANGER))
    assert answer(reader, STRANGER) is None
    catalog.undo()
    assert answer(reader, STRANGER) == "coffee"


def test_an_undone_rejection_can_be_had_again(catalog: Catalog) -> None:
    catalog.reject(logged(catalog, STRANGER))
    catalog.undo()
    assert answer(catalog, STRANGER) == "coffee"
    catalog.undo()
    assert answer(catalog, STRANGER) is None
    catalog.go_back(1)
    assert catalog.rejections() == []
    assert catalog.check().problems == ()


def test_a_rejection_follows_a_merge_and_a_removal(catalog: Catalog) -> None:
    catalog.reject(logged(catalog, STRANGER))
    catalog.merge(["coffee"], "tea")
    assert catalog.rejections()[0].label == "tea"
    assert answer(catalog, STRANGER) is None
    catalog.undo()
    assert catalog.rejections()[0].label == "coffee"
    catalog.remove(label="coffee")
    assert answer(catalog, STRANGER) is None
    catalog.undo()
    assert answer(catalog, STRANGER) is None, "the item is back, and so is what was said of it"
    assert catalog.check().problems == ()


def test_a_confirmation_takes_back_what_says_the_opposite(catalog: Catalog) -> None:
    number = logged(catalog, STRANGER)
    rejected = catalog.reject(number)
    done = catalog.confirm(number, "coffee")
    assert done.taken_back == (rejected.rejection_id,)
    assert answer(catalog, STRANGER) == "coffee"


def test_it_takes_back_what_was_said_of_the_same_photo_logged_before(catalog: Catalog) -> None:
    rejected = catalog.reject(logged(catalog, STRANGER))
    done = catalog.confirm(logged(catalog, STRANGER), "coffee")
    assert done.taken_back == (rejected.rejection_id,)
    assert answer(catalog, STRANGER) == "coffee"


def test_a_rejected_photo_that_becomes_a_reference_is_what_it_is(
    catalog: Catalog, tea_shop: Shop
) -> None:
    catalog.reject(logged(catalog, STRANGER))
    catalog.add([save(tea_shop.photos / "more/1.png", STRANGER)], "coffee")
    assert answer(catalog, STRANGER) == "coffee"
    catalog.reject(logged(catalog, STRANGER))
    assert answer(catalog, STRANGER) != "coffee", "it was a reference when it was rejected"


def test_what_was_confirmed_is_not_rejected_while_it_is_a_reference(catalog: Catalog) -> None:
    number = logged(catalog, STRANGER)
    done = catalog.confirm(number, "coffee")
    with pytest.raises(DuplicateReference, match=f"is reference {done.reference_id} of 'coffee'"):
        catalog.reject(number, "coffee")
    assert catalog.rejections() == []
    assert catalog.reject(number, "tea").already is False
    catalog.remove(reference_id=done.reference_id)
    assert catalog.reject(number, "coffee").already is False


def test_a_new_photo_of_the_item_wins_over_an_old_rejection(
    catalog: Catalog, tea_shop: Shop
) -> None:
    catalog.reject(logged(catalog, STRANGER))
    other = logged(catalog, between(3, 4, 0.35))
    catalog.confirm(other, "coffee")
    assert answer(catalog, between(3, 4, 0.35)) == "coffee"
    assert answer(catalog, STRANGER) is None


@pytest.mark.parametrize(
    ("score", "radius", "reason"),
    [
        (0.3, NEAR, "far from the item: all that is nearly the same picture"),
        (0.95, 0.95, "like the item: only what resembles it at least as much"),
        (1.0, 0.99, "the item itself: only the same picture, saved again"),
    ],
)
def test_the_neighbourhood_ends_where_the_item_begins(
    score: float, radius: float, reason: str
) -> None:
    vector = np.array([1, 0], np.float32)
    reference = np.array([[score, np.sqrt(1 - score**2)]], np.float32)
    assert radius_of(vector, reference) == pytest.approx(radius), reason


def test_a_rejection_goes_along_to_another_model(catalog: Catalog, tea_shop: Shop) -> None:
    catalog.reject(logged(catalog, STRANGER))
    catalog.migrate(FakeCropper(), max_loss=None)
    [rejection] = catalog.rejections()
    assert rejection.vector is not None
    assert rejection.vector.shape == (27,)
    assert catalog.check().problems == ()


def test_what_came_since_a_rejection_is_known_in_another_model(
    catalog: Catalog, tea_shop: Shop
) -> None:
    path = save(tea_shop.photos / "more/1.png", STRANGER)
    catalog.reject(logged(catalog, STRANGER))
    height, width = STRANGER.shape[:2]
    catalog.add([path], "coffee", box=(0, 0, width, height))
    catalog.reject(logged(catalog, STRANGER))
    catalog.migrate(FakeCropper(), max_loss=None)
    before, since = (one.radius for one in catalog.rejections())
    assert before < since, "the first was no reference when it was rejected"


def test_a_log_of_another_model_is_embedded_anew(catalog: Catalog) -> None:
    number = logged(catalog, STRANGER)
    other = FakeCropper()
    catalog.migrate(other, max_loss=None)
    described = other.described
    done = catalog.confirm(number)
    assert other.described == described + 1
    assert catalog.check(full=True).problems == ()
    assert done.reference_id in {one.reference_id for one in catalog.all_references()}


def test_who_may_only_read_cannot_log(catalog: Catalog, tea_shop: Shop) -> None:
    reader = tea_shop.open(read_only=True, create=False)
    with pytest.raises(GalleryError, match="reading only"):
        logged(reader, STRANGER)


def test_many_may_log_while_another_writes(catalog: Catalog, tea_shop: Shop) -> None:
    def look(_: int) -> list[int]:
        with tea_shop.open() as mine:
            return [logged(mine, STRANGER) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(look, number) for number in range(4)]
        for seed in range(30, 34):
            catalog.add([tea_shop.paint(f"more/{seed}.png", seed)], "more")
        ids = [number for each in looking for number in each.result()]
    assert len(set(ids)) == 16
    assert len(catalog.unanswered()) == 16
    assert [change.generation for change in catalog.history()] == list(range(1, 6))


def test_old_vectors_of_rejections_are_dropped_with_their_model(catalog: Catalog) -> None:
    catalog.reject(logged(catalog, STRANGER))
    catalog.migrate(FakeCropper(), max_loss=None)
    assert len(catalog.drop_unused_spaces()) == 1
    assert catalog.check().problems == ()


def test_a_cleared_log_is_gone(catalog: Catalog) -> None:
    logged(catalog, STRANGER)
    assert catalog.clear_log("2020-01-01") == 0
    with pytest.raises(GalleryError, match="give a date"):
        catalog.clear_log("12")
    assert catalog.clear_log() == 1
    assert catalog.unanswered() == []


def test_compaction_forgets_what_was_taken_back(catalog: Catalog) -> None:
    catalog.reject(logged(catalog, STRANGER))
    catalog.undo()
    catalog.compact(catalog.gallery.head().generation + 1)
    with pytest.raises(GalleryError, match="forgotten by `shitu compact`"):
        catalog.undo(catalog.gallery.head().generation - 1)
    assert catalog.check().problems == ()


def test_the_most_ambiguous_comes_first(catalog: Catalog) -> None:
    clear, doubtful = logged(catalog, paint(1)), logged(catalog, between(3, 4, 0.55))
    assert [one.recognition_id for one in catalog.unanswered()] == [doubtful, clear]
    assert [one.recognition_id for one in catalog.unanswered(1)] == [doubtful]


def test_an_answer_that_another_picture_is_nearer_than_is_the_most_ambiguous(
    catalog: Catalog,
) -> None:
    seen = catalog.recognition(logged(catalog, paint(1))).seen
    margins = (0.2, 0.01, 0.0, -0.2)
    ambiguities = [replace(seen, margin=margin).ambiguity for margin in margins]
    assert ambiguities == sorted(ambiguities)
    assert ambiguities[-2:] == [1.0, 1.0]


def test_what_two_items_tie_for_is_unknown_and_the_most_ambiguous(catalog: Catalog) -> None:
    mixed = [between(1, 3, share / 100) for share in range(40, 60)]
    tie = next(image for image in mixed if answer(catalog, image) is None)
    named, tied = logged(catalog, between(1, 3, 0.3)), logged(catalog, tie)
    first, second = catalog.unanswered()
    assert (first.recognition_id, second.recognition_id) == (tied, named)
    assert first.seen.matches[0].score > first.seen.threshold
    assert first.seen.ambiguity == 1.0
    assert (first.seen.decided_by, second.seen.decided_by) == ("lead", "score")
    assert first.seen.lead is not None
    assert second.seen.lead is not None
    assert first.seen.lead < LEAD <= second.seen.lead
