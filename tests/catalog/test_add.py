"""Add: pictures to an item, all of them or none, copied in when they come from elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeDescriber, paint_file

from shitu.catalog import Catalog
from shitu.catalog import addition as addition_module
from shitu.errors import DuplicateReference, GalleryError, ImageError
from shitu.geometry import Box

if TYPE_CHECKING:
    from conftest import Shop

Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A picture that lies in no gallery."""
    return paint_file(tmp_path / "camera" / "IMG 1.png", 5)


def built(shop: Shop) -> Catalog:
    catalog = shop.open()
    shop.build(catalog)
    return catalog


def test_the_first_picture_makes_the_item_and_the_gallery(
    shop: Shop, outside: Path, names: Names
) -> None:
    catalog = shop.open()
    summary = catalog.add([outside], "cocoa")
    assert (summary.added, summary.label, summary.generation) == (1, "cocoa", 1)
    assert summary.copied == (shop.index / "pictures" / "cocoa" / "IMG 1.png",)
    assert names(catalog, 5) == "cocoa"
    assert names(shop.open(), 5) == "cocoa"


def test_the_original_is_copied_in_when_it_comes_from_elsewhere(
    tea_shop: Shop, outside: Path
) -> None:
    catalog = built(tea_shop)
    [number] = catalog.add([outside], "cocoa").reference_ids
    outside.unlink()
    path = catalog.references([number])[number].path
    assert path == tea_shop.photos / "cocoa" / "IMG 1.png"
    assert path.exists()
    again = tea_shop.build(catalog, prune=True)
    assert (again.unchanged, again.added, again.removed) == (4, 0, ())


def test_a_picture_of_the_gallery_stays_where_it_is(tea_shop: Shop) -> None:
    catalog = built(tea_shop)
    path = tea_shop.paint("tea/new.png", 8)
    summary = catalog.add([path], "tea")
    assert (summary.copied, summary.added) == ((), 1)
    assert tea_shop.build(catalog).unchanged == 4


def test_a_picture_that_was_put_aside_comes_back_out(tea_shop: Shop) -> None:
    catalog = built(tea_shop)
    aside = catalog.remove(label="tea").moved[0]
    summary = catalog.add([aside], "tea")
    assert summary.copied == (tea_shop.photos / "tea" / aside.name,)
    assert tea_shop.build(catalog).unchanged == 2


def test_a_copy_never_goes_to_what_was_put_aside(tea_shop: Shop, outside: Path) -> None:
    catalog = built(tea_shop)
    hidden = paint_file(tea_shop.photos / ".removed" / "cocoa" / "1.png", 9)
    [first] = catalog.add([hidden], "cocoa").copied
    [second] = catalog.add([outside], "cocoa").copied
    assert first.parent == second.parent == tea_shop.photos / "cocoa"


def test_a_copy_goes_to_the_other_pictures_of_its_item(tea_shop: Shop, outside: Path) -> None:
    catalog = built(tea_shop)
    catalog.relabel("tea", "green tea")
    assert catalog.add([outside], "green tea").copied[0].parent == tea_shop.photos / "tea"


def test_a_name_that_is_taken_gets_a_number(tea_shop: Shop, tmp_path: Path) -> None:
    catalog = built(tea_shop)
    before = (tea_shop.photos / "tea" / "1.png").read_bytes()
    pictures = [paint_file(tmp_path / str(n) / "1.png", 20 + n) for n in range(2)]
    copied = catalog.add(pictures, "tea").copied
    assert [path.name for path in copied] == ["1-2.png", "1-3.png"]
    assert (tea_shop.photos / "tea" / "1.png").read_bytes() == before


def test_the_same_bytes_to_the_same_item_change_nothing_and_say_so(
    tea_shop: Shop, tmp_path: Path
) -> None:
    catalog = built(tea_shop)
    twin = shutil.copy(tea_shop.photos / "tea" / "1.png", tmp_path / "twin.png")
    summary = catalog.add([twin], "tea")
    assert (summary.added, summary.copied, summary.generation) == (0, (), 1)
    [duplicate] = summary.duplicates
    assert str(tea_shop.photos / "tea" / "1.png") in duplicate.reason
    assert tea_shop.describer.described == 3


