"""`--where`, on the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def shelves(built: Path, run: Run, labels: list[str], tmp_path_factory: Any) -> Path:
    """The index of the small shop, with the first two labels on shelves 3 and 4."""
    shop = Path(shutil.copytree(built, tmp_path_factory.mktemp("shelves") / "shop"))
    for label, shelf in zip(labels[:2], "34", strict=True):
        picture = sorted((shop / "photos" / label).iterdir())[0]
        other = shutil.copy(picture, picture.with_name("other.jpg"))
        with Path(other).open("ab") as file:
            file.write(b"\0")  # another file of the same picture
        arguments = ("add-item", other, "--label", label, "--attr", f"shelf={shelf}")
        added = run(*arguments, "--index", shop / "index")
        assert added.exit_code == 0, added.output
    return shop / "index"


def named(result: Result) -> set[str]:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    return {m["label"] for o in found["objects"] for m in o["matches"]}


def test_recognize_answers_only_with_what_is_allowed(
    run: Run, shelves: Path, query: Path, labels: list[str]
) -> None:
    arguments = ("recognize", query, "--index", shelves, "--json")
    assert len(named(run(*arguments))) == 4
    assert named(run(*arguments, "--where", "shelf in (3, 9)")) == {labels[0]}
    assert named(run(*arguments, "--where", "not shelf = 3")) == set(labels[1:])


def test_a_filter_that_allows_nothing_is_no_error_but_said_once(
    run: Run, shelves: Path, query: Path
) -> None:
    pictures = ("recognize", query, query, "--index", shelves)
    result = run(*pictures, "--where", "shlef=3")
    assert result.exit_code == 0
    assert "unknown" in result.stdout
    lines = result.stderr.strip().splitlines()
    assert lines == [
        "note: no item has an attribute 'shlef'; did you mean 'shelf'?",
        "note: the filter 'shlef=3' allows no reference: everything is unknown",
    ]
    printed = run(*pictures, "--where", "shelf=5", "--json").stdout.splitlines()
    told = json.loads(printed[0])
    assert "allows no reference" in told["notes"][0]
    next_step = "the filter allows nothing to compare with: ask with another one, or without"
    assert {one["what_would_change"] for one in told["objects"]} == {next_step}
    assert next_step in run(*pictures, "--where", "shelf=5", "--explain").stdout


def test_list_items_shows_what_a_filter_allows(run: Run, shelves: Path, labels: list[str]) -> None:
    result = run("list-items", "--index", shelves, "--where", "has shelf and shelf > 3", "--json")
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == [labels[1]]
    nothing = run("list-items", "--index", shelves, "--where", "label = nothing")
    assert nothing.exit_code == 0
    assert "allows no item" in nothing.stderr


def test_eval_recall_measures_among_what_is_allowed(
    run: Run, shelves: Path, labels: list[str]
) -> None:
    queries = shelves.parent / "photos"
    arguments = ("eval-recall", "--queries", queries, "--index", shelves, "--json")
    result = run(*arguments, "--where", "has shelf")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert {row["label"] for row in report["labels"]} == set(labels[:2])
    assert report["without_answer"] > 0  # the pictures of the labels that are left out
    nothing = run(*arguments, "--where", "shelf=5")
    assert nothing.exit_code == 1
    assert "allows no reference" in nothing.stderr


@pytest.mark.parametrize("command", ["recognize", "list-items", "eval-recall"])
def test_what_is_no_filter_is_wrong_usage(
    run: Run, shelves: Path, query: Path, command: str
) -> None:
    rest = {"recognize": [query], "list-items": [], "eval-recall": ["--queries", query.parent]}
    result = run(command, *rest[command], "--index", shelves, "--where", "shelf=3 adn brand=x")
    assert result.exit_code == 2
    assert "at character 9: found 'adn'" in result.stderr
