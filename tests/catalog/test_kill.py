"""Writers that die at any point: what was committed is there, and SQL and index are equal."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeDescriber, paint_file
from forker import Forker

from shitu.catalog import Catalog, entries_from_folder

SLOW = 0.004  # seconds that a picture takes to be described

Labels = dict[str, int]
Where = dict[str, str]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with three kinds of tea, four pictures each, built; and four more pictures."""
    folder = tmp_path_factory.mktemp("template")
    for number in range(12):
        paint_file(folder / "photos" / f"tea {number % 3}" / f"{number}.png", number)
    for number in range(4):
        paint_file(folder / "camera" / f"{number}.png", 100 + number)
    with Catalog.open(folder / "index", FakeDescriber(), create=True) as catalog:
        catalog.build(entries_from_folder(folder / "photos"), root=folder / "photos")
    return folder


def fresh(template: Path, place: Path, *, built: bool) -> Where:
    """A copy of the template in the same place as ever, and the names of its parts."""
    shop = place / "shop"
    shutil.rmtree(shop, ignore_errors=True)
    shutil.copytree(template, shop)
    if not built:
        shutil.rmtree(shop / "index")
    return {"index": str(shop / "index"), "photos": str(shop / "photos")}


def state(where: Where) -> Labels:
    """What a fresh open shows, after everything that must hold at all times was checked."""
    with Catalog.open(where["index"], FakeDescriber(), create=True) as catalog:
        assert catalog.check().problems == ()
        log = catalog.history()
        assert [change.generation for change in log] == list(range(1, len(log) + 1))
        came = sum(len(change.after.get("references", ())) for change in log)
        assert came >= len(catalog.all_references()) == catalog.count
        for reference in catalog.all_references():
            assert catalog.thumbnail(reference.reference_id)
        labels = {item.label: item.references for item in catalog.items()}
    database = Path(where["index"]) / "gallery.db"
    if database.exists():
        connection = sqlite3.connect(database)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()
    return labels


TEAS = {"tea 0": 4, "tea 1": 4, "tea 2": 4}
PICTURES = [f"{{shop}}/camera/{number}.png" for number in range(4)]


def whole_batches(labels: Labels) -> bool:
    return sum(labels.values()) % 3 == 0


def one_of(*states: Labels) -> Callable[[Labels], bool]:
    return lambda labels: labels in states


@pytest.mark.parametrize(
    ("job", "kills", "allowed", "finally_"),
    [
        ({"do": "build", "pause": SLOW}, 8, whole_batches, TEAS),
        (
            {"do": "add", "pictures": PICTURES, "label": "cocoa", "pause": SLOW},
            6,
            one_of(TEAS, {**TEAS, "cocoa": 4}),
            {**TEAS, "cocoa": 4},
        ),
        (
            {"do": "remove", "label": "tea 1"},
            6,
            one_of(TEAS, {"tea 0": 4, "tea 2": 4}),
            {"tea 0": 4, "tea 2": 4},
        ),
        (
            {"do": "relabel", "label": "tea 1", "to": "coffee"},
            5,
            one_of(TEAS, {"tea 0": 4, "coffee": 4, "tea 2": 4}),
            {"tea 0": 4, "coffee": 4, "tea 2": 4},
        ),
    ],
    ids=["build", "add", "remove", "relabel"],
)
def test_killed_at_any_time(
    forker: Forker,
    template: Path,
    place: Path,
    job: dict[str, Any],
    kills: int,
    allowed: Callable[[Labels], bool],
    finally_: Labels,
) -> None:
    built = job["do"] != "build"
    job = {**job, "pictures": [path.format(shop=place / "shop") for path in PICTURES]}
    undisturbed = forker.run(**job, **fresh(template, place, built=built))
    assert undisturbed.code == 0, undisturbed.text
    died = 0
    for kill in range(kills):
        # Spread over the whole time that the job takes, not quite evenly.
        after = undisturbed.seconds * (kill + random.random()) / kills
        where = fresh(template, place, built=built)
        outcome = forker.run(**job, **where, after=after)
        assert outcome.code in {0, -signal.SIGKILL}, outcome.text
        died += outcome.code != 0
        found = state(where)
        assert allowed(found), f"killed after {after:.3f} s: {found}"
        if found != finally_:
            again = forker.run(**job, **where)
            assert (again.code, state(where)) == (0, finally_), again.text
    assert died, "every job was done before it was killed"


