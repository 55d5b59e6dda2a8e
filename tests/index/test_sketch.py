"""Half precision for the first look, and exact answers all the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from shitu.index import faiss_index
from shitu.index.faiss_index import FlatIndex
from shitu.index.sketch import ERROR, Sketch

Floats = npt.NDArray[np.float32]
DIM = 64


def unit(rows: npt.NDArray[np.float64]) -> Floats:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowd(count: int, spread: float, seed: int = 0) -> Floats:
    """Around ten centres, as near to each other as `spread`: float16 cannot tell them apart."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((10, DIM))
    return unit(centres[rng.integers(0, 10, count)] + spread * rng.standard_normal((count, DIM)))


def exact(vectors: Floats, numbers: npt.NDArray[np.int64], queries: Floats, k: int) -> list[list]:
    scores = (queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    return [numbers[np.lexsort((numbers, -row))[:k]].tolist() for row in scores]


@pytest.fixture(autouse=True)
def _early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss_index, "_SKETCHED", 100)
    monkeypatch.setattr(faiss_index, "_PAID_OFF", 0)


@pytest.mark.parametrize("spread", [1.0, 1e-2, 1e-4, 0.0])
def test_answers_are_exact_however_near_vectors_are(spread: float) -> None:
    vectors, numbers = crowd(3000, spread), np.arange(3000, dtype=np.int64) * 2
    queries = np.concatenate([vectors[:5], crowd(5, 0.3, seed=1)])
    index = FlatIndex(DIM)
    index.add(numbers, vectors)
    for k in (1, 10, 50):
        found = index.search(queries, k)
        assert index._sketch is not None
        assert found.reference_ids.tolist() == exact(vectors, numbers, queries, k)


def test_float16_alone_would_be_wrong() -> None:
    vectors = crowd(3000, 1e-4)
    queries = crowd(20, 0.3, seed=1)
    sketch = Sketch(DIM)
    sketch.add(vectors)
    scores, places = sketch.nearest(queries, 10)
    assert places.tolist() != exact(vectors, np.arange(3000), queries, 10)
    true = np.take_along_axis(queries.astype(np.float64) @ vectors.T.astype(np.float64), places, 1)
    assert 0 < np.abs(scores - true).max() < ERROR


def test_what_comes_and_goes_is_followed() -> None:
    vectors = crowd(600, 0.5)
    numbers = np.arange(600, dtype=np.int64)
    queries = vectors[::100]
    index = FlatIndex(DIM)
    there = np.zeros(600, bool)
    steps = [(True, range(300)), (False, range(0, 300, 2)), (True, range(300, 600))]
    steps += [(False, [301, 599]), (True, [0, 2, 301])]
    for comes, some in steps:
        rows = np.array(list(some))
        index.add(numbers[rows], vectors[rows]) if comes else index.remove(numbers[rows])
        there[rows] = comes
        found = index.search(queries, 5)
        assert found.reference_ids.tolist() == exact(vectors[there], numbers[there], queries, 5)


def test_few_vectors_few_searches_and_many_queries_do_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = FlatIndex(DIM)
    index.add(np.arange(99, dtype=np.int64), crowd(99, 1.0))
    index.search(crowd(3, 1.0), 5)
    assert index._sketch is None, "few vectors"
    index.add(np.arange(100, 200, dtype=np.int64), crowd(100, 1.0, seed=2))
    index.search(crowd(20, 1.0), 5)
    assert index._sketch is None, "as many queries are answered faster by a matrix product"
    monkeypatch.setattr(faiss_index, "_PAID_OFF", 6)
    for _ in range(2):
        index.search(crowd(3, 1.0), 5)
        assert index._sketch is None, "it has not paid off yet"
    index.search(crowd(3, 1.0), 5)
    assert index._sketch is not None
