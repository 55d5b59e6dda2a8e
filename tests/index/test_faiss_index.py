"""Exact search with stable ids: add, remove, search, write, read."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from shitu.errors import IndexFileError
from shitu.index.faiss_index import FlatIndex
from shitu.index.vector_index import VECTORS

Floats = npt.NDArray[np.float32]
AXES = np.eye(4, dtype=np.float32)


def unit(count: int, dim: int = 8, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def ids(*numbers: int) -> npt.NDArray[np.int64]:
    return np.array(numbers, np.int64)


def filled(*numbers: int) -> FlatIndex:
    """One axis per id."""
    index = FlatIndex(4)
    index.add(ids(*numbers), AXES[: len(numbers)])
    return index


def test_the_nearest_come_first() -> None:
    vectors, queries = unit(50), unit(7, seed=1)
    index = FlatIndex(8)
    numbers = np.arange(100, 150, dtype=np.int64)
    index.add(numbers, vectors)
    found = index.search(queries, 5)
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    best = np.argsort(-scores, axis=1)[:, :5]
    np.testing.assert_array_equal(found.reference_ids, numbers[best])
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, best, 1), atol=1e-6)
    assert (found.scores.dtype, found.reference_ids.dtype) == (np.float32, np.int64)


def test_fewer_than_k_are_filled_up() -> None:
    found = filled(5, 6).search(AXES[:1], 4)
    assert found.reference_ids.tolist() == [[5, 6, -1, -1]]
    assert found.scores.tolist() == [[1.0, 0.0, -np.inf, -np.inf]]


@pytest.mark.parametrize("queries", [0, 3])
def test_an_empty_index_finds_nothing(queries: int) -> None:
    found = FlatIndex(4).search(AXES[:queries], 2)
    assert found.reference_ids.tolist() == [[-1, -1]] * queries


def test_equal_scores_come_in_order_of_their_ids() -> None:
    index = FlatIndex(4)
    index.add(ids(*range(100, 0, -1)), np.repeat(AXES[:1], 100, axis=0))
    assert index.search(AXES[:1], 30).reference_ids.tolist() == [list(range(1, 31))]


def test_an_answer_does_not_depend_on_the_batch() -> None:
    # Faiss computes small and large batches in different ways.
    index = FlatIndex(64)
    index.add(np.arange(300, dtype=np.int64), unit(300, 64))
    queries = unit(40, 64, seed=2)
    together = index.search(queries, 3)
    for row, query in enumerate(queries):
        alone = index.search(query[None], 3)
        np.testing.assert_array_equal(alone.reference_ids[0], together.reference_ids[row])
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])


def test_what_was_removed_is_not_found_and_the_others_keep_their_ids() -> None:
    index = filled(10, 20, 30, 40)
    assert index.remove(ids(20, 99)) == 1
    assert (index.count, index.ids().tolist()) == (3, [10, 30, 40])
    found = index.search(AXES, 1)
    assert found.reference_ids[[0, 2, 3], 0].tolist() == [10, 30, 40]
    assert found.scores[1, 0] == 0.0


WAYS = pytest.mark.parametrize(
    ("gathered", "queries"),
    [(10_000, 3), (0, 3), (0, 7)],
    ids=["few allowed", "many allowed", "many allowed, many queries"],
)


@WAYS
@pytest.mark.parametrize("share", [0.004, 0.1, 0.9, 1.0])
def test_among_the_allowed_the_nearest_are_found(
    gathered: int, queries: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shitu.index.faiss_index._GATHERED", gathered)
    random = np.random.default_rng(5)
    numbers = random.permutation(500).astype(np.int64) * 3  # places are in another order than ids
    index, vectors = FlatIndex(8), unit(500)
    index.add(numbers, vectors)
    index.remove(numbers[:100])
    allowed = np.sort(random.choice(numbers[100:], int(400 * share), replace=False))
    asked = np.union1d(allowed, [-5, 1, 4000, *numbers[:20]])  # unknown, or removed
    found = index.search(unit(queries, seed=1), 6, asked)
    alone = FlatIndex(8)
    alone.add(numbers[np.isin(numbers, allowed)], vectors[np.isin(numbers, allowed)])
    wanted = alone.search(unit(queries, seed=1), 6)
    np.testing.assert_array_equal(found.reference_ids, wanted.reference_ids)
    np.testing.assert_array_equal(found.scores, wanted.scores)


@WAYS
def test_equal_scores_among_the_allowed_come_in_order_of_their_ids(
    gathered: int, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shitu.index.faiss_index._GATHERED", gathered)
    index = FlatIndex(4)
    index.add(ids(*range(200, 0, -1)), np.repeat(AXES[:1], 200, axis=0))
    found = index.search(AXES[:1].repeat(queries, axis=0), 30, np.arange(2, 201, 2))
    assert found.reference_ids.tolist() == [list(range(2, 62, 2))] * queries


def test_the_allowed_are_compared_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    index = FlatIndex(8)
    index.add(np.arange(300, dtype=np.int64), unit(300))
    at_once = index.search(unit(5, seed=1), 4, np.arange(0, 300, 2))
    monkeypatch.setattr("shitu.index.ranking._BLOCK", 7)
    in_parts = index.search(unit(5, seed=1), 4, np.arange(0, 300, 2))
    np.testing.assert_array_equal(at_once.reference_ids, in_parts.reference_ids)


@pytest.mark.parametrize("numbers", [(), (9, 10)])
def test_nothing_is_found_where_nothing_is_allowed(numbers: tuple[int, ...]) -> None:
    found = filled(1, 2).search(AXES[:2], 2, ids(*numbers))
    assert found.reference_ids.tolist() == [[-1, -1]] * 2
    assert FlatIndex(4).search(AXES[:1], 1, ids(*numbers)).reference_ids.tolist() == [[-1]]


def test_vectors_can_be_had_back() -> None:
    index = filled(10, 20, 30, 40)
    index.remove(ids(20))
    np.testing.assert_array_equal(index.vectors(ids(40, 10)), AXES[[3, 0]])
    assert index.vectors(ids()).shape == (0, 4)
    assert FlatIndex(4).vectors(ids()).shape == (0, 4)


def test_removing_what_is_not_there_does_nothing() -> None:
    index = filled(1, 2)
    assert (index.remove(ids(7)), index.remove(ids())) == (0, 0)
    assert index.count == 2


def test_a_removed_id_may_come_back_with_another_vector() -> None:
    index = filled(1, 2)
    index.remove(ids(1))
    index.add(ids(1), AXES[3:])
    assert index.search(AXES[3:], 1).reference_ids.tolist() == [[1]]


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ((2, 9), "one is there already"),
        ((8, 8), "one is named twice"),
        ((8, -1), "-1 means nothing found"),
    ],
)
def test_ids_that_are_refused(numbers: tuple[int, int], why: str) -> None:
    index = filled(1, 2)
    with pytest.raises(IndexFileError, match="rebuild"):
        index.add(ids(*numbers), AXES[:2])
    assert index.ids().tolist() == [1, 2], why


@pytest.mark.parametrize(
    ("vector", "why"),
    [
        ([2.0, 0.0, 0.0, 0.0], "too long"),
        ([0.0, 0.0, 0.0, 0.0], "zero: a score would mean nothing"),
        ([np.nan, 0.0, 0.0, 0.0], "not a number: upstream calls this no match"),
        ([np.inf, 0.0, 0.0, 0.0], "infinite"),
    ],
)
def test_vectors_that_are_refused(vector: list[float], why: str) -> None:
    index = filled(1, 2)
    wrong = np.array([AXES[2], vector], np.float32)
    with pytest.raises(IndexFileError, match="vector 1 of 2 has the length"):
        index.add(ids(8, 9), wrong)
    with pytest.raises(IndexFileError, match="vector 1 of 2 has the length"):
        index.search(wrong, 1)
    assert index.count == 2, why


@pytest.mark.parametrize(
    ("numbers", "vectors"), [((1, 2), AXES[:1]), ((1,), AXES[:1, :3]), ((1,), AXES[0])]
)
def test_shapes_are_checked(numbers: tuple[int, ...], vectors: Floats) -> None:
    with pytest.raises(ValueError, match="vectors"):
        FlatIndex(4).add(ids(*numbers), vectors)


def test_k_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="k is 0"):
        filled(1).search(AXES[:1], 0)


def test_it_is_a_flat_index_with_an_id_map() -> None:
    # Plain Flat shifts the ids when one is removed; the first IndexIDMap cannot be looked up.
    out = io.BytesIO()
    filled(1, 2).write(out)
    assert out.getvalue()[:4] == b"IxM2"


def test_what_was_written_can_be_read(tmp_path: Path) -> None:
    index = filled(10, 20, 30)
    index.remove(ids(20))
    file = tmp_path / "茶\n.faiss"
    with file.open("wb") as out:
        index.write(out)
    copy = FlatIndex(4)
    copy.read({VECTORS: file})
    assert copy.ids().tolist() == [10, 30]
    assert copy.search(AXES[2:3], 1).reference_ids.tolist() == [[30]]
    copy.add(ids(20), AXES[1:2])
    assert copy.remove(ids(10)) == 1


@pytest.mark.parametrize("numbered", [True, False])
def test_a_file_stays_as_it_is_and_may_go_while_its_index_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, numbered: bool
) -> None:
    vectors, file = unit(50), tmp_path / "x.faiss"
    index = FlatIndex(8)
    index.add(np.arange(50, dtype=np.int64), vectors)
    with file.open("wb") as out:
        index.write(out)
    content = file.read_bytes()
    if not numbered:
        monkeypatch.setattr("shitu.index.opening._NUMBERED", tmp_path / "nowhere")
    for change in ("add", "remove", "neither"):
        copy = FlatIndex(8)
        copy.read({VECTORS: file})
        if change == "add":
            copy.add(ids(99), vectors[7:8])
        if change == "remove":
            assert copy.remove(ids(7)) == 1
        assert file.read_bytes() == content
        found = copy.search(vectors[7:8], 2).reference_ids[0]
        assert found[0] == (7 if change != "remove" else found[0])
        assert (found[1] == 99) == (change == "add")
        again = io.BytesIO()
        copy.write(again)
        assert (again.getvalue() == content) == (change == "neither")
    file.unlink()
    assert copy.search(vectors[3:4], 1).reference_ids.tolist() == [[3]]
    np.testing.assert_array_equal(copy.vectors(np.arange(50, dtype=np.int64)), vectors)


@pytest.mark.parametrize(
    ("index", "why"),
    [
        (faiss.IndexFlatIP(4), "no id map"),
        (faiss.IndexIDMap2(faiss.IndexFlatL2(4)), "distances instead of cosines"),
        (faiss.IndexIDMap2(faiss.IndexFlatIP(5)), "another dimension"),
        (faiss.IndexIDMap2(faiss.IndexHNSWFlat(4, 8)), "cannot delete"),
    ],
)
def test_other_kinds_are_refused(tmp_path: Path, index: faiss.Index, why: str) -> None:
    faiss.write_index(index, str(tmp_path / "x.faiss"))
    mine = filled(1)
    with pytest.raises(IndexFileError, match="another kind"):
        mine.read({VECTORS: tmp_path / "x.faiss"})
    assert mine.count == 1, why


@pytest.mark.parametrize("content", [b"", b"Ix", b"nonsense" * 100])
def test_a_file_that_is_no_index(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.faiss").write_bytes(content)
    with pytest.raises(IndexFileError, match="cannot be read"):
        FlatIndex(4).read({VECTORS: tmp_path / "x.faiss"})


class Interrupted:
    """A Faiss index during whose work Ctrl-C is pressed."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def add_with_ids(self, *arguments: Any) -> None:
        self._index.add_with_ids(*arguments)
        raise KeyboardInterrupt

    def remove_ids(self, *arguments: Any) -> None:
        self._index.remove_ids(*arguments)
        raise KeyboardInterrupt


def test_an_interrupted_step_can_be_taken_again() -> None:
    index = filled(1, 2)
    index._use(Interrupted(index._index))
    with pytest.raises(KeyboardInterrupt):
        index.add(ids(3), AXES[2:3])
    with pytest.raises(KeyboardInterrupt):
        index.remove(ids(1))
    assert index.ids().tolist() == [2, 3]
    with pytest.raises(IndexFileError, match="already"):
        index.add(ids(3), AXES[2:3])


def test_searching_while_vectors_come_and_go() -> None:
    index = FlatIndex(8)
    index.add(ids(0), unit(1))
    vectors, wrong, stop = unit(200, seed=3), list[object](), threading.Event()

    def search() -> None:
        while not stop.is_set():
            found = index.search(unit(1), 3)
            if found.reference_ids[0, 0] != 0:
                wrong.append(found)

    searchers = [threading.Thread(target=search) for _ in range(2)]
    for thread in searchers:
        thread.start()
    for number, vector in enumerate(vectors, 1):
        index.add(ids(number), vector[None])
        if number > 7:
            index.remove(ids(number - 7))
    stop.set()
    for thread in searchers:
        thread.join()
    assert wrong == []
