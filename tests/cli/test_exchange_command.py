"""`shitu export-gallery` and `shitu import-gallery`, from one index folder to another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def file(run: Run, built: Path, tmp_path: Path) -> Path:
    path = tmp_path / "shop.gallery"
    result = run("export-gallery", path, "--index", built / "index", "--with-pictures")
    assert result.exit_code == 0, result.output
    assert "20 pictures of generation 1" in result.stdout
    return path


def test_an_imported_gallery_recognises(
    run: Run, file: Path, query: Path, labels: list[str], tmp_path: Path
) -> None:
    index = tmp_path / "new"
    done = run("import-gallery", file, "--index", index)
    assert done.exit_code == 0, done.output
    assert "20 references imported. Generation 1." in done.stdout
    found = json.loads(run("recognize", query, "--index", index, "--json").stdout)
    assert found["objects"][0]["matches"][0]["label"] == labels[0]
    assert len(list((index / "pictures").rglob("*.jpg"))) == 20


def test_a_dry_run_shows_the_differences_and_writes_nothing(
    run: Run, file: Path, shop: Path, labels: list[str], tmp_path: Path
) -> None:
    index = shop / "index"
    run("remove-item", labels[0], "--index", index)
    result = run("import-gallery", file, "--index", index, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "5 new, 15 equal, 0 only here, 0 conflicts." in result.stdout
    assert "Nothing was written." in result.stdout
    assert labels[0] not in run("list-items", "--index", index).stdout
    run("import-gallery", file, "--index", tmp_path / "none", "--dry-run")
    assert not (tmp_path / "none").exists()
    parsed = json.loads(run("import-gallery", file, "--index", index, "--dry-run", "--json").stdout)
    assert {item["label"]: item["new"] for item in parsed["diff"]["items"]}[labels[0]] == 5


def test_attributes_are_shown_as_they_would_be_typed(
    run: Run, shop: Path, labels: list[str], tmp_path: Path
) -> None:
    index, path = ("--index", shop / "index"), tmp_path / "null.gallery"
    run("set-attr", labels[0], "n=null", "m=true", *index)
    assert run("export-gallery", path, *index).exit_code == 0
    run("undo", *index)
    assert "n=null, m=true" in run("import-gallery", path, *index, "--dry-run").stdout
    run("set-attr", labels[0], "n=1", "m=false", *index)
    rows = run("import-gallery", path, *index, "--dry-run").stdout.splitlines()
    assert [row.split()[-2:] for row in rows if row.startswith(("m of", "n of"))] in (
        [["1", "null"], ["false", "true"]],
        [["false", "true"], ["1", "null"]],
    )


def test_conflicts_need_a_decision(run: Run, file: Path, shop: Path, labels: list[str]) -> None:
    index = shop / "index"
    run("remove-item", labels[0], "--index", index)
    picture = sorted((shop / "photos" / ".removed" / labels[0]).iterdir())[0]
    run("add-item", picture, "--label", "Mine", "--index", index)
    refused = run("import-gallery", file, "--index", index)
    assert refused.exit_code == 1
    assert "'Mine' here" in refused.stderr
    assert "--on-conflict" in refused.stderr
    shown = run("import-gallery", file, "--index", index, "--dry-run").stdout
    assert "in the file" in shown
    taken = run("import-gallery", file, "--index", index, "--on-conflict", "take")
    assert "1 given to another item" in taken.stdout
    listed = run("list-items", "--index", index).stdout
    assert "Mine" not in listed
    assert labels[0] in listed


def test_a_broken_file_is_one_sentence(run: Run, file: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.gallery"
    torn.write_bytes(file.read_bytes()[:50_000])
    for path in (torn, tmp_path / "nothing", tmp_path):
        result = run("import-gallery", path, "--index", tmp_path / "new")
        assert result.exit_code == 1
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "new").exists()


def test_an_export_below_a_file_is_refused(run: Run, file: Path, shop: Path) -> None:
    before = file.read_bytes()
    result = run("export-gallery", file / "copy.gallery", "--index", shop / "index")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {file / 'copy.gallery'} cannot be written")
    assert file.read_bytes() == before


def test_missing_pictures_are_said(run: Run, shop: Path, labels: list[str], tmp_path: Path) -> None:
    shutil.rmtree(shop / "photos" / labels[0])
    result = run(
        "export-gallery", tmp_path / "x", "--with-pictures", "--json", "--index", shop / "index"
    )
    assert result.stderr.count("missing ") == 5
    assert json.loads(result.stdout)["pictures"] == 15


@pytest.fixture
def taught(run: Run, shop: Path, query: Path, labels: list[str], tmp_path: Path) -> Path:
    """A file with a rejection and a golden query."""
    index = ("--index", shop / "index")
    run("recognize", query, "--log", *index)
    assert run("reject", 1, "--label", labels[1], *index).exit_code == 0
    assert run("golden", "add", query, labels[0], *index).exit_code == 0
    path = tmp_path / "taught.gallery"
    result = run("export-gallery", path, *index)
    assert "20 references, 1 rejection, 1 golden query of generation 3" in result.stdout
    parsed = json.loads(run("export-gallery", path, "--json", *index).stdout)
    assert [parsed[name] for name in ("rejections", "golden", "inert", "left_behind")] == [
        1,
        1,
        0,
        0,
    ]
    return path


def test_what_staff_said_comes_along(
    run: Run, taught: Path, labels: list[str], tmp_path: Path
) -> None:
    index = ("--index", tmp_path / "new")
    planned = run("import-gallery", taught, "--dry-run", *index)
    assert "Rejections: 1 new, 0 equal.\nGolden queries: 1 new, 0 equal." in planned.stdout
    done = run("import-gallery", taught, *index)
    assert done.exit_code == 0, done.output
    assert "20 references, 1 rejection, 1 golden query imported. Generation 1." in done.stdout
    assert labels[1] in run("reject", "--list", *index).stdout
    assert labels[0] in run("golden", "list", *index).stdout
    assert run("golden", "check", *index).exit_code == 0
    again = json.loads(run("import-gallery", taught, "--json", *index).stdout)
    assert again["known"] == {"rejections": 0, "golden": 0, "homeless": 0}
    assert again["diff"]["golden"] == {"new": 0, "equal": 1}
    assert run("check", *index).exit_code == 0


def test_a_golden_query_with_another_answer_needs_a_decision(
    run: Run, taught: Path, query: Path, labels: list[str], shop: Path
) -> None:
    index = ("--index", shop / "index")
    run("golden", "remove", 1, *index)
    run("golden", "add", query, "--unknown", *index)
    refused = run("import-gallery", taught, *index)
    assert refused.exit_code == 1
    assert f"is to be 'unknown' here and {labels[0]!r} there" in refused.stderr
    shown = run("import-gallery", taught, "--dry-run", *index).stdout
    assert "golden query " in shown
    assert "1 conflicts." in shown
    taken = run("import-gallery", taught, "--on-conflict", "take", *index)
    assert "0 references, 1 golden query imported" in taken.stdout
    assert labels[0] in run("golden", "list", *index).stdout


def test_golden_queries_without_their_item_are_said(
    run: Run, taught: Path, labels: list[str], shop: Path, tmp_path: Path
) -> None:
    index = ("--index", tmp_path / "new")
    run("build-index", "--gallery", shop / "photos", *index)
    run("relabel", labels[0], "something else", *index)
    kept = run("import-gallery", taught, "--on-conflict", "keep", *index)
    assert kept.exit_code == 0, kept.output
    assert "items are of other items here: 1" in kept.stderr
