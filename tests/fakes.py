"""Stand-ins for the networks and the gallery, so that each stage is tested alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shitu.describer import Description
from shitu.detector import Detections, Suppressed
from shitu.gallery import Reference, Space
from shitu.gallery.membership import Tagged
from shitu.gallery.where import Selection, Where, parse_where
from shitu.geometry import Box, as_boxes, crop
from shitu.images import Image, save_image
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


class FakeDescriber:
    """Describes pictures by their colours, and counts them.

    Args:
        name: of the model; another name is another space.
        pause: seconds that each picture takes.
    """

    def __init__(self, name: str = "colours", pause: float = 0.0) -> None:
        self.space = Space(name, 48, {"name": name})
        self.described = 0
        self._pause = pause

    def describe(
        self, images: Sequence[Image], boxes: Sequence[Box | None] | None = None
    ) -> list[Description]:
        self.described += len(images)
        time.sleep(self._pause * len(images))
        given = boxes if boxes is not None else [None] * len(images)
        return [Description(b, colours(i)) for i, b in zip(images, given, strict=True)]


class FakeCropper(FakeDescriber):
    """Describes three quarters of a picture, or what is in the box given: another space."""

    def __init__(self, name: str = "corners", pause: float = 0.0) -> None:
        super().__init__(name, pause)
        self.space = Space(name, 27, {"name": name})

    def describe(
        self, images: Sequence[Image], boxes: Sequence[Box | None] | None = None
    ) -> list[Description]:
        given = boxes if boxes is not None else [None] * len(images)
        chosen = [box or _corner(image) for image, box in zip(images, given, strict=True)]
        super().describe(images, chosen)
        parts = [crop(image, box) for image, box in zip(images, chosen, strict=True)]
        return [Description(b, colours(p, 3)) for b, p in zip(chosen, parts, strict=True)]


def _corner(image: Image) -> Box:
    height, width = image.shape[:2]
    return 0.0, 0.0, float(width * 3 // 4), float(height * 3 // 4)


def colours(image: Image, n: int = 4) -> Floats:
    """Mean colours of n x n parts, float32 (3 * n * n,) of length one."""
    rows = [part for row in np.array_split(image, n) for part in np.array_split(row, n, axis=1)]
    vector = np.array([part.mean(axis=(0, 1)) for part in rows]).ravel() - 127.4
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def paint(seed: int, size: int = 16) -> Image:
    """4 x 4 coloured squares that no other seed has: uint8 RGB (size, size, 3)."""
    squares = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.ascontiguousarray(squares.repeat(size // 4, axis=0).repeat(size // 4, axis=1))


def paint_file(path: Path, seed: int) -> Path:
    """A small picture file, with its folders; the extension decides on the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(path, paint(seed))
    return path


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

    def search(
        self, queries: Floats, k: int, allowed: npt.NDArray[np.int64] | None = None
    ) -> Neighbours:
        self.searches.append((len(queries), k))
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        for row, query in enumerate(queries):
            found = sorted(
                (-float(vector @ query), ref.reference_id)
                for ref, vector in zip(self._references, self._vectors, strict=True)
                if allowed is None or ref.reference_id in allowed
            )[:k]
            for column, (score, reference_id) in enumerate(found):
                scores[row, column], ids[row, column] = -score, reference_id
        return Neighbours(scores, ids)

    def select(self, where: str | Where) -> Selection:
        read = parse_where(where)
        ids = [r.reference_id for r in self._references if read.allows(Tagged(r.item_id, r.label))]
        return Selection(np.array(sorted(ids), np.int64), () if ids else ("nothing is allowed",))

    def closeness(
        self,
        queries: Floats,
        items: npt.NDArray[np.int64],
        without: Sequence[Collection[int]] = (),
    ) -> npt.NDArray[np.float64]:
        close = np.zeros(items.shape)
        for row, column in zip(*np.nonzero(items >= 0), strict=True):
            hidden = {*self._vanished, *(without[row] if without else ())}
            mean = np.mean(
                [
                    vector
                    for ref, vector in zip(self._references, self._vectors, strict=True)
                    if ref.item_id == items[row, column] and ref.reference_id not in hidden
                ],
                axis=0,
            )
            close[row, column] = mean @ queries[row] / np.linalg.norm(mean)
        return close

    def references(self, reference_ids: Iterable[int]) -> Mapping[int, Reference]:
        wanted = set(reference_ids) - self._vanished
        return {r.reference_id: r for r in self._references if r.reference_id in wanted}

    def all_references(self) -> Sequence[Reference]:
        return [r for r in self._references if r.reference_id not in self._vanished]
