"""When two engines count as giving the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu.geometry import iou

MIN_IOU = 0.98
"""Least overlap of the two boxes around a thing."""

MAX_SCORE = 0.01
"""Greatest difference of the detector's scores of a thing."""

_SAME = 0.5  # boxes that overlap less are of two things


@dataclass(frozen=True)
class Answers:
    """What an engine makes of the probes.

    Attributes:
        embeddings: float32 (n, dim) of crops that are the same for all engines.
        boxes: of each picture, rows of x1, y1, x2, y2, score: its main body, if that is not all
            of it, with a score of 1, then all that is found.
        threshold: the detector's; boxes that are this near to it may be found by one alone.
    """

    embeddings: npt.NDArray[np.float32]
    boxes: tuple[tuple[tuple[float, ...], ...], ...]
    threshold: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Lists and numbers."""
        return {
            "embeddings": self.embeddings.tolist(),
            "boxes": self.boxes,
            "threshold": self.threshold,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Answers:
        """Read what `to_json` gave."""
        boxes = tuple(tuple(tuple(row) for row in picture) for picture in fields["boxes"])
        embeddings = np.asarray(fields["embeddings"], np.float32)
        return cls(embeddings, boxes, float(fields["threshold"]))


@dataclass(frozen=True)
class Parity:
    """How near the answers of an engine are to those of the reference.

    Attributes:
        cosine: of the embeddings of a crop, the least of all.
        iou: of the boxes around a thing, the least of all; 1 where there is none.
        score: difference of their scores, the greatest of all.
        lost: boxes that only one of the two finds, though they are clearly above the threshold.
    """

    cosine: float
    iou: float
    score: float
    lost: int

    def problem(self, least_cosine: float) -> str:
        """Why these are not the same answers; empty where they are."""
        if not self.cosine >= least_cosine:  # not: NaN is no cosine either
            return f"its vectors differ (cosine {self.cosine:.5f}, {least_cosine} is needed)"
        if self.lost:
            return f"{self.lost} boxes are not found by both"
        if not self.iou >= MIN_IOU:
            return f"its boxes differ (IoU {self.iou:.3f}, {MIN_IOU} is needed)"
        if not self.score <= MAX_SCORE:
            return f"its detection scores differ by {self.score:.3f}, more than {MAX_SCORE}"
        return ""


def compare(reference: Answers, other: Answers) -> Parity:
    """Compare two engines on the same probes."""
    if reference.embeddings.shape != other.embeddings.shape:
        return Parity(0.0, 0.0, 1.0, 0)
    cosines = (reference.embeddings.astype(np.float64) * other.embeddings).sum(axis=1)
    overlaps, differences, lost = [1.0], [0.0], 0
    for a, b in zip(reference.boxes, other.boxes, strict=True):
        for box, its in (*((box, b) for box in a), *((box, a) for box in b)):
            overlap, difference = _nearest(box, its)
            if overlap >= _SAME:
                overlaps.append(overlap)
                differences.append(difference)
            elif box[4] >= reference.threshold + MAX_SCORE:
                lost += 1
    return Parity(float(cosines.min()), min(overlaps), max(differences), lost)


def _nearest(box: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    """IoU with the other box that overlaps it most, and the difference of the scores."""
    # A main body is compared with a main body only, which are those with a score of 1.
    rows = np.asarray([other for other in others if (other[4] == 1) == (box[4] == 1)])
    if not len(rows):
        return 0.0, 0.0
    overlaps = iou(np.asarray([box[:4]], np.float32), rows[:, :4].astype(np.float32))[0]
    best = int(overlaps.argmax())
    return float(overlaps[best]), abs(float(rows[best, 4]) - box[4])
