"""`recognize --explain` and `--verify`: what decided, in tables, in JSON and in a picture."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from shitu.images import load_image
from shitu.workspace import Workspace

Run = Callable[..., Result]


def answer(run: Run, shop: Path, query: Path, *options: object) -> Any:
    result = run("recognize", query, "--index", shop / "index", "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_points_that_agree_are_told(run: Run, shop: Path, query: Path) -> None:
    found = answer(run, shop, query, "--verify", "on")
    best = found["objects"][0]["matches"][0]
    assert best["agreement"]["inliers"] >= 8
    assert best["agreement"]["share"] <= 1
    assert best["agreement"]["with"] in {r["reference_id"] for r in best["references"]}
    assert [r["score"] for r in best["references"]] == sorted(
        (r["score"] for r in best["references"]), reverse=True
    )
    assert found["objects"][0]["what_would_change"]
    assert found["milliseconds"]["verify"] > 0


def test_off_compares_nothing(run: Run, shop: Path, query: Path) -> None:
    found = answer(run, shop, query, "--verify", "off")
    assert "verify" not in found["milliseconds"]
    assert all(m["agreement"] is None for o in found["objects"] for m in o["matches"])


def test_a_mode_that_there_is_not(run: Run, shop: Path, query: Path) -> None:
    result = run("recognize", query, "--index", shop / "index", "--verify", "maybe")
    assert result.exit_code == 1
    assert "must be one of auto, on, off" in result.stderr


def test_tables_and_picture(run: Run, shop: Path, query: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(
        *("recognize", query, "--index", shop / "index", "--verify", "on"),
        *("--explain", "--save", out),
    )
    assert result.exit_code == 0, result.output
    for column in ("decided by", "points", "what would change it", "nearest reference"):
        assert column in result.stdout
    assert sorted(p.name for p in out.iterdir()) == [f"{query.stem}.jpg", f"{query.stem}.why.png"]
    sheet = load_image(out / f"{query.stem}.why.png")
    assert sheet.shape[1] > 700
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 1000, "pictures are on it"


def test_without_explain_there_is_no_sheet(
    run: Run, shop: Path, query: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("recognize", query, "--index", shop / "index", "--save", out).exit_code == 0
    assert [p.name for p in out.iterdir()] == [f"{query.stem}.jpg"]


@pytest.mark.parametrize("gone", [False, True])
def test_the_sheet_needs_no_picture_files(shop: Path, query: Path, gone: bool) -> None:
    if gone:
        shutil.rmtree(shop / "photos")
    with Workspace(shop / "index", verify="on") as workspace:
        found = workspace.recognize(query)
        sheet = workspace.draw_explanation(query, found)
        assert found.objects[0].agreement is not None
    right = sheet[:400, sheet.shape[1] // 2 + 60 : -40]
    assert right.std() > 10, "the reference, or its thumbnail"


def test_an_empty_gallery_can_be_explained(run: Run, shop: Path, query: Path) -> None:
    with Workspace(shop / "index") as workspace:
        found = workspace.recognize(query, where="label=none-such")
        sheet = workspace.draw_explanation(query, found)
    assert all("nothing to compare" in o["what_would_change"] for o in found.to_dict()["objects"])
    assert sheet.shape[2] == 3


def test_the_past_is_compared_by_what_is_left_of_it(
    shop: Path, query: Path, labels: list[str]
) -> None:
    label = labels[1]  # a carton, full of print
    query = sorted((query.parents[1] / label).iterdir())[0]
    with Workspace(shop / "index", verify="on") as workspace:
        workspace.remove(label)  # its pictures are put aside
        now, past = workspace.recognize(query), workspace.recognize(query, as_of=1)
        best = past.objects[0].matches[0]
        assert best.label == label
        assert best.agreement is not None
        assert best.agreement.inliers >= 8
        assert all(m.label != label for o in now.objects for m in o.matches)
        sheet = workspace.draw_explanation(query, past, as_of=1)
    right = sheet[:400, sheet.shape[1] // 2 + 60 : -40]
    assert right.std() > 10


def test_a_score_that_misses_by_a_hair_is_told_with_the_hair(
    run: Run, shop: Path, query: Path
) -> None:
    score = answer(run, shop, query, "--verify", "off")["objects"][0]["score"]
    options = ("--index", shop / "index", "--verify", "off", "--threshold", score + 1e-4)
    told = run("recognize", query, *options).stdout.splitlines()[1]
    needed = told.split("is below ")[1].split(")")[0]
    shown = f"{score:.{len(needed) - 2}f}"
    assert f" {shown} " in told
    assert float(shown) < float(needed)
