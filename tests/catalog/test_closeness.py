"""Where items lie: the mean of their references, whatever came, went or was renamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from answering import between, save
from fakes import colours, paint

from shitu.catalog import Catalog
from shitu.catalog.filtering import Among
from shitu.images import load_image

if TYPE_CHECKING:
    from conftest import Shop

QUERIES = np.stack([colours(paint(seed)) for seed in range(1, 6)])


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    return catalog


def items(catalog: Catalog) -> np.ndarray:
    return np.array([item.item_id for item in catalog.items()], np.int64)


def closeness(catalog: Catalog) -> np.ndarray:
    return catalog.closeness(QUERIES, np.tile(items(catalog), (len(QUERIES), 1)))


def plainly(catalog: Catalog) -> np.ndarray:
    """The same from the pictures, in the plainest way."""
    means = []
    for item in items(catalog).tolist():
        own = [r.path for r in catalog.all_references() if r.item_id == item]
        mean = np.mean([colours(load_image(path)) for path in own], axis=0)
        means.append(mean / np.linalg.norm(mean))
    return QUERIES @ np.array(means).T


def added(catalog: Catalog, name: str) -> int:
    return next(r.reference_id for r in catalog.all_references() if r.path.name == name)


def test_it_follows_every_change(catalog: Catalog, tmp_path: Path) -> None:
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: catalog.add([save(tmp_path / "4.png", paint(4))], "coffee"),
        lambda: catalog.add([save(tmp_path / "5.png", between(1, 5, 0.5))], "cocoa"),
        lambda: catalog.remove(reference_id=added(catalog, "4.png")),
        lambda: catalog.merge(["cocoa"], "tea"),
        lambda: catalog.relabel("coffee", "mocha"),
        lambda: catalog.undo(),
    ]
    for step in steps:
        step()
        assert closeness(catalog) == pytest.approx(plainly(catalog), abs=1e-5)


def test_what_others_commit_counts_once_it_is_searched(
    catalog: Catalog, tea_shop: Shop, tmp_path: Path
) -> None:
    before = closeness(catalog)
    tea_shop.open().add([save(tmp_path / "4.png", paint(4))], "coffee")
    assert closeness(catalog) == pytest.approx(before, abs=1e-6)
    assert catalog.refresh()
    assert closeness(catalog) == pytest.approx(plainly(catalog), abs=1e-5)
    assert np.abs(closeness(catalog) - before).max() > 0.01


def test_the_past_has_its_own(catalog: Catalog, tmp_path: Path) -> None:
    then, generation, there = closeness(catalog), catalog.gallery.head().generation, items(catalog)
    catalog.add([save(tmp_path / "4.png", paint(4))], "coffee")
    asked = np.tile(there, (len(QUERIES), 1))
    past = catalog.as_of(generation)
    assert past.closeness(QUERIES, asked) == pytest.approx(then, abs=1e-6)
    assert np.abs(catalog.closeness(QUERIES, asked) - then).max() > 0.01


def test_a_filter_takes_no_reference_from_an_item(catalog: Catalog) -> None:
    among = Among(catalog, 'label = "tea"')
    asked = np.tile(items(catalog), (len(QUERIES), 1))
    assert among.closeness(QUERIES, asked) == pytest.approx(closeness(catalog))


def test_an_empty_gallery_is_close_to_nothing(shop: Shop) -> None:
    nothing = np.full((1, 3), -1, np.int64)
    assert (shop.open().closeness(QUERIES[:1], nothing) == 0).all()
