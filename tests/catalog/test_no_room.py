"""Full disks and folders without permission: a sentence, and what was committed is still there."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeDescriber, paint_file
from forker import NOBODY, Forker

from shitu.catalog import Catalog

Where = dict[str, str]


@pytest.fixture
def where(place: Path) -> Where:
    """Forty pictures of tea, and room for an index."""
    for number in range(40):
        paint_file(place / "photos" / "tea" / f"{number}.png", number)
    return {"index": str(place / "disk" / "index"), "photos": str(place / "photos")}


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 400 kilobytes."""
    disk = place / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here: {error}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def committed(where: Where) -> int:
    with Catalog.open(where["index"], FakeDescriber(), create=True) as catalog:
        assert catalog.check().problems == ()
        return len(catalog.all_references())


def test_a_disk_that_fills_up_during_a_build(
    forker: Forker, where: Where, small_disk: Path
) -> None:
    outcome = forker.run(do="build", batch=2, **where)
    assert outcome.code == 1, outcome.text
    assert "full" in outcome.text or "space" in outcome.text
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    before = committed(where)
    assert 0 < before < 40
    again = forker.run(do="build", **where)
    assert (again.code, int(again.text)) == (0, 40 - before)
    assert committed(where) == 40


def test_a_full_disk_can_still_be_read_from(forker: Forker, where: Where, small_disk: Path) -> None:
    assert forker.run(do="build", batch=2, **where).code == 1
    fill(small_disk)
    outcome = forker.run(do="look", options={"read_only": True}, **where)
    assert (outcome.code, "tea" in outcome.text) == (0, True), outcome.text


def test_a_full_disk_can_be_read_from_by_who_comes_later(
    forker: Forker, where: Where, small_disk: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    assert forker.run(do="build", **where).code == 0
    fill(small_disk)
    for options in ({"read_only": True}, {}):
        outcome = forker.run(do="look", options=options, **where)
        assert (outcome.code, outcome.text) == (0, "[('tea', 40)]"), outcome.text
    outcome = forker.run(do="relabel", label="tea", to="coffee", **where)
    assert (outcome.code, "the space left on the disk" in outcome.text) == (1, True), outcome.text
    (small_disk / "rest").unlink()
    assert forker.run(do="relabel", label="tea", to="coffee", **where).code == 0
    assert committed(where) == 40


def fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "rest").open("wb", buffering=0) as rest:
        while True:
            rest.write(b"\0" * 512)


@pytest.mark.parametrize("largest", [0, 10_000, 60_000, 120_000])
def test_files_that_may_not_grow(forker: Forker, where: Where, largest: int) -> None:
    # The same everywhere, without mounting anything: each write beyond the limit fails.
    outcome = forker.run(do="build", batch=2, largest=largest, **where)
    assert outcome.code == 1, outcome.text
    assert outcome.text.startswith(("GalleryError: ", "IndexFileError: "))
    assert "space" in outcome.text
    before = committed(where)
    assert before < 40
    assert forker.run(do="build", **where).code == 0
    assert committed(where) == 40


def test_no_half_copy_stays_when_the_disk_is_full(forker: Forker, where: Where) -> None:
    assert forker.run(do="build", **where).code == 0
    photo = paint_file(Path(where["photos"]).parent / "camera" / "big.bmp", 99)
    photo.write_bytes(photo.read_bytes() + b"\0" * 500_000)
    outcome = forker.run(do="add", pictures=[str(photo)], label="new", largest=300_000, **where)
    assert (outcome.code, "cannot be copied" in outcome.text) == (1, True), outcome.text
    assert list((Path(where["photos"]) / "new").iterdir()) == []
    assert committed(where) == 40


def test_a_folder_in_which_nothing_may_be_written(
    forker: Forker, where: Where, place: Path
) -> None:
    Path(where["index"]).parent.mkdir(mode=0o555)
    outcome = forker.run(do="build", nobody=True, **where)
    assert outcome.code == 1, outcome.text
    assert outcome.text.startswith("GalleryError: ")
    assert "Permission denied" in outcome.text


@pytest.fixture
def locked(forker: Forker, where: Where) -> Iterator[Where]:
    """A gallery that is there but cannot be written by who runs the job."""
    assert forker.run(do="build", batch=40, **where).code == 0
    index = Path(where["index"])
    for path in (index, *index.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield where
    index.chmod(0o755)


def test_a_gallery_without_permission_can_be_read(forker: Forker, locked: Where) -> None:
    for options in ({"read_only": True}, {}):
        outcome = forker.run(do="look", nobody=True, options=options, **locked)
        assert (outcome.code, outcome.text) == (0, "[('tea', 40)]"), outcome.text


@pytest.fixture
def flags(place: Path) -> Path:
    """A folder where a reader without rights and a writer tell each other how far they are."""
    if os.getuid():
        pytest.skip("needs root, who may write where the reader may not")
    folder = place / "flags"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def test_who_may_only_read_sees_what_others_commit(
    forker: Forker, locked: Where, flags: Path
) -> None:
    ready = str(flags / "ready")
    reader, writer = forker.run_all(
        {"do": "wait for", "label": "coffee", "nobody": True, "ready": ready, **locked},
        {"do": "relabel", "label": "tea", "to": "coffee", "start": ready, **locked},
    )
    assert (writer.code, writer.text) == (0, "coffee")
    assert (reader.code, reader.text) == (0, "['tea', 'coffee']"), reader.text


def test_writers_that_come_and_go_do_not_disturb_who_may_only_read(
    forker: Forker, locked: Where, flags: Path
) -> None:
    marks = {"ready": str(flags / "ready"), "until": str(flags / "until")}
    reader, writer = forker.run_all(
        {"do": "keep looking", "nobody": True, **marks, **locked},
        {"do": "come and go", "label": "tea", "turns": 25, "start": marks["ready"], **marks}
        | locked,
    )
    assert (writer.code, writer.text) == (0, "gone")
    assert (reader.code, reader.text) == (0, "True"), reader.text


@pytest.mark.parametrize(
    "job",
    [
        {"do": "remove", "label": "tea"},
        {"do": "relabel", "label": "tea", "to": "coffee"},
        {"do": "add", "label": "tea"},
        {"do": "build"},
    ],
    ids=lambda job: job["do"],
)
def test_a_gallery_without_permission_cannot_be_changed(
    forker: Forker, locked: Where, job: dict[str, str]
) -> None:
    new = paint_file(Path(locked["photos"]) / "tea" / "new.png", 77)
    outcome = forker.run(**job, pictures=[str(new)], nobody=True, **locked)
    assert outcome.code == 1, outcome.text
    assert outcome.text.startswith("GalleryError: ")
    assert "permission" in outcome.text
    assert committed(locked) == 40


def test_pictures_without_permission_are_listed_and_the_rest_goes_in(
    forker: Forker, where: Where, place: Path
) -> None:
    (place / "disk").mkdir()
    if not os.getuid():
        shutil.chown(place / "disk", NOBODY)
    (Path(where["photos"]) / "tea" / "3.png").chmod(0)
    outcome = forker.run(do="build", nobody=True, **where)
    assert (outcome.code, outcome.text) == (0, "39")
