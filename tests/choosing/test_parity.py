"""When two engines count as giving the same answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from shitu.choosing.parity import Answers, compare
from shitu.runtime.engines import SAME

BOX = (10.0, 10.0, 110.0, 210.0, 0.8)
WEAK = (200.0, 200.0, 240.0, 240.0, 0.455)
ANSWERS = Answers(np.eye(2, 512, dtype=np.float32), ((BOX, WEAK), ()), threshold=0.45)


def turned(cosine: float) -> np.ndarray:
    """The embeddings, the second turned so far."""
    rows = np.eye(2, 512, dtype=np.float32)
    rows[1, 1], rows[1, 2] = cosine, np.sqrt(1 - cosine**2)
    return rows


def boxes(*rows: tuple[float, ...]) -> Answers:
    return replace(ANSWERS, boxes=(rows, ()))


@pytest.mark.parametrize(
    ("other", "said", "why"),
    [
        (ANSWERS, "", "equal"),
        (replace(ANSWERS, embeddings=turned(0.99999)), "", "rounding"),
        (replace(ANSWERS, embeddings=turned(0.997)), "cosine 0.99700", "bfloat16"),
        (replace(ANSWERS, embeddings=np.full((2, 512), np.nan, np.float32)), "cosine nan", "NaN"),
        (replace(ANSWERS, embeddings=turned(1.0)[:, :256]), "cosine 0.0", "another length"),
        (boxes((10.5, 10, 110, 210, 0.805), WEAK), "", "half a pixel"),
        (boxes((14.0, 10, 110, 210, 0.8), WEAK), "IoU 0.960", "four pixels"),
        (boxes((*BOX[:4], 0.82), WEAK), "scores differ by 0.020", "another score"),
        (boxes(BOX), "", "at the threshold, either may be right"),
        (boxes(WEAK), "1 boxes are not found by both", "a thing was missed"),
        (boxes(BOX, WEAK, (0.0, 0, 9, 9, 0.9)), "1 boxes are not found", "one too many"),
    ],
)
def test_same_answers(other: Answers, said: str, why: str) -> None:
    problem = compare(ANSWERS, other).problem(SAME)
    assert said in problem, why
    assert bool(problem) == bool(said), why


def test_a_main_body_is_compared_with_a_main_body() -> None:
    """Another main body is another vector, even where all boxes are the same."""
    second = (10.0, 10.0, 60.0, 210.0, 0.7)
    a = boxes((*BOX[:4], 1.0), BOX, second)
    b = boxes((*second[:4], 1.0), BOX, second)
    assert compare(a, a).problem(SAME) == ""
    assert "IoU 0.5" in compare(a, b).problem(SAME)


def test_answers_travel_as_json() -> None:
    again = Answers.from_json(json.loads(json.dumps(ANSWERS.to_json())))
    assert np.array_equal(again.embeddings, ANSWERS.embeddings)
    assert again.boxes == ANSWERS.boxes
    assert again.threshold == ANSWERS.threshold
