"""Queries with known labels -> how often, and how early, the gallery names them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shitu.describer import Describer
from shitu.errors import DatasetError, ImageError
from shitu.evaluation.metrics import RetrievalScores, retrieval_scores
from shitu.gallery import Reference
from shitu.images import Image, load_image, read_bytes
from shitu.index import Neighbours
from shitu.runtime.session import Float32Array

_DEPTH = 1000  # neighbours ranked; a right one beyond counts as not found
_BATCH = 32


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
class _Described:
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
    found = _describe(queries, describer, progress)
    references = {r.reference_id: r for r in lookup.all_references()}
    per_label = _count(r.label for r in references.values())
    own = _own_references(found.hashes, references.values())
    relevant = np.array(
        [
            per_label.get(label, 0) - sum(references[i].label == label for i in ids)
            for label, ids in zip(found.labels, own, strict=True)
        ],
        dtype=np.int64,
    )
    scored = np.flatnonzero(relevant > 0)
    if not len(scored):
        raise DatasetError(
            f"None of the {len(queries)} queries has a right answer in the gallery: "
            "the labels of queries and gallery must be the same words."
        )
    depth = min(len(references), max(_DEPTH, int(relevant.max()) + max(map(len, own))))
    neighbours = lookup.search(found.embeddings[scored], depth)
    right = np.stack(
        [
            _right(ids, found.labels[q], own[q], references)
            for q, ids in zip(scored, neighbours.reference_ids, strict=True)
        ]
    )
    scores = retrieval_scores(right, relevant[scored])
    labels = [found.labels[q] for q in scored]
    return _report(scores, labels, found, own, len(found.labels) - len(scored))


def _describe(
    queries: Sequence[Query], describer: Describer, progress: Callable[[int], None] | None
) -> _Described:

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
            progress(len(batch))
    stacked = np.stack(embeddings) if embeddings else np.zeros((0, 1), dtype=np.float32)
    return _Described(labels, hashes, stacked, tuple(skipped))


def _count(labels: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return counts


def _own_references(hashes: Sequence[str], references: Iterable[Reference]) -> list[set[int]]:
    """For each query the references that are the very same file."""
    by_hash: dict[str, set[int]] = {}
    for reference in references:
        by_hash.setdefault(reference.sha256, set()).add(reference.reference_id)
    return [by_hash.get(sha256, set()) for sha256 in hashes]


def _right(
    ids: NDArray[np.int64], label: str, own: set[int], references: Mapping[int, Reference]
) -> NDArray[np.bool_]:
    """Which neighbours are right; the query's own file is taken out and the rest move up."""
    kept = [references[int(i)].label == label for i in ids if i in references and i not in own]
    return np.array(kept + [False] * (len(ids) - len(kept)), dtype=np.bool_)


def _report(
    scores: RetrievalScores,
    labels: Sequence[str],
    found: _Described,
    own: Sequence[set[int]],
    without_answer: int,
) -> RetrievalReport:
    return RetrievalReport(
        queries=len(labels),
        recall_at_1=float(scores.recall_at_1.mean()),
        recall_at_5=float(scores.recall_at_5.mean()),
        map_at_r=float(scores.map_at_r.mean()),
        mrr=float(scores.reciprocal_rank.mean()),
        without_answer=without_answer,
        own_file_excluded=sum(bool(ids) for ids in own),
        skipped=found.skipped,
        labels=_per_label(scores, labels),
    )


def _per_label(scores: RetrievalScores, labels: Sequence[str]) -> tuple[LabelScore, ...]:
    names = np.array(labels, dtype=object)
    rows = [
        LabelScore(
            label=name,
            queries=int((names == name).sum()),
            recall_at_1=float(scores.recall_at_1[names == name].mean()),
            recall_at_5=float(scores.recall_at_5[names == name].mean()),
        )
        for name in sorted(set(labels))
    ]
    return tuple(sorted(rows, key=lambda row: (row.recall_at_1, row.recall_at_5, row.label)))
