"""Paths: kept as text whatever the file is called, and relative to a root that may move."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from shitu.gallery import FileState, NewReference, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.tables import path_to_text, text_to_path

Make = Callable[..., NewReference]
NAMES = [
    "a.jpg",
    "a b",
    "a\\b",
    "\\x41",
    "a\nb",
    "茶\t叶",
    "\U0001f375",
    "\udcff\udc80",
    "\\\udcff",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_survives_as_text(name: str) -> None:
    text = path_to_text(name)
    assert text.encode("utf-8")
    assert text_to_path(text) == name


def test_no_two_names_share_a_text() -> None:
    assert len({path_to_text(name) for name in NAMES}) == len(NAMES)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with pictures and room for an index."""
    folder = tmp_path / "shop"
    (folder / "photos" / "tea").mkdir(parents=True)
    (folder / "photos" / "tea" / "1.jpg").touch()
    return folder


@pytest.fixture
def fill(make: Make, space: Space) -> Callable[[Path], Gallery]:
    """Make a gallery of a shop with one picture."""

    def put(shop: Path) -> Gallery:
        gallery = Gallery.open(shop / "index" / "gallery.db", shop / "index")
        photos = shop / "photos"
        new = make(1, path=str(photos / "tea" / "1.jpg"), source=str(photos))
        with gallery.write("build") as transaction:
            transaction.set_root(photos)
            transaction.add([(transaction.ensure_item("tea"), new)], space)
        return gallery

    return put


def test_pictures_are_found_where_they_were(shop: Path, fill: Callable[[Path], Gallery]) -> None:
    gallery = fill(shop)
    [reference] = gallery.all_references()
    assert reference.path == shop / "photos" / "tea" / "1.jpg"
    assert gallery.root() == shop / "photos"
    gallery.close()


def test_pictures_and_index_may_move_together(shop: Path, fill: Callable[[Path], Gallery]) -> None:
    fill(shop).close()
    moved = shop.rename(shop.with_name("market"))
    gallery = Gallery.open(moved / "index" / "gallery.db", moved / "index")
    assert gallery.root() == moved / "photos"
    assert gallery.all_references()[0].path == moved / "photos" / "tea" / "1.jpg"
    [known] = gallery.known_files(moved / "photos")
    assert known.source == str(moved / "photos")
    gallery.close()


def test_a_copied_shop_has_the_copied_pictures(shop: Path, fill: Callable[[Path], Gallery]) -> None:
    fill(shop).close()
    copy = Path(shutil.copytree(shop, shop.with_name("copy")))
    gallery = Gallery.open(copy / "index" / "gallery.db", copy / "index")
    assert gallery.all_references()[0].path == copy / "photos" / "tea" / "1.jpg"
    [known] = gallery.known_files(copy / "photos")
    assert (known.path, known.source) == (
        str(copy / "photos" / "tea" / "1.jpg"),
        str(copy / "photos"),
    )
    with gallery.write("build") as transaction:
        transaction.set_root(copy / "photos")
    assert gallery.known_files(copy / "photos") == [known]
    gallery.close()


@pytest.mark.parametrize("linked", ["when it is made", "afterwards"])
def test_a_copied_shop_has_them_by_a_link_to_its_index(
    shop: Path, make: Make, space: Space, tmp_path: Path, linked: str
) -> None:
    (tmp_path / "links").mkdir()
    (shop / "index").mkdir()
    (tmp_path / "links" / "index").symlink_to(shop / "index")
    index = (tmp_path / "links" if linked == "when it is made" else shop) / "index"
    gallery = Gallery.open(index / "gallery.db", index)
    with gallery.write("build") as transaction:
        transaction.set_root(shop / "photos")
        new = make(1, path=str(shop / "photos" / "tea" / "1.jpg"))
        transaction.add([(transaction.ensure_item("tea"), new)], space)
    gallery.close()
    copy = Path(shutil.copytree(shop, tmp_path / "far" / "copy"))
    (tmp_path / "index").symlink_to(copy / "index")
    (tmp_path / "photos").mkdir()  # beside the link, with none of its pictures
    for index in (copy / "index", tmp_path / "index"):
        gallery = Gallery.open(index / "gallery.db", index)
        assert gallery.all_references()[0].path == copy / "photos" / "tea" / "1.jpg"
        gallery.close()


def test_an_index_copied_alone_has_the_first_pictures(
    shop: Path, fill: Callable[[Path], Gallery], tmp_path: Path
) -> None:
    fill(shop).close()
    copy = Path(shutil.copytree(shop / "index", tmp_path / "other" / "index"))
    (tmp_path / "other" / "photos" / "coffee").mkdir(parents=True)  # not those of this gallery
    gallery = Gallery.open(copy / "gallery.db", copy)
    assert gallery.all_references()[0].path == shop / "photos" / "tea" / "1.jpg"
    gallery.close()


def test_a_renamed_folder_of_pictures_is_known_again(
    shop: Path, fill: Callable[[Path], Gallery]
) -> None:
    gallery = fill(shop)
    moved = (shop / "photos").rename(shop / "pictures")
    [known] = gallery.known_files(moved)
    assert (known.path, known.source) == (str(moved / "tea" / "1.jpg"), str(moved))
    with gallery.write("build") as transaction:
        transaction.set_root(moved)
    assert gallery.all_references()[0].path == moved / "tea" / "1.jpg"
    assert gallery.history()[-1].after["root"] == [{"path": str(moved), "moved": True}]
    gallery.close()


def test_another_root_leaves_the_pictures_where_they_are(
    shop: Path, fill: Callable[[Path], Gallery]
) -> None:
    gallery = fill(shop)
    other = shop / "more photos"
    other.mkdir()
    for root in (other, shop / "photos", shop):
        with gallery.write("build") as transaction:
            transaction.set_root(root)
        assert gallery.root() == root
        assert gallery.all_references()[0].path == shop / "photos" / "tea" / "1.jpg"
    gallery.close()


def test_a_moved_picture_is_logged_with_both_places(
    shop: Path, fill: Callable[[Path], Gallery]
) -> None:
    gallery = fill(shop)
    with gallery.write("build") as transaction:
        transaction.move(1, str(shop / "photos" / "2.jpg"), FileState(1, 1), None)
    change = gallery.history()[-1]
    assert change.before["references"][0]["path"] == os.path.join("tea", "1.jpg")  # noqa: PTH118
    assert change.after["references"][0]["path"] == "2.jpg"
    gallery.close()


def test_undecodable_names_go_through_rows_and_log(
    gallery: Gallery, make: Make, space: Space
) -> None:
    path = os.fsdecode(b"/photos/\xff\n\\.jpg")
    with gallery.write("build") as transaction:
        new = make(1, path=path, source=os.fsdecode(b"/\xfe"))
        transaction.add([(transaction.ensure_item("tea"), new)], space)
    assert os.fsencode(gallery.all_references()[0].path) == b"/photos/\xff\n\\.jpg"
    [row] = gallery.history()[-1].after["references"]
    assert text_to_path(row["path"]) == path
