"""`shitu import-index`: listed, checked and exported, and recognised with only once migrated."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss as _stubbed
import numpy as np
import pytest
from click.testing import Result

faiss: Any = _stubbed
Run = Callable[..., Result]


@pytest.fixture
def foreign(tmp_path: Path, built: Path, labels: list[str]) -> Path:
    """An index as PaddleClas writes it, of the pictures of the shop."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    paths = sorted((built / "photos").rglob("*.jpg"))
    rows = np.random.default_rng(2).normal(size=(len(paths), 512)).astype(np.float32)
    index = faiss.IndexIDMap2(faiss.IndexFlatL2(512))
    index.add_with_ids(rows, np.arange(len(paths)))
    faiss.write_index(index, str(folder / "vector.index"))
    lines = {
        np.int64(i): f"{path.relative_to(built / 'photos')}\t{path.parent.name}"
        for i, path in enumerate(paths)
    }
    (folder / "id_map.pkl").write_bytes(pickle.dumps(lines))
    return folder


def test_it_is_listed_but_not_recognised_with(
    run: Run, foreign: Path, query: Path, labels: list[str], tmp_path: Path
) -> None:
    index = tmp_path / "index"
    arguments = ["import-index", foreign, "--model", "PP-ShiTuV2_rec", "--index", index]
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "20 references of 4 items added" in done.stdout
    assert "FlatL2, L2, PP-ShiTuV2_rec" in done.stdout
    assert "made 1" in done.stderr
    assert "20 there already" in run(*arguments).stdout
    listed = run("list-items", "--index", index).stdout
    assert all(label in listed for label in labels)
    assert run("check", "--index", index).exit_code == 0
    assert run("history", "--index", index).exit_code == 0
    assert run("export-gallery", tmp_path / "x.gallery", "--index", index).exit_code == 0
    refused = run("recognize", query, "--index", index)
    assert refused.exit_code == 1
    assert "PP-ShiTuV2_rec" in refused.stderr
    assert "shitu migrate" in refused.stderr


def test_json_and_pictures(run: Run, foreign: Path, built: Path, tmp_path: Path) -> None:
    arguments = ["import-index", foreign, "--model", "theirs", "--index", tmp_path / "index"]
    done = json.loads(run(*arguments, "--pictures", built / "photos", "--json").stdout)
    assert (done["added"], done["pictures"], done["space"]) == (20, 20, "theirs")
    linted = run("lint", "--index", tmp_path / "index", "--json")
    assert linted.exit_code == 0, linted.output
    assert json.loads(linted.stdout)["unseen"] == []


def test_a_lint_says_what_references_without_pictures_lack(
    run: Run, foreign: Path, tmp_path: Path
) -> None:
    index = ("--index", tmp_path / "index")
    run("import-index", foreign, "--model", "theirs", *index)
    said = run("lint", *index).stderr
    assert "20 references could not be looked at: they have no picture and no thumbnail.\n" in said
    assert "shitu check" not in said
    told = json.loads(run("lint", *index, "--json").stdout)
    assert told["lacking"] == {"no picture and no thumbnail": 20}


def test_wrong_folders_and_usage(run: Run, built: Path, tmp_path: Path) -> None:
    assert run("import-index", built, "--index", tmp_path / "index").exit_code == 2
    for folder in (built, tmp_path / "nothing"):
        result = run("import-index", folder, "--model", "x", "--index", tmp_path / "index")
        assert result.exit_code == 1
        assert "id_map.pkl" in result.stderr
    assert not (tmp_path / "index").exists()
