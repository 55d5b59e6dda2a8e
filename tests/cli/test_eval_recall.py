"""`shitu eval-recall` on a small shop, with the embedded networks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

SAMPLE = Path(__file__).parents[2] / "gallery"

Run = Callable[..., Result]


@pytest.fixture
def queries(tmp_path: Path, labels: list[str], built: Path) -> Path:
    """Known products, one stranger, and one picture of the gallery in other clothes."""
    folder = tmp_path / "queries"
    for label in labels:
        shutil.copytree(SAMPLE / "queries" / label, folder / label)
    stranger = sorted(path.name for path in (SAMPLE / "queries").iterdir())[10]
    shutil.copytree(SAMPLE / "queries" / stranger, folder / stranger)
    first = sorted((built / "photos" / labels[0]).iterdir())[0]
    (folder / labels[0] / "again.jpg").write_bytes(first.read_bytes() + b"\0")
    return folder


def parsed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_everything_that_is_measured(run: Run, built: Path, queries: Path) -> None:
    where = ("--queries", queries, "--index", built / "index", "--resamples", 50)
    found = run("eval-recall", *where, "--json")
    report = parsed(found)
    assert report["queries"] == 5
    assert report["without_answer"] == 1
    low, high = report["intervals"]["recall_at_1"].values()
    assert low <= report["recall_at_1"] <= high
    assert report["open_set"]["at_threshold"]["strangers"] == 1
    assert report["cmc"][-1] == 1
    assert [leak["kind"] for leak in report["leaks"]] == ["near-duplicate"]
    assert report["calibration"] is None
    assert "Leakage: 1 query found" in found.stderr
    assert "again.jpg" in found.stderr
    text = run("eval-recall", *where)
    for word in ("recall@1", "mAP@R", "MRR", "mean over labels", "95 % interval", "OSCR", "DIR"):
        assert word in text.stdout


def test_leaks_can_be_left_out(run: Run, built: Path, queries: Path) -> None:
    arguments = ("eval-recall", "--queries", queries, "--index", built / "index", "--json")
    report = parsed(run(*arguments, "--exclude-leaks", "--resamples", 0))
    assert (report["queries"], report["leaks_excluded"], report["intervals"]) == (4, True, {})


def test_strangers_alone_are_an_error_that_counts_them(
    run: Run, built: Path, queries: Path, labels: list[str]
) -> None:
    for label in labels:
        shutil.rmtree(queries / label)
    where = ("eval-recall", "--queries", queries, "--index", built / "index")
    for lead, count in ((0, 0), (1, 1)):
        refused = run(*where, "--threshold", -1, "--lead", lead, "--verify", "off")
        assert refused.exit_code == 1
        assert "No query has a right answer in the gallery (1 asked)" in refused.stderr
        assert f"If they are strangers, {count} of 1 are answered unknown" in refused.stderr


def test_by_label_changes_the_intervals_alone(run: Run, built: Path) -> None:
    arguments = ("eval-recall", "--queries", built / "photos", "--index", built / "index", "--json")
    plain, by_label = parsed(run(*arguments)), parsed(run(*arguments, "--by-label"))
    assert plain["intervals"] != by_label["intervals"]
    assert {**plain, "intervals": 0} == {**by_label, "intervals": 0}


def test_boxes_are_judged_end_to_end(run: Run, built: Path, labels: list[str]) -> None:
    scenes = SAMPLE / "scenes" / "scenes.jsonl"
    where = ("eval-recall", "--boxes", scenes, "--index", built / "index", "--resamples", 20)
    report = parsed(run(*where, "--json"))
    assert report["pictures"] == 12
    assert 0 < report["found"] <= report["truths"] < 30, "most labels are not in this gallery"
    assert report["truths"] - report["found"] == sum(report["missed"].values())
    assert report["strangers"] > 20
    assert report["verify"] == "auto"
    text = run(*where, "--verify", "off").stdout
    for word in ("precision", "recall", "F1", "label right", "strangers", "verify off."):
        assert word in text


def test_labels_of_boxes_are_read_as_a_gallery_keeps_them(
    run: Run, built: Path, labels: list[str], tmp_path: Path
) -> None:
    box, blank = [200.0, 0.0, 500.0, 500.0], f" {labels[0]} "
    truth = {"picture": str(SAMPLE / "scenes" / "scene01.jpg"), "boxes": [box], "labels": [blank]}
    (tmp_path / "boxes.jsonl").write_text(json.dumps(truth))
    where = ("--boxes", tmp_path / "boxes.jsonl", "--index", built / "index")
    report = parsed(run("eval-recall", *where, "--json", "--verify", "off"))
    assert (report["truths"], report["strangers"]) == (1, 0)


def test_a_run_is_kept_and_compared_with(
    run: Run, built: Path, queries: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "run.json"
    where = ("eval-recall", "--queries", queries, "--index", built / "index", "--resamples", 20)
    assert run(*where, "--save", kept).exit_code == 0
    document = json.loads(kept.read_text())
    document["rows"][0]["values"]["recall_at_1"] = 0.0
    kept.write_text(json.dumps(document))
    text = run(*where, "--against", kept).stdout
    assert "recall@1 rose to 1.000 from 0.800: 1 of 5 won and 0 lost" in text
    assert "no significant difference" in text
    report = parsed(run(*where, "--against", kept, "--json"))
    assert report["against"]["pairs"] == 5
    assert len(report["against"]["won"]) == 1
    document["rows"] = document["rows"][:1]
    kept.write_text(json.dumps(document))
    assert "\n1 pair " in run(*where, "--against", kept).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "--queries or --boxes"),
        (["--queries", "a", "--boxes", "b"], 2, "--queries or --boxes"),
        (["--boxes", "b", "--exclude-leaks"], 2, "--exclude-leaks"),
        (["--boxes", "b", "--by-label"], 2, "--by-label"),
        (["--boxes", "none.json"], 1, "none.json cannot be read"),
        (["--queries", "a", "--against", "none.json"], 1, "none.json cannot be read"),
    ],
)
def test_wrong_usage(run: Run, built: Path, arguments: list[str], code: int, reason: str) -> None:
    result = run("eval-recall", "--index", built / "index", *arguments)
    assert result.exit_code == code
    assert reason in result.stderr


def test_a_query_that_is_listed_twice_counts_once_under_its_first_label(
    run: Run, built: Path, tmp_path: Path, labels: list[str]
) -> None:
    picture = SAMPLE / "queries" / labels[0] / "query.jpg"
    file = tmp_path / "list.txt"
    file.write_text(f"{picture}\t{labels[0]}\n" * 2 + f"{picture}\t{labels[1]}\n")
    result = run("eval-recall", "--queries", file, "--index", built / "index", "--json")
    report = parsed(result)
    assert (report["queries"], report["recall_at_1"]) == (1, 1)
    said = f"is listed twice; the first line says {labels[0]!r}"
    assert report["skipped"] == [[str(picture), said]]
    text = run("eval-recall", "--queries", file, "--index", built / "index")
    assert f"skipped {picture}: {said}" in text.stderr


def test_it_is_said_which_queries_count_where(
    run: Run, built: Path, queries: Path, tmp_path: Path, labels: list[str]
) -> None:
    own = sorted((built / "photos" / labels[0]).iterdir())[0]
    (queries / labels[0] / "own.jpg").write_bytes(own.read_bytes())
    text = run("eval-recall", "--queries", queries, "--index", built / "index").stdout
    assert "Strangers, whose label the gallery lacks: 1; they count in the open set alone." in text
    assert "Queries that are in the gallery themselves: 1; file ignored." in text
    assert "left out" not in text


def test_threshold_and_lead_are_those_of_recognize(run: Run, built: Path, queries: Path) -> None:
    where = ("eval-recall", "--queries", queries, "--index", built / "index", "--resamples", 0)
    where += ("--verify", "off", "--json")
    for option, value in (("--threshold", 0.995), ("--lead", 1)):
        report = parsed(run(*where, option, value))
        assert report["decided"][option.removeprefix("--")] == value
        assert report["open_set"]["at_threshold"]["known_unknown"] > 0, option
    assert parsed(run(*where))["open_set"]["at_threshold"]["known_unknown"] == 0


def test_points_count_as_they_do_for_recognize(
    run: Run, shop: Path, queries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A score that hardly any embedding reaches: points alone can prove a name.
    monkeypatch.setenv("SHITU_THRESHOLD", "0.99")
    where = ("eval-recall", "--queries", queries, "--index", shop / "index", "--resamples", 0)
    found = {mode: parsed(run(*where, "--json", "--verify", mode)) for mode in ("on", "off")}
    assert {mode: report["decided"]["verify"] for mode, report in found.items()} == {
        "on": "on",
        "off": "off",
    }
    right = {m: report["open_set"]["at_threshold"]["known_right"] for m, report in found.items()}
    assert right["off"] < right["on"]
    assert found["on"]["decided"]["compared"] == 6, "the stranger, too"
    assert parsed(run(*where, "--json"))["decided"]["verify"] == "auto", "as for recognize"
    assert "verify on: 6 queries compared point by point" in run(*where, "--verify", "on").stdout
    assert "verify off: the scores alone decide." in run(*where, "--verify", "off").stdout
    wrong = run(*where, "--verify", "maybe")
    assert wrong.exit_code == 1
    assert "must be one of auto, on, off" in wrong.stderr


@pytest.mark.parametrize("kind", ["queries", "boxes"])
def test_a_page_is_written(run: Run, built: Path, queries: Path, tmp_path: Path, kind: str) -> None:
    source = queries if kind == "queries" else SAMPLE / "scenes" / "scenes.jsonl"
    page = tmp_path / "page.html"
    result = run("eval-recall", f"--{kind}", source, "--index", built / "index", "--html", page)
    assert result.exit_code == 0, result.output
    assert page.read_text().startswith("<!doctype html>")
    assert ("Evaluation of whole scenes" in page.read_text()) == (kind == "boxes")
