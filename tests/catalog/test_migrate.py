"""From one space to another: embed beside the old, compare, switch in one commit, go back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes import FakeCropper, FakeDescriber, colours, paint
from sqlalchemy import delete, select

from shitu.catalog import Catalog
from shitu.catalog.migration import Absent, drop_unused, previous_space
from shitu.describer import Description
from shitu.errors import GalleryError, ModelError, SpaceMismatch
from shitu.gallery import Space
from shitu.gallery.tables import meta, thumbnails
from shitu.images import load_image, save_image
from shitu.index.kinds import IndexChoice

if TYPE_CHECKING:
    from conftest import Shop

CORNER = (0.0, 0.0, 12.0, 12.0)
TEAS = ("green", "black", "white")


class Blind(FakeDescriber):
    """A model to which every picture of one kind looks like one of another."""

    def describe(self, images: Sequence[Any], boxes: Any = None) -> list[Description]:
        found = super().describe(images, boxes)
        draw = [np.random.default_rng(int(image.sum())).normal(size=48) for image in images]
        unit = [(row / np.linalg.norm(row)).astype(np.float32) for row in draw]
        return [Description(one.box, row) for one, row in zip(found, unit, strict=True)]


def paint_alike(path: Path, seed: int, number: int) -> Path:
    """A picture that differs a little from others of that seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(-9, 10, (16, 16, 3))
    save_image(path, np.clip(paint(seed) + noise, 0, 255).astype(np.uint8))
    return path


@pytest.fixture
def teas(shop: Shop) -> Shop:
    """Three teas with three pictures each, built; one of a single picture with a box given."""
    for seed, tea in enumerate(TEAS):
        for number in range(3):
            paint_alike(shop.photos / tea / f"{number}.png", seed, 10 * seed + number)
    with shop.open() as catalog:
        shop.build(catalog)
        catalog.add([paint_alike(shop.photos.parent / "one.png", 50, 0)], "one", box=(0, 0, 8, 8))
    return shop


def plain(shop: Shop) -> Catalog:
    """The catalog without a model, whatever space it is in."""
    catalog = Catalog.open(shop.index, url=shop.url)
    shop._closing.enter_context(catalog)
    return catalog


def boxes(catalog: Catalog) -> set[Any]:
    return {reference.box for reference in catalog.all_references()}


def test_everything_is_embedded_compared_and_switched(teas: Shop) -> None:
    catalog, new = plain(teas), FakeCropper()
    summary = catalog.migrate(new)
    assert (summary.outcome, summary.references, summary.embedded) == ("switched", 10, 10)
    assert (summary.before, summary.after) == ("colours", "corners")
    comparison = summary.comparison
    assert comparison is not None
    assert (comparison.queries, comparison.answerable) == (10, 9)
    assert (comparison.recall_before, comparison.recall_after) == (1.0, 1.0)
    assert comparison.agreement is not None
    assert comparison.agreement >= 0.9
    assert catalog.space == new.space
    assert catalog.check().problems == ()
    assert boxes(catalog) == {CORNER, (0, 0, 8, 8)}  # one was given by a person


def test_two_versions_of_a_model_are_told_apart(teas: Shop) -> None:
    catalog, updated = plain(teas), FakeDescriber()
    updated.space = Space("0a1b2c3d4e", 48, {"name": "colours"})
    summary = catalog.migrate(updated)
    told = ("colours, space colours", "colours, space 0a1b2c3d")
    assert (summary.before, summary.after) == told
    assert f"went over from {told[0]} to {told[1]}" in catalog.events()[-1].sentence


def test_thumbnails_follow_the_crops_and_come_back(teas: Shop) -> None:
    catalog = plain(teas)
    before = [catalog.thumbnail(r.reference_id) for r in catalog.all_references()]
    catalog.migrate(FakeCropper())
    after = [catalog.thumbnail(r.reference_id) for r in catalog.all_references()]
    shapes = [load_image(jpeg).shape[0] for jpeg in after]
    assert shapes == [12] * 9 + [8]
    catalog.migrate(teas.describer)
    assert [catalog.thumbnail(r.reference_id) for r in catalog.all_references()] == before
    assert boxes(catalog) == {None, (0, 0, 8, 8)}


