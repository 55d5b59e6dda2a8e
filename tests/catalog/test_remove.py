"""Remove and relabel: rows, vectors and files follow, and no build brings back what went."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import paint_file
from forker import Forker

from shitu.catalog import Catalog
from shitu.errors import GalleryError, ItemNotFound
from shitu.gallery import Item

if TYPE_CHECKING:
    from conftest import Shop

Meanwhile = Callable[..., None]
Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    opened = tea_shop.open()
    tea_shop.build(opened)
    return opened


def number_of(catalog: Catalog, name: str) -> int:
    return next(r.reference_id for r in catalog.all_references() if str(r.path).endswith(name))


def test_an_item_goes_with_all_its_pictures(
    tea_shop: Shop, catalog: Catalog, names: Names, vectors_agree: Agree
) -> None:
    summary = catalog.remove(label="tea")
    assert (summary.removed, summary.item_removed, summary.generation) == (2, True, 2)
    assert [item.label for item in catalog.items()] == ["coffee"]
    assert [names(catalog, seed) for seed in (1, 2, 3)] == ["nothing", "nothing", "coffee"]
    assert vectors_agree(catalog)
    assert names(tea_shop.open(), 1) == "nothing"


def test_the_next_build_does_not_bring_it_back(tea_shop: Shop, catalog: Catalog) -> None:
    summary = catalog.remove(label="tea")
    aside = tea_shop.photos / ".removed" / "tea"
    assert sorted(summary.moved) == [aside / "1.png", aside / "2.png"]
    assert all(path.exists() for path in summary.moved)
    again = tea_shop.build(catalog)
    assert (again.added, again.unchanged, again.vanished) == (0, 1, ())


@pytest.fixture
def meanwhile(tea_shop: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Call it with what another process is to do right before, or after, the next change."""
    other, write = tea_shop.open(), catalog.gallery.write

    def prepare(change: Callable[[Catalog], object], *, after: bool = False) -> None:
        @contextmanager
        def write_beside(operation: str) -> Iterator[Any]:
            monkeypatch.setattr(catalog.gallery, "write", write)
            if not after:
                change(other)
            with write(operation) as transaction:
                yield transaction
            if after:
                change(other)

        monkeypatch.setattr(catalog.gallery, "write", write_beside)

    return prepare


def test_what_another_removes_at_the_same_time_is_not_found(
    catalog: Catalog, meanwhile: Meanwhile
) -> None:
    meanwhile(lambda other: other.remove(label="tea"))
    with pytest.raises(ItemNotFound, match=r"no item of .* has the label 'tea'"):
        catalog.remove(label="tea")
    assert catalog.gallery.head().generation == 2


def test_what_another_merges_at_the_same_time_stays(
    tea_shop: Shop, catalog: Catalog, meanwhile: Meanwhile
) -> None:
    meanwhile(lambda other: other.merge(["tea"], into="coffee"))
    with pytest.raises(ItemNotFound, match=r"no item of .* has the label 'tea'"):
        catalog.remove(label="tea")
    assert [(item.label, item.references) for item in catalog.items()] == [("coffee", 3)]
    assert (tea_shop.photos / "tea" / "1.png").exists()


def test_the_picture_that_another_puts_into_the_place_of_a_removed_one_stays(
    tea_shop: Shop, catalog: Catalog, meanwhile: Meanwhile, tmp_path: Path
) -> None:
    number = number_of(catalog, "coffee/1.png")

    def change(other: Catalog) -> None:
        other.remove(label="coffee")
        other.add([paint_file(tmp_path / "1.png", 9)], "coffee")

    meanwhile(change)
    with pytest.raises(ItemNotFound, match=f"there is no reference {number} in the gallery"):
        catalog.remove(reference_id=number)
    assert (tea_shop.photos / "coffee" / "1.png").exists()


