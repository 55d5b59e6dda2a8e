"""Boxes found in a picture, and the suppression of those that are found twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shitu.geometry import Boxes, iou, nms
from shitu.images import Image
from shitu.models.spec import Suppression
from shitu.runtime.session import Float32Array

_ROUNDING = 1e-4  # of an IoU in float32


@dataclass(frozen=True)
class Suppressed:
    """A box that lost to a stronger one that it overlaps.

    Attributes:
        winner: position in the detections of the stronger box that overlaps it most.
        iou: overlap of the two.
    """

    xyxy: tuple[float, float, float, float]
    score: float
    winner: int
    iou: float


@dataclass(frozen=True)
class Detections:
    """Boxes of one picture, best score first.

    Attributes:
        xyxy: float32 (n, 4), pixels of the original picture, clipped to it.
        scores: float32 (n,), 0 to 1.
        suppressed: what non-maximum suppression removed above `explain_above`.
    """

    xyxy: Boxes
    scores: Float32Array
    suppressed: tuple[Suppressed, ...] = ()

    def __post_init__(self) -> None:
        if self.xyxy.shape != (len(self.scores), 4):
            raise ValueError(f"{self.xyxy.shape} boxes do not fit {self.scores.shape} scores")

    def __len__(self) -> int:
        return len(self.scores)


class Finder(Protocol):
    """Whatever finds boxes in pictures."""

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections of each picture, uint8 RGB (h, w, 3)."""
        ...


def strongest(scores: Float32Array, rule: Suppression) -> NDArray[np.int64]:
    """Positions of the scores that are looked at, best first."""
    best = np.flatnonzero(scores >= rule.floor)
    return best[np.argsort(-scores[best], kind="stable")][: rule.candidates]


def without_doubles(
    xyxy: Boxes, scores: Float32Array, rule: Suppression, explain_above: float
) -> Detections:
    """Suppress boxes that overlap a stronger one; they come best first."""
    kept = nms(xyxy, scores, rule.iou, rule.keep)
    lost = scores >= explain_above
    lost[kept] = False
    rows = np.flatnonzero(lost)
    return Detections(xyxy[kept], scores[kept], _suppressed(xyxy, scores, kept, rows, rule.iou))


def _suppressed(
    xyxy: Boxes,
    scores: Float32Array,
    kept: NDArray[np.int64],
    lost: NDArray[np.int64],
    threshold: float,
) -> tuple[Suppressed, ...]:
    if not len(lost) or not len(kept):
        return ()
    # Rows are in order of score: a box can only lose to one before it.
    overlap = np.where(kept < lost[:, None], iou(xyxy[lost], xyxy[kept]), 0)
    winners = overlap.argmax(axis=1)
    return tuple(
        Suppressed(to_box(xyxy[i]), float(scores[i]), int(winner), float(overlap[row, winner]))
        for row, (i, winner) in enumerate(zip(lost, winners, strict=True))
        if overlap[row, winner] > threshold - _ROUNDING
    )


def to_box(xyxy: Float32Array) -> tuple[float, float, float, float]:
    """One row of boxes as a plain tuple."""
    x1, y1, x2, y2 = (float(side) for side in xyxy)
    return x1, y1, x2, y2
