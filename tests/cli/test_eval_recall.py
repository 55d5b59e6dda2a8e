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
    assert "Leakage: 1 queries" in found.stderr
    assert "again.jpg" in found.stderr
    text = run("eval-recall", *where)
    for word in ("recall@1", "mAP@R", "MRR", "mean over labels", "95 % interval", "OSCR", "DIR"):
        assert word in text.stdout


def test_leaks_can_be_left_out(run: Run, built: Path, queries: Path) -> None:
    arguments = ("eval-recall", "--queries", queries, "--index", built / "index", "--json")
    report = parsed(run(*arguments, "--exclude-leaks", "--resamples", 0))
    assert (report["queries"], report["leaks_excluded"], report["intervals"]) == (4, True, {})


def test_by_label_changes_the_intervals_alone(run: Run, built: Path) -> None:
    arguments = ("eval-recall", "--queries", built / "photos", "--index", built / "index", "--json")
    plain, by_label = parsed(run(*arguments)), parsed(run(*arguments, "--by-label"))
    assert plain["intervals"] != by_label["intervals"]
    assert {**plain, "intervals": 0} == {**by_label, "intervals": 0}