def test_the_same_bytes_to_another_item_are_refused_and_the_first_is_named(
    tea_shop: Shop, tmp_path: Path, outside: Path
) -> None:
    catalog = built(tea_shop)
    twin = shutil.copy(tea_shop.photos / "tea" / "1.png", tmp_path / "twin.png")
    with pytest.raises(DuplicateReference, match=r"tea/1\.png, which belongs to 'tea'"):
        catalog.add([outside, twin], "cocoa")
    assert [item.label for item in catalog.items()] == ["coffee", "tea"]
    assert not (tea_shop.photos / "cocoa").exists()


def test_the_same_bytes_twice_in_one_call(shop: Shop, outside: Path, tmp_path: Path) -> None:
    twin = shutil.copy(outside, tmp_path / "twin.png")
    summary = shop.open().add([outside, twin], "cocoa")
    assert (summary.added, [d.path for d in summary.duplicates]) == (1, [twin])


def test_a_picture_added_by_another_process_meanwhile(
    tea_shop: Shop, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog, other = built(tea_shop), tea_shop.open(FakeDescriber())
    prepare = addition_module._prepare

    def prepare_slowly(*arguments: Any) -> Any:
        found = prepare(*arguments)
        monkeypatch.setattr(addition_module, "_prepare", prepare)
        other.add([outside], "tea")
        return found

    monkeypatch.setattr(addition_module, "_prepare", prepare_slowly)
    assert len(catalog.add([outside], "tea").duplicates) == 1
    assert catalog.check().problems == ()
    assert len(catalog.all_references()) == 4


def test_a_picture_that_changes_meanwhile_is_not_taken(
    tea_shop: Shop, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = built(tea_shop)
    prepare = addition_module._prepare

    def prepare_slowly(*arguments: Any) -> Any:
        found = prepare(*arguments)
        paint_file(outside, 6)
        return found

    monkeypatch.setattr(addition_module, "_prepare", prepare_slowly)
    with pytest.raises(ImageError, match="was changed while it was being added"):
        catalog.add([outside], "cocoa")
    assert [item.label for item in catalog.items()] == ["coffee", "tea"]


@pytest.mark.parametrize(
    ("label", "content", "box", "error", "sentence"),
    [
        (" ", None, None, GalleryError, "label is empty"),
        ("a\tb", None, None, GalleryError, r"label 'a\\tb' has a line break, a tab or"),
        ("cocoa", b"", None, ImageError, "is empty"),
        ("cocoa", b"Dear Sir,", None, ImageError, "camera/wrong.jpg"),
        ("cocoa", None, (20.0, 0.0, 30.0, 9.0), GalleryError, r"holds nothing of .*16 x 16"),
        ("cocoa", None, (9.0, 0.0, 3.0, 9.0), GalleryError, "left, top, right, bottom"),
        ("cocoa", None, (float("nan"), 0.0, 3.0, 9.0), GalleryError, "left, top, right, bottom"),
    ],
)
def test_bad_input_writes_nothing(
    shop: Shop,
    outside: Path,
    label: str,
    content: bytes | None,
    box: Box | None,
    error: type[Exception],
    sentence: str,
) -> None:
    wrong = outside.with_name("wrong.jpg")
    if content is not None:
        wrong.write_bytes(content)
    paths = [outside] if content is None else [outside, wrong]
    with pytest.raises(error, match=sentence):
        shop.open().add(paths, label, box=box)
    assert not shop.index.exists()


def test_no_picture_at_all(shop: Shop) -> None:
    with pytest.raises(GalleryError, match="no picture to add to 'tea'"):
        shop.open().add([], "tea")


def test_a_picture_that_is_not_there(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        shop.open().add([tmp_path / "none.png"], "tea")


def test_the_box_is_kept(shop: Shop, outside: Path) -> None:
    catalog = shop.open()
    [number] = catalog.add([outside], "cocoa", box=(1, 2, 9, 12)).reference_ids
    reference = catalog.references([number])[number]
    assert (reference.box, reference.box_given) == ((1.0, 2.0, 9.0, 12.0), True)


def test_another_box_for_a_picture_that_is_there_says_what_to_do(shop: Shop, outside: Path) -> None:
    catalog = shop.open()
    [number] = catalog.add([outside], "cocoa", box=(1, 2, 9, 12)).reference_ids
    [same] = catalog.add([outside], "cocoa", box=(1, 2, 9, 12)).duplicates
    assert "whose box" not in same.reason
    [other] = catalog.add([outside], "cocoa", box=(2, 2, 9, 12)).duplicates
    assert f"`shitu remove-item --reference {number}` first" in other.reason
    assert catalog.references([number])[number].box == (1.0, 2.0, 9.0, 12.0)


def test_attributes_are_kept_and_merged(shop: Shop, tmp_path: Path) -> None:
    catalog = shop.open()
    for seed, attributes in ((1, {"price": "3"}), (2, {"shelf": "A, 2"}), (3, None)):
        catalog.add([paint_file(tmp_path / f"{seed}.png", seed)], "tea", attributes=attributes)
    assert catalog.items()[0].attributes == {"price": "3", "shelf": "A, 2"}


def test_no_copy_stays_when_the_commit_fails(
    tea_shop: Shop, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = built(tea_shop)

    def full(*_: object) -> None:
        raise GalleryError("the disk is full")

    monkeypatch.setattr("shitu.gallery.transaction.Transaction.finish", full)
    with pytest.raises(GalleryError, match="the disk is full"):
        catalog.add([outside], "tea")
    assert sorted(p.name for p in (tea_shop.photos / "tea").iterdir()) == ["1.png", "2.png"]
    assert len(catalog.all_references()) == 3


def test_a_copy_left_by_a_killed_process_is_used(tea_shop: Shop, outside: Path) -> None:
    catalog = built(tea_shop)
    left = shutil.copy(outside, tea_shop.photos / "tea" / outside.name)
    assert catalog.add([outside], "tea").added == 1
    assert catalog.all_references()[-1].path == left


def test_half_a_copy_left_by_a_killed_process_is_swept_up(tea_shop: Shop, outside: Path) -> None:
    old, new = (tea_shop.photos / "tea" / f".shitu-{age}" for age in ("old", "new"))
    for half in (old, new):
        half.write_bytes(b"half")
    os.utime(old, (0, 0))
    built(tea_shop).add([outside], "tea")
    assert (old.exists(), new.exists()) == (False, True)  # another process may be at the new one


@pytest.mark.parametrize(
    "name", ["茶" * 83 + ".png", ".png", "a" * 250 + ".png"], ids=["chinese", "hidden", "long"]
)
def test_copies_have_names_that_can_be_read(shop: Shop, tmp_path: Path, name: str) -> None:
    picture = paint_file(tmp_path / "x.png", 5).rename(tmp_path / name)
    [copy] = shop.open().add([picture], "tea").copied
    assert copy.exists()
    assert str(copy).isprintable()


def test_without_a_model_nothing_can_be_added(tea_shop: Shop, outside: Path) -> None:
    built(tea_shop)
    catalog = Catalog.open(tea_shop.index, url=tea_shop.url)
    with pytest.raises(GalleryError, match="no model was named"):
        catalog.add([outside], "tea")
    catalog.close()


def test_many_pictures_at_once(shop: Shop, tmp_path: Path, vectors_agree: Agree) -> None:
    catalog = shop.open()
    pictures = [paint_file(tmp_path / f"{seed}.png", seed) for seed in range(40)]
    assert catalog.add(pictures, "tea").added == 40
    assert vectors_agree(catalog)
