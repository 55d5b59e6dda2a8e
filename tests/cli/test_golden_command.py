"""`shitu golden` on a small shop, and the changes that it stops."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def index(shop: Path) -> Path:
    return shop / "index"


def test_add_list_check_remove(run: Run, index: Path, query: Path, labels: list[str]) -> None:
    added = run("golden", "add", query, labels[0], "--index", index)
    assert added.exit_code == 0, added.output
    assert added.stdout == f"Golden query 1: {query} is to be {labels[0]}.\n"
    again = run("golden", "add", query, labels[0], "--json", "--index", index)
    assert json.loads(again.stdout)["already"] is True
    listed = run("golden", "list", "--index", index).stdout.splitlines()
    assert listed[0].split() == ["id", "picture", "is", "to", "be", "since"]
    assert labels[0] in listed[1]
    checked = run("golden", "check", "--json", "--index", index)
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["right"] is True
    removed = run("golden", "remove", 1, "--index", index)
    assert removed.stdout == "1 removed.\n"
    assert run("golden", "remove", 1, "--index", index).exit_code == 1


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ("5000,5000,6000,6000", "outside"),
        ("0,0,0,0", "empty"),
        ("-9,-9,-5,-5", "outside, on the other side"),
        ("10,10,5,5", "corners the wrong way round"),
        ("0,0,inf,inf", "no end"),
        ("nan,0,10,10", "no number"),
    ],
)
def test_a_box_that_holds_nothing_is_refused(
    run: Run, index: Path, query: Path, labels: list[str], box: str, reason: str
) -> None:
    for command in (["golden", "add", query, labels[0]], ["add-item", query, "--label", "new"]):
        result = run(*command, "--box", box, "--index", index)
        assert result.exit_code == 1, reason
        assert f"holds nothing of {query} (" in result.stderr
    assert run("golden", "list", "--json", "--index", index).stdout == ""


def test_a_box_may_reach_beyond_the_picture(
    run: Run, index: Path, query: Path, labels: list[str]
) -> None:
    added = run("golden", "add", query, labels[0], "--box", "-5,-5,9000,9000", "--index", index)
    assert added.exit_code == 0, added.output


def test_one_that_is_removed_twice_counts_once(
    run: Run, index: Path, query: Path, labels: list[str]
) -> None:
    for number, options in ((1, []), (2, ["--json"])):
        assert run("golden", "add", query, labels[0], "--index", index).exit_code == 0
        removed = run("golden", "remove", number, number, "--index", index, *options)
        told = json.loads(removed.stdout)["removed"] if options else removed.stdout
        assert told == ([number] if options else "1 removed.\n")


def test_threshold_and_lead_are_those_of_recognize(
    run: Run, index: Path, query: Path, labels: list[str]
) -> None:
    where = ("--index", index, "--verify", "off", "--json")
    added = run("golden", "add", query, labels[0], "--lead", 1, *where)
    assert json.loads(added.stdout)["right"] is False
    for options, answer, by in (
        ((), labels[0], "score"),
        (("--lead", 1), None, "lead"),
        (("--threshold", 0.995), None, "score"),
        (("--threshold", 0.995, "--lead", 1), None, "score"),
    ):
        found = json.loads(run("golden", "check", *where, *options).stdout)
        assert (found["answer"], found["decided_by"]) == (answer, by), options


def test_what_only_points_know_is_guarded(
    run: Run, index: Path, query: Path, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # No calibration, and a score that no embedding reaches: points alone can prove a name.
    monkeypatch.setenv("SHITU_THRESHOLD", "0.99")
    label = labels[1]  # a carton, full of print
    printed = sorted((query.parents[1] / label).iterdir())[0]
    added = run("golden", "add", printed, label, "--json", "--index", index, "--verify", "on")
    assert json.loads(added.stdout)["right"] is True
    found = {}
    for verify in ("on", "off"):
        checked = run("golden", "check", "--json", "--index", index, "--verify", verify)
        found[verify] = json.loads(checked.stdout)
        assert checked.exit_code == (verify == "off")
        assert found[verify]["verify"] == verify
        text = run("golden", "check", "--index", index, "--verify", verify).stdout
        assert text.splitlines()[-1] == f"verify {verify}."
    assert (found["on"]["decided_by"], found["off"]["decided_by"]) == ("geometry", "score")
    assert (found["on"]["answer"], found["off"]["answer"]) == (label, None)
    monkeypatch.setenv("SHITU_VERIFY", "on")
    refused = run("remove-item", label, "--index", index)
    assert refused.exit_code == 1
    assert f"was {label!r} and would be unknown" in refused.stderr
    monkeypatch.setenv("SHITU_VERIFY", "off")
    assert run("remove-item", label, "--index", index).exit_code == 0, "it was wrong by scores"


def test_a_wrong_one_is_said_and_is_exit_code_1(
    run: Run, index: Path, query: Path, labels: list[str]
) -> None:
    added = run("golden", "add", query, labels[1], "--index", index)
    assert f"note: it is {labels[0]} now" in added.stderr
    checked = run("golden", "check", "--index", index)
    assert checked.exit_code == 1
    assert checked.stdout.splitlines()[1].split()[-2:] == ["score", "NO"]


def test_a_change_that_breaks_one_is_refused_unless_forced(
    run: Run, index: Path, query: Path, labels: list[str]
) -> None:
    assert run("golden", "add", query, labels[0], "--index", index).exit_code == 0
    refused = run("remove-item", labels[0], "--index", index)
    assert refused.exit_code == 1
    assert f"was {labels[0]!r} and would be" in refused.stderr
    assert labels[0] in run("list-items", "--index", index).stdout
    renamed = run("relabel", labels[0], "something else", "--index", index)
    assert renamed.exit_code == 0, renamed.output
    forced = run("remove-item", "something else", "--force", "--index", index)
    assert forced.exit_code == 0
    assert "broken: golden query 1" in forced.stderr
    assert "was 'something else' and is" in forced.stderr
    exported = run("export-gallery", index.parent / "shop.gallery", "--index", index)
    said = "that are not exported, for their items are gone: 1"
    assert said in exported.stderr
    check = run("check", "--index", index)
    assert check.exit_code == 0, check.output


def test_the_score_that_was_asked_for_decides(
    run: Run, index: Path, query: Path, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHITU_THRESHOLD", "1.0")
    added = run("golden", "add", query, "--unknown", "--json", "--index", index)
    assert json.loads(added.stdout)["right"] is True
    monkeypatch.delenv("SHITU_THRESHOLD")
    assert run("golden", "check", "--index", index).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["golden", "add", "a.jpg"], "no answer"),
        (["golden", "add", "a.jpg", "tea", "--unknown"], "two answers"),
        (["golden", "add", "a.jpg", "tea", "--box", "1,2"], "half a box"),
        (["golden", "add", "a.jpg", "tea", "--box", "1,2,3,4", "--whole-image"], "two boxes"),
        (["golden", "remove"], "remove what?"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], reason: str) -> None:
    assert run(*arguments).exit_code == 2, reason


@pytest.mark.parametrize("name", ["add", "list", "remove", "check"])
def test_help_shows_an_example(run: Run, name: str) -> None:
    assert f"Example: shitu golden {name}" in run("golden", name, "--help").stdout
