"""`shitu import-index`: listed, checked and exported, and recognised with only once migrated."""

from __future__ import annotations

import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss as _stubbed
import numpy as np
import pytest
from click.testing import Result

from shitu import create_pipeline

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
    for model in ("", "  "):
        result = run("import-index", built, "--model", model, "--index", tmp_path / "index")
        assert result.exit_code == 2
        assert "--model has to be words, and this one is empty." in result.stderr
    assert not (tmp_path / "index").exists()


def test_a_folder_of_pictures_that_is_none(run: Run, foreign: Path, tmp_path: Path) -> None:
    where = ("--model", "theirs", "--index", tmp_path / "index")
    result = run("import-index", foreign, "--pictures", tmp_path / "nowhere", *where)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {tmp_path}/nowhere is no folder: name the one in which the paths of the index "
        "start; nothing was imported\n"
    )
    assert not (tmp_path / "index").exists()


@pytest.fixture(scope="module")
def ours(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index as our own pipeline saves it, of two pictures of each label."""
    folder: Path = tmp_path_factory.mktemp("ours") / "saved"
    chosen = [p for d in sorted((built / "photos").iterdir()) for p in sorted(d.iterdir())[:2]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the embedded models stand in for PaddleX'
        pipeline = create_pipeline("PP-ShiTuV2")
        index = pipeline.build_index([str(p) for p in chosen], [p.parent.name for p in chosen])
    index.save(folder)
    return folder


def test_an_index_of_our_own_pipeline_is_recognised_with(
    run: Run, ours: Path, built: Path, query: Path, labels: list[str], tmp_path: Path
) -> None:
    where = ("--index", tmp_path / "index")
    done = run("import-index", ours, "--model", "PP-ShiTuV2_rec", *where)
    assert done.exit_code == 0, done.output
    assert "8 references of 4 items added" in done.stdout
    assert done.stderr == ""
    assert run("check", *where).exit_code == 0
    found = run("recognize", query, "--whole-image", "--json", *where)
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["objects"][0]["matches"][0]["label"] == labels[0]
    # The pictures are known by their content: nothing is embedded again, nor there twice.
    again = run("build-index", "--gallery", built / "photos", "--json", *where)
    told = json.loads(again.stdout)
    assert (told["added"], len(told["moved"])) == (12, 8)
    assert run("build-index", "--gallery", built / "photos", *where).stdout.startswith("0 added")


def test_one_whose_models_are_not_here_is_as_that_of_another_program(
    run: Run, ours: Path, query: Path, tmp_path: Path
) -> None:
    folder, where = tmp_path / "theirs", ("--index", tmp_path / "index")
    shutil.copytree(ours, folder)
    noted = json.loads((folder / "shitu.json").read_text("utf-8"))
    (folder / "shitu.json").write_text(json.dumps({**noted, "space": "f" * 64}), "utf-8")
    assert run("import-index", folder, "--model", "mine", *where).exit_code == 0
    assert run("recognize", query, *where).exit_code == 1
    (folder / "shitu.json").write_text("{", "utf-8")
    damaged = run("import-index", folder, "--model", "mine", *where)
    assert damaged.exit_code == 1
    assert "shitu.json is damaged" in damaged.stderr
