"""`bench adapted` on embeddings that are made up."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.adapted import Photos, named_at_far, recall, tables


def _photos(each: int, seed: int) -> Photos:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(40), each)
    vectors = np.random.default_rng(0).normal(size=(40, 32))[labels]
    vectors += random.normal(size=vectors.shape) * 0.8
    vectors[:, :4] += random.normal(size=(len(labels), 4)) * 4
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Photos(vectors.astype(np.float32), labels)


def test_all_tables_are_filled() -> None:
    train, test = _photos(12, 1), _photos(6, 2)
    iconic, val = _photos(1, 4), _photos(8, 5)
    strangers = _photos(2, 3).vectors[::-1]
    known, new, open_ = tables(train, iconic, val, test, strangers)
    whole = known.values[4]
    assert whole["adapted"] > whole["recall_at_1"] + 0.1
    assert all(row["adapted"] > row["recall_at_1"] for row in new.values)
    assert {row["map"] is None for row in open_.values} == {True, False}
    rows = {(row["gallery"], row["photos"] > 0) for row in open_.values}
    assert rows == {("shop photos", False), ("shop photos", True), ("catalogue", True)}
    assert all(0 <= row["false_accepts"] <= 0.1 for row in open_.values)
    for section in (known, new, open_):
        widths = {len(row) for row in section.rows} | {len(section.header)}
        assert len(widths) == 1


def test_recall_looks_among_the_gallery_only() -> None:
    train = _photos(3, 1)
    assert recall(train, train, lambda vectors: vectors) == 1.0
    others = train.of(train.labels >= 20)
    assert recall(others, train.of(train.labels < 20), lambda vectors: vectors) == 0.0


@pytest.mark.parametrize(("far", "share"), [(0.0, 0.5), (0.5, 0.75)])
def test_named_at_far(far: float, share: float) -> None:
    way = np.array([0.9, 0.8, 0.5, 0.1, 0.7, 0.3])
    known = np.array([True, True, True, True, False, False])
    assert named_at_far(way, known, known, far) == share
