"""Pictures whose label is known, read and embedded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shitu.describer import Describer
from shitu.errors import ImageError
from shitu.geometry import Box
from shitu.images import Image, display_path, load_image, read_bytes
from shitu.runtime.session import Float32Array

_BATCH = 32


@dataclass(frozen=True)
class Query:
    """A picture of one object, and its true label."""

    path: Path
    label: str


@dataclass(frozen=True)
class DescribedQueries:
    """The queries that could be read: labels, sha256 of the files, embeddings (n, dim).

    Attributes:
        paths: where they lie; may be empty where nobody will ask.
        boxes: what was embedded of each, None for all of it; may be empty likewise.
    """

    labels: list[str]
    hashes: list[str]
    embeddings: Float32Array
    skipped: tuple[tuple[str, str], ...]
    paths: list[str] = field(default_factory=list)
    boxes: list[Box | None] = field(default_factory=list)

    @classmethod
    def none(cls) -> DescribedQueries:
        """No query yet."""
        return cls([], [], np.zeros((0, 1), dtype=np.float32), ())

    def without(self, hashes: Container[str], reason: str) -> DescribedQueries:
        """The same without files of such contents, which count as skipped for that reason."""
        kept = [i for i, sha256 in enumerate(self.hashes) if sha256 not in hashes]
        left = [path for path, each in zip(self.paths, self.hashes, strict=True) if each in hashes]
        return DescribedQueries(
            [self.labels[i] for i in kept],
            [self.hashes[i] for i in kept],
            self.embeddings[kept],
            (*self.skipped, *((path, f"{path} {reason}") for path in left)),
            [self.paths[i] for i in kept],
            [self.boxes[i] for i in kept],
        )


def describe_queries(
    queries: Sequence[Query], describer: Describer, progress: Callable[[int], None] | None
) -> DescribedQueries:
    """Read and embed the queries; those that cannot be read are skipped, with the reason."""
    found = DescribedQueries.none()
    embeddings: list[Float32Array] = []
    skipped: list[tuple[str, str]] = []
    for start in range(0, len(queries), _BATCH):
        images: list[Image] = []
        batch = queries[start : start + _BATCH]
        for query in batch:
            try:
                content = read_bytes(query.path)
                images.append(load_image(content, name=display_path(query.path)))
            except ImageError as error:
                skipped.append((str(query.path), str(error)))
                continue
            found.paths.append(str(query.path))
            found.labels.append(query.label)
            found.hashes.append(hashlib.sha256(content).hexdigest())
        for description in describer.describe(images):
            embeddings.append(description.embedding)
            found.boxes.append(description.box)
        if progress is not None:
            progress(start + len(batch))
    stacked = np.stack(embeddings) if embeddings else found.embeddings
    return DescribedQueries(
        found.labels, found.hashes, stacked, tuple(skipped), found.paths, found.boxes
    )
