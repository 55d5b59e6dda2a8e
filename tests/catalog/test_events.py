"""History in words, of the gallery and of one item under any label it ever had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from answering import between, logged

from shitu.catalog import Catalog
from shitu.errors import ItemNotFound

if TYPE_CHECKING:
    from conftest import Shop


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    """Built, then changed in every way there is."""
    opened = tea_shop.open()
    tea_shop.build(opened)
    opened.relabel("tea", "green tea")
    opened.set_attributes("coffee", {"price": 3, "shelf": "A"})
    opened.set_attributes("coffee", {"price": 4}, unset=["shelf"])
    opened.add([tea_shop.paint("cocoa/1.png", 4)], "cocoa")
    opened.remove(reference_id=2)
    opened.merge(["cocoa"], "coffee")
    (tea_shop.photos / "coffee" / "1.png").rename(tea_shop.photos / "coffee" / "one.png")
    tea_shop.build(opened)
    opened.remove(label="coffee")
    return opened


def test_each_change_is_one_sentence(tea_shop: Shop, catalog: Catalog) -> None:
    found = [(event.generation, event.operation, event.sentence) for event in catalog.events()]
    assert found[1:] == [
        (2, "relabel", "'tea' is called 'green tea' now"),
        (3, "set-attr", "'coffee': price=3, shelf=\"A\""),
        (4, "set-attr", "'coffee': price=4, shelf unset"),
        (5, "add", "'cocoa' came with 1 picture"),
        (6, "remove", "'green tea' lost 1 picture"),
        (7, "merge", "1 picture of 'cocoa' came to 'coffee'; 'cocoa' went"),
        (8, "build", "1 picture moved on the disk"),
        (9, "remove", "'coffee' went with 2 pictures"),
    ]
    (first,) = (event for event in catalog.events() if event.generation == 1)
    assert "'coffee' came with 1 picture" in first.sentence
    assert "'tea' came with 2 pictures" in first.sentence
    assert str(tea_shop.photos) in first.sentence


@pytest.mark.parametrize(
    ("label", "generations", "why"),
    [
        ("green tea", [1, 2, 6], "by its label"),
        ("tea", [1, 2, 6], "by a former label"),
        (" cocoa ", [5, 7], "an item that is gone, its label typed with blanks"),
        ("coffee", [1, 3, 4, 7, 8, 9], "what moved to it, too"),
    ],
)
def test_one_item(catalog: Catalog, label: str, generations: list[int], why: str) -> None:
    assert [event.generation for event in catalog.events(label)] == generations, why


def test_what_was_said_of_an_item_is_part_of_its_history(tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    catalog.reject(logged(catalog, between(1, 3, 0.3)), "tea")
    catalog.undo()
    catalog.add_golden(tea_shop.photos / "tea" / "1.png", "tea")
    catalog.add_golden(tea_shop.photos / "coffee" / "1.png", None)  # of no item
    catalog.remove_golden([1])
    told = [(event.generation, event.operation) for event in catalog.events("tea")]
    assert told == [(1, "build"), (2, "reject"), (3, "undo"), (4, "golden"), (6, "golden")]
    assert [event.generation for event in catalog.events("coffee")] == [1]


def test_the_newest_only(catalog: Catalog) -> None:
    assert [event.generation for event in catalog.events(limit=2)] == [8, 9]
    assert [event.generation for event in catalog.events("tea", limit=2)] == [2, 6]


def test_a_label_that_never_was(catalog: Catalog) -> None:
    with pytest.raises(ItemNotFound, match="ever had, the label 'water'"):
        catalog.events("water")


def test_many_items_are_counted(tea_shop: Shop, catalog: Catalog) -> None:
    for number in range(5):
        tea_shop.paint(f"more {number}/1.png", 10 + number)
    tea_shop.build(catalog)
    said = catalog.events(limit=1)[0].sentence
    assert said == "5 pictures came to 5 items: 'more 0', 'more 1', 'more 2' and 2 more"
