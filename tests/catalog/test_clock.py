"""Clocks that jump and times that make no sense: order comes from generations, not from clocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from fakes import FakeDescriber

from shitu.catalog import Catalog

if TYPE_CHECKING:
    from conftest import Shop

Agree = Callable[[Catalog], bool]

NANOSECONDS = 1_000_000_000


def backwards() -> Iterator[str]:
    for year in range(2030, 1960, -1):
        yield f"{year}-01-01T00:00:00.000Z"


def test_a_clock_that_runs_backwards(
    tea_shop: Shop, vectors_agree: Agree, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = backwards()
    for module in ("transaction", "history"):
        monkeypatch.setattr(f"shitu.gallery.{module}.now", lambda: next(times))
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    catalog.relabel("tea", "chai")
    catalog.add([tea_shop.paint("cocoa/1.png", 4)], "cocoa")
    catalog.remove(label="coffee")
    catalog.undo()
    log = catalog.history()
    assert [change.generation for change in log] == [1, 2, 3, 4, 5]
    assert [change.at for change in log] == sorted((change.at for change in log), reverse=True)
    assert [item.label for item in catalog.items()] == ["chai", "cocoa", "coffee"]
    assert vectors_agree(catalog)
    again = tea_shop.open(FakeDescriber())
    assert again.index_state == "loaded"
    assert vectors_agree(again)


@pytest.mark.parametrize(
    "moment",
    [
        0,
        -NANOSECONDS * 86400 * 365,  # before 1970
        NANOSECONDS * 86400 * 365 * 100,  # in a hundred years
        NANOSECONDS * 86400 * 365 * 400,  # more nanoseconds than a database can count
    ],
)
def test_pictures_of_any_time(tea_shop: Shop, vectors_agree: Agree, moment: int) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    picture = tea_shop.photos / "tea" / "1.png"
    os.utime(picture, ns=(moment, moment))
    summary = tea_shop.build(catalog)
    assert (summary.added, summary.unchanged) == (0, 3)
    picture.write_bytes(tea_shop.paint("tea/3.png", 9).read_bytes())
    (tea_shop.photos / "tea" / "3.png").unlink()
    os.utime(picture, ns=(moment - NANOSECONDS, moment - NANOSECONDS))  # older, and another one
    summary = tea_shop.build(catalog)
    assert (summary.added, len(summary.replaced)) == (1, 1)
    assert vectors_agree(catalog)
