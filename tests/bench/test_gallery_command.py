"""`bench gallery` on a small gallery, and the vectors it makes up."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from benchmarks.crowds import PER_ITEM, Crowds
from benchmarks.main import main


def test_photos_crowd_around_items_and_items_around_kinds() -> None:
    crowds = Crowds(2000, 128)
    vectors = np.concatenate(list(crowds.blocks()))
    assert vectors.shape == (2000, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines, item = vectors @ vectors.T, np.arange(2000) // PER_ITEM
    same = item[:, None] == item
    kind = (item // 100)[:, None] == item // 100
    near, far = cosines[same & ~np.eye(2000, dtype=bool)], cosines[~kind]
    assert 0.7 < near.mean() < 0.78
    assert 0.3 < cosines[kind & ~same].mean() < 0.5
    assert abs(far.mean()) < 0.3
    np.testing.assert_array_equal(vectors, np.concatenate(list(crowds.blocks())))
    nearest = (crowds.queries(50) @ vectors.T).max(axis=1)
    assert ((nearest > 0.6) & (nearest < 0.95)).all()


def test_the_tables(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["gallery", "--dim", "32", "--queries", "20", "--sizes", "2000", "--kinds", "ivf-sq8"]
    monkeypatch.setattr(sys, "argv", ["bench", *where, "--json"])
    assert main() == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["gallery_kinds"]
    assert row["build"]["kind"] == "ivf-sq8"
    assert row["search"]["state"] == "loaded"
    assert row["search"]["recall_at_1"] >= 0.9
    assert len(row["add"]["seen"]) == 5
    assert all(0 < call < 60 for call in [*row["add"]["call"], *row["add"]["seen"]])
    assert set(row["search"]["filtered"]) == {"0.001", "0.01", "0.1", "0.5"}
