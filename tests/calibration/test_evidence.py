from __future__ import annotations

import numpy as np
import pytest

from shitu.calibration import evidence_of
from shitu.prototypes import DEPTH


@pytest.mark.parametrize(
    ("items", "item", "runner_up", "agreement"),
    [
        ([7, 7, 3, 7, 4, 5], 7, 0.7, 0.6),
        ([7, 7, 7, 7, 7, 7], 7, 0.4, 1.0),  # the next item is further away than the last of them
        ([-1, 3, 7, 3, 3, 3], 3, 0.7, 0.8),  # a reference that is gone meanwhile
        ([5, -1, -1, -1, -1, -1], 5, 0.9, 1.0),
    ],
)
def test_evidence(items: list[int], item: int, runner_up: float, agreement: float) -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]], np.float32)
    found = evidence_of(scores, np.array([items]))
    assert found.item.tolist() == [item]
    assert found.runner_up == pytest.approx([runner_up])
    assert found.agreement == pytest.approx([agreement])


@pytest.mark.parametrize(("items", "prototype"), [([7, 3], 0.6), ([-1, 3], 0.5), ([-1, -1], -1.0)])
def test_the_prototype_is_that_of_the_answer(items: list[int], prototype: float) -> None:
    scores = np.where(np.array([items]) < 0, -np.inf, [[0.9, 0.8]])
    found = evidence_of(scores, np.array([items]), np.array([[0.6, 0.5]]))
    assert found.prototype == pytest.approx([prototype])
    assert evidence_of(scores, np.array([items])).prototype == pytest.approx(found.score)


def test_nothing_found() -> None:
    found = evidence_of(np.full((1, 3), -np.inf, np.float32), np.full((1, 3), -1))
    assert found.item.tolist() == [-1]
    assert (found.score[0], found.margin[0], found.agreement[0]) == (-1.0, 0.0, 0.0)


def test_how_many_neighbours_were_asked_for_does_not_matter() -> None:
    scores = np.linspace(0.9, 0.1, 60, dtype=np.float32)[None]
    items = np.array([[1] * 30 + [2] * 30])
    few, many = evidence_of(scores[:, :DEPTH], items[:, :DEPTH]), evidence_of(scores, items)
    assert few.runner_up == many.runner_up
