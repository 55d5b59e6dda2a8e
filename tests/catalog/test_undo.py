"""Undo, redo and going back: ids, labels, attributes, vectors and files are as they were."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import paint_file
from forker import Forker

from shitu.catalog import Catalog, entries_from_folder
from shitu.errors import GalleryError

if TYPE_CHECKING:
    from conftest import Shop

Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]
Change = Callable[[Catalog], object]


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    """Tea with two pictures (1, 2) and coffee with one (3): generation 1."""
    opened = tea_shop.open()
    tea_shop.build(opened)
    return opened


def rows(catalog: Catalog) -> list[Any]:
    """Everything the gallery knows, but for when files were looked at."""
    items = [(i.item_id, i.label, dict(i.attributes), i.created_at) for i in catalog.items()]
    references = [
        (r.reference_id, r.item_id, r.label, r.path, r.sha256, r.box, r.added_at, r.how)
        for r in catalog.all_references()
    ]
    return [items, references]


def number_of(catalog: Catalog, name: str) -> int:
    return next(r.reference_id for r in catalog.all_references() if str(r.path).endswith(name))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A picture outside the shop."""
    return paint_file(tmp_path / "camera" / "new.png", 9)


CHANGES: dict[str, Change] = {
    "an item removed": lambda c: c.remove(label="tea"),
    "a picture removed": lambda c: c.remove(reference_id=number_of(c, "tea/1.png")),
    "the last picture removed": lambda c: c.remove(reference_id=number_of(c, "coffee/1.png")),
    "a label": lambda c: c.relabel("tea", "green tea"),
    "a merge": lambda c: c.merge(["tea"], "coffee"),
    "attributes": lambda c: c.set_attributes("tea", {"price": 3, "new": [1]}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_as_it_was_and_undoing_that_redoes_it(
    tea_shop: Shop, catalog: Catalog, names: Names, vectors_agree: Agree, name: str
) -> None:
    catalog.set_attributes("tea", {"price": 1, "old": "x"})
    before = rows(catalog)
    CHANGES[name](catalog)
    after = rows(catalog)
    assert before != after
    for number in range(2):
        assert catalog.undo().undone == 3 + 2 * number
        assert rows(catalog) == before, "undone"
        assert [names(catalog, seed) for seed in (1, 2, 3)] == ["tea", "tea", "coffee"]
        assert vectors_agree(catalog)
        assert tea_shop.build(catalog).unchanged == 3, "no build finds anything to do"
        assert catalog.undo().undone == 4 + 2 * number
        assert rows(catalog) == after, "redone"
        assert vectors_agree(catalog)
    assert vectors_agree(tea_shop.open())
    assert tea_shop.describer.described == 3, "nothing was embedded again"


def test_pictures_put_aside_come_back(tea_shop: Shop, catalog: Catalog) -> None:
    moved = catalog.remove(label="tea").moved
    summary = catalog.undo()
    assert sorted(summary.put_back) == [tea_shop.photos / "tea" / n for n in ("1.png", "2.png")]
    assert not any(path.exists() for path in moved)
    assert (summary.missing, summary.kept) == ((), ())
    assert not (tea_shop.photos / ".removed").exists()


def test_without_the_picture_everything_else_comes_back(
    tea_shop: Shop, catalog: Catalog, names: Names
) -> None:
    for path in catalog.remove(label="tea").moved:
        path.unlink()
    assert len(catalog.undo().missing) == 2
    assert names(catalog, 1) == "tea"
    assert catalog.thumbnail(number_of(catalog, "tea/1.png"))
    assert len(tea_shop.build(catalog).vanished) == 2


def test_a_picture_does_not_overwrite_another(tea_shop: Shop, catalog: Catalog) -> None:
    number = number_of(catalog, "tea/1.png")
    catalog.remove(reference_id=number)
    tea_shop.paint("tea/1.png", 9)
    assert catalog.undo().put_back == (tea_shop.photos / "tea" / "1-2.png",)
    assert catalog.references([number])[number].path == tea_shop.photos / "tea" / "1-2.png"
    again = tea_shop.build(catalog)
    assert (again.added, again.unchanged, again.replaced) == (1, 3, ())


def test_the_right_one_of_two_removed_pictures_comes_back(
    tea_shop: Shop, catalog: Catalog, names: Names
) -> None:
    catalog.remove(reference_id=number_of(catalog, "tea/1.png"))
    tea_shop.paint("tea/1.png", 9)
    tea_shop.build(catalog)
    second = number_of(catalog, "tea/1.png")
    catalog.remove(reference_id=second)
    catalog.undo()
    assert names(catalog, 9) == "tea"
    assert tea_shop.build(catalog).unchanged == 3
    catalog.undo(2)
    assert names(catalog, 1) == "tea"
    assert catalog.references([second])[second].path == tea_shop.photos / "tea" / "1.png"
    assert tea_shop.build(catalog).unchanged == 4


def test_a_picture_that_was_copied_in_is_put_aside(
    tea_shop: Shop, catalog: Catalog, names: Names, elsewhere: Path
) -> None:
    [copied] = catalog.add([elsewhere], "cocoa", attributes={"sweet": True}).copied
    before = rows(catalog)
    summary = catalog.undo()
    assert (copied.exists(), elsewhere.exists()) == (False, True)
    assert [path.parent.parent.name for path in summary.put_aside] == [".removed"]
    assert [item.label for item in catalog.items()] == ["coffee", "tea"]
    assert (tea_shop.build(catalog).added, names(catalog, 9)) == (0, "nothing")
    assert catalog.undo().put_back == (copied,)
    assert rows(catalog) == before


def test_the_pictures_of_a_build_stay_where_they_are(tea_shop: Shop, catalog: Catalog) -> None:
    summary = catalog.undo()
    assert (len(summary.kept), summary.put_aside, catalog.items()) == (3, (), [])
    assert (tea_shop.photos / "tea" / "1.png").exists()


def test_an_item_that_got_more_pictures_since_stays(
    tea_shop: Shop, catalog: Catalog, elsewhere: Path
) -> None:
    catalog.add([elsewhere], "cocoa")
    catalog.add([paint_file(elsewhere.with_name("2.png"), 10)], "cocoa")
    catalog.undo(2)
    assert {i.label: i.references for i in catalog.items()} == {"cocoa": 1, "coffee": 1, "tea": 2}


def test_an_item_without_pictures_goes(catalog: Catalog, elsewhere: Path) -> None:
    catalog.add([elsewhere], "coffee")
    catalog.remove(reference_id=number_of(catalog, "coffee/1.png"))
    catalog.undo(2)
    assert [item.label for item in catalog.items()] == ["tea"]


def test_other_changes_of_the_same_rows_are_left_alone(catalog: Catalog) -> None:
    catalog.relabel("tea", "green tea")
    catalog.set_attributes("green tea", {"price": 3, "shelf": 1})
    catalog.set_attributes("green tea", {"price": 4, "brand": "b"})
    catalog.undo(2)
    assert catalog.items()[-1].label == "tea"
    catalog.set_attributes("tea", {"shelf": 1, "more": 2})
    catalog.undo(4)
    attributes = {"price": 3, "shelf": 1, "more": 2}
    assert {i.label: i.attributes for i in catalog.items()}["tea"] == attributes


@pytest.mark.parametrize(
    ("changes", "generation", "sentence"),
    [
        (["label", "label again"], 2, r"the item 'tea' was changed by generation 3 \(relabel\)"),
        (["label", "tea removed"], 2, r"was changed by generation 3 \(remove\)"),
        (["price 3", "price 4"], 2, r"the item 'tea' was changed by generation 3 \(set-attr\)"),
        (["picture 1 removed", "the rest removed"], 2, r"'tea' is gone by generation 3 \(remove\)"),
        (["tea removed", "new tea"], 2, r"the label 'tea' is taken by generation 3 \(add\)"),
        (["picture 1 removed", "picture 1 added"], 2, r"added again, to 'x' by generation 3"),
        (["new tea", "merged"], 2, r"a picture of 'tea' was changed by generation 3 \(merge\)"),
        (["label", "undo"], 2, r"is undone already, by generation 3"),
    ],
)
def test_a_later_change_in_the_way_is_named(
    tea_shop: Shop,
    catalog: Catalog,
    elsewhere: Path,
    changes: list[str],
    generation: int,
    sentence: str,
) -> None:
    deeds: dict[str, Change] = {
        "label": lambda c: c.relabel("tea", "green tea"),
        "label again": lambda c: c.relabel("green tea", "black tea"),
        "tea removed": lambda c: c.remove(
            item_id=next(i.item_id for i in c.items() if "tea" in i.label)
        ),
        "price 3": lambda c: c.set_attributes("tea", {"price": 3}),
        "price 4": lambda c: c.set_attributes("tea", {"price": 4}),
        "picture 1 removed": lambda c: c.remove(reference_id=number_of(c, "tea/1.png")),
        "the rest removed": lambda c: c.remove(label="tea"),
        "new tea": lambda c: c.add([elsewhere], "tea"),
        "picture 1 added": lambda c: c.add([tea_shop.photos / ".removed/tea/1.png"], "x"),
        "merged": lambda c: c.merge(["tea"], "coffee"),
        "undo": lambda c: c.undo(),
    }
    for change in changes:
        deeds[change](catalog)
    before = rows(catalog)
    with pytest.raises(GalleryError, match=sentence):
        catalog.undo(generation)
    assert (rows(catalog), len(catalog.history())) == (before, 1 + len(changes))


@pytest.mark.parametrize("generation", [0, -1, 2, 99])
def test_generations_that_never_were(catalog: Catalog, generation: int) -> None:
    with pytest.raises(GalleryError, match=f"there is no generation {generation}"):
        catalog.undo(generation)


def test_an_empty_gallery_has_nothing_to_undo(shop: Shop) -> None:
    with pytest.raises(GalleryError, match="nothing to undo"):
        shop.open().undo()


def test_where_pictures_lie_is_not_undone(tea_shop: Shop, catalog: Catalog) -> None:
    place = tea_shop.photos / "tea" / "one.png"
    (tea_shop.photos / "tea" / "1.png").rename(place)
    tea_shop.build(catalog)
    with pytest.raises(GalleryError, match="only noted where pictures lie"):
        catalog.undo()
    catalog.relabel("tea", "x")
    catalog.go_back(1)
    assert place in [r.path for r in catalog.all_references()]


def test_back_to_a_generation_in_one_change(
    tea_shop: Shop, catalog: Catalog, names: Names, vectors_agree: Agree, elsewhere: Path
) -> None:
    states = [rows(catalog)]
    deeds: list[Change] = [
        lambda c: c.set_attributes("tea", {"price": 3}),
        lambda c: c.remove(reference_id=number_of(c, "tea/1.png")),
        lambda c: c.remove(label="tea"),
        lambda c: c.add([elsewhere], "tea"),
        lambda c: c.add([tea_shop.photos / ".removed/tea/1.png"], "coffee"),
        lambda c: c.merge(["coffee"], "tea"),
        lambda c: c.relabel("tea", "coffee"),
    ]
    for deed in deeds:
        deed(catalog)
        states.append(rows(catalog))
    for generation in (1, 8, 3, 4, 7, 2, 5):
        at = catalog.history()[-1].generation
        summary = catalog.go_back(generation)
        assert (summary.generation, summary.back_to) == (at + 1, generation)
        found, wanted = rows(catalog), states[generation - 1]
        assert found[0] == wanted[0], generation
        # A picture that was added again from where it had been put aside may lie elsewhere now.
        assert [r[:3] + r[4:] for r in found[1]] == [r[:3] + r[4:] for r in wanted[1]], generation
        assert all(r.path.exists() for r in catalog.all_references())
        assert vectors_agree(catalog)
    assert vectors_agree(tea_shop.open())


def test_back_to_nothing_and_to_all_again(tea_shop: Shop, catalog: Catalog) -> None:
    before = rows(catalog)
    assert catalog.go_back(0).back_to == 0
    assert (catalog.items(), catalog.count) == ([], 0)
    catalog.go_back(1)
    assert rows(catalog) == before


def test_two_items_may_exchange_their_labels(catalog: Catalog) -> None:
    before = rows(catalog)
    for old, new in (("tea", "x"), ("coffee", "tea"), ("x", "coffee")):
        catalog.relabel(old, new)
    catalog.go_back(1)
    assert rows(catalog) == before


def test_going_back_to_now_is_no_change(catalog: Catalog) -> None:
    summary = catalog.go_back(1)
    assert (summary.changed, summary.generation, len(catalog.history())) == (False, 1, 1)
    assert summary.stays == ()


def test_the_log_only_grows(catalog: Catalog) -> None:
    catalog.relabel("tea", "x")
    before = catalog.history()
    catalog.undo()
    catalog.go_back(1)
    assert catalog.history()[: len(before)] == before
    assert [event.sentence.split(";")[0] for event in catalog.events(limit=1)] == [
        "undid generation 2"
    ]


@pytest.mark.sqlite
def test_a_vector_of_an_older_version_cannot_come_back(shop: Shop, tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    catalog.remove(label="tea")
    with closing(sqlite3.connect(tea_shop.index / "gallery.db")) as database, database:
        database.execute(
            "DELETE FROM embeddings WHERE reference_id NOT IN "
            "(SELECT reference_id FROM item_references)"
        )
    for back in (catalog.undo, lambda: catalog.go_back(1)):
        with pytest.raises(GalleryError, match=r"2 of the 2 references .*older version"):
            back()
    assert not (tea_shop.photos / "tea" / "1.png").exists()
    assert len(catalog.history()) == 2


def test_another_folder_of_pictures_meanwhile(tea_shop: Shop, tmp_path: Path) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    catalog.remove(label="tea")
    paint_file(tmp_path / "others" / "cocoa" / "1.png", 7)
    others = tmp_path / "others"
    catalog.build(entries_from_folder(others), root=others)
    catalog.undo(2)
    assert tea_shop.photos / "tea" / "1.png" in [r.path for r in catalog.all_references()]
    assert all(r.path.exists() for r in catalog.all_references())
    assert catalog.gallery.root() == others
    catalog.undo(3)
    assert catalog.gallery.root() == tea_shop.photos
    assert all(r.path.exists() for r in catalog.all_references())


def test_files_are_as_they_were_when_the_commit_fails(
    tea_shop: Shop, catalog: Catalog, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.remove(label="tea")
    catalog.add([elsewhere], "cocoa")

    def files() -> list[Path]:
        return sorted(path for path in tea_shop.photos.rglob("*") if path.is_file())

    before = files()

    def full(*_: object) -> None:
        raise GalleryError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("shitu.gallery.transaction.Transaction.finish", full)
        with pytest.raises(GalleryError, match="the disk is full"):
            catalog.go_back(1)
    assert files() == before
    assert catalog.go_back(1).changed
    assert tea_shop.build(catalog).unchanged == 3


def test_an_index_that_lags_behind_catches_up_over_remove_and_undo(
    tea_shop: Shop, catalog: Catalog, names: Names, vectors_agree: Agree
) -> None:
    reader = tea_shop.open()
    catalog.remove(label="tea")
    catalog.undo()
    catalog.undo()
    catalog.undo()
    reader.refresh()
    assert names(reader, 1) == "tea"
    assert vectors_agree(reader)
    catalog.remove(label="coffee")
    reader.refresh()
    catalog.undo()
    reader.refresh()
    assert names(reader, 3) == "coffee"
    assert vectors_agree(reader)


@pytest.mark.sqlite
@pytest.mark.parametrize("point", ["before the commit", "before saving the index"])
def test_killed_while_undoing_it_is_done_or_can_be_done_again(
    tea_shop: Shop, catalog: Catalog, forker: Forker, vectors_agree: Agree, point: str
) -> None:
    before = rows(catalog)
    catalog.remove(label="tea")
    where = {"index": str(tea_shop.index), "photos": str(tea_shop.photos)}
    assert forker.run(do="undo", die=point, **where).code == -9
    again = tea_shop.open()
    if point == "before the commit":
        assert [item.label for item in again.items()] == ["coffee"]
        again.undo()
    assert rows(again) == before
    assert vectors_agree(again)
    assert tea_shop.build(again).unchanged == 3


@pytest.mark.sqlite
def test_killed_while_undoing_pictures_are_where_they_were(
    tea_shop: Shop, catalog: Catalog, elsewhere: Path, forker: Forker
) -> None:
    catalog.remove(label="tea")
    catalog.add([elsewhere], "cocoa")
    before = rows(catalog)
    where = {"index": str(tea_shop.index), "photos": str(tea_shop.photos)}
    assert forker.run(do="go back", generation=1, die="before the commit", **where).code == -9
    assert forker.run(do="sync", **where).code == 0
    assert rows(catalog) == before
    assert all(reference.path.exists() for reference in catalog.all_references())
    catalog.go_back(1)
    assert tea_shop.build(catalog).unchanged == 3
