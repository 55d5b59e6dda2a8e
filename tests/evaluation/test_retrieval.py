"""Evaluation of a gallery: which queries count, which references do, and what is reported."""

from __future__ import annotations

import hashlib
import json
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeLookup, reference

from shitu.describer import Description
from shitu.errors import DatasetError
from shitu.evaluation.answers import AnswerKey
from shitu.evaluation.retrieval import Query, RetrievalReport, describe_queries, score_queries
from shitu.images import encode_png

RED, GREEN, BLUE = np.eye(3)


class ColourDescriber:
    """Describes a picture by its mean colour."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def describe(self, images: Sequence[Any]) -> list[Description]:
        self.batches.append(len(images))
        found = []
        for image in images:
            colour = image.reshape(-1, 3).mean(axis=0)
            found.append(Description(None, (colour / np.linalg.norm(colour)).astype(np.float32)))
        return found


def colour(vector: Any, seed: int = 0) -> bytes:
    """A small PNG of that colour; the seed makes its bytes differ from others of that colour."""
    image = np.zeros((4, 4 + seed, 3), np.uint8)
    image[:] = np.asarray(vector) * 255
    return encode_png(image)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def evaluate_retrieval(
    queries: Sequence[Query],
    describer: Any,
    lookup: FakeLookup,
    progress: Callable[[int], None] | None = None,
) -> RetrievalReport:
    """Describe queries and score them."""
    return score_queries(describe_queries(queries, describer, progress), lookup)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Query]:
    """Write a picture and return it as a query."""

    def write(name: str, label: str, data: bytes) -> Query:
        (tmp_path / name).write_bytes(data)
        return Query(tmp_path / name, label)

    return write


GALLERY = FakeLookup(
    [
        reference(1, "red", item_id=1),
        reference(2, "red", item_id=1),
        reference(3, "green", item_id=2),
    ],
    [RED, (RED + GREEN) / np.sqrt(2), GREEN],
)


def test_a_query_is_scored_by_its_ranking(save: Callable[..., Query]) -> None:
    report = evaluate_retrieval(
        [
            save("a.png", "red", colour(RED)),  # red red green
            save("b.png", "green", colour(GREEN + 0.9 * RED)),  # red green red
            save("c.png", "green", colour(GREEN)),  # green red red
        ],
        ColourDescriber(),
        GALLERY,
    )
    assert report.queries == 3
    assert report.recall_at_1 == pytest.approx(2 / 3)
    assert report.recall_at_5 == 1
    assert report.map_at_r == pytest.approx((1 + 0 + 1) / 3)
    assert report.mrr == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert (report.without_answer, report.own_file_excluded, report.skipped) == (0, 0, ())


def test_queries_described_once_are_scored_against_several_galleries(
    save: Callable[..., Query],
) -> None:
    describer = ColourDescriber()
    queries = [save("a.png", "red", colour(RED)), save("b.png", "blue", colour(BLUE))]
    found = describe_queries(queries, describer, None)
    assert describer.batches == [2]
    assert (found.labels, found.hashes) == (
        ["red", "blue"],
        [sha256(colour(RED)), sha256(colour(BLUE))],
    )
    assert score_queries(found, GALLERY) == evaluate_retrieval(queries, describer, GALLERY)
    liar = FakeLookup([reference(1, "blue"), reference(2, "red")], [RED, BLUE])
    assert score_queries(found, liar).recall_at_1 == 0


def test_labels_are_listed_worst_first(save: Callable[..., Query]) -> None:
    report = evaluate_retrieval(
        [
            save("a.png", "red", colour(RED)),
            save("b.png", "green", colour(GREEN + 0.9 * RED)),
            save("c.png", "green", colour(GREEN)),
        ],
        ColourDescriber(),
        GALLERY,
    )
    rows = [(row.label, row.queries, row.recall_at_1, row.recall_at_5) for row in report.labels]
    assert rows == [("green", 2, 0.5, 1.0), ("red", 1, 1.0, 1.0)]


def test_a_query_is_not_compared_with_its_own_file(save: Callable[..., Query]) -> None:
    data = colour(GREEN)
    lookup = FakeLookup(
        [
            reference(1, "green", item_id=1, sha256=sha256(data)),
            reference(2, "red", item_id=2),
            reference(3, "green", item_id=1),
        ],
        [GREEN, (GREEN + 0.1 * RED) / np.linalg.norm(GREEN + 0.1 * RED), (GREEN + RED) / 2**0.5],
    )
    report = evaluate_retrieval([save("copy.png", "green", data)], ColourDescriber(), lookup)
    assert report.own_file_excluded == 1
    assert report.recall_at_1 == 0, "the next best after its own file is red"
    assert report.mrr == 0.5
    assert report.map_at_r == 0, "R is 1 without its own file"


def test_another_file_of_the_same_picture_is_compared(save: Callable[..., Query]) -> None:
    lookup = FakeLookup([reference(1, "green", sha256=sha256(colour(GREEN)))], [GREEN])
    report = evaluate_retrieval(
        [save("other.png", "green", colour(GREEN, seed=1))], ColourDescriber(), lookup
    )
    assert (report.own_file_excluded, report.recall_at_1) == (0, 1)


@pytest.mark.parametrize(
    ("label", "data", "why"),
    [
        ("violet", colour(RED), "no such label"),
        ("blue", colour(BLUE), "no other reference of its label"),
    ],
)
def test_queries_without_an_answer_are_counted_and_left_out(
    save: Callable[..., Query], label: str, data: bytes, why: str
) -> None:
    lookup = FakeLookup(
        [reference(1, "red"), reference(2, "blue", sha256=sha256(colour(BLUE)))], [RED, BLUE]
    )
    queries = [save("good.png", "red", colour(RED, seed=2)), save("odd.png", label, data)]
    report = evaluate_retrieval(queries, ColourDescriber(), lookup)
    assert (report.queries, report.without_answer) == (1, 1), why
    assert report.recall_at_1 == 1, "means are over the scored ones"
    assert [row.label for row in report.labels] == ["red"]


def test_unreadable_files_are_listed(save: Callable[..., Query], tmp_path: Path) -> None:
    queries = [
        save("torn.png", "red", colour(RED)[:40]),
        save("good.png", "red", colour(RED)),
        Query(tmp_path / "none.png", "red"),
        save("text.png", "red", b"no picture"),
    ]
    report = evaluate_retrieval(queries, ColourDescriber(), GALLERY)
    assert (report.queries, report.recall_at_1) == (1, 1)
    assert [Path(path).name for path, _ in report.skipped] == ["torn.png", "none.png", "text.png"]
    assert all(reason for _, reason in report.skipped)


@pytest.mark.parametrize(
    ("lookup", "label"),
    [
        pytest.param(FakeLookup(), "red", id="an empty gallery"),
        pytest.param(GALLERY, "violet", id="labels of another language"),
    ],
)
def test_nothing_to_score_is_an_error(
    save: Callable[..., Query], lookup: FakeLookup, label: str
) -> None:
    query = save("a.png", label, colour(RED))
    with pytest.raises(DatasetError, match=r"No query has a right answer .* \(1 asked"):
        evaluate_retrieval([query], ColourDescriber(), lookup)


def test_a_gallery_of_single_pictures_asked_about_itself_says_so(
    save: Callable[..., Query],
) -> None:
    picture = colour(RED)
    lookup = FakeLookup([reference(1, "red", sha256=sha256(picture))], [RED])
    queries = [save("a.png", "red", picture), save("b.png", "violet", colour(BLUE))]
    with pytest.raises(DatasetError) as alone:
        evaluate_retrieval(queries[:1], ColourDescriber(), lookup)
    own = r"for 1 it has no picture of the label but the query's own file, take other photos"
    assert str(alone.value) == f"No query has a right answer in the gallery (1 asked): {own}."
    with pytest.raises(DatasetError, match=rf"{own}; for the others the labels .* same words"):
        evaluate_retrieval(queries, ColourDescriber(), lookup)


def test_no_query_at_all_is_an_error() -> None:
    with pytest.raises(DatasetError, match="No query has a right answer"):
        evaluate_retrieval([], ColourDescriber(), GALLERY)


def test_nothing_to_read_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"No query can be read .1 tried.*does not exist"):
        evaluate_retrieval([Query(tmp_path / "none.png", "red")], ColourDescriber(), GALLERY)
    (tmp_path / "empty.png").touch()
    with pytest.raises(DatasetError, match=r"No query can be read .1 tried.*empty.png is empty"):
        evaluate_retrieval([Query(tmp_path / "empty.png", "red")], ColourDescriber(), GALLERY)


def test_equal_scores_keep_the_order_of_the_index(save: Callable[..., Query]) -> None:
    queries = [save("a.png", "red", colour(RED)), save("b.png", "green", colour(RED, seed=1))]
    for first, second, wanted in (("red", "green", (1, 0)), ("green", "red", (0, 1))):
        lookup = FakeLookup([reference(1, first), reference(2, second)], [RED, RED])
        report = evaluate_retrieval(queries, ColourDescriber(), lookup)
        found = {row.label: row.recall_at_1 for row in report.labels}
        assert (found["red"], found["green"]) == wanted
        assert report.mrr == 0.75


def test_references_removed_meanwhile_are_passed_over(save: Callable[..., Query]) -> None:
    refs = [reference(1, "green"), reference(2, "red"), reference(3, "blue")]
    lookup = FakeLookup(refs, [RED, (RED + GREEN) / 2**0.5, BLUE], vanished=[1])
    report = evaluate_retrieval([save("a.png", "red", colour(RED))], ColourDescriber(), lookup)
    assert report.recall_at_1 == 1


def test_progress_and_batches(save: Callable[..., Query]) -> None:
    queries = [save(f"{i}.png", "red", colour(RED, seed=i)) for i in range(70)]
    queries[3].path.write_bytes(b"")
    done: list[int] = []
    describer = ColourDescriber()
    report = evaluate_retrieval(queries, describer, GALLERY, done.append)
    assert done == [32, 64, 70]
    assert describer.batches == [31, 32, 6]
    assert (report.queries, len(report.skipped)) == (69, 1)


def test_a_report_is_json(save: Callable[..., Query]) -> None:
    report = evaluate_retrieval(
        [save("a.png", "red", colour(RED)), save("b.png", "red", b"?")], ColourDescriber(), GALLERY
    )
    printed = json.loads(json.dumps(report.to_dict()))
    assert printed["labels"] == [
        {"label": "red", "queries": 1, "recall_at_1": 1.0, "recall_at_5": 1.0}
    ]
    assert printed["skipped"][0][0].endswith("b.png")


def slow_right(ids: Sequence[int], label: str, own: set[int], labels: dict[int, str]) -> list[bool]:
    kept = [labels[i] == label for i in ids if i in labels and i not in own]
    return kept + [False] * (len(ids) - len(kept))


@pytest.mark.parametrize("seed", range(40))
def test_the_answer_key_equals_the_literal_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 12))
    numbers = rng.choice(100, count, replace=False)
    refs = [
        reference(int(n), f"label {rng.integers(3)}", sha256=f"file {rng.integers(6)}")
        for n in numbers
    ]
    key = AnswerKey.of(refs)
    labels = {r.reference_id: r.label for r in refs}
    wanted_labels = [f"label {rng.integers(4)}" for _ in range(5)]
    hashes = [f"file {rng.integers(8)}" for _ in range(5)]
    codes, own = key.codes_of(wanted_labels), key.same_files(hashes)
    for i, ids in enumerate(own):
        assert set(ids) == {r.reference_id for r in refs if r.sha256 == hashes[i]}
    relevant = key.relevant(codes, own)
    for i in range(5):
        others = [r for r in refs if r.reference_id not in own[i]]
        assert relevant[i] == sum(r.label == wanted_labels[i] for r in others)
    # Rankings: the gallery's references, some that are gone, and the padding -1.
    pool = np.concatenate([numbers, [-1, -1, 200, 201]])
    ids = np.stack([rng.permutation(pool) for _ in range(5)])
    right = key.right(ids, codes, own)
    for i in range(5):
        assert right[i].tolist() == slow_right(
            ids[i].tolist(), wanted_labels[i], set(own[i]), labels
        )


def test_a_large_evaluation_needs_little_time_and_memory() -> None:
    # The size of the Grocery Store test: 2,485 queries against 2,640 references.
    rng = np.random.default_rng(0)
    refs = [reference(i + 1, f"label {i % 81}") for i in range(2640)]
    key = AnswerKey.of(refs)
    codes = key.codes_of([f"label {i % 81}" for i in range(2485)])
    own = key.same_files(["x"] * 2485)
    ranking = np.arange(1, 2641)[None, :1000].repeat(256, axis=0)
    tracemalloc.start()
    start = time.perf_counter()
    for block in range(0, 2485, 256):
        ids = rng.permuted(ranking[: len(codes[block : block + 256])], axis=1)
        key.right(ids, codes[block : block + 256], own[block : block + 256])
    seconds = time.perf_counter() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6
    assert seconds < 20, "0.4 s where it was written"
