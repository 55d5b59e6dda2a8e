"""Embeddings -> figures -> tables."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.lineup import Described
from benchmarks.measures import (
    labelled_values,
    open_set_values,
    retrieval_values,
    robust_values,
)
from benchmarks.networks import Network
from benchmarks.tables import labelled_table, open_set_table, retrieval_table, robust_table

from shitu.config import LEAD
from shitu.evaluation.retrieval import DescribedQueries

CROPS = ("whole picture", "main body")
NETWORKS = [Network("ours", "ours", 0.75), Network("t1", "t1", None), Network("t2", "t2", None)]
NAMES = ["ours", "t1", "t2", "ensemble"]
LABELS = ["apple", "bread", "cake", "dates"]
ROWS = np.eye(4, dtype=np.float32)
LEANING = np.float32(0.8) * ROWS + np.float32(0.6) * np.roll(ROWS, 1, axis=1)


def described(vectors: np.ndarray, kind: str, labels: list[str] = LABELS) -> Described:
    hashes = [f"{kind} {row}" for row in range(len(labels))]
    pictures = DescribedQueries(list(labels), hashes, np.asarray(vectors, np.float32), ())
    return {(crop, network.name): pictures for crop in CROPS for network in NETWORKS}


PICTURES = {
    "train": described(ROWS, "train"),
    "iconic": described(ROWS, "iconic"),
    "test": described(LEANING, "test"),
}


def test_retrieval_by_protocol_crop_and_network() -> None:
    values = retrieval_values(NETWORKS, PICTURES, CROPS, ["a", "c"], {"apple", "cake"})
    assert [(row["protocol"], row["crop"], row["network"]) for row in values] == [
        (protocol, crop, name) for protocol in "ac" for crop in CROPS for name in NAMES
    ]
    assert {row["recall_at_1"] for row in values} == {1.0}
    assert [(row["gallery"], row["queries"]) for row in values] == [(4, 4)] * 8 + [(2, 2)] * 8
    text = retrieval_table(values).markdown()
    assert "| protocol | crop | network | gallery | queries | R@1 | R@5 | mAP@R | MRR |" in text
    assert (
        "| (c) catalogue pictures -> shop photos, packages only | main body | ensemble | 2 | 2 | "
        "1.000 | 1.000 | 1.000 | 1.000 |" in text
    )


def test_a_threshold_counts_where_one_was_chosen() -> None:
    values = open_set_values(NETWORKS, PICTURES, CROPS[:1])
    leads = [0.0, LEAD, 0.3]
    assert [(row["network"], row["lead"]) for row in values] == [
        (NAMES[0], None),
        *((NAMES[0], lead) for lead in leads),
        *((name, None) for name in NAMES[1:]),
    ]
    ours, teachers = values[0], values[4:]
    assert (ours["known"], ours["strangers"]) == (2, 2)
    assert (ours["known_right"], ours["strangers_unknown"]) == (1.0, 1.0)
    for row in teachers:
        assert row["auroc"] == 1.0
        assert {row[name] for name in ("threshold", "strangers_unknown", "known_right")} == {None}
    section = open_set_table(values)
    assert section.title.endswith("2 known queries, 2 strangers")
    assert section.rows[0][:4] == ("whole picture", "ours", "0.75", "")
    assert section.rows[1][:4] == ("whole picture", "ours", "0.75", "0.00")
    assert section.rows[4] == ("whole picture", "t1", "", "", "", "", "", "", "1.000")


def test_changed_photos_are_set_beside_clean_ones() -> None:
    spoilt = {"dark": described(np.roll(LEANING, 1, axis=0), "test"), "dim": PICTURES["test"]}
    values = robust_values(NETWORKS, PICTURES, spoilt, "main body")
    assert [(row["network"], row["change"]) for row in values] == [
        (name, change) for name in NAMES for change in ("none", "dark", "dim")
    ]
    assert [row["difference"] for row in values[:3]] == [0.0, -1.0, 0.0]
    section = robust_table(values)
    assert section.title.startswith("Protocol (a), main body, the 4 query photos")
    assert list(section.rows[:3]) == [
        ("ours", "none", "1.000", ""),
        ("ours", "dark", "0.000", "-1.000"),
        ("ours", "dim", "1.000", "+0.000"),
    ]


def test_labelled_sets_and_their_mean() -> None:
    twice = ["x", "x", "y", "y"]
    near = [[1, 0, 0, 0], [1, 0.1, 0, 0], [0, 0, 1, 0], [1, 0.01, 0, 0]]
    left_out = described(near / np.linalg.norm(near, axis=1, keepdims=True), "left out", twice)
    values = labelled_values(
        NETWORKS,
        {"left out": (left_out, left_out), "shops": (PICTURES["train"], PICTURES["test"])},
        CROPS,
    )
    assert [(row["crop"], row["network"]) for row in values] == [
        (crop, name) for crop in CROPS for name in NAMES
    ]
    first = values[0]
    assert first["sets"]["left out"]["own_file_excluded"] == 4
    assert first["sets"]["left out"]["recall_at_1"] == 0.0, "a right answer is never its own file"
    assert first["mean_recall_at_1"] == pytest.approx(0.5)
    section = labelled_table(values, {"left out": 2, "shops": 4})
    assert section.header == ("crop", "network", "left out", "shops", "mean")
    assert section.rows[0] == ("whole picture", "ours", "0.000", "1.000", "0.500")
    assert "left out (2 classes, 4 queries), shops (4 classes, 4 queries)" in section.title
