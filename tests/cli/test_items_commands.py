"""relabel, merge-items, set-attr and history, as tables and as JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from shitu import Workspace
from shitu.catalog import Catalog
from shitu.cli._attributes import parse_value, show_value
from shitu.gallery import Item

Run = Callable[..., Result]


def lines(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("text", "value", "why"),
    [
        ("3", 3, "a number"),
        ("-1.5e3", -1500.0, "a number"),
        ("true", True, "a truth"),
        ("null", None, "nothing"),
        ('[1, "a", null]', [1, "a", None], "a list"),
        ('"3"', "3", "a text that looks like a number"),
        ("007", "007", "no JSON: a text"),
        ("1,50", "1,50", "no JSON: a text"),
        ("True", "True", "no JSON: a text"),
        ("NaN", "NaN", "Python would read it; no other program would"),
        ("[Infinity]", "[Infinity]", "the same in a list"),
        ("1e999", "1e999", "too large for a number"),
        ('{"a": 1}', '{"a": 1}', "mappings stay text"),
        ("[" * 100_000, "[" * 100_000, "deeper than anybody means it"),
        ("", "", "an empty text"),
        ("a=b", "a=b", "an equals sign"),
    ],
)
def test_values_are_json_or_text(text: str, value: Any, why: str) -> None:
    parsed = parse_value(text)
    assert (type(parsed), parsed) == (type(value), value), why
    assert parse_value(show_value(parsed)) == value, "what is shown can be typed again"


def test_an_items_life(run: Run, shop: Path, query: Path, labels: list[str]) -> None:
    index = ("--index", shop / "index")
    first, second = labels[:2]
    assert run("relabel", first, "Tea", *index).stdout == f"{first} is called Tea now.\n"
    assert run("set-attr", "Tea", "price=1.5", "shelf=3", *index).stdout == (
        "Tea: price=1.5, shelf=3\n"
    )
    added = run("add-item", query, "--label", second, "--attr", 'shelf="3"', *index)
    assert added.exit_code == 0, added.output
    [item] = lines(run("set-attr", "Tea", "--unset", "price", *index, "--json"))
    assert item["attributes"] == {"shelf": 3}
    merged = run("merge-items", second, "--into", "Tea", *index, "--json")
    assert (
        f"conflict: shelf=\"3\" of {second!r} is dropped; shelf=3 of 'Tea' stays" in merged.stderr
    )
    [summary] = lines(merged)
    assert (summary["item"]["attributes"], summary["merged"]) == ({"shelf": 3}, [second])
    said = run("history", "Tea", *index)
    assert said.stdout.splitlines()[0].split() == ["generation", "when", "operation", "what"]
    assert f"{first!r} is called 'Tea' now" in said.stdout
    told = lines(run("history", first, *index, "--json", "--limit", "5"))
    operations = [event["operation"] for event in told]
    assert operations == ["build", "relabel", "set-attr", "set-attr", "merge"]
    assert [event["generation"] for event in told] == sorted(e["generation"] for e in told)


@pytest.mark.parametrize(
    "arguments",
    [
        ("relabel", "nobody", "x"),
        ("merge-items", "nobody", "--into", "x"),
        ("set-attr", "nobody", "a=1"),
        ("history", "nobody"),
    ],
)
def test_items_that_are_not_there(run: Run, built: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--index", built / "index")
    assert result.exit_code == 1
    assert "nobody" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("set-attr", "x"),
        ("set-attr", "x", "colour"),
        ("set-attr", "x", "a=1", "a=2"),
        ("merge-items", "x"),
    ],
)
def test_wrong_usage(run: Run, built: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, "--index", built / "index").exit_code == 2


def test_what_was_committed_is_not_called_a_failure(
    run: Run, shop: Path, labels: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    index = shop / "index"
    (index / ".lock").unlink()
    (index / ".lock").mkdir()  # so that no file of the index can be replaced
    done = run("relabel", labels[1], "x", "--index", index)
    assert (done.exit_code, done.stdout) == (0, f"{labels[1]} is called x now.\n")
    assert "the next command makes the index anew" in caplog.text
    assert "run the command again" not in caplog.text + done.stderr


def test_labels_of_folders_stay_on_their_line(
    run: Run, built: Path, labels: list[str], tmp_path: Path
) -> None:
    odd, index = "new\nline\tTab", ("--index", tmp_path / "index")
    for label, name in ((labels[0], odd), (labels[1], "plain")):
        shutil.copytree(built / "photos" / label, tmp_path / "photos" / name)
    run("build-index", "--gallery", tmp_path / "photos", *index)
    listed = run("list-items", *index).stdout.splitlines()
    assert (len(listed), r"new\nline\tTab" in listed[1]) == (3, True)
    assert run("set-attr", odd, "price=1", *index).stdout == "new\\nline\\tTab: price=1\n"
    picture = sorted((built / "photos" / labels[2]).iterdir())[0]
    assert run("add-item", picture, "--label", odd, *index).exit_code == 0, "it is there"
    refused = run("add-item", picture, "--label", "a\nb", *index)
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)
    renamed = run("relabel", odd, "new line", *index).stdout
    assert renamed == "new\\nline\\tTab is called new line now.\n"


def test_undo_from_the_command_line(run: Run, shop: Path, labels: list[str]) -> None:
    index = ("--index", shop / "index")
    run("remove-item", labels[0], *index)
    run("relabel", labels[1], "x", *index)
    generation = lines(run("history", *index, "--json"))[-2]["generation"]
    done = run("undo", generation, *index)
    assert done.stdout.startswith(f"Undid generation {generation}: {labels[0]!r} went with ")
    assert "picture put back" in done.stderr
    assert labels[0] in run("list-items", *index).stdout
    [summary] = lines(run("undo", "--back-to", generation - 1, *index, "--json"))
    assert (summary["back_to"], summary["changed"]) == (generation - 1, True)
    assert labels[1] in run("list-items", *index).stdout
    assert "already" in run("undo", "--back-to", generation - 1, *index).stdout
    refused = run("undo", generation + 1, *index)
    assert refused.exit_code == 1
    assert "cannot be undone" in refused.stderr
    assert run("undo", "1", "--back-to", "1", *index).exit_code == 2


def test_the_past_from_the_command_line(
    run: Run, shop: Path, query: Path, labels: list[str]
) -> None:
    index = ("--index", shop / "index")
    generation = lines(run("history", *index, "--json"))[-1]["generation"]
    run("remove-item", labels[0], *index)
    assert labels[0] not in run("list-items", *index).stdout
    listed = run("list-items", "--as-of", generation, *index)
    assert labels[0] in listed.stdout
    found = lines(run("recognize", query, "--as-of", generation, *index, "--json"))
    assert found[0]["objects"][0]["matches"][0]["label"] == labels[0]
    today = lines(run("recognize", query, "--as-of", "2100-01-01", *index, "--json"))
    assert labels[0] not in [m["label"] for o in today[0]["objects"] for m in o["matches"]]
    early = run("recognize", query, "--as-of", "2000-01-01", *index)
    assert early.exit_code == 1
    assert "no gallery at 2000-01-01" in early.stderr
    assert run("recognize", query, "--as-of", "yesterday", *index).exit_code == 2
    assert run("undo", "--back-to", "2000-01-01", *index).exit_code == 1


def test_compact_from_the_command_line(run: Run, shop: Path, labels: list[str]) -> None:
    index = ("--index", shop / "index")
    run("remove-item", labels[0], *index)
    assert run("compact", *index).stdout.startswith("0 references forgotten")
    generation = lines(run("history", *index, "--json"))[-1]["generation"]
    done = run("compact", "--before", generation + 1, *index)
    assert "forgotten that had been removed before generation" in done.stdout
    assert "bytes freed" in done.stdout
    refused = run("undo", generation, *index)
    assert refused.exit_code == 1
    assert "shitu compact" in refused.stderr
    [summary] = lines(run("compact", "--before", "2100-01-01", *index, "--json"))
    assert (summary["forgotten"], summary["problem"]) == (0, None)
    assert run("compact", "--before", "long ago", *index).exit_code == 2
    assert run("compact", "--before", "99", *index).exit_code == 1


def test_an_item_that_comes_while_items_are_listed_is_no_fault(
    run: Run, shop: Path, labels: list[str], query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = Catalog.items

    def then_another(catalog: Catalog) -> list[Item]:
        found = items(catalog)
        with Workspace(shop / "index") as other:
            other.add([query], "Newcomer")
        return found

    monkeypatch.setattr(Catalog, "items", then_another)
    listed = lines(run("list-items", "--index", shop / "index", "--json"))
    assert [item["label"] for item in listed] == labels
    assert "Newcomer" in run("list-items", "--index", shop / "index").stdout


def test_words_are_utf_8_whatever_the_locale(shop: Path) -> None:
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    label = "Käse 茶"
    picture = sorted((shop / "photos").rglob("*.jpg"))[0]
    (shop / "new.jpg").write_bytes(picture.read_bytes() + b"\0")

    def told(*arguments: object) -> bytes:
        command = [sys.executable, "-m", "shitu", *map(str, arguments), "--index", "index"]
        typed = [part.encode() for part in command]
        return subprocess.run(typed, capture_output=True, check=True, env=env, cwd=shop).stdout

    told("add-item", "new.jpg", "--label", label, "--attr", "maß=groß")
    told("set-attr", label, "größe=茶", "--unset", "maß")
    listed = json.loads(told("list-items", "--json", "--where", f"label='{label}' and größe='茶'"))
    assert (listed["label"], listed["attributes"]) == (label, {"größe": "茶"})
