"""Outcomes of queries and the report that is made of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fakes import FakeLookup, reference

from shitu.calibration import evidence_of
from shitu.errors import DatasetError
from shitu.evaluation.bootstrap import Interval, Resampling
from shitu.evaluation.outcomes import QueryOutcome, rank_queries
from shitu.evaluation.queries import DescribedQueries
from shitu.evaluation.report import Confusion, EvaluationOptions
from shitu.evaluation.retrieval import score_queries


def direction(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


GALLERY = FakeLookup(
    [
        reference(1, "red", item_id=1),
        reference(2, "red", item_id=1),
        reference(3, "green", item_id=2),
        reference(4, "blue", item_id=3, sha256="file of blue"),
    ],
    [direction(0), direction(30), direction(90), direction(180)],
)


def described(*rows: tuple[str, float] | tuple[str, float, str]) -> DescribedQueries:
    """Queries by label, direction and, where it matters, sha256."""
    return DescribedQueries(
        [row[0] for row in rows],
        [row[2] if len(row) > 2 else f"query {i}" for i, row in enumerate(rows)],
        np.stack([direction(row[1]) for row in rows]),
        (),
        [f"{i}.jpg" for i in range(len(rows))],
        [None for _ in rows],
    )


def cosine(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def outcome_of(label: str, degrees: float, sha256: str = "a query") -> QueryOutcome:
    (found,) = rank_queries(described((label, degrees, sha256)), GALLERY)
    return found


def test_an_outcome_says_what_was_answered_and_what_was_right() -> None:
    found = outcome_of("red", 65)
    assert (found.kind, found.answer, found.answer_id) == ("known", "green", 3)
    assert (found.rank, found.right, found.right_id) == (2, False, 2)
    assert found.score == pytest.approx(cosine(25), abs=1e-6)
    assert found.right_score == pytest.approx(cosine(35), abs=1e-6)
    assert found.margin == pytest.approx(cosine(25) - cosine(35), abs=1e-6)
    assert found.path == "0.jpg"


def test_the_margin_is_to_another_item_not_to_another_picture() -> None:
    assert outcome_of("red", 15).margin == pytest.approx(cosine(15) - cosine(75), abs=1e-6)


def test_without_another_item_the_runner_up_is_the_lowest_cosine() -> None:
    lonely = FakeLookup([reference(1, "red")], [direction(0)])
    (found,) = rank_queries(described(("red", 60)), lonely)
    assert found.margin == pytest.approx(1.5)


def test_where_no_other_item_is_in_sight_the_runner_up_is_the_last_that_is() -> None:
    angles = [i / 20 for i in range(1001)]
    crowd = [reference(i + 1, "red", item_id=1) for i in range(1001)]
    lookup = FakeLookup(
        [*crowd, reference(1002, "green")], [*map(direction, angles), direction(90)]
    )
    asked = described(("violet", 0, "none of them"), ("violet", 0, "sha-1"))
    stranger, own = rank_queries(asked, lookup)
    assert stranger.margin == pytest.approx(1 - cosine(angles[999]), abs=1e-6)
    assert own.margin == pytest.approx(cosine(angles[1]) - cosine(angles[999]), abs=1e-6)


@pytest.mark.parametrize(
    ("label", "sha256", "kind"),
    [
        ("red", "x", "known"),
        ("violet", "x", "stranger"),
        ("blue", "file of blue", "alone"),
        ("blue", "x", "known"),
    ],
)
def test_kinds(label: str, sha256: str, kind: str) -> None:
    found = outcome_of(label, 170, sha256)
    assert found.kind == kind
    assert found.own_file == (4 if sha256 == "file of blue" else None)
    assert (found.answer == "blue") == (sha256 == "x"), "its own file is no answer"


def test_the_report_of_known_queries() -> None:
    report = score_queries(
        described(("red", 0), ("red", 10), ("red", 65), ("green", 85), ("blue", 91)), GALLERY
    )
    assert report.recall_at_1 == pytest.approx(3 / 5)
    assert report.macro_recall_at_1 == pytest.approx((2 / 3 + 1 + 0) / 3)
    # The red one at 65 degrees is right at rank 2; blue lies 89 off, after green and one red.
    assert report.cmc[0] == pytest.approx(3 / 5)
    assert report.cmc[1] == pytest.approx(4 / 5)
    assert report.cmc[-1] == 1
    assert report.confusions == (Confusion("blue", "green", 1), Confusion("red", "green", 1))
    assert report.open_set is None
    assert report.calibration is None
    assert report.intervals == {}
    assert len(report.outcomes) == 5


def test_strangers_make_an_open_set() -> None:
    queries = described(("red", 0), ("green", 88), ("violet", 60), ("violet", 130), ("red", 80))
    report = score_queries(queries, GALLERY, EvaluationOptions(threshold=0.9))
    found = report.open_set
    assert found is not None
    shares = found.at_threshold
    assert (shares.strangers, shares.known, report.queries) == (2, 3, 3)
    assert shares.strangers_unknown == 1.0
    assert shares.auroc == 1.0
    assert shares.known_right == shares.known_right == pytest.approx(2 / 3)
    assert found.oscr == pytest.approx(2 / 3)
    assert [row.rate for row in found.identification] == [pytest.approx(2 / 3)] * 2


def test_a_query_that_is_alone_is_neither_known_nor_a_stranger() -> None:
    queries = described(("red", 0), ("violet", 60), ("blue", 180, "file of blue"))
    report = score_queries(queries, GALLERY)
    assert report.open_set is not None
    assert (report.open_set.at_threshold.known, report.open_set.at_threshold.strangers) == (1, 1)
    assert report.without_answer == 2


def test_intervals_hold_the_figures_and_grow_by_label() -> None:
    rows = [("red", 5.0 + i) for i in range(40)] + [("green", 55.0 + i / 10) for i in range(40)]
    plan = Resampling(resamples=200)
    alone = score_queries(described(*rows), GALLERY, EvaluationOptions(plan))
    by_label = score_queries(described(*rows), GALLERY, EvaluationOptions(plan, by_label=True))
    assert set(alone.intervals) == {
        "recall_at_1",
        "recall_at_5",
        "map_at_r",
        "mrr",
        "macro_recall_at_1",
    }
    for name, interval in alone.intervals.items():
        assert interval.low <= getattr(alone, name) <= interval.high
    assert by_label.intervals["recall_at_1"] != alone.intervals["recall_at_1"]
    assert by_label.intervals["recall_at_5"] == Interval(1.0, 1.0)


def test_of_one_query_or_label_there_are_no_intervals() -> None:
    one = described(("red", 65))
    assert score_queries(one, GALLERY, EvaluationOptions()).intervals == {}
    label = described(("red", 0), ("red", 65))
    assert score_queries(label, GALLERY, EvaluationOptions(by_label=True)).intervals == {}
    assert score_queries(label, GALLERY, EvaluationOptions()).intervals["map_at_r"].low < 0.5


def test_leaks_are_listed_and_can_be_left_out() -> None:
    queries = described(
        ("red", 1), ("green", 60), ("red", 20), ("blue", 150, "file of blue"), ("violet", 89)
    )
    report = score_queries(queries, GALLERY)
    assert [(leak.path, leak.kind, leak.reference_id) for leak in report.leaks] == [
        ("0.jpg", "near-duplicate", 1),
        ("2.jpg", "near-duplicate", 2),
        ("3.jpg", "same file", 4),
        ("4.jpg", "near-duplicate", 3),
    ]
    assert (report.leaks_excluded, report.queries) == (False, 3)
    clean = score_queries(queries, GALLERY, EvaluationOptions(exclude_leaks=True))
    assert clean.leaks == report.leaks
    assert (clean.leaks_excluded, clean.queries, clean.own_file_excluded) == (True, 1, 0)
    assert clean.recall_at_1 == 0
    strict = score_queries(queries, GALLERY, EvaluationOptions(near_duplicate=0.99))
    assert [leak.path for leak in strict.leaks] == ["0.jpg", "3.jpg", "4.jpg"]


def test_nothing_but_leaks_is_an_error_that_says_so() -> None:
    with pytest.raises(DatasetError, match="sits in the gallery itself"):
        score_queries(described(("red", 1)), GALLERY, EvaluationOptions(exclude_leaks=True))


def test_calibration_is_reported_where_there_is_a_confidence() -> None:
    queries = described(("red", 0), ("green", 85), ("blue", 91), ("violet", 20))

    def sure(scores: np.ndarray, items: np.ndarray, _: np.ndarray | None) -> np.ndarray:
        assert scores.shape == items.shape == (4, 4)
        return np.full(len(scores), 0.9)

    report = score_queries(queries, GALLERY, EvaluationOptions(confidence=sure))
    assert report.calibration is not None
    assert report.calibration.error == pytest.approx(0.9 - 2 / 4), "a stranger is never right"
    assert report.outcomes[0].confidence == 0.9


def test_a_confidence_is_told_the_items_without_the_querys_own_file() -> None:
    seen: list[list[int]] = []

    def sure(scores: np.ndarray, items: np.ndarray, _: np.ndarray | None) -> np.ndarray:
        seen.extend(items.tolist())
        assert (np.isfinite(scores) == (items >= 0)).all()
        return evidence_of(scores.astype(np.float32), items).score.clip(0, 1)

    rank_queries(described(("red", 5), ("blue", 175, "file of blue")), GALLERY, sure)
    assert seen == [[1, 1, 2, 3], [2, 1, 1, -1]]


def test_the_report_is_json_without_the_outcomes() -> None:
    report = score_queries(described(("red", 0), ("violet", 60)), GALLERY)
    printed = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert "outcomes" not in printed
    assert printed["open_set"]["at_threshold"]["strangers"] == 1
    assert printed["cmc"][0] == 1.0


@pytest.mark.parametrize("by_label", [False, True])
def test_the_open_set_has_intervals(by_label: bool) -> None:
    known = [("red", 3.0 * i) for i in range(20)] + [("green", 60.0 + 2 * i) for i in range(20)]
    strangers = [("violet", 20.0 * i) for i in range(8)] + [("white", 5.0 * i) for i in range(8)]
    plan = Resampling(resamples=200)
    options = EvaluationOptions(plan, by_label=by_label)
    found = score_queries(described(*known, *strangers), GALLERY, options).open_set
    assert found is not None
    lines = {key: value for key, _, value in found.lines()}
    assert set(found.intervals) == set(lines)
    for key, value in lines.items():
        interval = found.intervals[key]
        assert interval.low <= value <= interval.high, key
    assert found.intervals["auroc"].low < found.intervals["auroc"].high
    again = score_queries(described(*known, *strangers), GALLERY, options).open_set
    assert again == found
    plain = score_queries(described(*known, *strangers), GALLERY).open_set
    assert plain is not None
    assert plain.intervals == {}
