"""Runs kept in files and compared pair by pair."""

from __future__ import annotations

import json
from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
import pytest

from shitu.errors import DatasetError
from shitu.evaluation.bootstrap import Resampling
from shitu.evaluation.comparison import compare, mcnemar
from shitu.evaluation.runs import Run, RunRow, distinct, load_run, save_run

PLAN = Resampling(resamples=500)


def run_of(marks: str, kind: str = "queries", start: int = 0) -> Run:
    """`"x."` -> the first query right at rank 1, the second at rank 2."""
    name = "recall_at_1" if kind == "queries" else "found"
    rows = []
    for i, mark in enumerate(marks, start):
        values = {name: float(mark == "x")}
        if kind == "queries":
            values["mrr"] = 1.0 if mark == "x" else 0.5
        rows.append(
            RunRow(f"key {i}", f"{i}.jpg", f"label {i % 4}", "x" if mark == "x" else "y", values)
        )
    return Run(kind, tuple(rows))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 32),
        (6, 0, 2 / 64),
        (3, 3, 1.0),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_by_hand(won: int, lost: int, p: float) -> None:
    assert mcnemar(won, lost) == pytest.approx(p)
    assert mcnemar(lost, won) == pytest.approx(p)


@pytest.mark.parametrize("seed", range(10))
def test_mcnemar_is_the_binomial_tail(seed: int) -> None:
    rng = np.random.default_rng(seed)
    won, lost = (int(n) for n in rng.integers(0, 300, 2))
    trials = won + lost
    tail = sum(comb(trials, k) for k in range(min(won, lost) + 1))
    assert mcnemar(won, lost) == pytest.approx(min(1.0, 2 * tail / 2**trials), rel=1e-9, abs=1e-300)


def test_many_pairs_do_not_overflow() -> None:
    assert mcnemar(60_000, 40_000) < 1e-100
    assert mcnemar(50_000, 50_000) == 1.0