@pytest.mark.parametrize(
    ("point", "job", "wanted"),
    [
        ("with the tables made", {"do": "build"}, {}),
        ("before the commit", {"do": "build"}, {}),
        ("between commit and index", {"do": "build", "batch": 12}, TEAS),
        ("before saving the index", {"do": "build"}, TEAS),
        ("with half the vectors written", {"do": "build"}, TEAS),
        ("between vectors and manifest", {"do": "build"}, TEAS),
        ("before the commit", {"do": "add"}, TEAS),
        ("with a picture half copied", {"do": "add"}, TEAS),
        ("with a picture copied", {"do": "add"}, TEAS),
        ("between commit and index", {"do": "add"}, {**TEAS, "cocoa": 4}),
        ("with half the vectors written", {"do": "add"}, {**TEAS, "cocoa": 4}),
        ("between vectors and manifest", {"do": "add"}, {**TEAS, "cocoa": 4}),
        ("with pictures put aside", {"do": "remove"}, TEAS),
        ("before the commit", {"do": "remove"}, TEAS),
        ("between commit and index", {"do": "remove"}, {"tea 0": 4, "tea 2": 4}),
        ("between vectors and manifest", {"do": "remove"}, {"tea 0": 4, "tea 2": 4}),
        ("before the commit", {"do": "relabel"}, TEAS),
        ("between commit and index", {"do": "relabel"}, {"tea 0": 4, "milk": 4, "tea 2": 4}),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.get("do", "")),
)
def test_killed_at_the_worst_moment(
    forker: Forker, template: Path, place: Path, point: str, job: dict[str, Any], wanted: Labels
) -> None:
    label = {"add": "cocoa"}.get(job["do"], "tea 1")
    pictures = [path.format(shop=place / "shop") for path in PICTURES]
    where = fresh(template, place, built=job["do"] != "build")
    job = {**job, "label": label, "pictures": pictures, "to": "milk", **where}
    assert forker.run(**job, die=point).code == -signal.SIGKILL
    assert state(where) == wanted
    assert forker.run(do="build", prune=False, **where).code == 0
    state(where)


@pytest.mark.parametrize(("turn", "kept"), [(1, 0), (2, 2), (6, 10)])
def test_ctrl_c_keeps_what_was_committed_and_the_next_build_goes_on(
    forker: Forker, template: Path, place: Path, turn: int, kept: int
) -> None:
    where = fresh(template, place, built=False)
    assert forker.run(do="build", batch=2, interrupt=turn, **where).code == 130
    with Catalog.open(where["index"], FakeDescriber(), create=True) as catalog:
        # The index on disk is up to date: an interrupted process still tidies up.
        assert catalog.index_state == ("loaded" if kept else "empty")
    assert sum(state(where).values()) == kept
    again = forker.run(do="build", **where)
    assert (again.code, int(again.text)) == (0, 12 - kept)
    assert state(where) == TEAS


def test_ctrl_c_at_any_time(forker: Forker, template: Path, place: Path) -> None:
    job = {"do": "build", "pause": SLOW, "batch": 2}
    undisturbed = forker.run(**job, **fresh(template, place, built=False))
    for part in (0.2, 0.5, 0.8):
        where = fresh(template, place, built=False)
        interrupt = {"after": undisturbed.seconds * part, "signal": int(signal.SIGINT)}
        outcome = forker.run(**job, **where, **interrupt)
        assert outcome.code in {0, 130}, outcome.text
        assert sum(state(where).values()) % 2 == 0


def test_two_writers_at_once_lose_nothing(forker: Forker, place: Path) -> None:
    pictures = [
        [str(paint_file(place / str(who) / f"{n}.png", 100 * who + n)) for n in range(20)]
        for who in range(2)
    ]
    where = {"index": str(place / "index"), "photos": str(place / "photos")}
    outcomes = forker.run_all(
        *({"do": "add each", "label": "tea", "pictures": some, **where} for some in pictures)
    )
    assert [(o.code, o.text) for o in outcomes] == [(0, "20"), (0, "20")]
    assert state(where) == {"tea": 40}
    with Catalog.open(where["index"], FakeDescriber()) as catalog:
        assert len(catalog.history()) == 40
        assert len({reference.path for reference in catalog.all_references()}) == 40


def test_two_builds_at_once_lose_nothing(forker: Forker, template: Path, place: Path) -> None:
    where = fresh(template, place, built=False)
    job = {"do": "build", "batch": 2, "pause": SLOW, **where}
    outcomes = forker.run_all(job, job)
    assert [o.code for o in outcomes] == [0, 0], outcomes
    assert sum(int(o.text) for o in outcomes) == 12
    assert state(where) == TEAS
