"""Bad input gets one sentence, the right exit code, and costs nothing that was there before."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from shitu.cli import main

Run = Callable[..., Result]


def assert_sentence(result: Result, *words: str) -> None:
    """Exit code 1 and one line on stderr that holds the words."""
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    assert lines[0].startswith(("Error: ", "skipped ")), result.stderr
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr


def test_an_empty_gallery_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    index = tmp_path / "index"
    assert_sentence(
        run("build-index", "--gallery", tmp_path / "photos", "--index", index), "photos"
    )
    assert not (index / "vectors.faiss").exists()


def test_a_gallery_that_is_not_there(run: Run, tmp_path: Path) -> None:
    result = run("build-index", "--gallery", tmp_path / "nothing", "--index", tmp_path / "index")
    assert_sentence(result, "nothing")


@pytest.mark.parametrize("command", ["recognize", "eval-recall", "list-items", "remove-item"])
def test_no_index_yet(run: Run, tmp_path: Path, query: Path, command: str) -> None:
    arguments = {
        "recognize": [query],
        "eval-recall": ["--queries", query.parent.parent],
        "list-items": [],
        "remove-item": ["cola"],
    }[command]
    result = run(command, *arguments, "--index", tmp_path / "index")
    assert_sentence(result, "build-index", str(tmp_path / "index"))
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    "asked",
    [
        ["list-items", "--index"],
        ["build-index", "--gallery"],
        ["sync"],
        ["eval-recall", "--queries"],
        ["lint", "--html"],
        ["export-gallery"],
        ["models", "pull", "PP-ShiTuV2_rec", "--from"],
    ],
)
@pytest.mark.parametrize("name", ["x" * 300, "d/" * 2500])
def test_a_name_that_is_too_long(
    run: Run, built: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], name: str
) -> None:
    monkeypatch.chdir(built)
    assert_sentence(run(*asked, name), name[:250], "too long")


def test_a_name_that_the_locale_cannot_spell(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "shitu.yaml"
    settings.write_text("index: 茶\n", encoding="utf-8")

    def spell(_: object) -> str:
        return "茶".encode("ascii").decode()  # as in such a locale any use of the name does

    monkeypatch.setattr("shitu.workspace.Workspace.of", spell)
    result = run("--config", settings, "list-items")
    assert_sentence(result, r"can be called '\u8336' in this locale (ascii)", "LC_ALL=C.UTF-8")


@pytest.mark.parametrize(
    "asked",
    [
        ["remove-item", "--reference"],
        ["confirm"],
        ["reject"],
        ["golden", "remove"],
        ["review", "--limit"],
        ["history", "--limit"],
    ],
)
def test_a_number_larger_than_a_database_has(run: Run, built: Path, asked: list[str]) -> None:
    assert_sentence(
        run(*asked, 2**63, "--index", built / "index"), "gallery.db has no number so large"
    )


def broken_pictures(folder: Path, good: Path) -> dict[str, Path]:
    content = good.read_bytes()
    files = {
        "truncated.jpg": content[: len(content) // 2],
        "empty.jpg": b"",
        "text.jpg": b"this is a shopping list, not a picture\n",
        "noise.png": os.urandom(2000),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in files}


def test_broken_pictures_are_listed_and_the_rest_is_recognised(
    run: Run, built: Path, tmp_path: Path, query: Path
) -> None:
    broken = broken_pictures(tmp_path, query)
    result = run("recognize", *broken.values(), query, "--index", built / "index", "--json")
    assert_sentence(result, *broken)
    assert "4 of 5 pictures skipped" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_a_picture_that_is_not_there(run: Run, built: Path) -> None:
    assert_sentence(run("recognize", "gone.jpg", "--index", built / "index"), "gone.jpg")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read it all")
def test_a_picture_that_may_not_be_read(run: Run, built: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked.jpg"
    locked.write_bytes(b"")
    locked.chmod(0)
    assert_sentence(run("recognize", locked, "--index", built / "index"), "locked.jpg")


def test_broken_pictures_in_a_gallery_are_listed_and_the_rest_is_built(
    run: Run, shop: Path, query: Path
) -> None:
    folder = shop / "photos" / "broken"
    folder.mkdir()
    broken_pictures(folder, query)
    result = run("build-index", "--gallery", shop / "photos", "--index", shop / "index")
    assert result.exit_code == 0
    assert "4 skipped" in result.stdout
    assert result.stderr.count("skipped ") == 4


def test_add_item_writes_nothing_if_one_picture_is_broken(
    run: Run, shop: Path, query: Path
) -> None:
    broken = broken_pictures(shop, query)["truncated.jpg"]
    before = run("list-items", "--index", shop / "index").stdout
    result = run("add-item", query, broken, "--label", "New", "--index", shop / "index")
    assert_sentence(result, "truncated.jpg")
    assert run("list-items", "--index", shop / "index").stdout == before


@pytest.mark.parametrize(
    ("mode", "name", "reason"),
    [
        ("CMYK", "print.jpg", "from a print shop"),
        ("I;16", "deep.png", "16 bits a channel"),
        ("P", "palette.gif", "a palette"),
        ("LA", "alpha.png", "grey with transparency"),
        ("RGBA", "alpha.webp", "colour with transparency"),
        ("1", "fax.tif", "one bit"),
    ],
)
def test_odd_pictures_are_recognised(
    run: Run, built: Path, tmp_path: Path, query: Path, mode: str, name: str, reason: str
) -> None:
    picture = Image.open(query)
    if mode == "I;16":
        grey = np.asarray(picture.convert("L"), dtype=np.uint16) * 257
        picture = Image.fromarray(grey)
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / name)
    result = run("recognize", tmp_path / name, "--index", built / "index", "--json")
    assert result.exit_code == 0, reason


def test_tiny_and_huge_pictures(run: Run, built: Path, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    assert run("recognize", tmp_path / "dot.png", "--index", built / "index").exit_code == 0
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    result = run("recognize", tmp_path / "huge.png", "--index", built / "index")
    assert_sentence(result, "huge.png", "20000")


def test_exif_rotation_is_applied(run: Run, built: Path, tmp_path: Path, query: Path) -> None:
    picture = Image.open(query)
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    picture.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=95)
    straight, rotated = (
        run("recognize", path, "--whole-image", "--index", built / "index", "--json").stdout
        for path in (query, turned)
    )
    import json

    first, second = (json.loads(text)["objects"][0]["matches"][0] for text in (straight, rotated))
    assert first["label"] == second["label"]
    assert first["score"] == pytest.approx(second["score"], abs=0.03)


def test_a_picture_on_stdin(run: Run, built: Path, query: Path, tmp_path: Path) -> None:
    flags = ["--index", built / "index", "--json", "--save", tmp_path]
    result = run("recognize", "-", *flags, stdin=query.read_bytes())
    assert result.exit_code == 0
    assert '"image": "-"' in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["stdin.jpg"]


def test_nothing_on_stdin(run: Run, built: Path) -> None:
    assert run("recognize", "-", "--index", built / "index", stdin=b"").exit_code == 1


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"),
    [
        ("list.txt", "a.jpg\tCola\nb.jpg\n", "2", "a line without a label"),
        ("list.jsonl", '{"path": "a.jpg", "label": "x"}\n{"path": 1}\n', "2", "a missing field"),
        ("list.jsonl", "{not json}\n", "1", "no JSON"),
    ],
)
def test_a_malformed_label_file_names_the_line(
    run: Run, tmp_path: Path, name: str, content: str, line: str, reason: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    result = run("build-index", "--gallery", tmp_path / name, "--index", tmp_path / "index")
    assert_sentence(result, name, line)


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--threshold", "3"], "threshold"),
        (["--top-k", "0"], "top_k"),
        (["--engine", "abacus"], "engine"),
        (["--threads", "-1"], "threads"),
    ],
)
def test_settings_out_of_range(
    run: Run, built: Path, query: Path, flags: list[str], word: str
) -> None:
    assert_sentence(run("recognize", query, "--index", built / "index", *flags), word)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_an_output_that_is_full(run: Run, built: Path, query: Path) -> None:
    target = "/dev/full/annotated"
    result = run("recognize", query, "--save", target, "--index", built / "index")
    assert_sentence(result, "/dev/full")


def test_a_box_outside_the_picture(run: Run, shop: Path, query: Path) -> None:
    box = "90000,90000,90010,90010"
    result = run("add-item", query, "--label", "x", "--box", box, "--index", shop / "index")
    assert_sentence(result, "box")


def test_another_box_for_a_picture_that_is_there(run: Run, shop: Path, query: Path) -> None:
    index = ("--index", shop / "index")
    assert run("add-item", query, "--label", "x", *index).exit_code == 0
    again = run("add-item", query, "--label", "x", "--box", "1,1,9,9", *index)
    assert (again.exit_code, again.stdout) == (0, "x: 0 added, 1 already there.\n")
    assert "whose box stays as it is" in again.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["recognize", ""],
        ["recognize", "a.jpg", ""],
        ["recognize", "a.jpg", "--save", ""],
        ["add-item", "", "--label", "x"],
        ["build-index", "--gallery", ""],
        ["sync", ""],
        ["golden", "add", "", "x"],
        ["eval-recall", "--queries", ""],
        ["lint", "--html", ""],
        ["export-gallery", ""],
        ["list-items", "--index", ""],
    ],
)
def test_an_empty_name_is_not_this_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert "the name is empty; give a file or folder" in result.stderr
    assert not list(tmp_path.iterdir())


def test_another_model_is_refused(run: Run, built: Path, query: Path, tmp_path: Path) -> None:
    config = tmp_path / "whole.yaml"
    config.write_text("detector_model: none\n", encoding="utf-8")
    result = run("--config", config, "recognize", query, "--index", built / "index")
    assert_sentence(result, "model")


def test_bytes_on_stdin_are_a_picture_or_a_sentence(run: Run, built: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "BMP")
    assert run("recognize", "-", "--index", built / "index", stdin=buffer.getvalue()).exit_code == 0
    result = run("recognize", "-", "--index", built / "index", stdin=b"hello")
    assert_sentence(result, "picture")


def test_the_paddle_engine_without_paddle(
    run: Run, built: Path, query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shitu.runtime.engines.installed_version", lambda package: None)
    result = run("recognize", query, "--index", built / "index", "--engine", "paddle")
    assert_sentence(result, "pip install paddlepaddle")


def test_a_skipped_picture_is_named_once(run: Run, built: Path) -> None:
    result = run("recognize", "gone.jpg", "--index", built / "index")
    assert result.stderr.splitlines()[0].count("gone.jpg") == 1


def test_the_current_folder_is_gone(
    run: Run, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for index in ("index", built / "index"):
        result = run("list-items", "--index", index)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "Error: the folder in which this was started was deleted: change to another with `cd`\n"
        )
    assert run("--help").exit_code == 0


@pytest.mark.parametrize(
    "command",
    ["recognize {}", "add-item {} --label tea", "build-index --gallery {}", "sync {}"],
)
def test_an_address_is_no_file(run: Run, command: str) -> None:
    result = run(*command.format("https://example.com/a.jpg").split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'https://example.com/a.jpg' is an address; download it" in result.stderr


def run_into(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Result:
    """Run a command that ends with an error."""

    def fail() -> None:
        raise error

    monkeypatch.setitem(main.commands, "config", click.Command("config", callback=fail))
    return CliRunner().invoke(main, ["config"])


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libfaiss.so: failed to map segment from shared object"),
        ImportError("libfaiss.so: cannot allocate memory in static TLS block"),
        RuntimeError("can't start new thread"),
    ],
)
def test_too_little_memory_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    done = run_into(monkeypatch, error)
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: there is too little memory to go on: close other programs, or allow this one more "
        "(`ulimit -v`); what was committed is kept.\n"
    )


@pytest.mark.parametrize("error", [ImportError("no such name"), RuntimeError("a mistake")])
def test_other_failures_are_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert run_into(monkeypatch, error).exception is error
