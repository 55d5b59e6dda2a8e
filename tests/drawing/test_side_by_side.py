"""Pictures side by side: all in sight, lines from point to point, whatever the sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from shitu.drawing import Pair, side_by_side
from shitu.images import Image

RED, BLUE = (200, 0, 0), (0, 0, 200)


def flat(colour: tuple[int, int, int], height: int = 90, width: int = 120) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def where(sheet: Image, colour: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    """Left, top, right, bottom of a colour."""
    rows, columns = np.nonzero((np.abs(sheet.astype(int) - colour) < 8).all(axis=2))
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()])


@pytest.mark.parametrize(
    ("query", "reference", "why"),
    [
        ((90, 120), (90, 120), "alike"),
        ((900, 30), (30, 900), "a column and a beam"),
        ((3000, 2000), (16, 16), "a photo and a thumbnail"),
        ((1, 1), (500, 400), "a pixel"),
    ],
)
def test_both_pictures_are_as_large_as_they_can_be(
    query: tuple[int, int], reference: tuple[int, int], why: str
) -> None:
    sheet = side_by_side([Pair(flat(RED, *query), flat(BLUE, *reference), "tea")])
    for colour, (height, width) in ((RED, query), (BLUE, reference)):
        x0, y0, x1, y1 = where(sheet, colour)
        assert max(x1 - x0, y1 - y0) == 359, why
        assert (x1 - x0 + 1) / (y1 - y0 + 1) == pytest.approx(width / height, rel=0.05), why
    assert where(sheet, RED)[2] < where(sheet, BLUE)[0], "query left, reference right"


def test_lines_join_equal_points() -> None:
    here, there = np.array([(0.0, 0.5)], np.float32), np.array([(1.0, 0.5)], np.float32)
    plain = Pair(flat(RED), flat(BLUE), "tea")
    joined = Pair(flat(RED), flat(BLUE), "tea", query_points=here, reference_points=there)
    changed = (side_by_side([plain]) != side_by_side([joined])).any(axis=2)
    x0, _, _, y1 = where(side_by_side([plain]), RED)
    middle = (where(side_by_side([plain]), RED)[1] + y1) // 2
    rows, columns = np.nonzero(changed)
    assert np.abs(rows - middle).max() <= 5, "on one height"
    assert columns.min() == pytest.approx(x0, abs=5)
    assert columns.max() == pytest.approx(where(side_by_side([plain]), BLUE)[2], abs=5)
    assert (np.unique(columns) == np.arange(columns.min(), columns.max() + 1)).all(), "unbroken"


def test_the_outline_lies_in_the_query() -> None:
    half = np.array([(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)], np.float32)
    point = np.array([(0.5, 0.5)], np.float32)
    pair = {"query_points": point, "reference_points": point}
    plain = side_by_side([Pair(flat(RED), flat(BLUE), "tea", **pair)])  # type: ignore[arg-type]
    far = half * 5 - 2
    beyond = side_by_side([Pair(flat(RED), flat(BLUE), "tea", outline=far, **pair)])  # type: ignore[arg-type]
    assert (beyond == plain).all(), "what lies outside the query is not drawn"
    outlined = side_by_side([Pair(flat(RED), flat(BLUE), "tea", outline=half, **pair)])  # type: ignore[arg-type]
    rows, columns = np.nonzero((plain != outlined).any(axis=2))
    x0, y0, x1, y1 = where(plain, RED)
    found = (columns.min(), rows.min(), columns.max(), rows.max())
    wide, high = x1 - x0, y1 - y0
    wanted = (x0 + wide / 4, y0 + high / 4, x0 + wide * 3 / 4, y0 + high * 3 / 4)
    assert found == pytest.approx(wanted, abs=4)


def test_each_object_has_a_row_and_long_captions_are_broken() -> None:
    short = side_by_side([Pair(flat(RED), flat(BLUE), "tea", ["green"])])
    long = side_by_side([Pair(flat(RED), flat(BLUE), "tea", ["green tea " * 40])])
    assert long.shape[0] > short.shape[0]
    both = side_by_side([Pair(flat(RED), flat(BLUE), "tea", ["green"])] * 2)
    assert both.shape[0] == 2 * short.shape[0] + 1
    assert both.shape[1] == short.shape[1] == long.shape[1]


def test_without_a_reference_the_query_stands_alone() -> None:
    sheet = side_by_side([Pair(flat(RED), None, "unknown", known=False)])
    assert where(sheet, RED)[2] < sheet.shape[1] / 2
    assert side_by_side([]).shape[2] == 3


@pytest.mark.parametrize("title", ["", "عصير البرتقال", "晨牧纯牛奶", "a" * 900, "\x00"])
def test_any_title(title: str) -> None:
    sheet = side_by_side([Pair(flat(RED), flat(BLUE), title, [title])])
    assert where(sheet, RED)[0] >= 0
