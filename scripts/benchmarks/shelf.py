"""A gallery in memory made of queries that were described already; searched as the product does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from shitu.evaluation.retrieval import DescribedQueries
from shitu.gallery import Reference
from shitu.index import Neighbours
from shitu.index.faiss_index import FlatIndex
from shitu.runtime.session import Float32Array


class Shelf:
    """The look-up that evaluation asks for, without a database behind it."""

    def __init__(self, pictures: DescribedQueries) -> None:
        self._references = [
            _reference(number, label, digest)
            for number, (label, digest) in enumerate(
                zip(pictures.labels, pictures.hashes, strict=True)
            )
        ]
        self._index = FlatIndex(pictures.embeddings.shape[1])
        self._index.add(np.arange(len(pictures.labels), dtype=np.int64), pictures.embeddings)

    def search(self, queries: Float32Array, k: int) -> Neighbours:
        return self._index.search(queries, k)

    def all_references(self) -> Sequence[Reference]:
        return self._references


def of_labels(pictures: DescribedQueries, wanted: Callable[[str], bool]) -> DescribedQueries:
    """The pictures whose label is wanted."""
    rows = [row for row, label in enumerate(pictures.labels) if wanted(label)]
    return DescribedQueries(
        [pictures.labels[row] for row in rows],
        [pictures.hashes[row] for row in rows],
        pictures.embeddings[rows],
        pictures.skipped,
    )


def _reference(number: int, label: str, digest: str) -> Reference:
    return Reference(
        reference_id=number,
        item_id=number,
        label=label,
        path=Path(),
        sha256=digest,
        size=0,
        box=None,
        box_given=False,
        added_at="",
        how="build",
    )
