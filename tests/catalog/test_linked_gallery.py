"""A gallery is the same folder by whatever name it is reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shitu.catalog import Catalog, entries_from_file, entries_from_folder

if TYPE_CHECKING:
    from conftest import Shop


@pytest.fixture
def link(tea_shop: Shop) -> Path:
    """A link to the photos, from elsewhere."""
    made = tea_shop.index.parent / "link"
    made.symlink_to(tea_shop.photos, target_is_directory=True)
    return made


@pytest.fixture
def built(tea_shop: Shop) -> Catalog:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    return catalog


def test_a_build_by_a_link_finds_everything_unchanged(
    tea_shop: Shop, built: Catalog, link: Path
) -> None:
    before = built.gallery.head()

    summary = built.build(entries_from_folder(link), root=link)

    assert (summary.unchanged, summary.added, summary.duplicates) == (3, 0, ())
    assert built.gallery.head() == before


def test_a_label_file_by_a_link_names_the_same_pictures(
    tea_shop: Shop, built: Catalog, link: Path
) -> None:
    (tea_shop.photos / "list.txt").write_text("tea/1.png\ttea\ntea/2.png\tgreen tea\n")

    summary = built.build(entries_from_file(link / "list.txt"), root=link)

    assert (summary.unchanged, summary.duplicates) == (2, ())
    assert summary.relabelled == (tea_shop.photos / "tea" / "2.png",)


def test_a_sync_by_a_link_removes_what_is_gone(tea_shop: Shop, built: Catalog, link: Path) -> None:
    (tea_shop.photos / "tea" / "1.png").unlink()

    report = built.sync(link)

    assert report.removed == (tea_shop.photos / "tea" / "1.png",)
    assert (report.unchanged, report.duplicates) == (2, ())


def test_of_two_folders_each_is_known_by_a_link(
    tea_shop: Shop, built: Catalog, link: Path, paint_elsewhere: Callable[[], Path]
) -> None:
    built.sync(paint_elsewhere())

    report = built.sync(link)

    assert (report.unchanged, report.duplicates, report.removed) == (3, (), ())


@pytest.fixture
def paint_elsewhere(tea_shop: Shop) -> Callable[[], Path]:
    """Makes another folder with a picture in it."""

    def paint() -> Path:
        return tea_shop.paint("../more/cocoa/1.png", 9).resolve().parent.parent

    return paint


def test_a_link_that_leads_elsewhere_now_is_followed(tea_shop: Shop, link: Path) -> None:
    catalog = tea_shop.open()
    catalog.sync(link)
    link.unlink()
    tea_shop.photos.rename(tea_shop.photos.with_name("photos of May"))
    link.symlink_to("photos of May")

    report = catalog.sync(link)

    assert (report.unchanged, report.changes) == (3, 0)


def test_a_picture_added_by_a_link_is_not_copied(
    tea_shop: Shop, built: Catalog, link: Path
) -> None:
    tea_shop.paint("new/1.png", 8)

    summary = built.add([link / "new" / "1.png"], "tea")

    assert summary.copied == ()
    assert built.all_references()[-1].path == tea_shop.photos / "new" / "1.png"