@pytest.mark.parametrize("removed", [True, False])
def test_what_another_renames_or_removes_at_the_same_time_is_not_renamed(
    catalog: Catalog, meanwhile: Meanwhile, removed: bool
) -> None:
    meanwhile(lambda other: other.remove(label="tea") if removed else other.relabel("tea", "mate"))
    with pytest.raises(ItemNotFound, match=r"no item of .* has the label 'tea'"):
        catalog.relabel("tea", "chai")
    assert [item.label for item in catalog.items()] == ["coffee", *([] if removed else ["mate"])]


CHANGES: dict[str, Callable[[Catalog], Item]] = {
    "relabel": lambda catalog: catalog.relabel("tea", "chai"),
    "merge": lambda catalog: catalog.merge(["tea"], "coffee").item,
    "attributes": lambda catalog: catalog.set_attributes("tea", {"shelf": 3}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_though_another_removes_the_item_right_after(
    catalog: Catalog, meanwhile: Meanwhile, name: str
) -> None:
    meanwhile(lambda other: other.go_back(0), after=True)
    done = CHANGES[name](catalog)
    assert (done.label, done.references) == {
        "relabel": ("chai", 2),
        "merge": ("coffee", 3),
        "attributes": ("tea", 2),
    }[name]
    assert catalog.items() == []


@pytest.mark.sqlite
def test_a_removal_in_a_copied_shop_leaves_the_first_one_alone(
    tea_shop: Shop, catalog: Catalog, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    for part in (tea_shop.photos, tea_shop.index):
        shutil.copytree(part, copy / part.name)
    with Catalog.open(copy / "index") as other:
        moved = other.remove(label="tea").moved
    assert all(path.is_relative_to(copy) for path in moved)
    assert (tea_shop.photos / "tea" / "1.png").exists()


def test_a_label_file_says_why_a_removed_picture_is_missing(shop: Shop) -> None:
    shop.paint("a.png", 1)
    shop.paint("b.png", 2)
    file = shop.photos / "labels.txt"
    file.write_text("a.png\ttea\nb.png\tcoffee\n")
    catalog = shop.open()
    shop.build(catalog, file)
    catalog.remove(label="tea")
    [skipped] = shop.build(catalog, file).skipped
    assert "was removed from the gallery" in skipped.reason


def test_one_picture_goes_and_the_item_stays(catalog: Catalog, names: Names) -> None:
    summary = catalog.remove(reference_id=number_of(catalog, "tea/1.png"))
    assert (summary.label, summary.removed, summary.item_removed) == ("tea", 1, False)
    assert (names(catalog, 1), names(catalog, 2)) == ("nothing", "tea")


def test_an_item_goes_with_its_last_picture(catalog: Catalog) -> None:
    summary = catalog.remove(reference_id=number_of(catalog, "coffee/1.png"))
    assert (summary.item_removed, len(catalog.items())) == (True, 1)


def test_an_item_may_be_named_by_its_id(catalog: Catalog) -> None:
    item = next(item for item in catalog.items() if item.label == "coffee")
    assert catalog.remove(item_id=item.item_id).label == "coffee"


def test_pictures_outside_the_gallery_are_left_alone(shop: Shop, tmp_path: Path) -> None:
    outside = paint_file(tmp_path / "camera" / "1.png", 1)
    file = shop.photos / "labels.txt"
    file.parent.mkdir()
    file.write_text(f"{outside}\ttea\n")
    catalog = shop.open()
    shop.build(catalog, file)
    summary = catalog.remove(label="tea")
    assert (summary.moved, summary.kept) == ((), (outside,))
    assert outside.exists()


def test_pictures_that_may_not_be_looked_at_are_kept(
    tea_shop: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tea_shop.photos / "coffee" / "1.png"

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", forbidden)
        patch.setattr(Path, "stat", forbidden)
        patch.setattr(Path, "mkdir", lambda *_, **__: None)
        summary = catalog.remove(label="coffee")
    assert (summary.moved, summary.kept) == ((), (picture,))


def test_two_removed_pictures_of_one_name_are_both_kept(tea_shop: Shop, catalog: Catalog) -> None:
    catalog.remove(reference_id=number_of(catalog, "tea/1.png"))
    tea_shop.paint("tea/1.png", 9)
    tea_shop.build(catalog)
    [moved] = catalog.remove(reference_id=number_of(catalog, "tea/1.png")).moved
    assert moved.name == "1-2.png"
    assert (tea_shop.photos / ".removed" / "tea" / "1.png").exists()


@pytest.fixture
def overwritten(tea_shop: Shop, catalog: Catalog) -> tuple[int, int]:
    """Two references at one path, whose picture is the second one's: an undo after a sync."""
    old = number_of(catalog, "tea/1.png")
    tea_shop.paint("tea/1.png", 9)
    catalog.sync(tea_shop.photos)
    new = number_of(catalog, "tea/1.png")
    catalog.undo()
    return old, new


def test_the_picture_of_another_reference_stays_where_it_is(
    tea_shop: Shop, catalog: Catalog, names: Names, overwritten: tuple[int, int]
) -> None:
    old, new = overwritten
    summary = catalog.remove(reference_id=old)
    assert (summary.removed, summary.moved, summary.kept) == (1, (), ())
    assert number_of(catalog, "tea/1.png") == new
    assert catalog.sync(tea_shop.photos).removed == ()
    assert (names(catalog, 1), names(catalog, 9)) == ("nothing", "tea")


def test_a_picture_goes_with_its_reference_whoever_else_has_its_path(
    tea_shop: Shop, catalog: Catalog, names: Names, overwritten: tuple[int, int]
) -> None:
    _, new = overwritten
    assert len(catalog.remove(reference_id=new).moved) == 1
    catalog.sync(tea_shop.photos)
    assert names(catalog, 9) == "nothing"


def test_a_picture_of_two_references_goes_with_both(
    tea_shop: Shop, catalog: Catalog, overwritten: tuple[int, int]
) -> None:
    assert len(catalog.remove(label="tea").moved) == 2
    assert not (tea_shop.photos / "tea" / "1.png").exists()


def test_a_picture_that_is_gone_already_can_be_removed(tea_shop: Shop, catalog: Catalog) -> None:
    shutil.rmtree(tea_shop.photos / "tea")
    summary = catalog.remove(label="tea")
    assert (summary.removed, summary.moved, summary.kept) == (2, (), ())


@pytest.mark.parametrize("again", ["sync", "build", "remove"])
@pytest.mark.parametrize("point", ["with pictures put aside", "before the commit"])
@pytest.mark.sqlite
def test_killed_before_the_commit_pictures_are_back_with_the_next_change(
    tea_shop: Shop, catalog: Catalog, forker: Forker, point: str, again: str
) -> None:
    where = {"index": str(tea_shop.index), "photos": str(tea_shop.photos)}
    assert forker.run(do="remove", label="tea", die=point, **where).code == -9
    assert not (tea_shop.photos / "tea" / "1.png").exists()
    assert forker.run(do=again, label="coffee", **where).code == 0
    assert [i.label for i in catalog.items()] == ["tea", *["coffee"] * (again != "remove")][::-1]
    assert all(reference.path.exists() for reference in catalog.all_references())
    assert [path.name for path in tea_shop.index.glob("moving-*")] == []
    assert (tea_shop.photos / ".removed").exists() == (again == "remove")


@pytest.mark.sqlite
def test_killed_after_the_commit_pictures_stay_aside(
    tea_shop: Shop, catalog: Catalog, forker: Forker
) -> None:
    where = {"index": str(tea_shop.index), "photos": str(tea_shop.photos)}
    assert forker.run(do="remove", label="tea", die="with a move made for good", **where).code == -9
    assert len(list(tea_shop.index.glob("moving-*"))) == 1
    assert forker.run(do="sync", **where).code == 0
    assert [item.label for item in catalog.items()] == ["coffee"]
    assert (tea_shop.photos / ".removed" / "tea" / "1.png").exists()
    assert list(tea_shop.index.glob("moving-*")) == []


@pytest.mark.sqlite
def test_a_note_of_a_move_may_be_torn(tea_shop: Shop, catalog: Catalog, forker: Forker) -> None:
    where = {"index": str(tea_shop.index), "photos": str(tea_shop.photos)}
    forker.run(do="remove", label="tea", die="with pictures put aside", **where)
    [note] = tea_shop.index.glob("moving-*")
    with note.open("a") as file:
        file.write('["tea/3.png", ".rem')
    assert catalog.take_back_unfinished()
    assert tea_shop.build(catalog).unchanged == 3


@pytest.mark.sqlite
def test_pictures_are_put_aside_where_no_note_can_be_made(
    tea_shop: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shitu.catalog.moves._NOTES", "a" * 300)
    assert len(catalog.remove(label="tea").moved) == 2


def test_a_removed_picture_can_come_back_under_a_new_id(
    tea_shop: Shop, catalog: Catalog, names: Names
) -> None:
    old = number_of(catalog, "coffee/1.png")
    [aside] = catalog.remove(label="coffee").moved
    [new] = catalog.add([aside], "coffee").reference_ids
    assert new > old
    assert names(catalog, 3) == "coffee"


def test_files_come_back_when_the_commit_fails(
    tea_shop: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise GalleryError("the disk is full")

    monkeypatch.setattr("shitu.gallery.transaction.Transaction.finish", full)
    with pytest.raises(GalleryError, match="the disk is full"):
        catalog.remove(label="tea")
    assert (tea_shop.photos / "tea" / "1.png").exists()
    assert len(catalog.all_references()) == 3


@pytest.mark.parametrize(
    ("which", "error", "sentence"),
    [
        ({"label": "cocoa"}, ItemNotFound, "'cocoa'.*list-items"),
        ({"item_id": 99}, ItemNotFound, "id 99"),
        ({"reference_id": 99}, ItemNotFound, "no reference 99"),
        ({}, GalleryError, "exactly one"),
        ({"label": "tea", "reference_id": 1}, GalleryError, "exactly one"),
    ],
)
def test_what_is_not_there_cannot_be_removed(
    catalog: Catalog, which: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        catalog.remove(**which)
    assert len(catalog.history()) == 1


def test_all_may_be_removed_and_the_gallery_filled_again(
    tea_shop: Shop, catalog: Catalog, names: Names
) -> None:
    for label in ("tea", "coffee"):
        catalog.remove(label=label)
    assert (catalog.items(), catalog.count, names(catalog, 1)) == ([], 0, "nothing")
    tea_shop.paint("cocoa/1.png", 4)
    tea_shop.build(catalog)
    assert names(tea_shop.open(), 4) == "cocoa"


def test_history_tells_what_was_removed(catalog: Catalog) -> None:
    catalog.remove(label="coffee")
    change = catalog.history(limit=1)[0]
    assert change.operation == "remove"
    assert [row["path"] for row in change.before["references"]] == ["coffee/1.png"]


def test_relabel_keeps_id_pictures_and_vectors(
    tea_shop: Shop, catalog: Catalog, names: Names, vectors_agree: Agree
) -> None:
    before = {item.label: item.item_id for item in catalog.items()}
    item = catalog.relabel("tea", " 茶 🍵 ")
    assert (item.label, item.item_id, item.references) == ("茶 🍵", before["tea"], 2)
    assert (names(catalog, 1), names(tea_shop.open(), 1)) == ("茶 🍵", "茶 🍵")
    assert vectors_agree(catalog)
    assert tea_shop.describer.described == 3


@pytest.mark.parametrize(
    ("label", "new", "error", "sentence"),
    [
        ("cocoa", "x", ItemNotFound, "'cocoa'"),
        ("tea", " ", GalleryError, "the label is empty"),
        ("tea", "a\nb", GalleryError, r"the label 'a\\nb' has a line break"),
        ("tea", "a\x1bb", GalleryError, "control character in it: write it without"),
        ("tea", "coffee", GalleryError, "another item 'coffee' already: .*merge-items"),
    ],
)
def test_labels_that_cannot_be_given(
    catalog: Catalog, label: str, new: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        catalog.relabel(label, new)
    assert len(catalog.history()) == 1


def test_the_same_label_again_changes_nothing(catalog: Catalog) -> None:
    assert catalog.relabel("tea", "tea").label == "tea"
    assert len(catalog.history()) == 1