def test_a_switch_is_one_entry_of_the_log(teas: Shop) -> None:
    catalog = plain(teas)
    generation = catalog.gallery.head().generation
    catalog.migrate(FakeCropper(), batch_size=2)
    (change,) = catalog.history(since=generation)
    assert change.operation == "migrate"
    assert change.before["space"][0]["fingerprint"] == "colours"
    assert change.after["space"][0]["fingerprint"] == "corners"
    assert len(change.before["boxes"]) == 9


def test_a_dry_run_keeps_its_vectors_and_switches_nothing(teas: Shop) -> None:
    catalog, new = plain(teas), FakeCropper()
    summary = catalog.migrate(new, dry_run=True)
    assert (summary.outcome, summary.embedded) == ("dry run", 10)
    assert catalog.gallery.active_space() == teas.describer.space
    assert boxes(catalog) == {None, (0, 0, 8, 8)}
    assert catalog.check().problems == ()
    assert catalog.migrate(new).embedded == 0
    assert new.described == 10


def test_what_was_interrupted_goes_on(teas: Shop) -> None:
    class Tired(FakeCropper):
        def describe(self, images: Any, boxes: Any = None) -> list[Description]:
            if self.described >= 6:
                raise KeyboardInterrupt
            return super().describe(images, boxes)

    catalog, new = plain(teas), FakeCropper()
    with pytest.raises(KeyboardInterrupt):
        catalog.migrate(Tired(), batch_size=2)
    assert catalog.check().problems == ()
    assert (catalog.migrate(new).outcome, new.described) == ("switched", 4)


def test_a_model_that_finds_less_is_refused_unless_told(teas: Shop) -> None:
    catalog, blind = plain(teas), Blind("blind")
    summary = catalog.migrate(blind)
    assert summary.outcome == "refused"
    assert "recall@1 would fall from 1.000" in summary.reason
    assert catalog.gallery.active_space() == teas.describer.space
    assert catalog.migrate(blind, max_loss=None).outcome == "switched"


def test_missing_and_changed_pictures_stop_it_and_are_named(teas: Shop) -> None:
    catalog, new = plain(teas), FakeCropper()
    (teas.photos / "green" / "0.png").rename(teas.photos / "away.png")
    teas.paint("black/0.png", 99)
    summary = catalog.migrate(new)
    assert summary.outcome == "refused"
    assert "--allow-missing" in summary.reason
    assert {skipped.path.parent.name for skipped in summary.missing} == {"green", "black"}
    assert (summary.embedded, new.described) == (8, 8)
    # The thumbnails do in their place; once a picture is back, it does better.
    dry = catalog.migrate(new, allow_missing=True, dry_run=True)
    assert (dry.makeshift, dry.embedded) == (2, 0)
    (teas.photos / "away.png").rename(teas.photos / "green" / "0.png")
    last = catalog.migrate(new, allow_missing=True)
    assert (last.outcome, last.makeshift, last.embedded) == ("switched", 1, 1)
    assert catalog.check().problems == ()


def test_what_others_add_and_remove_meanwhile_is_caught_up(teas: Shop) -> None:
    other = teas.open()

    class Busy(FakeCropper):
        def describe(self, images: Any, boxes: Any = None) -> list[Description]:
            if self.described == 4:
                other.remove(label="white")
            if self.described == 6:
                other.add([teas.paint("cocoa/1.png", 77)], "cocoa")
            return super().describe(images, boxes)

    catalog = plain(teas)
    assert catalog.migrate(Busy(), batch_size=2).outcome == "switched"
    assert catalog.check().problems == ()
    assert {item.label for item in catalog.items()} == {"green", "black", "one", "cocoa"}
    assert catalog.count == 8


