"""Packages and photos for the verifier's benchmark: of a seed, and what they say they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.packages import (
    Package,
    catalogue_picture,
    is_turned,
    make_packages,
    make_photo,
    make_things,
)
from benchmarks.verifier import measure_verifier
from flat import print_of

from shitu.errors import DatasetError
from shitu.images import save_image


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{seed}.png" for seed in range(12)]
    for seed, path in enumerate(paths):
        save_image(path, print_of(seed))
    return paths


def test_packages_follow_from_the_seed(pictures: list[Path]) -> None:
    first, again, other = (make_packages(pictures, 8, seed) for seed in (1, 1, 2))
    assert [p.label for p in first] == [p.label for p in again]
    assert all((a.front == b.front).all() for a, b in zip(first, again, strict=True))
    assert any(
        a.front.shape != b.front.shape or (a.front != b.front).any()
        for a, b in zip(first, other, strict=True)
    )
    assert len({p.label for p in first}) == 8


def test_one_in_four_is_a_variant_of_the_one_before(pictures: list[Path]) -> None:
    made = make_packages(pictures, 8, 1)
    assert [a.front.shape == b.front.shape for a, b in zip(made[2::4], made[3::4], strict=True)]
    for one, variant in ((made[2], made[3]), (made[6], made[7])):
        same = (one.front == variant.front).all(axis=2).mean()
        assert 0.5 < same < 1, "all but the bands"


def test_a_photo_shows_the_package_where_it_says() -> None:
    package = Package("red", np.full((200, 150, 3), (255, 0, 0), np.uint8))
    things = [np.full((50, 50, 3), 200, np.uint8)]
    seen = [make_photo(package, things, 1, number) for number in range(12)]
    assert any(map(is_turned, seen))
    assert not all(map(is_turned, seen))
    for photo in seen:
        x0, y0, x1, y1 = map(int, photo.box)
        red = (photo.image[..., 0].astype(int) - photo.image[..., 1]) > 80
        inside = red[y0:y1, x0:x1].sum()
        assert inside > 0.9 * red.sum()
        assert inside > 0.2 * (y1 - y0) * (x1 - x0)
    again = make_photo(package, things, 1, 0)
    assert (again.image == seen[0].image).all()


def test_a_catalogue_picture_has_a_margin() -> None:
    shown = catalogue_picture(Package("x", print_of(1)))
    assert (shown[0] == 235).all()
    assert shown.shape == (320, 260, 3)


def test_things_are_pictures() -> None:
    assert [thing.shape for thing in make_things(3, 1)] == [(240, 320, 3)] * 3


def test_too_few_pictures(tmp_path: Path, pictures: list[Path]) -> None:
    with pytest.raises(DatasetError, match="12 pictures: 48 are needed"):
        measure_verifier(tmp_path, 8, 1, 1)
