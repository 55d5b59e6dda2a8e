"""Migrations that die at any point: one space or the other is in use, whole, and they go on."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeDescriber, paint_file
from forker import Forker

from shitu.catalog import Catalog, entries_from_folder
from shitu.images import load_image

KILLS = int(os.environ.get("SHITU_TEST_KILLS", "4"))
PICTURES = 12
CORNER = (0.0, 0.0, 12.0, 12.0)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of twelve pictures, built."""
    folder = tmp_path_factory.mktemp("template")
    for number in range(PICTURES):
        paint_file(folder / "photos" / f"tea {number % 3}" / f"{number}.png", number)
    with Catalog.open(folder / "index", FakeDescriber(), create=True) as catalog:
        catalog.build(entries_from_folder(folder / "photos"), root=folder / "photos")
    return folder


def fresh(template: Path, place: Path) -> dict[str, Any]:
    """A copy of the template in the same place as ever."""
    shop = place / "shop"
    shutil.rmtree(shop, ignore_errors=True)
    shutil.copytree(template, shop)
    return {"index": str(shop / "index"), "photos": str(shop / "photos"), "bare": True}


def space_in_use(where: dict[str, Any]) -> str:
    """The space that a fresh open shows, after all was checked that belongs to it."""
    with Catalog.open(where["index"]) as catalog:
        assert catalog.check(full=True).problems == ()
        space = catalog.gallery.active_space()
        assert space is not None
        references = catalog.all_references()
        assert len(references) == PICTURES == catalog.count
        box, side = {"colours": (None, 16), "corners": (CORNER, 12)}[space.fingerprint]
        assert {reference.box for reference in references} == {box}
        for reference in references:
            jpeg = catalog.thumbnail(reference.reference_id)
            assert load_image(jpeg).shape == (side, side, 3)
        switches = [change for change in catalog.history() if change.operation == "migrate"]
        assert len(switches) == (space.fingerprint == "corners")
    return space.fingerprint


def test_killed_at_any_time(forker: Forker, template: Path, place: Path) -> None:
    job = {"do": "migrate", "to": "corners", "pause": 0.004}
    undisturbed = forker.run(**job, **fresh(template, place))
    assert (undisturbed.code, undisturbed.text) == (0, "switched")
    died = 0
    for kill in range(KILLS):
        after = undisturbed.seconds * (kill + random.random()) / KILLS
        where = fresh(template, place)
        outcome = forker.run(**job, **where, after=after)
        assert outcome.code in {0, -signal.SIGKILL}, outcome.text
        died += outcome.code != 0
        space_in_use(where)
        assert forker.run(**job, **where).code == 0
        assert space_in_use(where) == "corners", f"killed after {after:.3f} s"
    assert died, "every migration was done before it was killed"


@pytest.mark.parametrize(
    ("point", "wanted"),
    [
        ("before the commit", "colours"),
        ("with references embedded", "colours"),
        ("with half the crops swapped", "colours"),
        ("with a switch not committed", "colours"),
        ("with a switch committed", "corners"),
        ("before saving the index", "corners"),
        ("with half the vectors written", "corners"),
        ("between vectors and manifest", "corners"),
    ],
)
def test_killed_at_the_worst_moment(
    forker: Forker, template: Path, place: Path, point: str, wanted: str
) -> None:
    where, job = fresh(template, place), {"do": "migrate", "to": "corners"}
    assert forker.run(**job, **where, die=point).code == -signal.SIGKILL
    assert space_in_use(where) == wanted
    again = forker.run(**job, **where)
    assert (again.code, space_in_use(where)) == (0, "corners"), again.text
    assert again.text == ("switched" if wanted == "colours" else "in use already")


def test_killed_on_the_way_back(forker: Forker, template: Path, place: Path) -> None:
    where, job = fresh(template, place), {"do": "migrate", "to": "colours"}
    assert forker.run(do="migrate", to="corners", **where).code == 0
    died = forker.run(**job, **where, die="with a switch not committed")
    assert died.code == -signal.SIGKILL
    assert space_in_use(where) == "corners"
    assert forker.run(**job, **where).text == "switched"
    with Catalog.open(where["index"], FakeDescriber()) as catalog:
        assert catalog.check(full=True).problems == ()


def test_two_at_once(forker: Forker, template: Path, place: Path) -> None:
    where = fresh(template, place)
    job = {"do": "migrate", "to": "corners", "pause": 0.004, **where}
    outcomes = forker.run_all(job, job)
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    assert space_in_use(where) == "corners"
