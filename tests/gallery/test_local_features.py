"""Local features are a cache beside the rows: no generation, no waiting, gone with compaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from shitu.errors import GalleryError
from shitu.gallery.gallery import Gallery
from shitu.gallery.local_features import keep_features, read_features, read_thumbnails
from shitu.gallery.moments import Moment

Add = Callable[..., list[int]]


def test_what_was_kept_is_found_by_its_fingerprint(gallery: Gallery, add: Add) -> None:
    one, two = add(gallery, "tea", 1, 2)
    keep_features(gallery, {one: ("a", b"first"), two: ("a", b"second")})
    keep_features(gallery, {one: ("b", b"newer")})
    assert read_features(gallery, {one: "b", two: "a", 99: "a"}) == {one: b"newer", two: b"second"}
    assert read_features(gallery, {one: "a"}) == {}, "of other settings, or another box"


def test_keeping_is_no_change_of_the_gallery(gallery: Gallery, add: Add) -> None:
    [one] = add(gallery, "tea", 1)
    before = gallery.head(), len(gallery.history())
    keep_features(gallery, {one: ("a", b"first")})
    keep_features(gallery, {})
    assert (gallery.head(), len(gallery.history())) == before


def test_they_stay_with_a_removed_reference_until_that_is_forgotten(
    gallery: Gallery, add: Add
) -> None:
    one, two = add(gallery, "tea", 1, 2)
    keep_features(gallery, {one: ("a", b"first"), two: ("a", b"second")})
    with gallery.write("remove") as transaction:
        transaction.remove([one])
    assert read_features(gallery, {one: "a"}) == {one: b"first"}
    assert read_thumbnails(gallery, [one, 99]) == {one: b"jpeg 1"}
    with gallery.write("compact") as transaction:
        assert transaction.forget(Moment("2", 2)).references == 0
    assert read_features(gallery, {one: "a"}) == {one: b"first"}
    with gallery.write("compact") as transaction:
        assert transaction.forget(Moment("3", 3)).references == 1
    assert read_features(gallery, {one: "a", two: "a"}) == {two: b"second"}


@pytest.mark.sqlite
def test_nobody_waits_for_a_cache(gallery: Gallery, add: Add, tmp_path: Path) -> None:
    [one] = add(gallery, "tea", 1)
    with closing(sqlite3.connect(tmp_path / "gallery.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with pytest.raises(GalleryError, match="locked"):
            keep_features(gallery, {one: ("a", b"first")})
        assert time.monotonic() - start < 5, "far below the 30 s of those who must"
        other.execute("ROLLBACK")
    with gallery._begin() as connection:
        patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert patience == 30_000, "which they still have"
    keep_features(gallery, {one: ("a", b"first")})
    assert read_features(gallery, {one: "a"}) == {one: b"first"}


@pytest.mark.sqlite
def test_a_reader_without_permission_reads_only(gallery: Gallery, add: Add, tmp_path: Path) -> None:
    [one] = add(gallery, "tea", 1)
    keep_features(gallery, {one: ("a", b"first")})
    reader = Gallery.open(tmp_path / "gallery.db", tmp_path, read_only=True)
    with closing(reader):
        with pytest.raises(GalleryError, match="cannot be written"):
            keep_features(reader, {one: ("a", b"other")})
        assert read_features(reader, {one: "a"}) == {one: b"first"}
