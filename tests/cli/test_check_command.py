"""`shitu check`: a table, or JSON; exit code 1 as long as there is a problem."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


def test_a_whole_gallery_is_exit_code_0(shop: Path, run: Run) -> None:
    result = run("check", "--index", shop / "index")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["part", "checked", "problems", "notes"]
    assert all(line.split()[-2:] == ["0", "0"] for line in lines[1:])


def test_a_torn_index_is_told_and_mended(shop: Path, run: Run) -> None:
    (shop / "index" / "vectors.faiss").write_bytes(b"torn")
    result = run("check", "--index", shop / "index")
    assert (result.exit_code, "problem: the index on disk" in result.stderr) == (1, True)
    result = run("check", "--index", shop / "index", "--repair")
    assert (result.exit_code, "mended: the index was made anew" in result.stderr) == (0, True)
    assert run("check", "--index", shop / "index").exit_code == 0


def test_json_names_everything(shop: Path, run: Run) -> None:
    connection = sqlite3.connect(shop / "index" / "gallery.db")
    with connection:
        connection.execute("DELETE FROM thumbnails")
    connection.close()
    next((shop / "photos").glob("*/*")).unlink()
    result = run("check", "--index", shop / "index", "--full", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["ok"], len(report["problems"])) == (False, report["references"])
    assert len(report["notes"]) == 1
    assert report["parts"][0] == {"name": "database", "checked": 1, "problems": [], "notes": []}


def test_a_gallery_of_other_models_than_those_in_use_is_noted_and_left_alone(
    shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("check", "--index", shop / "index")
    assert "the gallery in" not in whole.stderr
    before = {path: path.read_bytes() for path in (shop / "index").glob("*.[fj]*")}
    monkeypatch.setenv("SHITU_DETECTOR_MODEL", "none")
    result = run("check", "--index", shop / "index")
    assert result.exit_code == 0, result.output
    assert "note: the gallery in" in result.stderr
    assert "was built with another feature model, detector or crop" in result.stderr
    monkeypatch.setenv("SHITU_DETECTOR_MODEL", "nowhere")
    gone = run("check", "--index", shop / "index")
    assert (gone.exit_code, "note: " in gone.stderr, "nowhere" in gone.stderr) == (0, True, True)
    assert {path: path.read_bytes() for path in before} == before


def test_a_gallery_of_older_weights_is_noted(shop: Path, run: Run) -> None:
    connection = sqlite3.connect(shop / "index" / "gallery.db")
    with connection:
        connection.execute("UPDATE spaces SET fingerprint = 'older'")
    connection.close()
    said = run("check", "--index", shop / "index").stderr
    assert "as after an update: `shitu migrate --model pplcnetv2_base_shitu`" in said


def test_long_lists_are_cut(shop: Path, run: Run) -> None:
    connection = sqlite3.connect(shop / "index" / "gallery.db")
    with connection:
        connection.executemany(
            "INSERT INTO items VALUES (?, ?, '{}', '')", [(n, str(n)) for n in range(1000, 1030)]
        )
    connection.close()
    result = run("check", "--index", shop / "index")
    assert result.stderr.count("problem: ") == 21
    assert "and 40 more; --json" in result.stderr
