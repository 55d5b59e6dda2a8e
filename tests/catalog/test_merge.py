"""Merging items and setting attributes: rows follow, ids and vectors stay, all in one step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import paint_file

from shitu.catalog import Catalog
from shitu.errors import GalleryError, ItemNotFound

if TYPE_CHECKING:
    from conftest import Shop

Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    """Tea with two pictures, coffee and cocoa with one."""
    tea_shop.paint("cocoa/1.png", 4)
    opened = tea_shop.open()
    tea_shop.build(opened)
    return opened


def attributes(catalog: Catalog) -> dict[str, Any]:
    return {item.label: item.attributes for item in catalog.items()}


def test_references_move_and_keep_ids_and_vectors(
    tea_shop: Shop, catalog: Catalog, names: Names, vectors_agree: Agree
) -> None:
    before = {r.reference_id for r in catalog.all_references()}
    summary = catalog.merge(["coffee", "cocoa"], "tea")
    assert (summary.item.references, summary.merged) == (4, ("coffee", "cocoa"))
    assert [item.label for item in catalog.items()] == ["tea"]
    assert {r.reference_id for r in catalog.all_references()} == before
    assert [names(catalog, seed) for seed in (1, 3, 4)] == ["tea"] * 3
    assert vectors_agree(catalog)
    assert (summary.generation, tea_shop.describer.described) == (2, 4)


@pytest.mark.parametrize(("name", "folder"), [("tea", "tea"), ("brew", "cocoa")])
def test_what_comes_lies_in_the_folder_that_bears_the_items_name(
    tea_shop: Shop, catalog: Catalog, tmp_path: Path, name: str, folder: str
) -> None:
    catalog.merge(["cocoa"], "tea")
    if name != "tea":
        catalog.relabel("tea", name)
    added = catalog.add([paint_file(tmp_path / "new.png", 9)], name)
    [came] = catalog.references(added.reference_ids).values()
    assert came.path.parent == tea_shop.photos / folder


def test_the_next_build_leaves_a_merge_alone(tea_shop: Shop, catalog: Catalog) -> None:
    catalog.merge(["coffee"], "tea")
    tea_shop.paint("coffee/2.png", 5)
    assert tea_shop.build(catalog).added == 1
    assert {i.label: i.references for i in catalog.items()} == {"tea": 4, "cocoa": 1}


def test_attributes_of_the_target_win_then_of_the_first_named(catalog: Catalog) -> None:
    catalog.set_attributes("tea", {"price": 1, "size": "s"})
    catalog.set_attributes("coffee", {"price": 2, "size": "s", "shelf": [1]})
    catalog.set_attributes("cocoa", {"shelf": [2], "sweet": True})
    summary = catalog.merge(["coffee", "cocoa"], "tea")
    wanted = {"price": 1, "size": "s", "shelf": [1], "sweet": True}
    assert summary.item.attributes == wanted
    told = [(c.key, c.kept, c.kept_of, c.lost, c.lost_of) for c in summary.conflicts]
    assert told == [("price", 1, "tea", 2, "coffee"), ("shelf", [1], "coffee", [2], "cocoa")]


def test_naming_the_target_or_an_item_twice_is_harmless(catalog: Catalog) -> None:
    assert catalog.merge(["tea", "coffee", "coffee"], "tea").merged == ("coffee",)


@pytest.mark.parametrize(
    ("labels", "into", "error", "sentence"),
    [
        (["coffee", "water"], "tea", ItemNotFound, "'water'.*nothing was merged"),
        (["coffee"], "water", ItemNotFound, "'water'"),
        (["tea"], "tea", GalleryError, "no item other than 'tea'"),
        ([], "tea", GalleryError, "no item other than 'tea'"),
    ],
)
def test_what_cannot_be_merged(
    catalog: Catalog, labels: list[str], into: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        catalog.merge(labels, into)
    assert (len(catalog.items()), len(catalog.history())) == (3, 1)


def test_attributes_are_set_and_unset_in_one_generation(catalog: Catalog) -> None:
    catalog.set_attributes("tea", {"price": 3, "shelf": "A", "名": ["茶", None, 1.5, False]})
    item = catalog.set_attributes("tea", {"price": 4}, unset=["shelf"])
    assert item.attributes == {"price": 4, "名": ["茶", None, 1.5, False]}
    assert len(catalog.history()) == 3


def test_the_same_attributes_again_are_no_change(catalog: Catalog) -> None:
    for _ in range(2):
        catalog.set_attributes("tea", {"price": 3})
    assert len(catalog.history()) == 2


@pytest.mark.parametrize(("first", "then"), [(1, True), (0, False), (1, 1.0), ([1], [True])])
def test_what_json_spells_otherwise_is_another_value(
    catalog: Catalog, first: Any, then: Any
) -> None:
    """To Python they are equal, to filters and users they are not."""

    def shown(value: Any) -> str:
        return repr(dict(value))

    catalog.set_attributes("tea", {"sold": first})
    before = catalog.gallery.head().generation
    catalog.set_attributes("tea", {"sold": then})
    assert catalog.gallery.head().generation == before + 1
    assert catalog.events()[-1].sentence == f"'tea': sold={json.dumps(then)}"
    catalog.undo()
    assert shown(catalog.gallery.item(label="tea").attributes) == shown({"sold": first})
    catalog.undo()
    assert shown(catalog.gallery.item(label="tea").attributes) == shown({"sold": then})
    catalog.go_back(before)
    assert shown(catalog.gallery.item(label="tea").attributes) == shown({"sold": first})


def test_a_merge_says_of_truth_and_number_which_one_is_dropped(catalog: Catalog) -> None:
    catalog.set_attributes("tea", {"sold": 1})
    catalog.set_attributes("coffee", {"sold": True})
    [conflict] = catalog.merge(["coffee"], "tea").conflicts
    assert (conflict.kept, conflict.lost) == (1, True)


@pytest.mark.parametrize(
    ("label", "values", "unset", "error", "sentence"),
    [
        ("water", {"a": 1}, (), ItemNotFound, "'water'"),
        ("tea", {"a": 1}, ("b",), GalleryError, "no attribute 'b'"),
        ("tea", {"a": 1}, ("a",), GalleryError, "set and unset"),
        ("tea", {"a": float("nan")}, (), GalleryError, "of 'tea' cannot be kept"),
        ("tea", {"a": "caf\udce9"}, (), GalleryError, "of 'tea' cannot be kept"),
    ],
)
def test_attributes_that_cannot_be_set(
    catalog: Catalog,
    label: str,
    values: dict[str, Any],
    unset: tuple[str, ...],
    error: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(error, match=sentence):
        catalog.set_attributes(label, values, unset=unset)
    assert attributes(catalog)["tea"] == {}
