"""What is written never takes the place of what was there before, unless it was written so, too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

Run = Callable[..., Result]


@pytest.fixture
def photo(query: Path, tmp_path: Path) -> Path:
    """A photo of somebody's, in a folder of its own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    return Path(shutil.copy(query, folder / "k.jpg"))


@pytest.mark.parametrize("name", ["mine", "link", "mine/../mine", "."])
def test_a_picture_is_not_replaced_by_its_annotated_self(
    run: Run, built: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "link").symlink_to("mine")
    monkeypatch.chdir(photo.parent if name == "." else tmp_path)
    before = photo.read_bytes()
    result = run("recognize", photo, "--save", name, "--index", built / "index")
    assert result.exit_code == 1
    assert f"{name} is the folder of {photo}" in result.stderr
    assert "name another folder with --save" in result.stderr
    assert photo.read_bytes() == before
    assert [path.name for path in photo.parent.iterdir()] == ["k.jpg"]


def test_nor_is_the_file_that_a_picture_links_to(
    run: Run, built: Path, photo: Path, tmp_path: Path
) -> None:
    link = tmp_path / "k.jpg"
    link.symlink_to(photo)
    for folder in (photo.parent, tmp_path):
        result = run("recognize", link, "--save", folder, "--index", built / "index")
        assert result.exit_code == 1
        assert "is the folder of" in result.stderr
    assert link.is_symlink()


def test_nor_is_another_one_of_several(run: Run, built: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(photo, tmp_path / "other" / "k.jpg")
    where = ("--save", tmp_path / "other", "--index", built / "index")
    assert run("recognize", tmp_path, *where).exit_code == 1


def test_annotated_pictures_are_replaced(
    run: Run, built: Path, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    where = ("--save", out, "--explain", "--index", built / "index")
    assert run("recognize", photo, *where).exit_code == 0
    first = {path: path.stat().st_ino for path in out.iterdir()}
    assert len(first) == 2
    assert run("recognize", photo, *where).exit_code == 0
    second = {path: path.stat().st_ino for path in out.iterdir()}
    assert second.keys() == first.keys()
    assert all(second[path] != number for path, number in first.items())


@pytest.mark.parametrize("name", ["out", "./out", "a/../out"])
def test_what_was_drawn_before_is_no_picture_to_look_at(
    run: Run, built: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(photo.parent)
    Path("a").mkdir()
    where = ("--explain", "--json", "--index", built / "index")
    first = run("recognize", ".", "--save", name, *where)
    again = run("recognize", ".", "--save", "out", *where)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert len(first.stdout.splitlines()) == len(again.stdout.splitlines()) == 1
    assert "left out" not in first.stderr
    assert "note: 2 annotated pictures that --save drew into out before are left out" in (
        again.stderr
    )
    assert sorted(path.name for path in Path("out").iterdir()) == ["k.jpg", "k.why.png"]
    # Named, or beside a picture of somebody's, they are refused as ever.
    assert run("recognize", "out/k.jpg", "--save", "out", *where).exit_code == 1
    assert "No picture found in out" in run("recognize", "out", "--save", "out", *where).stderr
    shutil.copy(photo, "out/mine.jpg")
    refused = run("recognize", ".", "--save", "out", *where)
    assert refused.exit_code == 1
    assert "out is the folder of out/mine.jpg" in refused.stderr


def test_a_picture_too_long_for_a_jpeg_costs_the_others_nothing(
    run: Run, built: Path, photo: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (65_501, 1)).save(photo.with_name("long.png"))
    shutil.copy(photo, photo.with_name("z.jpg"))
    result = run(
        "recognize", photo.parent, "--save", tmp_path / "out", "--index", built / "index", "--json"
    )
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 3
    assert f"not drawn {photo.with_name('long.png')}: a JPEG has at most 65,500" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["k.jpg", "z.jpg"]


def test_a_reference_is_not_replaced(
    run: Run, built: Path, photo: Path, tmp_path: Path, labels: list[str]
) -> None:
    folder = built / "photos" / labels[0]
    reference = sorted(folder.iterdir())[0]
    named = photo.rename(photo.with_name(reference.name))
    before = reference.read_bytes()
    result = run("recognize", named, "--save", folder, "--index", built / "index")
    assert result.exit_code == 1
    assert f"{reference} is a picture of {labels[0]!r} in the gallery" in result.stderr
    assert reference.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [["lint", "--html"], ["review", "--html"], ["eval-recall", "--queries", "q", "--html"]],
)
def test_a_page_replaces_pages_only(run: Run, built: Path, photo: Path, command: list[str]) -> None:
    before = photo.read_bytes()
    result = run(*command, photo, "--index", built / "index")
    assert result.exit_code == 1
    assert f"{photo} is there and holds something else" in result.stderr
    assert photo.read_bytes() == before


@pytest.mark.parametrize("command", ["lint", "review"])
def test_a_page_is_written_again(run: Run, built: Path, tmp_path: Path, command: str) -> None:
    page = tmp_path / "page.html"
    page.touch()
    for _ in range(2):
        assert run(command, "--html", page, "--index", built / "index").exit_code == 0


def test_a_run_replaces_runs_only(
    run: Run, built: Path, query: Path, tmp_path: Path, labels: list[str]
) -> None:
    truths = tmp_path / "truths.jsonl"
    truths.write_text(f'{{"path": "{query}", "label": "{labels[0]}"}}\n', encoding="utf-8")
    before = truths.read_bytes()
    where = ("--queries", truths, "--resamples", 0, "--index", built / "index")
    result = run("eval-recall", *where, "--save", truths)
    assert result.exit_code == 1
    assert "name another file" in result.stderr
    assert truths.read_bytes() == before
    for _ in range(2):
        assert run("eval-recall", *where, "--save", tmp_path / "run.json").exit_code == 0


@pytest.mark.parametrize("command", ["lint", "review"])
def test_a_page_that_finds_no_room_leaves_the_old_one(
    run: Run, built: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    page = tmp_path / "page.html"
    page.write_text("<!doctype html>before")
    monkeypatch.setattr("os.fsync", full)
    result = run(command, "--html", page, "--index", built / "index")
    assert (result.exit_code, "No space left" in result.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert page.read_text() == "<!doctype html>before"


def test_a_pipe_is_no_exported_gallery(run: Run, built: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = run("export-gallery", tmp_path / "pipe", "--index", built / "index")
    assert (result.exit_code, "is no exported gallery" in result.stderr) == (1, True)
    assert (tmp_path / "pipe").is_fifo()
