"""`shitu migrate`, with the embedded networks on a small shop."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shitu.catalog.migration import MigrateSummary
from shitu.cli import main
from shitu.cli.migrate import _print_summary

Run = Callable[..., Result]

DETECTOR = "picodet_lcnet_mainbody"


@pytest.fixture
def small(shop: Path, labels: list[str]) -> Path:
    """The index of that shop, with two items left."""
    for label in labels[2:]:
        result = CliRunner().invoke(main, ["remove-item", label, "--index", str(shop / "index")])
        assert result.exit_code == 0
    return shop / "index"


def parsed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def boxes(run: Run, index: Path) -> list[Any]:
    lines = run("list-items", "--json", "--index", index).stdout.splitlines()
    return [r["box"] for line in lines for r in json.loads(line)["references"]]


def test_to_whole_pictures_and_back(run: Run, small: Path, query: Path, labels: list[str]) -> None:
    where = ("--index", small)
    before = boxes(run, small)
    dry = run("migrate", "--detector", "none", "--dry-run", *where)
    assert dry.exit_code == 0, dry.output
    assert "recall@1" in dry.stdout
    assert "agreement" in dry.stdout
    assert "Not switched" in dry.stdout
    there = parsed(run("migrate", "--detector", "none", "--force", "--json", *where))
    assert (there["outcome"], there["embedded"]) == ("switched", 0)
    assert there["references"] == there["comparison"]["queries"] > 4
    # No setting names the model: the gallery remembers what it was made with.
    found = parsed(run("recognize", query, "--json", *where))
    assert found["objects"][0]["box"] is None
    assert found["objects"][0]["matches"][0]["label"] == labels[0]
    assert set(map(str, boxes(run, small))) == {"None"}
    added = run("add-item", query, "--label", "new", *where)
    assert added.exit_code == 0, added.output
    undone = run("undo", str(there["generation"]), *where)
    assert undone.exit_code == 1
    assert "shitu migrate --back" in undone.stderr
    back = run("migrate", "--back", *where)
    assert back.exit_code == 0, back.output
    assert "Switched" in back.stdout
    assert boxes(run, small)[: len(before)] == before
    assert "went over from" in run("history", *where).stdout
    assert parsed(run("check", "--json", *where))["problems"] == []
    assert parsed(run("recognize", query, "--json", *where))["objects"][0]["box"] is not None


def test_another_model_than_the_gallerys_is_named_and_refused(
    run: Run, built: Path, query: Path
) -> None:
    refused = run("recognize", query, "--detector", "none", "--index", built / "index")
    assert refused.exit_code == 1
    assert f"pplcnetv2_base_shitu (detector {DETECTOR})" in refused.stderr
    assert "not pplcnetv2_base_shitu (detector none)" in refused.stderr
    assert "`shitu migrate --model pplcnetv2_base_shitu --detector none`" in refused.stderr


def test_missing_pictures_are_listed_and_refused(run: Run, small: Path, labels: list[str]) -> None:
    shutil.rmtree(small.parent / "photos" / labels[0])
    refused = run("migrate", "--detector", "none", "--json", "--index", small)
    assert refused.exit_code == 1
    assert "--allow-missing" in refused.stderr
    report = json.loads(refused.stdout)
    assert report["outcome"] == "refused"
    assert len(report["missing"]) > 1
    text = run("migrate", "--detector", "none", "--index", small)
    assert f"missing {small.parent / 'photos' / labels[0]}" in text.stderr
    worse = run("migrate", "--detector", "none", "--allow-missing", "--force", "--index", small)
    assert worse.exit_code == 0, worse.output
    assert "thumbnails" in worse.stderr
    dropped = parsed(run("migrate", "--drop-old", "--json", "--index", small))
    assert dropped == {"dropped": [f"pplcnetv2_base_shitu (detector {DETECTOR})"]}
    gone = run("migrate", "--back", "--index", small)
    assert gone.exit_code == 1
    assert "were dropped" in gone.stderr
    assert "no vectors but" in run("migrate", "--drop-old", "--index", small).stdout


def test_the_space_in_use_is_no_migration(run: Run, built: Path) -> None:
    same = run("migrate", "--detector", DETECTOR, "--index", built / "index")
    assert same.exit_code == 0
    assert "already" in same.stdout


@pytest.mark.parametrize(
    "arguments",
    [(), ("--back", "--model", "x"), ("--back", "--drop-old"), ("--model", "x", "--max-loss", "2")],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("migrate", *arguments).exit_code == 2


def test_a_model_that_does_not_exist(run: Run, built: Path) -> None:
    result = run("migrate", "--model", "nobody", "--index", built / "index")
    assert result.exit_code == 1
    assert "No model is called 'nobody'" in result.stderr


def test_what_was_learnt_and_stays_behind_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"references": 9, "embedded": 0, "makeshift": 0, "missing": (), "generation": 3}
    summary = MigrateSummary(
        "old",
        "new",
        **counts,
        comparison=None,
        outcome="switched",
        reason="",
        left=("calibration",),
    )
    _print_summary(summary)
    told = capsys.readouterr().err
    assert "learnt from other vectors (calibration) does not count for those of new" in told
    assert "`shitu calibrate`" in told
