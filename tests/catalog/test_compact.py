"""Compacting: only what was removed before then is forgotten, and what needs it is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes import colours, paint
from forker import Forker
from sqlalchemy import text

from shitu.catalog import Catalog
from shitu.errors import GalleryError

if TYPE_CHECKING:
    from conftest import Shop

Agree = Callable[[Catalog], bool]

QUERY = np.stack([colours(paint(1))])


@pytest.fixture
def catalog(tea_shop: Shop) -> Catalog:
    """Generation 1: two teas and a coffee; 2: coffee is gone; 3: a tea is gone."""
    opened = tea_shop.open()
    tea_shop.build(opened)
    opened.remove(label="coffee")
    opened.remove(reference_id=next(r.reference_id for r in opened.all_references()))
    return opened


def sql(catalog: Catalog, statement: str, **values: object) -> list[tuple[Any, ...]]:
    with catalog.gallery._begin() as connection:
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def kept(catalog: Catalog) -> int:
    """How many references have something left, which must be vector and thumbnail."""
    vectors = sql(catalog, "SELECT reference_id FROM embeddings ORDER BY 1")
    assert vectors == sql(catalog, "SELECT reference_id FROM thumbnails ORDER BY 1")
    return len(vectors)


def set_clock(catalog: Catalog, generation: int, at: str) -> None:
    change = "UPDATE changes SET at = :at WHERE generation = :generation"
    sql(catalog, change, at=at, generation=generation)


@pytest.mark.parametrize(
    ("before", "forgotten", "why"),
    [(1, 0, "nothing was"), (2, 0, "itself is kept"), (3, 1, "the coffee"), (4, 2, "all")],
)
def test_only_what_was_removed_before_then(
    tea_shop: Shop, catalog: Catalog, vectors_agree: Agree, before: int, forgotten: int, why: str
) -> None:
    summary = catalog.compact(before)
    assert (summary.forgotten, summary.before) == (forgotten, before), why
    assert kept(catalog) == 3 - forgotten
    assert (summary.bytes > 0, summary.generation) == (forgotten > 0, 3 + (forgotten > 0))
    assert summary.problem is None
    for generation in range(1, 4):
        needed = {1: 2, 2: 1, 3: 0}[generation]  # removed since
        past = catalog.as_of(generation)
        assert len(past.all_references()) == 1 + needed, "it can still be listed"
        if generation >= before - 1 or not forgotten:
            assert past.search(QUERY, 3).reference_ids.max() > 0
        else:
            with pytest.raises(GalleryError, match=r"shitu compact. forgot them in generation 4"):
                past.search(QUERY, 3)
    assert vectors_agree(catalog)
    assert vectors_agree(tea_shop.open())


def test_what_was_forgotten_cannot_come_back(tea_shop: Shop, catalog: Catalog) -> None:
    catalog.compact(3)
    for back in (lambda: catalog.undo(2), lambda: catalog.go_back(1)):
        with pytest.raises(GalleryError, match=r"1 of the . references.*compact.*add-item"):
            back()
    assert catalog.undo(3).restored
    assert not (tea_shop.photos / "coffee" / "1.png").exists()


def test_a_compaction_cannot_be_undone(catalog: Catalog) -> None:
    catalog.compact(3)
    with pytest.raises(GalleryError, match=r"generation 4 \(compact\) cannot be undone"):
        catalog.undo()
    assert catalog.events(limit=1)[0].sentence == (
        "forgot vectors and thumbnails of 1 reference removed before generation 3"
    )
    assert catalog.go_back(3).changed is False


def test_what_came_back_and_went_again_went_the_last_time(tea_shop: Shop, catalog: Catalog) -> None:
    catalog.undo(2)  # generation 4
    catalog.undo(4)  # generation 5: the coffee is gone again
    assert catalog.compact(5).forgotten == 1, "the tea of generation 3"
    assert catalog.undo(5).restored


def test_what_is_alive_is_never_forgotten(tea_shop: Shop, catalog: Catalog) -> None:
    catalog.go_back(1)
    assert catalog.compact("9999-12-31").forgotten == 0
    assert kept(catalog) == 3


def test_by_itself_it_forgets_what_is_older_than_90_days(tea_shop: Shop, catalog: Catalog) -> None:
    assert catalog.compact().forgotten == 0
    now = datetime.now(timezone.utc)
    for generation, days in ((1, 100), (2, 91), (3, 89)):
        at = (now - timedelta(days=days)).isoformat(timespec="milliseconds")
        set_clock(catalog, generation, at)
    summary = catalog.compact()
    assert (summary.before, summary.forgotten) == (3, 1)


@pytest.mark.parametrize(
    ("times", "forgotten", "why"),
    [
        (("2026-01-01", "2026-01-02", "2026-01-03"), 2, "all before"),
        (("2026-01-01", "2026-03-02", "2026-01-03"), 0, "it ran ahead: rather too much is kept"),
        (("2026-01-01", "2026-01-02", "1970-01-01"), 1, "it was reset: nobody knows when that was"),
        (("2026-01-01", "1970-01-01", "2026-01-03"), 2, "what came later was before, too"),
        (("2026-02-01", "1970-01-01", "2026-01-03"), 0, "it was right at first"),
    ],
)
def test_a_clock_that_was_wrong(
    tea_shop: Shop, catalog: Catalog, times: tuple[str, ...], forgotten: int, why: str
) -> None:
    for generation, day in enumerate(times, 1):
        set_clock(catalog, generation, f"{day}T12:00:00.000Z")
    assert catalog.compact("2026-02-01").forgotten == forgotten, why


@pytest.mark.parametrize("before", [0, 5, 99])
def test_generations_that_are_not_there(catalog: Catalog, before: int) -> None:
    with pytest.raises(GalleryError, match=f"no generation {before}: give 1 to 4"):
        catalog.compact(before)


@pytest.mark.sqlite
def test_the_file_gets_smaller(tea_shop: Shop, catalog: Catalog) -> None:
    sql(catalog, "UPDATE thumbnails SET jpeg = zeroblob(1000000)")
    summary = catalog.compact(4)
    assert summary.bytes > 2_000_000
    assert summary.freed_bytes is not None
    assert summary.freed_bytes > 1_900_000
    assert (tea_shop.index / "gallery.db").stat().st_size < 1_200_000
    assert catalog.compact(4).freed_bytes == 0


def test_a_busy_database_is_compacted_and_shrunk_another_time(
    tea_shop: Shop, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_: object) -> None:
        raise GalleryError("it is locked")

    with monkeypatch.context() as patch:
        patch.setattr("shitu.gallery.gallery.Gallery.shrink", busy)
        summary = catalog.compact(4)
    assert (summary.forgotten, summary.freed_bytes, summary.problem) == (2, None, "it is locked")


def test_readers_go_on_while_it_shrinks(tea_shop: Shop, catalog: Catalog) -> None:
    reader, stop, problems = tea_shop.open(), threading.Event(), list[BaseException]()

    def read() -> None:
        try:
            while not stop.is_set():
                reader.refresh()
                assert len(reader.items()) == 1
        except BaseException as error:
            problems.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    for _ in range(3):
        assert catalog.compact(4).problem is None
    stop.set()
    reading.join(20)
    assert problems == []


@pytest.mark.sqlite
@pytest.mark.parametrize("point", ["before the commit", "before saving the index"])
def test_killed_while_compacting(
    tea_shop: Shop, catalog: Catalog, forker: Forker, vectors_agree: Agree, point: str
) -> None:
    where = {"index": str(tea_shop.index), "photos": str(tea_shop.photos)}
    assert forker.run(do="compact", before=4, die=point, **where).code == -9
    again = tea_shop.open()
    assert kept(catalog) == (3 if point == "before the commit" else 1)
    assert vectors_agree(again)
    again.compact(4)
    assert kept(catalog) == 1
