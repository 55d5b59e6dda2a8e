"""Stand-ins for the networks and the gallery, so that each stage is tested alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shitu.detector import Detections, Suppressed
from shitu.gallery import Reference
from shitu.geometry import Box, as_boxes
from shitu.index import Neighbours
from shitu.preprocess import Preprocessing

Floats = npt.NDArray[np.float32]


def plain(size: int) -> Preprocessing:
    """Preprocessing that only divides by 255."""
    return Preprocessing((size, size), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class FakeSession:
    """Answers with what a function makes of the batch, and remembers the batches."""

    engine = "fake"

    def __init__(self, answer: Callable[[Floats], list[Floats]]) -> None:
        self._answer = answer
        self.batches: list[Floats] = []

    def run(self, batch: Floats) -> list[Floats]:
        self.batches.append(batch)
        return self._answer(batch)


class FakeDetector:
    """Finds the same boxes in every picture."""

    def __init__(
        self,
        boxes: Sequence[Box] = (),
        scores: Sequence[float] = (),
        suppressed: Sequence[Suppressed] = (),
    ) -> None:
        self.found = Detections(as_boxes(boxes), np.array(scores, np.float32), tuple(suppressed))
        self.asked = 0

    def detect(self, images: Sequence[object]) -> list[Detections]:
        self.asked += len(images)
        return [self.found] * len(images)


def reference(reference_id: int, label: str, *, item_id: int = 0, sha256: str = "") -> Reference:
    """A reference of which only what recognition reads matters."""
    return Reference(
        reference_id=reference_id,
        item_id=item_id or reference_id,
        label=label,
        path=Path(f"/pictures/{reference_id}.jpg"),
        sha256=sha256 or f"sha-{reference_id}",
        size=1,
        box=None,
        box_given=False,
        added_at="2026-01-01T00:00:00Z",
        how="build",
    )


class FakeLookup:
    """A gallery of unit vectors, searched by the plainest code there is.

    `vanished` references are still found by `search` but the gallery no longer knows them.
    """

    def __init__(
        self,
        references: Sequence[Reference] = (),
        vectors: npt.ArrayLike = (),
        vanished: Iterable[int] = (),
    ) -> None:
        self._references = list(references)
        self._vectors = np.asarray(vectors, np.float64)
        self._vanished = set(vanished)
        self.searches: list[tuple[int, int]] = []

    def search(self, queries: Floats, k: int) -> Neighbours:
        self.searches.append((len(queries), k))
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        for row, query in enumerate(queries):
            found = sorted(
                (-float(vector @ query), ref.reference_id)
                for ref, vector in zip(self._references, self._vectors, strict=True)
            )[:k]
            for column, (score, reference_id) in enumerate(found):
                scores[row, column], ids[row, column] = -score, reference_id
        return Neighbours(scores, ids)

    def references(self, reference_ids: Iterable[int]) -> Mapping[int, Reference]:
        wanted = set(reference_ids) - self._vanished
        return {r.reference_id: r for r in self._references if r.reference_id in wanted}

    def all_references(self) -> Sequence[Reference]:
        return [r for r in self._references if r.reference_id not in self._vanished]
