"""`shitu recognize --log`, review, confirm and reject on a small shop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def index(shop: Path) -> Path:
    return shop / "index"


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def note(run: Run, index: Path, picture: Path) -> tuple[int, str]:
    """Recognise and log a picture; returns the id and the best match."""
    result = run("recognize", picture, "--whole-image", "--log", "--json", "--index", index)
    [found] = lines(result)[0]["objects"]  # type: ignore[misc]
    return found["recognition_id"], found["matches"][0]["label"]


def test_nothing_is_logged_by_default(
    run: Run, index: Path, query: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run("recognize", query, "--whole-image", "--index", index)
    assert " id" not in plain.stdout.splitlines()[0]
    assert "No recognition waits" in run("review", "--index", index).stdout
    monkeypatch.setenv("SHITU_LOG_RECOGNITIONS", "yes")
    logged = run("recognize", query, "--whole-image", "--index", index)
    header, row = logged.stdout.splitlines()
    assert (header.split()[-1], row.split()[-1]) == ("id", "1")


def test_review_shows_what_waits(run: Run, index: Path, query: Path, tmp_path: Path) -> None:
    number, best = note(run, index, query)
    note(run, index, query)
    result = run("review", "--limit", 1, "--index", index)
    header, row = result.stdout.splitlines()
    assert header.split()[:3] == ["id", "ambiguity", "answer"]
    assert best in row
    assert "1 more" in result.stderr
    found = lines(run("review", "--json", "--index", index))
    assert {one["recognition_id"] for one in found} == {number, number + 1}
    assert found[0]["picture"] == str(query)
    page = tmp_path / "review.html"
    assert run("review", "--html", page, "--index", index).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<img") >= 4
    assert f"<code>shitu confirm {number}</code>" in text
    # A label may run the other way, or be longer than the page is wide.
    assert f"<bdi>{found[0]['label'] or 'unknown'}</bdi>" in text
    assert f"<h3 dir='auto'>{best}</h3>" in text
    [body] = re.findall(r"^body {[^}]*}", text, re.MULTILINE)
    assert "overflow-wrap: anywhere" in body
    assert "http" not in text.replace("http-equiv", "")
    assert "2 recognitions forgotten" in run("review", "--clear", "--index", index).stdout
    assert lines(run("review", "--json", "--index", index)) == []


def test_confirm_makes_a_reference(run: Run, index: Path, query: Path) -> None:
    number, best = note(run, index, query)
    result = run("confirm", number, "--index", index)
    assert result.stdout == f"{best}: recognition {number} is reference 21 now.\n"
    again = run("confirm", number, "--json", "--index", index)
    assert lines(again)[0]["already"] is True
    assert f"confirmed recognition {number} of {query}" in run("history", "--index", index).stdout
    [found] = lines(run("recognize", query, "--whole-image", "--json", "--index", index))
    assert found["objects"][0]["score"] > 0.999  # type: ignore[index]
    assert run("confirm", 99, "--index", index).exit_code == 1


def test_reject_silences_the_match_and_says_so(run: Run, index: Path, query: Path) -> None:
    number, best = note(run, index, query)
    result = run("reject", number, "--index", index)
    assert f"{best} is no answer to pictures like that any more" in result.stdout
    assert "before" in run("reject", number, "--index", index).stdout
    [listed] = lines(run("reject", "--list", "--json", "--index", index))
    assert (listed["label"], listed["recognition_id"], listed["inert"]) == (best, number, False)
    assert best in run("reject", "--list", "--index", index).stdout
    shown = run("recognize", query, "--whole-image", "--explain", "--index", index)
    assert "likeness to what was rejected" in shown.stdout
    assert f"note: {best!r}" in shown.stderr
    [found] = lines(run("recognize", query, "--whole-image", "--json", "--index", index))
    [item] = found["objects"]  # type: ignore[misc]
    assert best not in [match["label"] for match in item["matches"]]
    assert [one["label"] for one in item["rejected"]] == [best]
    assert run("undo", "--index", index).exit_code == 0
    [found] = lines(run("recognize", query, "--whole-image", "--json", "--index", index))
    assert found["objects"][0]["matches"][0]["label"] == best  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["reject"], "nothing is named"),
        (["reject", "1", "--list"], "both"),
        (["review", "--before", "2026-01-01"], "before what?"),
        (["recognize", "a.jpg", "--log", "--as-of", "1"], "the past is not logged"),
    ],
)
def test_wrong_usage(run: Run, arguments: list[str], reason: str) -> None:
    assert run(*arguments).exit_code == 2, reason
