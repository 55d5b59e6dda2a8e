"""The page of an evaluation: complete, offline, and safe from what labels hold."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeLookup, paint, paint_file, reference

from shitu.errors import ItemNotFound
from shitu.evaluation.bootstrap import Resampling
from shitu.evaluation.checking import Ruling
from shitu.evaluation.comparison import compare
from shitu.evaluation.endtoend import BoxReport, TruthOutcome
from shitu.evaluation.page import CONFUSIONS, MISTAKES, boxes_page, retrieval_page
from shitu.evaluation.pictures import Pictures
from shitu.evaluation.queries import DescribedQueries
from shitu.evaluation.report import Confusion, EvaluationOptions, RetrievalReport
from shitu.evaluation.retrieval import score_queries
from shitu.images import thumbnail

EVIL = '<script>alert("x")</script>'
EMPTY = {"meta", "path", "circle", "rect", "polyline", "img", "br"}


class Outline(HTMLParser):
    """Tags in order, and a complaint where they do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.sources: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in EMPTY:
            assert self.open.pop() == tag


def jpeg_of(reference_id: int) -> bytes:
    if reference_id == 3:
        raise ItemNotFound("gone")
    return thumbnail(paint(reference_id))


def report_of(tmp_path: Path, options: EvaluationOptions, count: int = 1) -> RetrievalReport:
    """Reds taken for the evil label, one evil one taken for red, and a stranger."""
    gallery = FakeLookup(
        [reference(1, "red"), reference(2, EVIL), reference(3, "blue")], np.eye(3, dtype=np.float32)
    )
    labels = ["red"] * count + [EVIL, "red", "violet"]
    answers = np.array([[0.6, 0.8, 0]] * count + [[1, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    paths = [str(paint_file(tmp_path / f"{i}.png", i)) for i in range(len(labels))]
    found = DescribedQueries(
        labels, [f"sha {i}" for i in range(len(labels))], answers, (), paths, [None] * len(labels)
    )
    return score_queries(found, gallery, options)


def test_the_worst_mistakes_stand_side_by_side(tmp_path: Path) -> None:
    report = report_of(tmp_path, EvaluationOptions(Resampling(50), near_duplicate=1.1))
    page = retrieval_page(report, Pictures(jpeg_of))
    found = Outline(page)
    assert found.seen.count("figure") == 2 * 3
    assert len(found.sources) == 6
    assert all(source.startswith("data:image/jpeg;base64,") for source in found.sources)
    mistakes = page[page.index("2 mistakes") :]
    assert mistakes.index("answer, 1.000") < mistakes.index("answer, 0.800"), "the surest first"
    assert "right, 0.600, rank 2" in mistakes
    for word in ("mAP@R", "95 % interval", "AUROC of the margin", "taken for", "1 stranger"):
        assert word in page
    assert "no calibrated confidence" in page
    assert found.seen.count("svg") == 5 + 1, "a bar for each figure, and the CMC curve"


def test_the_page_needs_no_network_and_a_label_is_text(tmp_path: Path) -> None:
    page = retrieval_page(report_of(tmp_path, EvaluationOptions()), Pictures(jpeg_of))
    Outline(page)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert 'name="viewport"' in page


def test_leaks_reliability_and_an_earlier_run(tmp_path: Path) -> None:
    options = EvaluationOptions(Resampling(50), confidence=lambda s, *_: np.clip(s[:, 0], 0, 1))
    report = report_of(tmp_path, options)
    compared = compare(report.run(), report.run(), None, by_label=False)
    page = retrieval_page(report, Pictures(jpeg_of), compared)
    found = Outline(page)
    assert "3 queries found in the gallery itself" in page
    assert "Expected calibration error" in page
    assert "circle" in found.seen
    assert "did not change at" in page


def test_what_cannot_be_read_is_listed(tmp_path: Path, boxes: BoxReport) -> None:
    skipped = ((f"{EVIL}.jpg", "is no picture"), ("empty.png", "is empty"))
    report = report_of(tmp_path, EvaluationOptions())
    for page in (
        retrieval_page(replace(report, skipped=skipped), Pictures(jpeg_of)),
        boxes_page(replace(boxes, skipped=skipped), Pictures(jpeg_of)),
    ):
        Outline(page)
        for word in ("2 pictures skipped", "is no picture", "empty.png", "is empty"):
            assert word in page
        assert "<script" not in page
    assert "skipped" not in retrieval_page(report, Pictures(jpeg_of))


def test_pictures_that_are_gone_leave_a_gap(tmp_path: Path) -> None:
    report = report_of(tmp_path, EvaluationOptions())
    for file in tmp_path.iterdir():
        file.unlink()
    page = retrieval_page(report, Pictures(lambda reference_id: jpeg_of(3)))
    assert page.count("no picture") == 6
    assert Outline(page).sources == []


def test_names_that_are_given_stand_before_what_is_left_unknown(tmp_path: Path) -> None:
    report = report_of(tmp_path, EvaluationOptions(resampling=None))
    named = (Ruling(one.score < 0.9, None, proven=False, compared=False) for one in report.outcomes)
    ruled = [replace(one, ruling=each) for one, each in zip(report.outcomes, named, strict=True)]
    page = retrieval_page(replace(report, outcomes=tuple(ruled)), Pictures(jpeg_of))
    assert "Wrong names that are given: 1." in page
    assert page.index("answer, 0.800") < page.index("unknown; nearest, 1.000")


def test_what_is_left_out_of_a_list_is_said(tmp_path: Path) -> None:
    report = report_of(tmp_path, EvaluationOptions(resampling=None))
    many = tuple(Confusion(str(i), "red", 1) for i in range(CONFUSIONS + 1))
    page = retrieval_page(replace(report, confusions=many), Pictures(jpeg_of))
    assert f"Confused, the {CONFUSIONS} most frequent of {CONFUSIONS + 1} pairs" in page
    assert "Confused<" in retrieval_page(report, Pictures(jpeg_of))


def test_only_so_many_mistakes_are_shown(tmp_path: Path) -> None:
    report = report_of(tmp_path, EvaluationOptions(resampling=None), count=MISTAKES + 5)
    page = retrieval_page(report, Pictures(jpeg_of))
    assert Outline(page).seen.count("figure") == 3 * MISTAKES
    assert f"{MISTAKES + 6} mistakes, the surest {MISTAKES} of them" in page


@pytest.fixture
def boxes(tmp_path: Path) -> BoxReport:
    path = str(paint_file(tmp_path / "a.png", 1))
    rows = [
        (EVIL, False, False, None, "no box"),
        ("tea", False, True, "cola", "wrong label"),
        ("tea", False, True, "tea", None),
        (None, True, True, "cola", None),
    ]
    outcomes = tuple(
        TruthOutcome(path, str(i), (0, 0, 8, 8), label, stranger, located, answer, lost)
        for i, (label, stranger, located, answer, lost) in enumerate(rows)
    )
    return BoxReport(
        pictures=1,
        truths=3,
        answers=3,
        found=1,
        precision=1 / 3,
        recall=1 / 3,
        f1=1 / 3,
        label_accuracy=0.5,
        missed={"no box": 1, "wrong label": 1},
        strangers=1,
        strangers_named=1,
        intervals={},
        skipped=(),
        outcomes=outcomes,
    )


def test_what_scenes_lose_is_shown(boxes: BoxReport) -> None:
    page = boxes_page(boxes, Pictures(jpeg_of))
    found = Outline(page)
    assert found.seen.count("figure") == len(found.sources) == 3
    for word in ("2 objects missed", "given another label: cola", "Strangers named", "F1"):
        assert word in page
    assert "<script" not in page
