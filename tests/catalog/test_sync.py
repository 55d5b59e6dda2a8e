"""Sync: the gallery equals the folder afterwards, and nothing known is described again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shitu.catalog import Catalog, Entry, SyncReport, entries_from_folder
from shitu.errors import GalleryError, ShituError

if TYPE_CHECKING:
    from conftest import Shop

Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]


@pytest.fixture
def synced(tea_shop: Shop) -> Catalog:
    """The tea shop, in a gallery made by a first sync."""
    catalog = tea_shop.open()
    catalog.sync(tea_shop.photos)
    return catalog


def labels(catalog: Catalog) -> dict[str, int]:
    return {item.label: item.references for item in catalog.items()}


def names_of(report: SyncReport, shop: Shop) -> dict[str, Any]:
    """What the report lists, without what is empty, as short names."""

    def short(value: Any) -> Any:
        return value.relative_to(shop.photos).as_posix() if isinstance(value, Path) else value

    listed = {
        name: [
            short(one) if isinstance(one, Path) else tuple(short(v) for v in vars(one).values())
            for one in getattr(report, name)
        ]
        for name in ("new", "changed", "moved", "relabelled", "removed")
    }
    return {name: values for name, values in listed.items() if values}


def rename(shop: Shop) -> None:
    (shop.photos / "tea").rename(shop.photos / "green tea")


def replace(shop: Shop) -> None:
    shop.paint("tea/1.png", 7)


def move(shop: Shop) -> None:
    (shop.photos / "tea" / "1.png").rename(shop.photos / "tea" / "front.png")


def move_to_another_label(shop: Shop) -> None:
    (shop.photos / "tea" / "1.png").rename(shop.photos / "coffee" / "9.png")


def delete(shop: Shop) -> None:
    (shop.photos / "coffee" / "1.png").unlink()


def add(shop: Shop) -> None:
    shop.paint("cocoa/1.png", 5)


CHANGES: list[tuple[Callable[[Shop], None], dict[str, Any], int]] = [
    (add, {"new": ["cocoa/1.png"]}, 1),
    (replace, {"changed": ["tea/1.png"]}, 1),
    (move, {"moved": [("tea/front.png", "tea/1.png")]}, 0),
    (
        move_to_another_label,
        {
            "moved": [("coffee/9.png", "tea/1.png")],
            "relabelled": [("coffee/9.png", "coffee", "tea")],
        },
        0,
    ),
    (
        rename,
        {
            "moved": [("green tea/1.png", "tea/1.png"), ("green tea/2.png", "tea/2.png")],
            "relabelled": [
                ("green tea/1.png", "green tea", "tea"),
                ("green tea/2.png", "green tea", "tea"),
            ],
        },
        0,
    ),
    (delete, {"removed": ["coffee/1.png"]}, 0),
]


@pytest.mark.parametrize(("change", "told", "described"), CHANGES)
def test_each_change_of_the_folder_is_followed_and_told(
    tea_shop: Shop,
    synced: Catalog,
    vectors_agree: Agree,
    change: Callable[[Shop], None],
    told: dict[str, Any],
    described: int,
) -> None:
    change(tea_shop)
    planned = synced.sync(tea_shop.photos, dry_run=True)
    assert planned.dry_run
    assert tea_shop.describer.described == 3, "a dry run describes nothing"
    assert synced.gallery.head().generation == 1, "a dry run writes nothing"
    done = synced.sync(tea_shop.photos)
    assert names_of(planned, tea_shop) == names_of(done, tea_shop) == told
    assert tea_shop.describer.described == 3 + described
    on_disk = {path.parent.name for path in tea_shop.photos.rglob("*.png")}
    assert set(labels(synced)) == on_disk
    assert vectors_agree(synced)
    assert synced.sync(tea_shop.photos).changes == 0


def test_what_moved_keeps_its_reference_and_vector(
    tea_shop: Shop, synced: Catalog, names: Names
) -> None:
    before = {r.sha256: r.reference_id for r in synced.all_references()}
    rename(tea_shop)
    synced.sync(tea_shop.photos)
    assert {r.sha256: r.reference_id for r in synced.all_references()} == before
    assert names(synced, 1) == "green tea"


def test_nothing_to_do_writes_nothing(tea_shop: Shop, synced: Catalog) -> None:
    report = synced.sync(tea_shop.photos)
    assert (report.changes, report.unchanged, report.generation) == (0, 3, 1)


def test_a_dry_run_makes_no_index(tea_shop: Shop) -> None:
    report = tea_shop.open().sync(tea_shop.photos, dry_run=True)
    assert len(report.new) == 3
    assert not tea_shop.index.exists()


def test_a_picture_that_cannot_be_read_is_told_by_a_dry_run_too(
    tea_shop: Shop, synced: Catalog
) -> None:
    (tea_shop.photos / "tea" / "bad.png").write_text("no picture")
    planned = synced.sync(tea_shop.photos, dry_run=True)
    done = synced.sync(tea_shop.photos)
    assert [one.path.name for one in planned.skipped] == ["bad.png"]
    assert planned.skipped == done.skipped


@pytest.mark.parametrize("missing", [True, False])
def test_a_missing_or_empty_folder_is_refused(
    tea_shop: Shop, synced: Catalog, missing: bool
) -> None:
    shutil.rmtree(tea_shop.photos)
    if not missing:
        tea_shop.photos.mkdir()
    for force in (False, True):
        with pytest.raises(ShituError, match="photos"):
            synced.sync(tea_shop.photos, force=force)
    assert labels(synced) == {"tea": 2, "coffee": 1}


def test_most_of_it_gone_is_refused_unless_forced(tea_shop: Shop, synced: Catalog) -> None:
    shutil.rmtree(tea_shop.photos / "tea")
    tea_shop.paint("cocoa/1.png", 5)
    with pytest.raises(GalleryError, match=r"2 of the 3 pictures .* are gone.*--force"):
        synced.sync(tea_shop.photos)
    assert labels(synced) == {"tea": 2, "coffee": 1}, "not even what is new was written"
    planned = synced.sync(tea_shop.photos, dry_run=True)
    assert "2 of the 3" in planned.refusal
    assert len(planned.removed) == 2
    synced.sync(tea_shop.photos, force=True)
    assert labels(synced) == {"coffee": 1, "cocoa": 1}


def test_most_of_it_gone_once_it_was_listed_is_refused(
    tea_shop: Shop, synced: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_and_lose(folder: Path) -> list[Entry]:
        entries = entries_from_folder(folder)
        shutil.rmtree(tea_shop.photos / "tea")
        return entries

    tea_shop.paint("coffee/new.png", 4)
    monkeypatch.setattr("shitu.catalog.sync.entries_from_folder", list_and_lose)
    with pytest.raises(GalleryError, match=r"2 of the 3 pictures .* are gone.*nothing was removed"):
        synced.sync(tea_shop.photos)
    assert labels(synced) == {"coffee": 2, "tea": 2}


def test_most_of_it_moved_is_not_refused(tea_shop: Shop, synced: Catalog) -> None:
    for folder in ("tea", "coffee"):
        (tea_shop.photos / folder).rename(tea_shop.photos / f"old {folder}")
    report = synced.sync(tea_shop.photos)
    assert (len(report.moved), len(report.removed)) == (3, 0)
    assert tea_shop.describer.described == 3


def test_a_folder_that_moved_as_a_whole(tea_shop: Shop, synced: Catalog) -> None:
    elsewhere = tea_shop.photos.rename(tea_shop.photos.with_name("pictures"))
    report = synced.sync(elsewhere)
    assert (report.unchanged, report.changes) == (3, 0)
    assert tea_shop.describer.described == 3


def test_pictures_of_another_folder_stay(tea_shop: Shop, synced: Catalog, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for seed in (11, 12):
        tea_shop.paint(f"../other/cocoa/{seed}.png", seed)
    synced.sync(other)
    delete(tea_shop)
    report = synced.sync(tea_shop.photos)
    assert len(report.removed) == 1
    assert labels(synced) == {"tea": 2, "cocoa": 2}


def test_another_name_in_the_same_folder_is_no_other_label(tea_shop: Shop, synced: Catalog) -> None:
    """After `relabel` and `merge-items` items are not called as the folders are."""
    tea_shop.paint("chai/1.png", 4)
    synced.sync(tea_shop.photos)
    synced.relabel("coffee", "espresso")
    synced.merge(["chai"], "tea")
    for folder in ("coffee", "chai"):
        lying = tea_shop.photos / folder / "1.png"
        lying.rename(lying.with_name("front.png"))
    report = synced.sync(tea_shop.photos)
    assert (len(report.moved), report.relabelled) == (2, ())
    assert labels(synced) == {"espresso": 1, "tea": 3}


def test_other_pictures_in_a_folder_are_of_the_same_item(tea_shop: Shop, synced: Catalog) -> None:
    """After `relabel`, and a day on which all photos were taken anew."""
    synced.relabel("coffee", "espresso")
    synced.set_attributes("espresso", {"price": 2})
    (tea_shop.photos / "coffee" / "1.png").unlink()
    tea_shop.paint("coffee/new.png", 7)
    report = synced.sync(tea_shop.photos)
    assert (len(report.new), len(report.removed)) == (1, 1)
    (tea_shop.photos / "coffee" / "new.png").rename(tea_shop.photos / "coffee" / "a.png")
    tea_shop.paint("coffee/b.png", 8)
    report = synced.sync(tea_shop.photos)
    assert (len(report.new), len(report.moved), report.relabelled) == (1, 1, ())
    assert labels(synced) == {"espresso": 2, "tea": 2}
    assert synced.gallery.item(label="espresso").attributes == {"price": 2}


def test_a_folder_of_an_old_name_is_another_item(tea_shop: Shop, synced: Catalog) -> None:
    """What the folder held lies in one that is called as the item is now."""
    synced.relabel("coffee", "espresso")
    (tea_shop.photos / "coffee").rename(tea_shop.photos / "espresso")
    tea_shop.paint("coffee/new.png", 7)
    synced.sync(tea_shop.photos)
    assert labels(synced) == {"coffee": 1, "espresso": 1, "tea": 2}


def test_a_sync_is_taken_back(tea_shop: Shop, synced: Catalog, vectors_agree: Agree) -> None:
    before = {r.reference_id: (r.label, r.sha256) for r in synced.all_references()}
    rename(tea_shop)
    delete(tea_shop)
    add(tea_shop)
    synced.sync(tea_shop.photos)
    synced.go_back(1)
    assert {r.reference_id: (r.label, r.sha256) for r in synced.all_references()} == before
    assert vectors_agree(synced)
    again = synced.sync(tea_shop.photos)
    # As after `relabel`: what a command called tea is not renamed by the folder it lies in.
    assert labels(synced) == {"tea": 2, "cocoa": 1}
    assert len(again.removed) == 1
    assert vectors_agree(synced)


def test_what_another_sync_found_since_the_folder_was_listed_stays(
    tea_shop: Shop, synced: Catalog
) -> None:
    synced.set_attributes("tea", {"price": 2})
    entries = entries_from_folder(tea_shop.photos)
    rename(tea_shop)
    tea_shop.paint("cocoa/1.png", 7)
    tea_shop.open().sync(tea_shop.photos)
    there = labels(synced)
    done = synced.build(entries, root=tea_shop.photos, prune=True)
    assert (done.removed, labels(synced)) == ((), there)


def test_what_another_sync_found_elsewhere_before_the_commit_stays(
    tea_shop: Shop, synced: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, write = tea_shop.open(), synced.gallery.write
    (tea_shop.photos / "coffee").rename(tmp_path / "away")

    def write_later(operation: str) -> Any:
        monkeypatch.setattr(synced.gallery, "write", write)
        (tmp_path / "away").rename(tea_shop.photos / "espresso")
        other.sync(tea_shop.photos)
        return write(operation)

    monkeypatch.setattr(synced.gallery, "write", write_later)
    report = synced.sync(tea_shop.photos)
    assert (report.removed, labels(synced)) == ((), {"espresso": 1, "tea": 2})
