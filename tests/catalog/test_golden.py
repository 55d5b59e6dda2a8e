"""Golden queries: what breaks one is refused as a whole, and foreseen as it would come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from answering import THRESHOLD, answer, between, logged, save
from fakes import FakeDescriber, paint

from shitu.adapter import Adapter
from shitu.calibration import Calibration
from shitu.catalog import Catalog
from shitu.catalog.learning import write_adapter, write_calibration
from shitu.deciding import Rule
from shitu.errors import GalleryError, GoldenBroken, ItemNotFound
from shitu.images import Image, load_image

if TYPE_CHECKING:
    from conftest import Shop

LIKE_COFFEE = between(3, 4, 0.3)


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    catalog = tea_shop.open(rule=lambda _: Rule(THRESHOLD))
    tea_shop.build(catalog)
    return catalog


@pytest.fixture
def keep(catalog: Catalog, tmp_path: Path) -> Callable[..., int]:
    """Call it with a picture and its label (None: unknown); returns the id."""

    def add(image: Image, label: str | None) -> int:
        path = save(tmp_path / f"{image.sum()}.png", image)
        return catalog.add_golden(path, label).golden_id

    return add


def rights(catalog: Catalog) -> list[bool | None]:
    return [one.right for one in catalog.check_golden()]


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_they_are_kept_listed_looked_up_and_removed(
    catalog: Catalog, keep: Callable[..., int]
) -> None:
    first, second = keep(LIKE_COFFEE, "coffee"), keep(paint(9), None)
    assert [(one.golden_id, one.expected) for one in catalog.golden()] == [
        (first, "coffee"),
        (second, "unknown"),
    ]
    assert rights(catalog) == [True, True]
    assert keep(LIKE_COFFEE, "coffee") == first, "the same once more is a no-op"
    with pytest.raises(GalleryError, match=r"same picture and says 'coffee'.*golden remove 1"):
        keep(LIKE_COFFEE, "tea")
    with pytest.raises(ItemNotFound, match="no item has the label 'cocoa'"):
        keep(paint(8), "cocoa")
    assert "is to be unknown" in catalog.events()[-1].sentence
    catalog.remove_golden([first])
    assert [one.golden_id for one in catalog.golden()] == [second]
    with pytest.raises(ItemNotFound, match=f"no golden query {first}"):
        catalog.remove_golden([second, first])
    assert len(catalog.golden()) == 1
    catalog.undo()
    assert rights(catalog) == [True, True]
    assert catalog.check().problems == ()


def test_the_answer_is_what_recognition_says_of_the_crop(
    catalog: Catalog, keep: Callable[..., int]
) -> None:
    pictures = [between(a, b, share) for a, b, share in ((1, 3, 0.5), (2, 9, 0.6), (3, 7, 0.3))]
    for image in pictures:
        keep(image, None)
    with catalog.gallery.known() as known:
        crops = [known.picture(one.query_id) for one in known.golden(catalog.space)]
    said = [answer(catalog, load_image(crop)) for crop in crops if crop is not None]
    assert [one.answer for one in catalog.check_golden()] == said


def test_a_picture_that_breaks_one_is_not_added(
    catalog: Catalog, keep: Callable[..., int], tea_shop: Shop, tmp_path: Path
) -> None:
    number = keep(LIKE_COFFEE, "coffee")
    before, there = catalog.gallery.head(), files(tea_shop.photos)
    new = save(tmp_path / "new.png", LIKE_COFFEE)
    with pytest.raises(GoldenBroken) as caught:
        catalog.add([new], "cocoa")
    assert f"{number} (" in str(caught.value)
    assert "was 'coffee' and would be 'cocoa'" in str(caught.value)
    assert "--force" in str(caught.value)
    assert catalog.gallery.head() == before
    assert files(tea_shop.photos) == there, "the copy is gone again"
    assert [item.label for item in catalog.items()] == ["coffee", "tea"]
    assert rights(catalog) == [True]
    catalog.guard.forced = True
    catalog.add([new], "cocoa")
    [broken] = catalog.guard.broken
    assert (broken.golden_id, broken.expected, broken.answer) == (number, "coffee", "cocoa")
    assert rights(catalog) == [False]
    assert catalog.check().problems == ()


def test_what_was_wrong_before_stops_nothing(
    catalog: Catalog, keep: Callable[..., int], tmp_path: Path
) -> None:
    keep(LIKE_COFFEE, "tea")
    catalog.add([save(tmp_path / "new.png", LIKE_COFFEE)], "cocoa")


def test_a_stranger_that_gets_a_name_is_noticed(
    catalog: Catalog, keep: Callable[..., int], tmp_path: Path
) -> None:
    keep(paint(9), None)
    with pytest.raises(GoldenBroken, match="was unknown and would be 'nine'"):
        catalog.add([save(tmp_path / "new.png", paint(9))], "nine")


def test_a_removal_that_is_refused_leaves_no_folder_behind(
    catalog: Catalog, keep: Callable[..., int], tea_shop: Shop
) -> None:
    keep(LIKE_COFFEE, "coffee")
    catalog.remove(label="tea")
    before = sorted(tea_shop.photos.rglob("*"))
    with pytest.raises(GoldenBroken):
        catalog.remove(label="coffee")
    assert sorted(tea_shop.photos.rglob("*")) == before


def test_an_addition_that_is_refused_leaves_no_folder_behind(
    catalog: Catalog, keep: Callable[..., int], tea_shop: Shop, tmp_path: Path
) -> None:
    keep(paint(9), None)
    number, before = logged(catalog, paint(9)), sorted(tea_shop.photos.rglob("*"))
    with pytest.raises(GoldenBroken):
        catalog.add([save(tmp_path / "new.png", paint(9))], "nine")
    with pytest.raises(GoldenBroken):
        catalog.confirm(number, "nine")
    assert sorted(tea_shop.photos.rglob("*")) == before


def test_removals_merges_and_labels(catalog: Catalog, keep: Callable[..., int]) -> None:
    keep(LIKE_COFFEE, "coffee")
    with pytest.raises(GoldenBroken, match=r"was 'coffee' and would be (unknown|'tea')"):
        catalog.remove(label="coffee")
    assert answer(catalog, LIKE_COFFEE) == "coffee"
    catalog.relabel("coffee", "espresso")
    assert [one.expected for one in catalog.golden()] == ["espresso"]
    catalog.merge(["espresso"], "tea")
    assert [one.expected for one in catalog.golden()] == ["tea"], "it follows its item"
    assert rights(catalog) == [True]
    catalog.undo()
    assert [one.expected for one in catalog.golden()] == ["espresso"]
    assert rights(catalog) == [True]
    catalog.set_attributes("espresso", {"price": 1})
    assert catalog.check().problems == ()


def test_an_undo_is_a_change_too(
    catalog: Catalog, keep: Callable[..., int], tea_shop: Shop, tmp_path: Path
) -> None:
    start = catalog.gallery.head().generation
    catalog.add([save(tmp_path / "new.png", paint(9))], "nine")
    keep(between(9, 8, 0.2), "nine")
    head, there = catalog.gallery.head(), files(tea_shop.photos)
    with pytest.raises(GoldenBroken, match="was 'nine'"):
        catalog.undo(start + 1)
    assert (catalog.gallery.head(), files(tea_shop.photos)) == (head, there)
    catalog.go_back(start)  # to where there was no golden query yet
    assert catalog.golden() == []
    catalog.undo()
    assert rights(catalog) == [True]
    assert catalog.check().problems == ()


def test_a_build_keeps_the_batches_before_the_one_that_breaks(
    catalog: Catalog, keep: Callable[..., int], tea_shop: Shop
) -> None:
    keep(LIKE_COFFEE, "coffee")
    tea_shop.paint("apple/1.png", 21)
    save(tea_shop.photos / "cocoa" / "1.png", LIKE_COFFEE)
    tea_shop.paint("zebra/1.png", 22)
    with pytest.raises(GoldenBroken, match=r"the 1 new pictures committed before stay"):
        tea_shop.build(catalog, batch_size=1)
    assert [item.label for item in catalog.items()] == ["apple", "coffee", "tea"]
    with pytest.raises(GoldenBroken, match="'cocoa'"):
        catalog.sync(tea_shop.photos)
    catalog.guard.forced = True
    assert tea_shop.build(catalog).added == 2
    assert len(catalog.guard.broken) == 1
    assert catalog.check().problems == ()


def test_feedback_is_looked_at(catalog: Catalog, keep: Callable[..., int]) -> None:
    keep(LIKE_COFFEE, "coffee")
    number = logged(catalog, between(3, 4, 0.31))
    with pytest.raises(GoldenBroken):
        catalog.reject(number)
    with pytest.raises(GoldenBroken):
        catalog.confirm(number, "cocoa")
    assert catalog.rejections() == []
    catalog.confirm(number)
    assert rights(catalog) == [True]


def test_a_calibration_is_looked_at(catalog: Catalog, keep: Callable[..., int]) -> None:
    keep(LIKE_COFFEE, "coffee")
    space = catalog.space
    assert space is not None
    strict = Calibration(
        space=space.fingerprint,
        weights=(1.0, 0.0, 0.0, 0.0, 0.0),
        constant=0.0,
        operating_point=0.99,
        far=0.01,
        usual={},
        usual_of_all=0.5,
    )
    with (
        pytest.raises(GoldenBroken, match="would be unknown"),
        catalog.gallery.write("calibrate") as transaction,
    ):
        write_calibration(transaction, strict)
    assert catalog.calibration() is None


def test_a_map_is_looked_at(catalog: Catalog, keep: Callable[..., int]) -> None:
    for share in (0.2, 0.4, 0.5, 0.6, 0.8):
        keep(between(3, 1, share), "coffee")
    raw = catalog.gallery.active_space()
    assert raw is not None
    rng = np.random.default_rng(5)
    squeezed = (rng.normal(size=(raw.dim, 3))).astype(np.float32)
    adapter = Adapter(np.zeros(raw.dim, np.float32), squeezed, "squeezed", {"recipe": {}})
    catalog.guard.forced = True
    with catalog.gallery.write("adapt") as transaction:
        write_adapter(transaction, raw, adapter)
    assert catalog.guard.foreseen is not None
    _, foreseen = catalog.guard.foreseen
    names = {item.item_id: item.label for item in catalog.items()}
    expected = [None if item is None else names[item] for item in foreseen.values()]
    found = catalog.check_golden()
    assert [one.answer for one in found] == expected
    assert catalog.guard.broken, "three dimensions are too few"
    broken = {one.golden_id for one in catalog.guard.broken}
    assert broken <= {one.golden_id for one in found if not one.right}


def test_another_model_is_looked_at(catalog: Catalog, keep: Callable[..., int]) -> None:
    keep(LIKE_COFFEE, "coffee")
    other = FakeDescriber("other")
    catalog.guard.rule = lambda space: Rule(2.0 if space == other.space else THRESHOLD)
    with pytest.raises(GoldenBroken, match="would be unknown"):
        catalog.migrate(other, max_loss=None)
    assert catalog.space is not None
    assert catalog.space.fingerprint == "colours"
    catalog.guard.rule = lambda _: Rule(THRESHOLD)
    assert catalog.migrate(other, max_loss=None).outcome == "switched"
    assert rights(catalog) == [True]
    assert catalog.check().problems == ()


def test_an_import_is_looked_at(
    catalog: Catalog, keep: Callable[..., int], tea_shop: Shop, tmp_path: Path
) -> None:
    from shitu.catalog import Catalog as Other

    with Other.open(tmp_path / "other", tea_shop.describer, create=True) as other:
        other.add([save(tmp_path / "new.png", LIKE_COFFEE)], "cocoa")
        other.export(tmp_path / "other.gallery", pictures=True)
    keep(LIKE_COFFEE, "coffee")
    there = files(tea_shop.photos)
    with pytest.raises(GoldenBroken, match="'cocoa'"):
        catalog.import_from(tmp_path / "other.gallery")
    assert files(tea_shop.photos) == there


def test_others_may_change_the_gallery_in_between(
    catalog: Catalog, keep: Callable[..., int], tea_shop: Shop, tmp_path: Path
) -> None:
    keep(LIKE_COFFEE, "coffee")
    catalog.add([save(tmp_path / "a.png", paint(31))], "other")
    second = tea_shop.open(rule=lambda _: Rule(THRESHOLD))
    second.add([save(tmp_path / "b.png", between(3, 4, 0.29))], "coffee")
    with pytest.raises(GoldenBroken):
        catalog.add([save(tmp_path / "c.png", LIKE_COFFEE)], "cocoa")


def test_nothing_is_looked_up_where_there_are_none(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog.guard, "committed", lambda: pytest.fail("nobody asked"))
    catalog.add([save(tmp_path / "new.png", paint(9))], "nine")


def test_the_next_change_needs_no_search(
    catalog: Catalog, keep: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(40, 50):
        keep(paint(seed), None)
    catalog.add([save(tmp_path / "a.png", paint(9))], "nine")
    cache: Any = catalog._cache
    monkeypatch.setattr(cache, "search", lambda *_: pytest.fail("the neighbours are known"))
    catalog.add([save(tmp_path / "b.png", paint(10))], "ten")


def test_another_process_need_not_search_either(
    catalog: Catalog,
    keep: Callable[..., int],
    tea_shop: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep(LIKE_COFFEE, "coffee")
    catalog.add([save(tmp_path / "a.png", paint(9))], "nine")
    second = tea_shop.open(rule=lambda _: Rule(THRESHOLD))
    cache: Any = second._cache
    with monkeypatch.context() as patch:
        patch.setattr(cache, "search", lambda *_: pytest.fail("the neighbours are known"))
        second.add([save(tmp_path / "b.png", paint(10))], "ten")
    (tea_shop.index / "golden.json").write_text("{torn", encoding="utf-8")
    third = tea_shop.open(rule=lambda _: Rule(THRESHOLD))
    with pytest.raises(GoldenBroken):
        third.add([save(tmp_path / "c.png", LIKE_COFFEE)], "cocoa")


@pytest.mark.parametrize("seed", range(3))
def test_what_is_foreseen_comes_true(
    catalog: Catalog, keep: Callable[..., int], tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(12):
        first, second = rng.integers(1, 9, 2)
        keep(between(int(first), int(second), float(rng.random())), None)
    catalog.guard.forced = True
    labels = ["tea", "coffee", "cocoa", "milk", "water"]
    for step in range(14):
        _change(catalog, rng, labels, tmp_path / f"{seed}-{step}.png")
        assert catalog.guard.foreseen is not None
        head, foreseen = catalog.guard.foreseen
        assert head == catalog.gallery.head()
        names = {item.item_id: item.label for item in catalog.items()}
        expected = [None if item is None else names[item] for item in foreseen.values()]
        assert [one.answer for one in catalog.check_golden()] == expected


def _change(catalog: Catalog, rng: np.random.Generator, labels: list[str], path: Path) -> None:
    there = [item.label for item in catalog.items()]
    kind = int(rng.integers(0, 6))
    image = between(int(rng.integers(1, 9)), int(rng.integers(1, 9)), float(rng.random()))
    if kind == 0 and len(there) > 2:
        catalog.remove(label=str(rng.choice(there)))
    elif kind == 1 and len(there) > 2:
        first, second = rng.choice(there, 2, replace=False)
        catalog.merge([str(first)], str(second))
    elif kind == 2 and len(there) > 2:
        catalog.undo()
    elif kind == 3 and there:
        catalog.reject(logged(catalog, image), str(rng.choice(there)))
    else:
        catalog.add([save(path, image)], str(rng.choice(labels)))
