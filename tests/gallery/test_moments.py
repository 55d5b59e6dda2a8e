"""Naming a state: by generation or date, whatever the clock did."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from shitu.errors import GalleryError
from shitu.gallery.gallery import Gallery
from shitu.gallery.moments import parse_moment

Add = Callable[..., list[int]]


@pytest.mark.parametrize(
    ("named", "generation", "start", "end"),
    [
        (7, 7, "", ""),
        (" 12 ", 12, "", ""),
        ("2026-11-24", None, "2026-11-24T00:00:00.000Z", "2026-11-24T23:59:59.999Z"),
        (date(2026, 11, 24), None, "2026-11-24T00:00:00.000Z", "2026-11-24T23:59:59.999Z"),
        ("2026-11-24T18:30", None, *["2026-11-24T18:30:00.000Z"] * 2),
        ("2026-11-24 18:30:00Z", None, *["2026-11-24T18:30:00.000Z"] * 2),
        ("2026-11-24T18:30:00.123456+02:00", None, *["2026-11-24T16:30:00.123Z"] * 2),
        (datetime(2026, 11, 24, 18, 30), None, *["2026-11-24T18:30:00.000Z"] * 2),
        (
            datetime(2026, 11, 24, 1, tzinfo=timezone(timedelta(hours=2))),
            None,
            *["2026-11-23T23:00:00.000Z"] * 2,
        ),
    ],
)
def test_what_a_moment_is(
    named: int | str | date, generation: int | None, start: str, end: str
) -> None:
    moment = parse_moment(named)
    assert (moment.generation, moment.start, moment.end) == (generation, start, end)
    assert parse_moment(moment) is moment


@pytest.mark.parametrize(
    "named",
    ["", "yesterday", "-1", -1, "1.5", "2026-13-01", "2026-02-30", "24.11.2026",
     "0001-01-01T00:00+14:00", "9" * 30],
)  # fmt: skip
def test_what_is_none(named: int | str) -> None:
    with pytest.raises(GalleryError, match="neither a generation nor a date"):
        parse_moment(named)


@pytest.fixture
def dated(tmp_path: Path, add: Add) -> Callable[..., Gallery]:
    """A gallery with one change at each of these times."""

    def make(*times: str) -> Gallery:
        gallery = Gallery.open(tmp_path / "gallery.db", tmp_path)
        for number in range(1, len(times) + 1):
            add(gallery, "tea", number)
        with closing(sqlite3.connect(tmp_path / "gallery.db")) as database, database:
            for number, at in enumerate(times, 1):
                database.execute("UPDATE changes SET at = ? WHERE generation = ?", (at, number))
        return gallery

    return make


NOON = [f"2026-11-{day}T12:00:00.000Z" for day in ("21", "22", "23", "24")]


@pytest.mark.parametrize(
    ("times", "named", "generation", "why"),
    [
        (NOON, "2026-11-22", 2, "the day's changes are in"),
        (NOON, "2026-11-22T12:00", 2, "the very moment is in"),
        (NOON, "2026-11-22T11:59:59.999", 1, "a moment before"),
        (NOON, "2026-11-22T13:59+02:00", 1, "another zone"),
        (NOON, "9999-12-31", 4, "the future is now"),
        (NOON, "3", 3, "a number"),
        (NOON, "0", 0, "before the first change"),
        ([*NOON[:2], "2031-01-01T00:00:00.000Z", NOON[3]], "2026-11-24", 4, "it ran ahead once"),
        ([*NOON[:2], "2031-01-01T00:00:00.000Z", NOON[3]], "2026-11-23", 2, "it ran ahead once"),
        ([*NOON[:3], "1970-01-01T00:00:00.000Z"], "2026-11-24", 4, "it was reset"),
        ([*NOON[:3], NOON[0]], "2026-11-21", 4, "of two of one time, the last in the log"),
    ],
)
def test_which_generation_is_meant(
    dated: Callable[..., Gallery], times: list[str], named: str, generation: int, why: str
) -> None:
    with closing(dated(*times)) as gallery:
        assert gallery.generation_at(parse_moment(named)) == generation, why
        state = gallery.state_at(parse_moment(named))
        assert (state.generation, len(state.references)) == (generation, generation)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("2026-11-20", r"no gallery at 2026-11-20: its first change was at 2026-11-21T12:00"),
        ("5", r"there is no generation 5: the last one is 4"),
    ],
)
def test_moments_without_a_gallery(
    dated: Callable[..., Gallery], named: str, sentence: str
) -> None:
    with closing(dated(*NOON)) as gallery, pytest.raises(GalleryError, match=sentence):
        gallery.state_at(parse_moment(named))


def test_a_gallery_nobody_wrote_to(gallery: Gallery) -> None:
    assert gallery.state_at(parse_moment(0)).items == ()
    with pytest.raises(GalleryError, match="nothing was ever in it"):
        gallery.state_at(parse_moment("2026-11-24"))
