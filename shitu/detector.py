"""Pictures -> detections: run PicoDet raw, decode its box distributions and suppress doubles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shitu.geometry import Boxes, clip, iou, nms
from shitu.images import Image
from shitu.preprocess import Preprocessing
from shitu.runtime.session import Float32Array, Session

_FLOOR = 0.025  # scores below it never matter: upstream's `nms.score_threshold`
_CANDIDATES = 1000  # and its `nms_top_k`
_KEEP = 100  # and its `keep_top_k`
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


class Detector:
    """Finds the main bodies in pictures, whatever they are.

    Args:
        session: maps (n, 3, h, w) to class probabilities (n, a, 1) and box side logits
            (n, a, 4 * (reg_max + 1)) over the a cells of all strides.
        preprocessing: what the network expects.
        strides: of its feature maps, in the order of its cells.
        reg_max: box sides are distributions over 0..reg_max strides
            (Generalized Focal Loss, Li et al. 2020, section 3.2).
        nms_threshold: of two boxes with a higher IoU the weaker is dropped.
        explain_above: suppressed boxes with at least this score are reported.
    """

    def __init__(
        self,
        session: Session,
        preprocessing: Preprocessing,
        strides: Sequence[int],
        reg_max: int,
        nms_threshold: float = 0.6,
        explain_above: float = 0.4,
    ) -> None:
        self._session = session
        self._preprocessing = preprocessing
        self._bins = np.arange(reg_max + 1, dtype=np.float32)
        self._centres, self._strides = _cells(preprocessing.input_size, strides)
        self._nms_threshold = nms_threshold
        self._explain_above = explain_above

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections of each picture, uint8 RGB (h, w, 3)."""
        if not images:
            return []
        scores, sides = self._session.run(self._preprocessing(images))
        return [
            self._one(scores[i, :, 0], sides[i], image.shape[:2]) for i, image in enumerate(images)
        ]

    def _one(self, scores: Float32Array, sides: Float32Array, size: tuple[int, ...]) -> Detections:
        best = np.flatnonzero(scores >= _FLOOR)
        best = best[np.argsort(-scores[best], kind="stable")][:_CANDIDATES]
        scores = scores[best]
        xyxy = self._decode(best, sides[best], size)
        kept = nms(xyxy, scores, self._nms_threshold, _KEEP)
        suppressed = self._suppressed(xyxy, scores, kept)
        return Detections(xyxy[kept], scores[kept], suppressed)

    def _decode(
        self, cells: NDArray[np.int64], sides: Float32Array, size: tuple[int, ...]
    ) -> Boxes:
        """Expected distances to the four sides -> boxes in pixels of the original picture."""
        logits = sides.reshape(len(cells), 4, len(self._bins))
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        distances = (weights @ self._bins) / weights.sum(axis=2) * self._strides[cells, None]
        centres = self._centres[cells]
        xyxy = np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1)
        height, width = self._preprocessing.input_size
        scale = np.array([size[1] / width, size[0] / height] * 2, dtype=np.float32)
        return clip(xyxy * scale, width=size[1], height=size[0])

    def _suppressed(
        self, xyxy: Boxes, scores: Float32Array, kept: NDArray[np.int64]
    ) -> tuple[Suppressed, ...]:
        lost = np.setdiff1d(np.flatnonzero(scores >= self._explain_above), kept)
        if not len(lost) or not len(kept):
            return ()
        # Rows are in order of score: a box can only lose to one before it.
        overlap = np.where(kept < lost[:, None], iou(xyxy[lost], xyxy[kept]), 0)
        winners = overlap.argmax(axis=1)
        return tuple(
            Suppressed(to_box(xyxy[i]), float(scores[i]), int(winner), float(overlap[row, winner]))
            for row, (i, winner) in enumerate(zip(lost, winners, strict=True))
            if overlap[row, winner] > self._nms_threshold - _ROUNDING
        )


def to_box(xyxy: Float32Array) -> tuple[float, float, float, float]:
    """One row of boxes as a plain tuple."""
    x1, y1, x2, y2 = (float(side) for side in xyxy)
    return x1, y1, x2, y2


def _cells(
    size: tuple[int, int], strides: Sequence[int]
) -> tuple[Float32Array, NDArray[np.float32]]:
    """Centres (a, 2) as x, y in input pixels and stride (a,) of every cell, row by row."""
    centres, widths = [], []
    for stride in strides:
        rows, columns = (-(-side // stride) for side in size)
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        centres.append((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride)
        widths.append(np.full(rows * columns, stride, dtype=np.float32))
    return np.concatenate(centres).astype(np.float32), np.concatenate(widths)
