"""Vectors come out of every kind of index as they went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss as _stubbed
import numpy as np
import pytest

from shitu.errors import IndexFileError
from shitu.index.foreign import read_foreign

faiss: Any = _stubbed

DIM = 16
IDS = np.array([7, 3, 40, *range(100, 137)], np.int64)


def vectors(count: int = len(IDS)) -> Any:
    return np.random.default_rng(1).normal(size=(count, DIM)).astype(np.float32) * 3


def write(path: Path, kind: str, metric: int, *, mapped: bool = True) -> Path:
    index = faiss.index_factory(DIM, kind, metric)
    index.train(vectors())
    if mapped:
        index = faiss.IndexIDMap2(index)
        index.add_with_ids(vectors(), IDS)
    else:
        index.add(vectors())
    faiss.write_index(index, str(path))
    return path


@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
@pytest.mark.parametrize("kind", ["Flat", "HNSW32", "IVF4,Flat"])
def test_each_kind_and_metric(tmp_path: Path, kind: str, metric: int) -> None:
    found = read_foreign(write(tmp_path / "vector.index", kind, metric))
    assert np.array_equal(found.ids, IDS)
    assert np.array_equal(found.vectors, vectors())
    assert found.metric == {0: "IP", 1: "L2"}[metric]


def test_without_a_map_the_ids_count_up(tmp_path: Path) -> None:
    found = read_foreign(write(tmp_path / "vector.index", "Flat", 0, mapped=False))
    assert np.array_equal(found.ids, np.arange(len(IDS)))


def test_after_a_removal(tmp_path: Path) -> None:
    path = write(tmp_path / "vector.index", "Flat", 0)
    index = faiss.read_index(str(path))
    index.remove_ids(np.array([3], np.int64))
    faiss.write_index(index, str(path))
    found = read_foreign(path)
    assert dict(zip(found.ids.tolist(), found.vectors.tolist(), strict=True)) == {
        i: row for i, row in zip(IDS.tolist(), vectors().tolist(), strict=True) if i != 3
    }


def test_ids_mixed_up_by_a_removal_are_refused(tmp_path: Path) -> None:
    """Faiss moves the ids of the map, but not those of the lists below it."""
    path = write(tmp_path / "vector.index", "IVF4,Flat", 0)
    index = faiss.read_index(str(path))
    index.remove_ids(np.array([7], np.int64))
    faiss.write_index(index, str(path))
    with pytest.raises(IndexFileError):
        read_foreign(path)


def test_bits_are_refused(tmp_path: Path) -> None:
    index = faiss.index_binary_factory(64, "BFlat")
    index.add(np.zeros((3, 8), np.uint8))
    faiss.write_index_binary(index, str(tmp_path / "vector.index"))
    with pytest.raises(IndexFileError, match="hamming"):
        read_foreign(tmp_path / "vector.index")


@pytest.mark.parametrize("part", [0, 1, 50, 500, 2000])
def test_torn_files_are_refused(tmp_path: Path, part: int) -> None:
    path = write(tmp_path / "vector.index", "Flat", 0)
    path.write_bytes(path.read_bytes()[:part])
    with pytest.raises(IndexFileError, match=r"vector\.index is .*build from the pictures"):
        read_foreign(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="does not exist; name the folder"):
        read_foreign(tmp_path / "vector.index")
