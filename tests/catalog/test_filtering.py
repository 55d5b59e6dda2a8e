"""The references that a filter allows, and searching among them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fakes import colours, paint

from shitu.catalog import Catalog
from shitu.catalog.filtering import Among
from shitu.errors import DatasetError, GalleryError, WhereError
from shitu.gallery.where import Where, parse_where

if TYPE_CHECKING:
    from conftest import Shop


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    """Two references of tea on shelf 3, one of coffee without a shelf."""
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    catalog.add([tea_shop.paint("tea/9.png", 9)], "tea", attributes={"shelf": "3"})
    return catalog


def labels(catalog: Catalog, where: str) -> list[str]:
    found = catalog.allowed(where)
    assert found.dtype == np.int64
    assert (np.diff(found) > 0).all()
    return sorted(r.label for r in catalog.references(found.tolist()).values())


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("shelf=3", ["tea", "tea", "tea"]),
        ("not shelf=3", ["coffee"]),
        ("label in (tea, coffee)", ["coffee", "tea", "tea", "tea"]),
        ("shelf=4", []),
    ],
)
def test_the_references_of_the_items_it_allows(
    catalog: Catalog, where: str, expected: list[str]
) -> None:
    assert labels(catalog, where) == expected


def test_a_filter_that_cannot_be_read_is_refused(catalog: Catalog) -> None:
    with pytest.raises(WhereError, match="at character 7"):
        catalog.allowed("shelf=")


def test_what_is_found_is_the_nearest_of_those_allowed(
    catalog: Catalog, names: Callable[[Catalog, int], str]
) -> None:
    assert names(catalog, 1) == "tea"
    query = colours(paint(1))[None]
    [[number]] = catalog.search(query, 1, catalog.allowed("label=coffee")).reference_ids
    assert catalog.references([number])[number].label == "coffee"
    nothing = catalog.search(query, 2, catalog.allowed("label=juice"))
    assert (nothing.reference_ids == -1).all()


def test_an_answer_is_worked_out_once_until_the_gallery_changes(
    tea_shop: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    allows = Where.allows

    def counted(self: Where, item: object) -> bool:
        asked.append(self.text)
        return allows(self, item)  # type: ignore[arg-type]

    monkeypatch.setattr(Where, "allows", counted)
    before = catalog.allowed("label=tea")
    assert catalog.allowed("label=tea") is before
    assert len(asked) == 2  # the items, each but once
    with pytest.raises(ValueError, match="read-only"):
        before[0] = 0
    other = tea_shop.open()
    other.add([tea_shop.paint("tea/10.png", 10)], "tea")
    assert len(catalog.allowed("label=tea")) == len(before) + 1  # committed by somebody else
    other.relabel("tea", "green tea")
    assert len(catalog.allowed("label=tea")) == 0


def test_many_filters_do_not_fill_the_memory(catalog: Catalog) -> None:
    for number in range(100):
        catalog.allowed(f"shelf={number}")
    assert len(catalog._filters._answers) <= 32


@pytest.mark.parametrize(
    ("where", "notes"),
    [
        ("shelf=3", 0),
        ("shelf=4", 1),
        ("shlef=3", 2),
        ("shlef=3 or label=tea", 1),
    ],
)
def test_it_says_when_nothing_is_allowed_or_a_key_is_unknown(
    catalog: Catalog, where: str, notes: int
) -> None:
    found = catalog.select(where).notes
    assert len(found) == notes
    assert not notes or "did you mean 'shelf'?" in found[0] or "allows no reference" in found[0]


def test_among_is_a_catalog_of_what_is_allowed(catalog: Catalog) -> None:
    among = Among(catalog, parse_where("label=tea"))
    assert {r.label for r in among.all_references()} == {"tea"}
    assert among.search(colours(paint(3))[None], 9).reference_ids.max() > 0
    with pytest.raises(DatasetError, match="allows no reference"):
        Among(catalog, parse_where("label=juice"))
    with pytest.raises(DatasetError, match=r"attribute .aisle.; the filter"):
        Among(catalog, parse_where("has aisle"))


def any_change(catalog: Catalog, shop: Shop, rng: random.Random, number: int) -> None:
    items = catalog.items()
    labels = [item.label for item in items]
    kind = rng.choice(["add", "add", "set", "relabel", "merge", "remove", "undo", "back"])
    if kind == "add" or len(labels) < 2:
        catalog.add([shop.paint(f"new/{number}.png", 100 + number)], rng.choice("abcde"))
    elif kind == "set":
        catalog.set_attributes(rng.choice(labels), {"shelf": rng.randrange(3)})
    elif kind == "relabel":
        catalog.relabel(rng.choice(labels), f"label {number}")
    elif kind == "merge":
        first, second = rng.sample(labels, 2)
        catalog.merge([first], second)
    elif kind == "remove":
        catalog.remove(label=rng.choice(labels))
    elif kind == "undo":
        catalog.undo()
    else:
        catalog.go_back(max(1, catalog.gallery.head().generation - rng.randrange(1, 6)))


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_an_old_answer_is_never_given(tea_shop: Shop, seed: int) -> None:
    rng = random.Random(seed)
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    for number in range(25):
        with contextlib.suppress(GalleryError):  # not everything can be undone
            any_change(catalog, tea_shop, rng, number)
        where = parse_where(rng.choice(["shelf=1", "not has shelf", "label like 'label%'"]))
        expected = [item.item_id for item in catalog.items() if where.allows(item)]
        references = catalog.all_references()
        assert catalog.allowed(where).tolist() == [
            r.reference_id for r in references if r.item_id in expected
        ]