def test_added_between_the_report_and_the_switch(
    teas: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shitu.catalog import migration

    compare, other = migration.compare_spaces, teas.open()

    def slowly(*arguments: Any) -> Any:
        other.add([teas.paint("cocoa/1.png", 77)], "cocoa")
        return compare(*arguments)

    monkeypatch.setattr(migration, "compare_spaces", slowly)
    catalog = plain(teas)
    summary = catalog.migrate(FakeCropper())
    assert (summary.outcome, summary.embedded) == ("switched", 11)
    assert catalog.count == 11


def test_running_readers_and_writers_are_told_once_and_change_nothing(teas: Shop) -> None:
    reader, catalog = teas.open(), plain(teas)
    catalog.migrate(FakeCropper())
    with pytest.raises(SpaceMismatch, match="from colours to corners: restart with the new model"):
        reader.refresh()
    generation = catalog.gallery.head().generation
    late = teas.paint("cocoa/1.png", 77)
    for change in (
        lambda: reader.add([late], "cocoa"),
        lambda: reader.remove(label="green"),
        lambda: reader.relabel("green", "matcha"),
        lambda: teas.build(reader),
    ):
        with pytest.raises(SpaceMismatch, match="corners, not colours"):
            change()
    assert catalog.gallery.head().generation == generation
    with pytest.raises(SpaceMismatch, match=r"corners, not colours.*shitu migrate"):
        teas.open()


def test_a_build_that_is_overtaken_by_a_switch_adds_no_vector_of_the_old_space(teas: Shop) -> None:
    class Overtaken(FakeDescriber):
        def describe(self, images: Any, boxes: Any = None) -> list[Description]:
            found = super().describe(images, boxes)
            plain(teas).migrate(FakeCropper())
            return found

    teas.paint("cocoa/1.png", 77)
    with pytest.raises(SpaceMismatch, match="meanwhile, corners"):
        teas.build(teas.open(Overtaken()))
    assert plain(teas).check().problems == ()
    assert plain(teas).count == 10


def test_a_reader_that_slept_through_there_and_back(teas: Shop) -> None:
    reader, catalog = teas.open(), plain(teas)
    catalog.migrate(FakeCropper())
    catalog.add([teas.paint("cocoa/1.png", 77)], "cocoa")
    assert catalog.all_references()[-1].box == CORNER
    back = catalog.migrate(teas.describer, max_loss=None)
    assert (back.outcome, back.embedded) == ("switched", 1)  # only what was added since
    assert reader.refresh()
    assert reader.check().problems == ()
    assert reader.count == 11
    assert boxes(reader) == {None, (0, 0, 8, 8)}


def test_three_spaces_each_with_its_crops(teas: Shop) -> None:
    class Corner(FakeCropper):
        def describe(self, images: Any, boxes: Any = None) -> list[Description]:
            given = boxes or [None] * len(images)
            return super().describe(images, [box or (4, 4, 16, 16) for box in given])

    catalog = plain(teas)
    whole, first, second = teas.describer, FakeCropper(), Corner("others")
    catalog.migrate(whole)
    catalog.migrate(first, dry_run=True)
    catalog.migrate(second, max_loss=None)
    assert boxes(catalog) == {(4, 4, 16, 16), (0, 0, 8, 8)}
    catalog.migrate(first, max_loss=None)
    assert boxes(catalog) == {CORNER, (0, 0, 8, 8)}
    for describer, box in ((whole, None), (second, (4, 4, 16, 16)), (whole, None)):
        assert catalog.migrate(describer, max_loss=None).embedded == 0
        assert boxes(catalog) == {box, (0, 0, 8, 8)}
        assert catalog.check().problems == ()


def test_the_way_back_needs_no_model_if_nothing_was_added(teas: Shop) -> None:
    catalog = plain(teas)
    with pytest.raises(GalleryError, match="never been migrated"):
        previous_space(catalog.gallery)
    catalog.migrate(FakeCropper())
    space = previous_space(catalog.gallery)
    assert space == teas.describer.space
    assert catalog.migrate(Absent(space), max_loss=None).outcome == "switched"
    catalog.migrate(FakeCropper())
    catalog.add([teas.paint("cocoa/1.png", 77)], "cocoa")
    with pytest.raises(ModelError, match="colours, which is not installed"):
        catalog.migrate(Absent(space), max_loss=None)
    assert catalog.gallery.active_space() == FakeCropper().space


def test_dropping_the_old_space_closes_the_way_back(teas: Shop) -> None:
    catalog = plain(teas)
    catalog.migrate(FakeCropper())
    assert [space.called for space in drop_unused(catalog.gallery)] == ["colours"]
    assert drop_unused(catalog.gallery) == []
    with pytest.raises(GalleryError, match=r"colours were dropped.*shitu migrate --model"):
        previous_space(catalog.gallery)
    assert catalog.check().problems == ()
    again = catalog.migrate(teas.describer)
    assert (again.outcome, again.embedded) == ("switched", 10)


def test_migrating_to_the_space_in_use_and_from_nothing(teas: Shop, tmp_path: Path) -> None:
    assert plain(teas).migrate(teas.describer).outcome == "in use already"
    empty = Catalog.open(tmp_path / "empty", create=True)
    with pytest.raises(GalleryError, match="build-index"):
        empty.migrate(FakeCropper())
    empty.close()


def test_a_catalog_open_for_reading_refuses(teas: Shop) -> None:
    with (
        teas.open(read_only=True) as catalog,
        pytest.raises(GalleryError, match="for reading only"),
    ):
        catalog.migrate(FakeCropper())


@pytest.mark.parametrize("most", [100, 4])
def test_large_galleries_are_compared_by_blocks_and_by_a_sample(
    teas: Shop, monkeypatch: pytest.MonkeyPatch, most: int, names: Callable[[Catalog, int], str]
) -> None:
    from shitu.catalog import comparison

    monkeypatch.setattr(comparison, "_ROWS", 2)
    monkeypatch.setattr(comparison, "_COLUMNS", 3)
    catalog, new = plain(teas), FakeCropper()
    catalog.migrate(new, dry_run=True)
    found = comparison.compare_spaces(catalog.gallery, teas.describer.space, new.space, most)
    assert found.queries == min(most, 10)
    assert (found.recall_before, found.recall_after) == (1.0, 1.0)


def test_nearest_others_are_those_of_the_plainest_code() -> None:
    from shitu.catalog import comparison

    vectors = np.random.default_rng(1).normal(size=(1100, 8)).astype(np.float32)
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    rows = np.array([0, 3, 599, 1099])
    assert (comparison.nearest_others(vectors, rows) == scores.argmax(axis=1)[rows]).all()


# --- what the log does across a switch -------------------------------------------------


def test_a_migration_is_not_undone_but_gone_back_from(teas: Shop) -> None:
    catalog = plain(teas)
    generation = catalog.migrate(FakeCropper()).generation
    with pytest.raises(GalleryError, match="shitu migrate --back"):
        catalog.undo(generation)


def test_what_was_removed_before_a_switch_comes_back_as_the_new_space_sees_it(teas: Shop) -> None:
    catalog, new = plain(teas), FakeCropper()
    catalog.migrate(new, dry_run=True)
    catalog.remove(label="green")
    catalog.migrate(new)
    assert catalog.undo(catalog.gallery.head().generation - 1).generation
    assert catalog.count == 10
    assert boxes(catalog) == {CORNER, (0, 0, 8, 8)}
    shapes = {
        load_image(catalog.thumbnail(r.reference_id)).shape[0] for r in catalog.all_references()
    }
    assert shapes == {12, 8}
    assert catalog.check(full=True).problems == ()
    assert catalog.migrate(teas.describer).embedded == 0
    assert boxes(catalog) == {None, (0, 0, 8, 8)}
    assert catalog.check(full=True).problems == ()


def test_what_has_no_vector_in_the_new_space_does_not_come_back(teas: Shop) -> None:
    catalog = plain(teas)
    catalog.remove(label="green")
    catalog.migrate(FakeCropper())
    with pytest.raises(GalleryError):
        catalog.undo(catalog.gallery.head().generation - 1)
    assert catalog.count == 7


def test_going_back_to_a_generation_keeps_the_space_and_its_boxes(teas: Shop) -> None:
    catalog = plain(teas)
    start = catalog.gallery.head().generation
    catalog.merge(["green"], into="black")
    catalog.migrate(FakeCropper())
    assert catalog.go_back(start).stays == ("models",)
    assert {item.label: item.references for item in catalog.items()} == {
        **dict.fromkeys(TEAS, 3),
        "one": 1,
    }
    assert boxes(catalog) == {CORNER, (0, 0, 8, 8)}
    assert catalog.check(full=True).problems == ()


def test_the_past_is_never_searched_in_another_space(teas: Shop) -> None:
    reader, catalog = teas.open(), plain(teas)
    then = reader.as_of(1)
    catalog.migrate(FakeCropper())
    with pytest.raises(SpaceMismatch, match="from colours to corners"):
        then.search(colours(paint(1))[None], 1)
    assert catalog.as_of(1).search(colours(paint(1)[:12, :12], 3)[None], 1).scores[0, 0] > 0.9


def test_the_kind_of_the_index_stays(teas: Shop) -> None:
    with teas.open(choice=IndexChoice("hnsw", 0.9)) as catalog:
        catalog.add([teas.paint("cocoa/1.png", 77)], "cocoa")
        teas.build(catalog)
    catalog = plain(teas)
    kind = catalog._cache.index.kind if catalog._cache else ""
    catalog.migrate(FakeCropper())
    assert catalog._cache is not None
    assert catalog._cache.index.kind == kind == "hnsw"
    assert catalog.check(full=True).problems == ()


# --- references without thumbnails, as an imported index has them -----------------------


def forget_thumbnails(shop: Shop, label: str) -> None:
    catalog = plain(shop)
    numbers = [r.reference_id for r in catalog.all_references() if r.label == label]
    with catalog.gallery._begin() as connection:
        connection.execute(delete(thumbnails).where(thumbnails.c.reference_id.in_(numbers)))


def test_a_missing_picture_without_a_thumbnail_stops_it(teas: Shop) -> None:
    forget_thumbnails(teas, "green")
    (teas.photos / "green" / "0.png").unlink()
    (teas.photos / "black" / "0.png").unlink()
    summary = plain(teas).migrate(FakeCropper(), allow_missing=True)
    assert (summary.outcome, summary.makeshift) == ("refused", 1)
    assert [skipped.path.parent.name for skipped in summary.missing] == ["green"]
    assert "check the name, and there is no thumbnail" in summary.missing[0].reason
    assert "1 reference cannot be embedded" in summary.reason
    assert "--allow-missing" not in summary.reason


def test_a_switch_brings_thumbnails_where_there_were_none(teas: Shop) -> None:
    forget_thumbnails(teas, "green")
    catalog = plain(teas)
    catalog.migrate(FakeCropper())
    assert {catalog.thumbnail(r.reference_id)[:2] for r in catalog.all_references()} == {
        b"\xff\xd8"
    }
    catalog.migrate(teas.describer)
    assert boxes(catalog) == {None, (0, 0, 8, 8)}
    assert catalog.check(full=True).problems == ()


def test_compacting_spares_a_migration_under_way(teas: Shop) -> None:
    catalog, new = plain(teas), FakeCropper()
    catalog.migrate(new, dry_run=True)
    catalog.remove(label="green")
    assert catalog.compact(catalog.gallery.head().generation + 1).forgotten == 3
    with catalog.gallery._begin() as connection:
        keys = connection.execute(select(meta.c.key).where(meta.c.key.startswith("crop."))).all()
    assert len(keys) == 6  # of the pictures that are left
    assert catalog.migrate(new).embedded == 0
    assert catalog.migrate(teas.describer).embedded == 0
    assert catalog.check(full=True).problems == ()


class Following(FakeDescriber):
    """Describes in one space, and has followed the gallery to another by then."""

    def describe(self, images: Sequence[Any], boxes: Any = None) -> list[Description]:
        found = super().describe(images, boxes)
        self.space = FakeDescriber("colours anew").space
        return found


@pytest.mark.parametrize(
    "change",
    [
        lambda shop, catalog, picture: catalog.add([picture], "green"),
        lambda shop, catalog, picture: shop.build(catalog),
        lambda shop, catalog, picture: catalog.add_golden(picture, "green", whole_image=True),
    ],
    ids=["add", "build", "golden"],
)
def test_vectors_are_kept_as_those_of_the_space_that_they_were_made_in(
    teas: Shop, change: Callable[[Shop, Catalog, Path], Any]
) -> None:
    """Never as those of one that the gallery has gone over to while they were made."""
    with teas.open() as other:
        other.migrate(FakeDescriber("colours anew"))
    picture = paint_alike(teas.photos / "green" / "new.png", 60, 1)
    with teas.open(Following(), any_space=True) as catalog:
        catalog.require_own_space = lambda: None  # type: ignore[method-assign] # it was, just now
        with pytest.raises(SpaceMismatch):
            change(teas, catalog, picture)
