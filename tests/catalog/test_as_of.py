"""The gallery as it was: every generation is listed, filtered and searched as it was then."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes import colours, paint, paint_file
from sqlalchemy import text

from shitu.catalog import Catalog, PastGallery, entries_from_folder
from shitu.errors import GalleryError

if TYPE_CHECKING:
    from conftest import Shop

QUERIES = np.stack([colours(paint(seed)) for seed in (1, 2, 3, 50, 51)])


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    """Tea with two pictures (1, 2) and coffee with one (3): generation 1."""
    opened = tea_shop.open()
    tea_shop.build(opened)
    return opened


def picture_of(lookup: Catalog | PastGallery) -> dict[str, Any]:
    """All that can be asked of a gallery: items, references, filters, neighbours with scores."""
    found = lookup.search(QUERIES, 4)
    return {
        "items": lookup.items(),
        "references": [(r.reference_id, r.label, r.sha256, r.how) for r in lookup.all_references()],
        "ids": found.reference_ids.tolist(),
        "scores": found.scores.tolist(),
        "priced": lookup.select("price > 1").ids.tolist(),
        "filtered": lookup.search(QUERIES, 2, lookup.select("price > 1").ids).scores.tolist(),
    }


def test_every_generation_is_as_it_was(tea_shop: Shop, catalog: Catalog, tmp_path: Path) -> None:
    chance = random.Random(5)
    pictures = [paint_file(tmp_path / "camera" / f"{seed}.png", seed) for seed in range(40, 60)]

    def label() -> str:
        return chance.choice(catalog.items()).label if catalog.items() else "tea"

    deeds: list[Callable[[], object]] = [
        lambda: catalog.add([pictures.pop()], chance.choice([label(), f"new {len(pictures)}"])),
        lambda: catalog.remove(label=label()),
        lambda: catalog.remove(reference_id=chance.choice(catalog.all_references()).reference_id),
        lambda: catalog.relabel(label(), f"name {chance.random()}"),
        lambda: catalog.merge([label()], label()),
        lambda: catalog.set_attributes(label(), {"price": chance.randrange(4)}),
        lambda: catalog.undo(),
        lambda: catalog.go_back(chance.randrange(len(catalog.history()))),
    ]
    states = {0: None, 1: picture_of(catalog)}
    while len(states) < 40:
        with suppress(GalleryError, IndexError):
            chance.choice(deeds)()
        states.setdefault(catalog.history()[-1].generation, picture_of(catalog))
    for generation, state in states.items():
        if generation:
            assert picture_of(catalog.as_of(generation)) == state, generation
    assert catalog.as_of(0).items() == []
    reader = tea_shop.open(read_only=True)
    assert picture_of(reader.as_of(7)) == states[7]


def test_names_and_attributes_are_those_of_that_time(catalog: Catalog) -> None:
    catalog.set_attributes("tea", {"shelf": 1})
    catalog.relabel("tea", "green tea")
    catalog.set_attributes("green tea", {"shelf": 2})
    catalog.merge(["green tea"], "coffee")
    past = catalog.as_of(2)
    assert {item.label: item.attributes for item in past.items()}["tea"] == {"shelf": 1}
    assert {r.label for r in past.references([1, 2, 3, 99]).values()} == {"tea", "coffee"}
    assert past.select("shelf = 1").ids.tolist() == [
        r.reference_id for r in past.all_references() if r.label == "tea"
    ]
    assert "no item has an attribute 'shelf'" in catalog.as_of(1).select("shelf = 1").notes[0]


def test_items_of_the_past_are_the_callers_own(catalog: Catalog) -> None:
    catalog.set_attributes("tea", {"shelf": [1]})
    past = catalog.as_of(2)
    [tea] = (item for item in past.items() if item.label == "tea")
    tea.attributes["shelf"].append(3)  # type: ignore[union-attr]
    assert not len(past.select("shelf = 3").ids)
    assert past.items() == catalog.items()


def test_a_state_does_not_change_any_more(catalog: Catalog) -> None:
    past = catalog.as_of(1)
    catalog.remove(label="tea")
    assert [item.label for item in past.items()] == ["coffee", "tea"]
    assert past.search(QUERIES[:1], 1).scores[0, 0] > 0.999


def test_paths_lead_to_where_pictures_lie_now(
    tea_shop: Shop, catalog: Catalog, tmp_path: Path
) -> None:
    paint_file(tmp_path / "others" / "cocoa" / "1.png", 7)
    others = tmp_path / "others"
    catalog.remove(label="coffee")
    catalog.build(entries_from_folder(others), root=others)
    paths = [r.path for r in catalog.as_of(1).all_references()]
    assert sorted(paths) == sorted(
        tea_shop.photos / name for name in ("coffee/1.png", "tea/1.png", "tea/2.png")
    )


def test_a_state_whose_vectors_are_gone_can_be_listed_but_not_searched(catalog: Catalog) -> None:
    catalog.remove(label="tea")
    alive = "(SELECT reference_id FROM item_references)"
    with catalog.gallery._begin() as connection:
        connection.execute(text(f"DELETE FROM embeddings WHERE reference_id NOT IN {alive}"))
    past = catalog.as_of(1)
    assert len(past.items()) == 2
    with pytest.raises(GalleryError, match=r"of its 3 references 2 have no vector.*older version"):
        past.search(QUERIES, 1)
    assert catalog.as_of(2).search(QUERIES, 1).reference_ids.min() > 0


def test_nothing_is_found_in_nothing(shop: Shop) -> None:
    past = shop.open().as_of(0)
    assert (past.items(), past.all_references()) == ([], [])
    assert past.search(QUERIES, 2).reference_ids.tolist() == [[-1, -1]] * len(QUERIES)