def test_of_scenes_pictures_are_drawn_with_all_their_objects() -> None:
    def scenes(marks: str, objects: int) -> Run:
        rows = run_of(marks, "boxes").rows
        return Run(
            "boxes", tuple(replace(row, path=str(i // objects)) for i, row in enumerate(rows))
        )

    def width(objects: int) -> float:
        before, after = scenes("." * 60, objects), scenes(("x" * 10 + "." * 10) * 3, objects)
        [found] = compare(before, after, PLAN, by_label=False).differences
        assert found.interval is not None
        return found.interval.high - found.interval.low

    # Ten objects of a picture are won or lost together: that is as if there were six of them.
    assert width(10) == pytest.approx(width(1) * 10**0.5, rel=0.2)


def test_a_real_difference_is_called_significant() -> None:
    before, after = run_of("." * 12 + "x" * 48), run_of("x" * 60)
    found = compare(before, after, PLAN, by_label=False)
    assert found.sentence == (
        "recall@1 rose to 1.000 from 0.800: 12 of 60 won and 0 lost, a significant difference "
        "(exact McNemar test, p = 0.00049)."
    )
    by_name = {one.name: one for one in found.differences}
    assert by_name["recall_at_1"].p_value == pytest.approx(2 / 2**12)
    mrr = by_name["mrr"]
    assert mrr.p_value is not None
    assert mrr.p_value < 0.01
    assert mrr.significant
    assert mrr.interval is not None
    assert mrr.interval.low > 0
    assert len(found.won) == 12
    assert (found.won[0].path, found.won[0].before, found.won[0].after) == ("0.jpg", "y", "x")


def test_chance_is_not_called_significant() -> None:
    found = compare(run_of("x.x.xxxx"), run_of(".xx.xxx."), PLAN, by_label=False)
    assert "fell to 0.625 from 0.750: 1 of 8 won and 2 lost, no significant" in found.sentence
    assert [one.significant for one in found.differences] == [False, False]
    assert len(found.lost) == 2


@pytest.mark.parametrize(("pairs", "by_label"), [(1, False), (5, False), (40, True)])
def test_what_so_few_say_is_no_significant_difference(pairs: int, by_label: bool) -> None:
    # Forty pairs of four labels: all four rise together one time in eight.
    found = compare(run_of("." * pairs), run_of("x" * pairs), PLAN, by_label=by_label)
    mrr = found.differences[1]
    assert not mrr.significant
    assert (mrr.interval is None) == (pairs == 1), "one pair tells nothing of others"


@pytest.mark.parametrize("labels", [2, 10])
def test_no_difference_is_called_one_as_seldom_as_promised(labels: int) -> None:
    rng = np.random.default_rng(0)

    def run(values: np.ndarray) -> Run:
        rows = (
            RunRow(str(i), str(i), f"label {i % labels}", None, {"recall_at_1": 0.0, "mrr": mrr})
            for i, mrr in enumerate(values.tolist())
        )
        return Run("queries", tuple(rows))

    wrong = 0
    for _ in range(100):
        before, change = rng.random(3 * labels), np.tile(rng.normal(0, 0.1, labels), 3)
        compared = compare(run(before), run(before + change), Resampling(200), by_label=True)
        wrong += bool(compared.differences[1].significant)
    assert wrong <= 10, "5 of 100, give or take"


def test_equal_runs_do_not_differ() -> None:
    found = compare(run_of("x.x"), run_of("x.x"), None, by_label=False)
    assert found.sentence.startswith("recall@1 did not change at 0.667: 0 of 3 won")
    assert found.differences[0].interval is None
    assert found.differences[1].significant is None, "no p, no interval"


def test_only_what_both_have_is_compared() -> None:
    found = compare(run_of("xxxx"), run_of("..", start=3), PLAN, by_label=False)
    assert (found.pairs, found.only_before, found.only_after) == (1, 3, 1)
    assert found.differences[0].before == 1
    assert found.differences[0].after == 0


def test_drawing_labels_widens_the_interval() -> None:
    before = run_of("." * 40)
    after = run_of("".join("x" if i % 4 == 0 else "." for i in range(40)))  # one label of four
    widths = []
    for by_label in (False, True):
        interval = compare(before, after, PLAN, by_label=by_label).differences[1].interval
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (run_of("x"), run_of("x", "boxes"), "queries cannot be compared with one over boxes"),
        (run_of("x"), run_of("x", start=5), "no query in common"),
    ],
)
def test_what_cannot_be_compared_is_refused(before: Run, after: Run, reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        compare(before, after, PLAN, by_label=False)


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    run = Run("queries", (RunRow("k", "ä/\udcff.jpg", "山岚", None, {"mrr": 0.5}),))
    save_run(tmp_path / "run.json", run)
    assert json.loads((tmp_path / "run.json").read_text())["version"] == 1
    found = load_run(tmp_path / "run.json")
    assert found.rows[0].label == "山岚"
    assert found.rows[0].values == {"mrr": 0.5}
    assert list(tmp_path.iterdir()) == [tmp_path / "run.json"], "no temporary file is left"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        ("{", "no JSON"),
        ("[1]", "no run"),
        ('{"format": "shitu eval-recall run", "version": 2}', "another version"),
        ('{"format": "shitu eval-recall run", "version": 1, "kind": "queries"}', "damaged"),
        ('{"format": "shitu eval-recall run", "version": 1, "kind": "x", "rows": []}', "damaged"),
        (
            '{"format": "shitu eval-recall run", "version": 1, "kind": "boxes", "rows": [{}]}',
            "damaged",
        ),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "run.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DatasetError, match=reason) as caught:
        load_run(file)
    assert "run.json" in str(caught.value)


def test_a_run_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be written"):
        save_run(tmp_path / "none" / "run.json", run_of("x"))


def test_equal_keys_are_told_apart() -> None:
    assert list(distinct(["a", "b", "a", "a"])) == ["a", "b", "a 2", "a 3"]
