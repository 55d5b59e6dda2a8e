"""The commands, end to end, on a small shop."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image

Run = Callable[..., Result]

TORTURE = [
    "Cola, 0.33 l",
    'The "best" tea',
    "it's a 50% café",
    "红牛 维生素饮料",
    "شاي أخضر",
    "🍎 apple 🍏",
    "-rf",
    ".hidden",
]


def parsed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_query_gets_its_name(run: Run, built: Path, query: Path, labels: list[str]) -> None:
    found = parsed(run("recognize", query, "--index", built / "index", "--json"))
    assert found["image"] == str(query)
    assert found["objects"][0]["matches"][0]["label"] == labels[0]


def test_a_picture_of_the_gallery_finds_itself(run: Run, built: Path, labels: list[str]) -> None:
    own = sorted((built / "photos" / labels[1]).iterdir())[0]
    found = parsed(run("recognize", own, "--index", built / "index", "--json", "--whole-image"))
    assert found["objects"][0]["box"] is None
    assert found["objects"][0]["matches"][0]["label"] == labels[1]


def test_a_second_build_embeds_nothing(run: Run, shop: Path) -> None:
    again = parsed(
        run("build-index", "--gallery", shop / "photos", "--index", shop / "index", "--json")
    )
    assert again["added"] == 0
    assert again["unchanged"] == len(list((shop / "photos").rglob("*.jpg")))


def test_the_kind_of_index_is_chosen_and_audited(run: Run, shop: Path) -> None:
    where = ["build-index", "--gallery", shop / "photos", "--index", shop / "index"]
    assert parsed(run(*where, "--json"))["index_kind"] == "flat"
    found = parsed(run(*where, "--index-kind", "ivf-sq8", "--recall", "0.9", "--json"))
    assert (found["index_kind"], found["audit"]["wanted"]) == ("ivf-sq8", 0.9)
    assert found["audit"]["recall_at_1"] >= 0.9
    told = run(*where, "--index-kind", "ivf-sq8", "--recall", "0.9")
    assert "Kind ivf-sq8: of " in told.stdout
    assert run(*where, "--recall", "2").exit_code == 1
    assert run(*where, "--index-kind", "ivf").exit_code == 2


def test_vanished_pictures_stay_until_pruned(run: Run, shop: Path, labels: list[str]) -> None:
    shutil.rmtree(shop / "photos" / labels[0])
    arguments = ["build-index", "--gallery", shop / "photos", "--index", shop / "index"]
    kept = run(*arguments)
    assert "vanished" in kept.stdout
    assert labels[0] in run("list-items", "--index", shop / "index").stdout
    assert "removed" in run(*arguments, "--prune").stdout
    assert labels[0] not in run("list-items", "--index", shop / "index").stdout


@pytest.mark.parametrize("label", TORTURE)
def test_labels_survive_the_whole_way(
    run: Run, shop: Path, query: Path, tmp_path: Path, label: str
) -> None:
    odd = tmp_path / f"new\n{label.replace('/', '_')}.jpg"
    shutil.copy(query, odd)
    index = shop / "index"
    added = run("add-item", odd, f"--label={label}", "--attr", "price=1,50", "--index", index)
    assert added.exit_code == 0, added.output
    items = [
        json.loads(line)
        for line in run("list-items", "--index", index, "--json").stdout.splitlines()
    ]
    assert {item["label"]: item["attributes"] for item in items}[label] == {"price": "1,50"}
    found = parsed(run("recognize", odd, "--index", index, "--json", "--save", tmp_path / "out"))
    assert found["objects"][0]["label"] == label
    assert len(list((tmp_path / "out").iterdir())) == 1
    removed = run("remove-item", "--index", index, "--", label)
    assert removed.exit_code == 0, removed.output
    assert label not in run("list-items", "--index", index, "--json").stdout


def test_the_same_picture_twice_is_said_and_to_another_item_refused(
    run: Run, shop: Path, query: Path
) -> None:
    index = shop / "index"
    assert "1 added" in run("add-item", query, "--label", "Tea", "--index", index).stdout
    assert "already" in run("add-item", query, "--label", "Tea", "--index", index).stdout
    refused = run("add-item", query, "--label", "Coffee", "--index", index)
    assert refused.exit_code == 1
    assert "Tea" in refused.stderr


def test_pictures_that_cannot_be_put_aside_are_said(
    run: Run, shop: Path, labels: list[str]
) -> None:
    (shop / "photos" / ".removed").touch()  # a file where the folder should be
    pictures = sorted((shop / "photos" / labels[0]).iterdir())
    removed = run("remove-item", labels[0], "--index", shop / "index")
    assert removed.exit_code == 0
    assert f"picture kept: {pictures[0]}" in removed.stderr
    note = f"note: {len(pictures)} pictures were not put aside: the next build-index would add"
    assert note in removed.stderr
    again = sorted((shop / "photos" / labels[1]).iterdir())
    kept = parsed(run("remove-item", labels[1], "--index", shop / "index", "--json"))["kept"]
    assert sorted(kept) == list(map(str, again))


def test_a_removed_item_is_not_named_any_more(
    run: Run, shop: Path, query: Path, labels: list[str]
) -> None:
    index = shop / "index"
    assert run("remove-item", labels[0], "--index", index).exit_code == 0
    found = parsed(run("recognize", query, "--index", index, "--json"))
    assert all(m["label"] != labels[0] for o in found["objects"] for m in o["matches"])
    missing = run("remove-item", labels[0], "--index", index)
    assert missing.exit_code == 1
    assert labels[0] in missing.stderr


def test_an_empty_shop_says_unknown(run: Run, shop: Path, query: Path, labels: list[str]) -> None:
    for label in labels:
        run("remove-item", label, "--index", shop / "index")
    found = parsed(run("recognize", query, "--index", shop / "index", "--json"))
    assert all(item["unknown"] and not item["matches"] for item in found["objects"])


def test_threshold_makes_unknown(run: Run, built: Path, query: Path) -> None:
    strict = parsed(
        run("recognize", query, "--index", built / "index", "--json", "--threshold", "0.9999")
    )
    assert all(item["label"] is None for item in strict["objects"])


def test_explain_tells_why_a_box_is_gone(run: Run, built: Path) -> None:
    scene = Path(__file__).parents[2] / "gallery" / "scenes" / "scene01.jpg"
    result = run("recognize", scene, "--explain", "--index", built / "index", "--max-objects", "1")
    assert result.exit_code == 0
    assert "dropped box" in result.stdout
    assert "nearest reference" in result.stdout
    assert "max_objects" in result.stdout or "detection_threshold" in result.stdout


def test_annotated_pictures_have_the_size_of_the_original(
    run: Run, built: Path, query: Path, tmp_path: Path
) -> None:
    result = run("recognize", query, "--index", built / "index", "--save", tmp_path)
    assert result.exit_code == 0
    with Image.open(tmp_path / f"{query.stem}.jpg") as drawn, Image.open(query) as original:
        assert drawn.size == original.size


def test_a_folder_gives_one_json_line_per_picture(run: Run, built: Path) -> None:
    result = run("recognize", built / "photos", "--index", built / "index", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == len(list((built / "photos").rglob("*.jpg")))


def test_eval_recall_ignores_a_querys_own_file(run: Run, built: Path) -> None:
    report = parsed(
        run("eval-recall", "--queries", built / "photos", "--index", built / "index", "--json")
    )
    assert report["own_file_excluded"] == report["queries"]
    assert 0.5 < report["recall_at_1"] <= report["recall_at_5"] <= 1
    text = run("eval-recall", "--queries", built / "photos", "--index", built / "index").stdout
    assert "recall@1" in text
    assert "mAP@R" in text


def test_eval_recall_without_any_right_answer(run: Run, built: Path, tmp_path: Path) -> None:
    labels = iter(sorted((built / "photos").iterdir()))
    shutil.copytree(next(labels), tmp_path / "queries" / "a name nobody knows")
    result = run("eval-recall", "--queries", tmp_path / "queries", "--index", built / "index")
    assert result.exit_code == 1
    assert "labels" in result.stderr


def test_recognising_needs_no_paddle(built: Path, query: Path, labels: list[str]) -> None:
    code = "import sys; sys.modules['paddle'] = None; from shitu.cli import main; main()"
    arguments = ["recognize", str(query), "--index", str(built / "index")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert labels[0] in done.stdout
