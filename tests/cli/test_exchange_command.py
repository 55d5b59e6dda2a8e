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


def test_missing_pictures_are_said(run: Run, shop: Path, labels: list[str], tmp_path: Path) -> None:
    shutil.rmtree(shop / "photos" / labels[0])
    result = run(
        "export-gallery", tmp_path / "x", "--with-pictures", "--json", "--index", shop / "index"
    )
    assert result.stderr.count("missing ") == 5
    assert json.loads(result.stdout)["pictures"] == 15
