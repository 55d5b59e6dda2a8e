"""What may not be used is said in one sentence, by whoever has no rights to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_RIGHTS = "-dac_override,-dac_read_search"
_SETPRIV = ["setpriv", f"--bounding-set={_RIGHTS}", f"--inh-caps={_RIGHTS}"]

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="root may use it all, and cannot lay that down",
)


def shitu(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody for whom permissions count."""
    lowered = _SETPRIV if os.geteuid() == 0 else []
    command = [*lowered, sys.executable, "-m", "shitu", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def closed(shop: Path) -> Iterator[Path]:
    """A folder with an index and a picture, of which nothing may be seen."""
    shutil.copytree(shop / "index", shop / "closed" / "index")
    shutil.copy(next((shop / "photos").rglob("*.jpg")), shop / "closed" / "k.jpg")
    (shop / "closed").chmod(0)
    yield shop / "closed"
    (shop / "closed").chmod(0o700)


@pytest.mark.parametrize("command", ["list-items", "check", "recognize"])
@pytest.mark.parametrize("inside", [False, True])
def test_an_index(closed: Path, query: Path, command: str, inside: bool) -> None:
    index = closed / "index" if inside else closed
    pictures = [query] if command == "recognize" else []
    done = shitu(command, *pictures, "--index", index)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Error: {index}/gallery.db may not be used: allow it to whoever runs this, or name "
        "another."
    ]


def test_pictures_of_a_gallery(closed: Path) -> None:
    done = shitu("build-index", "--gallery", closed / "p", "--index", closed.parent / "index")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {closed}/p may not be used")
    assert len(done.stderr.splitlines()) == 1


def test_a_picture_among_others_is_skipped(closed: Path, query: Path) -> None:
    index = closed.parent / "index"
    done = shitu("recognize", closed / "k.jpg", query, "--index", index, "--json")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr.splitlines() == [
        f"skipped {closed}/k.jpg cannot be read: permission denied; allow it, or copy the file "
        "elsewhere.",
        "1 of 2 pictures skipped.",
    ]


def test_a_folder_among_others_is_skipped_and_its_pictures_stay(shop: Path) -> None:
    photos, index = shop / "photos", shop / "index"
    shut = sorted(folder for folder in photos.iterdir() if folder.is_dir())[0]
    before = shitu("list-items", "--index", index).stdout
    (photos / "lost+found").mkdir(mode=0)
    shut.chmod(0)
    try:
        done = shitu("sync", photos, "--index", index)
    finally:
        shut.chmod(0o700)
    assert done.returncode == 0
    assert sorted(done.stderr.splitlines()) == [
        f"skipped {folder}: cannot be listed: permission denied; allow it, or copy the file "
        "elsewhere"
        for folder in sorted([shut, photos / "lost+found"])
    ]
    assert "removed" not in done.stdout
    assert shitu("list-items", "--index", index).stdout == before


@pytest.mark.parametrize("command", ["recognize", "calibrate"])
def test_a_folder_among_pictures_that_are_asked_about(
    shop: Path, query: Path, tmp_path: Path, command: str
) -> None:
    asked = tmp_path / "asked"
    (asked / "shut").mkdir(parents=True)
    shutil.copy(query, asked / "shut")
    index = ("--index", shop / "index", "--json")
    alone = ("recognize", asked) if command == "recognize" else ("calibrate", "--strangers", asked)
    arguments = (*alone, *(("--far", "0.2", "--dry-run") if command == "calibrate" else ()), *index)
    (asked / "shut").chmod(0)
    try:
        nothing = shitu(*arguments)
        shutil.copy(query, asked)
        done = shitu(*arguments)
    finally:
        (asked / "shut").chmod(0o700)
    why = "cannot be listed: permission denied; allow it, or copy the file elsewhere"
    assert (nothing.returncode, nothing.stderr) == (1, f"Error: {asked / 'shut'} {why}.\n")
    assert len(done.stdout.splitlines()) == 1
    if command == "recognize":
        assert done.returncode == 1
        assert done.stderr == f"skipped {asked / 'shut'}: {why}\n1 folder skipped.\n"
    else:
        assert json.loads(done.stdout)["skipped"] == [[str(asked / "shut"), why]]


def test_if_all_folders_are_closed_that_is_said(shop: Path) -> None:
    photos = shop / "photos"
    folders = [folder for folder in photos.iterdir() if folder.is_dir()]
    for folder in folders:
        folder.chmod(0)
    try:
        done = shitu("sync", photos, "--index", shop / "index")
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert done.returncode == 1
    assert "cannot be listed: permission denied" in done.stderr


def test_a_shop_copied_from_where_one_may_not_look(shop: Path) -> None:
    """As by root, who made the gallery at home."""
    away = shop / "away"
    away.mkdir()
    (shop / "photos").rename(away / "photos")
    made = shitu("build-index", "--gallery", away / "photos", "--index", away / "index")
    assert made.returncode == 0
    shutil.copytree(away, shop / "copy")
    away.chmod(0)
    try:
        done = shitu("list-items", "--index", shop / "copy" / "index")
    finally:
        away.chmod(0o700)
    assert (done.stderr, done.returncode) == ("", 0)


def test_lint_of_pictures_that_may_not_be_looked_at(shop: Path) -> None:
    shut = sorted((shop / "photos").iterdir())[0]
    shut.chmod(0)
    try:
        done = shitu("lint", "--index", shop / "index", "--json")
    finally:
        shut.chmod(0o700)
    assert done.returncode == 0
    assert "missing-picture" not in done.stdout
