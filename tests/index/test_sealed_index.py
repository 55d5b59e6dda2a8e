"""Approximate kinds: near enough as promised, exact scores, and everything a flat index can do."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from shitu.errors import IndexFileError, RecallNotReached
from shitu.index import audit as audit_module
from shitu.index.approximate import KINDS
from shitu.index.faiss_index import FlatIndex
from shitu.index.sealed_index import SealedIndex

Floats = npt.NDArray[np.float32]
COUNT, DIM = 1500, 24
EVERY_KIND = pytest.mark.parametrize("kind", sorted(KINDS))


def clustered(count: int = COUNT, dim: int = DIM, seed: int = 0) -> Floats:
    """Vectors as those of products are: many small crowds."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(1, count // 10), dim))
    vectors = centres[random.integers(0, len(centres), count)]
    vectors = vectors + 0.4 * random.standard_normal((count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def numbers(count: int = COUNT, first: int = 10) -> npt.NDArray[np.int64]:
    return np.arange(first, first + 3 * count, 3, dtype=np.int64)


@pytest.fixture(scope="module", params=sorted(KINDS))
def built(request: pytest.FixtureRequest) -> SealedIndex:
    return SealedIndex.build(request.param, numbers(), clustered(), 0.95)


@pytest.fixture
def index(built: SealedIndex, tmp_path: Path) -> SealedIndex:
    """A copy of its own, mapped from files."""
    return reopened(built, tmp_path)


def write(index: SealedIndex, folder: Path) -> dict[str, Path]:
    paths = {name: folder / name for name in index.files()}
    for name, part in index.files().items():
        with paths[name].open("wb") as file:
            part.write(file)
    return paths


def reopened(index: SealedIndex, folder: Path) -> SealedIndex:
    copy = SealedIndex(index.kind, index.dim)
    copy.read(write(index, folder), index.audit)
    return copy


def flat_like(index: SealedIndex) -> FlatIndex:
    flat = FlatIndex(index.dim)
    flat.add(index.ids(), index.vectors(index.ids()))
    return flat


def queries(count: int = 200) -> Floats:
    return audit_module.disturbed(clustered(), count, 0.3)


def recall(index: SealedIndex, asked: Floats) -> float:
    found, wanted = index.search(asked, 5), flat_like(index).search(asked, 5)
    hits = [
        len(np.intersect1d(*pair))
        for pair in zip(found.reference_ids, wanted.reference_ids, strict=True)
    ]
    return float(np.mean(hits)) / 5


def test_it_finds_what_it_promised_with_exact_scores(built: SealedIndex) -> None:
    asked = queries()
    assert built.audit is not None
    assert min(built.audit.recall_at_1, built.audit.recall_at_10) >= 0.95
    assert recall(built, asked) > 0.93
    found = built.search(asked, 5)
    for query, ids, scores in zip(asked, found.reference_ids, found.scores, strict=True):
        exact = built.vectors(ids).astype(np.float64) @ query.astype(np.float64)
        np.testing.assert_allclose(scores, exact, atol=1e-6)
        assert (np.diff(scores) <= 0).all()


def test_of_many_neighbours_a_graph_finds_as_many() -> None:
    vectors = clustered(4000, 64)
    index = SealedIndex.build("hnsw", numbers(4000), vectors, 0.9)
    asked = audit_module.disturbed(vectors, 100, 0.3)
    found, wanted = index.search(asked, 300), flat_like(index).search(asked, 300)
    pairs = zip(found.reference_ids, wanted.reference_ids, strict=True)
    shares = [len(np.intersect1d(*pair)) / 300 for pair in pairs]
    assert index.audit is not None
    assert index.audit.effort < 300
    assert np.mean(shares) > 0.9


def test_what_came_later_is_found_and_what_went_is_not(index: SealedIndex) -> None:
    new, later = np.array([5, 6, 10_000]), clustered(3, seed=9)
    index.add(new, later)
    assert index.search(later, 1).reference_ids[:, 0].tolist() == [5, 6, 10_000]
    gone = index.ids()[::4]
    going = index.vectors(gone)
    assert index.remove(np.append(gone, 77_777)) == len(gone)
    assert index.count == COUNT + 3 - len(gone)
    assert not index.holds(gone).any()
    assert index.holds(index.ids()).all()
    assert not np.isin(index.search(going, 10).reference_ids, gone).any()
    np.testing.assert_array_equal(index.ids(), np.setdiff1d([*numbers(), *new], gone))
    assert recall(index, queries()) > 0.93


def test_a_removed_id_may_come_back(index: SealedIndex) -> None:
    number, vector = index.ids()[:1], index.vectors(index.ids()[:1])
    with pytest.raises(IndexFileError, match="already"):
        index.add(number, vector)
    index.remove(number)
    index.add(number, vector)
    assert index.search(vector, 1).reference_ids.tolist() == [number.tolist()]
    np.testing.assert_array_equal(index.vectors(number), vector)
    assert index.count == COUNT


@pytest.mark.parametrize("asked_for", [1, 9])
@pytest.mark.parametrize("share", [0.0, 0.002, 0.3, 1.0])
def test_among_the_allowed_none_of_the_nearest_is_missed(
    index: SealedIndex, share: float, asked_for: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shitu.index.faiss_index._GATHERED", 100)
    index.add(np.array([1, 2, 50_000]), clustered(3, seed=9))
    index.remove(np.append(index.ids()[::7], 10))
    random = np.random.default_rng(1)
    allowed = np.sort(random.choice(index.ids(), int(index.count * share), replace=False))
    asked = np.union1d(allowed, [-3, 10, 60_000]).astype(np.int64)  # 10 was removed
    flat = flat_like(index)
    few = queries(asked_for)
    found, wanted = index.search(few, 20, asked), flat.search(few, 20, allowed)
    np.testing.assert_array_equal(found.reference_ids, wanted.reference_ids)
    np.testing.assert_array_equal(found.scores, wanted.scores)


@EVERY_KIND
def test_equal_vectors_come_in_order_of_their_ids(kind: str) -> None:
    vectors = np.concatenate([clustered(400), np.repeat(clustered(1, seed=4), 150, axis=0)])
    index = SealedIndex.build(kind, numbers(550), vectors, 0.5)
    index.add(np.array([0, 40_000]), vectors[-2:])
    found = index.search(vectors[-1:], 40)
    twins = [0, *numbers(550)[400:439]]
    assert found.reference_ids.tolist() == [twins]


@EVERY_KIND
@pytest.mark.parametrize("count", [1, 2, 9])
def test_any_number_of_vectors_is_enough(kind: str, count: int) -> None:
    # Upstream crashes with fewer than 8.
    index = SealedIndex.build(kind, numbers(count), clustered(count), 1.0)
    found = index.search(clustered(count), count + 1)
    assert found.reference_ids[:, 0].tolist() == numbers(count).tolist()
    assert (found.reference_ids[:, -1] == -1).all()
    assert (found.reference_ids[:, :-1] >= 0).all()


def test_more_neighbours_than_where_it_looks(index: SealedIndex) -> None:
    # Whole lists are removed around the query, so that the next ones have to be compared.
    near = index.search(queries(1), 900)
    assert len(np.unique(near.reference_ids)) == 900
    index.remove(near.reference_ids[0])
    found = index.search(queries(1), COUNT)
    assert (found.reference_ids >= 0).sum() == COUNT - 900
    assert SealedIndex(index.kind, DIM).count == 0


def test_it_looks_harder_before_it_compares_everything(
    index: SealedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A list holds some 20 vectors, and the audit was about ten neighbours.
    monkeypatch.setattr(SealedIndex, "_compare_all", lambda *_: pytest.fail("compared all"))
    assert (index.search(queries(50), 200).reference_ids >= 0).all()


def test_everything_may_be_removed(index: SealedIndex) -> None:
    index.remove(index.ids())
    assert index.search(queries(2), 3).reference_ids.tolist() == [[-1] * 3] * 2


@EVERY_KIND
def test_a_recall_that_cannot_be_reached_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One list, or candidate, at most.
    limited = KINDS[kind].__class__(**{**vars(KINDS[kind]), "most": lambda _: 1})
    limited = limited.__class__(**{**vars(limited), "candidates": lambda k: k})
    monkeypatch.setitem(KINDS, kind, limited)
    with pytest.raises(RecallNotReached, match=rf"{kind} finds only 0\.\d+ .*--recall, or"):
        SealedIndex.build(kind, numbers(), clustered(), 1.0)


def test_the_least_effort_that_is_enough_is_found() -> None:
    vectors = clustered(3000, seed=2)
    low = SealedIndex.build("ivf-sq8", numbers(3000), vectors, 0.6).audit
    high = SealedIndex.build("ivf-sq8", numbers(3000), vectors, 0.99).audit
    assert low is not None
    assert high is not None
    assert (low.wanted, high.wanted) == (0.6, 0.99)
    assert low.effort < high.effort
    assert low.recall_at_10 < high.recall_at_10


def test_a_base_is_worn_out_by_changes(index: SealedIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not index.worn
    index.remove(index.ids()[:60])
    index.add(numbers(40, first=20_000), clustered(40, seed=3))
    assert not index.worn  # 100 changes
    index.remove(index.ids()[:1])
    assert index.worn


@pytest.mark.parametrize("vector", [[0.0] * DIM, [np.nan] * DIM, [2.0, *[0.0] * (DIM - 1)]])
def test_vectors_that_are_refused(index: SealedIndex, vector: list[float]) -> None:
    wrong = np.array([vector], np.float32)
    with pytest.raises(IndexFileError, match="has the length"):
        index.add(np.array([1]), wrong)
    with pytest.raises(IndexFileError, match="has the length"):
        index.search(wrong, 1)
    with pytest.raises(IndexFileError, match="has the length"):
        SealedIndex.build(index.kind, np.array([1]), wrong, 0.9)
    with pytest.raises(ValueError, match="k is 0"):
        index.search(queries(1), 0)
    assert index.count == COUNT


def test_no_file_is_ever_written_by_what_comes_and_goes(built: SealedIndex, tmp_path: Path) -> None:
    index = reopened(built, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    index.add(np.array([1]), clustered(1, seed=3))
    index.remove(index.ids()[::5])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(index.files()) == set(before)


def test_names_are_new_with_each_base(built: SealedIndex) -> None:
    again = SealedIndex.build(built.kind, numbers(50), clustered(50), 0.5)
    assert not set(built.files()) & set(again.files())


def test_other_files_are_refused(built: SealedIndex, tmp_path: Path) -> None:
    paths = write(built, tmp_path)
    faiss_, ids, vectors = paths
    mine = SealedIndex(built.kind, DIM)

    def refuses(name: str, data: bytes) -> None:
        whole = paths[name].read_bytes()
        paths[name].write_bytes(data)
        with pytest.raises(IndexFileError):
            mine.read(paths, built.audit)
        paths[name].write_bytes(whole)

    other = faiss.IndexFlatIP(DIM)
    other.add(clustered())
    refuses(faiss_, faiss.serialize_index(other).tobytes())
    refuses(faiss_, b"nonsense" * 9)
    refuses(faiss_, b"")
    few = io.BytesIO()
    np.save(few, numbers(9))
    refuses(ids, few.getvalue())
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}]), allow_pickle=True)
    refuses(vectors, pickled.getvalue())
    descending = io.BytesIO()
    np.save(descending, numbers()[::-1].copy())
    refuses(ids, descending.getvalue())
    with pytest.raises(IndexFileError):
        mine.read({}, built.audit)
    with pytest.raises(IndexFileError, match="how to search"):
        mine.read(paths, None)
    assert mine.count == 0
    mine.read(paths, built.audit)
    assert mine.count == COUNT


def test_places_that_a_damaged_file_claims_are_left_out(
    index: SealedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def claims(*arguments: object) -> tuple[Floats, npt.NDArray[np.int64]]:
        return np.ones((1, 4), np.float32) * [9, 8, 7, 6], np.array([[COUNT, 1 << 60, 3, 2]])

    monkeypatch.setattr("shitu.index.sealed_index.search", claims)
    found = index.search(queries(1), 2)
    assert set(found.reference_ids[0]) == {numbers()[2], numbers()[3]}


def test_training_says_nothing(tmp_path: Path) -> None:
    # Faiss would print warnings about few vectors.
    code = (
        "import numpy as np; from shitu.index.sealed_index import SealedIndex as S;"
        "[S.build(k, np.arange(30), np.eye(30, dtype='f4'), 0.1)"
        " for k in ('ivf-sq8', 'ivf-rabitq', 'hnsw')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
