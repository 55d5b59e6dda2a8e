"""Queries with known labels -> how often, and how early, the gallery names them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from shitu.describer import Describer
from shitu.errors import DatasetError, ImageError
from shitu.evaluation.answers import AnswerKey
from shitu.evaluation.metrics import RetrievalScores, retrieval_scores
from shitu.gallery import Reference
from shitu.images import Image, load_image, read_bytes
from shitu.index import Neighbours
from shitu.runtime.session import Float32Array

_DEPTH = 1000  # neighbours ranked; a right one beyond counts as not found
_BATCH = 32
_BLOCK = 256  # queries searched at a time, so that rankings need little memory


class Lookup(Protocol):
    """The gallery and its index."""

    def search(self, queries: Float32Array, k: int) -> Neighbours:
        """The k nearest references of each query (n, dim)."""

    def all_references(self) -> Sequence[Reference]:
        """Every reference of the gallery."""


@dataclass(frozen=True)
class Query:
    """A picture of one object, and its true label."""

    path: Path
    label: str


@dataclass(frozen=True)
class LabelScore:
    """Means over the queries of one label."""

    label: str
    queries: int
    recall_at_1: float
    recall_at_5: float


@dataclass(frozen=True)
class RetrievalReport:
    """Result of an evaluation; means over the scored queries, 0..1.

    Attributes:
        queries: how many were scored.
        without_answer: queries whose label has no reference but the query's own file.
        own_file_excluded: queries that are themselves in the gallery; that reference was ignored.
        skipped: files that could not be read, with the reason.
        labels: per label, worst first.
    """

    queries: int
    recall_at_1: float
    recall_at_5: float
    map_at_r: float
    mrr: float
    without_answer: int
    own_file_excluded: int
    skipped: tuple[tuple[str, str], ...]
    labels: tuple[LabelScore, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as `shitu eval-recall --json` prints it."""
        return asdict(self)


@dataclass(frozen=True)
class DescribedQueries:
    """The queries that could be read: labels, sha256 of the files, embeddings (n, dim)."""

    labels: list[str]
    hashes: list[str]
    embeddings: Float32Array
    skipped: tuple[tuple[str, str], ...]


def evaluate_retrieval(
    queries: Sequence[Query],
    describer: Describer,
    lookup: Lookup,
    progress: Callable[[int], None] | None = None,
) -> RetrievalReport:
    """Rank the gallery for each query, leaving out references that are the query's own file.

    Raises:
        DatasetError: no query could be scored.
    """
    return score_queries(describe_queries(queries, describer, progress), lookup)


def score_queries(found: DescribedQueries, lookup: Lookup) -> RetrievalReport:
    """Rank the gallery for each query that could be read; see `evaluate_retrieval`."""
    if found.skipped and not found.labels:
        raise DatasetError(
            f"None of the {len(found.skipped)} queries can be read; the first: "
            f"{found.skipped[0][1]}"
        )
    key = AnswerKey.of(lookup.all_references())
    codes = key.codes_of(found.labels)
    own = key.same_files(found.hashes)
    relevant = key.relevant(codes, own)
    scored = np.flatnonzero(relevant > 0)
    if not len(scored):
        raise DatasetError(
            f"None of the {len(found.labels)} queries has a right answer in the gallery: "
            "the labels of queries and gallery must be the same words."
        )
    depth = min(len(key.ids), max(_DEPTH, int(relevant.max()) + max(map(len, own))))
    parts = []
    for start in range(0, len(scored), _BLOCK):
        rows = scored[start : start + _BLOCK]
        ids = lookup.search(found.embeddings[rows], depth).reference_ids
        right = key.right(ids, codes[rows], [own[row] for row in rows])
        parts.append(retrieval_scores(right, relevant[rows]))
    return _report(_joined(parts), [found.labels[q] for q in scored], found, own)


def describe_queries(
    queries: Sequence[Query], describer: Describer, progress: Callable[[int], None] | None
) -> DescribedQueries:
    """Read and embed the queries; those that cannot be read are skipped, with the reason."""
    labels: list[str] = []
    hashes: list[str] = []
    embeddings: list[Float32Array] = []
    skipped: list[tuple[str, str]] = []
    for start in range(0, len(queries), _BATCH):
        images: list[Image] = []
        batch = queries[start : start + _BATCH]
        for query in batch:
            try:
                content = read_bytes(query.path)
                images.append(load_image(content))
            except ImageError as error:
                skipped.append((str(query.path), str(error)))
                continue
            labels.append(query.label)
            hashes.append(hashlib.sha256(content).hexdigest())
        embeddings.extend(found.embedding for found in describer.describe(images))
        if progress is not None:
            progress(start + len(batch))
    stacked = np.stack(embeddings) if embeddings else np.zeros((0, 1), dtype=np.float32)
    return DescribedQueries(labels, hashes, stacked, tuple(skipped))


def _joined(parts: Sequence[RetrievalScores]) -> RetrievalScores:
    names = [field.name for field in fields(RetrievalScores)]
    return RetrievalScores(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def _report(
    scores: RetrievalScores,
    labels: Sequence[str],
    found: DescribedQueries,
    own: Sequence[Sequence[int]],
) -> RetrievalReport:
    return RetrievalReport(
        queries=len(labels),
        recall_at_1=float(scores.recall_at_1.mean()),
        recall_at_5=float(scores.recall_at_5.mean()),
        map_at_r=float(scores.map_at_r.mean()),
        mrr=float(scores.reciprocal_rank.mean()),
        without_answer=len(found.labels) - len(labels),
        own_file_excluded=sum(bool(ids) for ids in own),
        skipped=found.skipped,
        labels=_per_label(scores, labels),
    )


def _per_label(scores: RetrievalScores, labels: Sequence[str]) -> tuple[LabelScore, ...]:
    names = sorted(set(labels))
    place = {name: i for i, name in enumerate(names)}
    which = np.array([place[label] for label in labels])
    counts = np.bincount(which)
    at_1 = np.bincount(which, scores.recall_at_1) / counts
    at_5 = np.bincount(which, scores.recall_at_5) / counts
    rows = [
        LabelScore(name, int(counts[i]), float(at_1[i]), float(at_5[i]))
        for i, name in enumerate(names)
    ]
    return tuple(sorted(rows, key=lambda row: (row.recall_at_1, row.recall_at_5, row.label)))
