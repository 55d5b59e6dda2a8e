"""Which parts of a picture are looked up: the same policy for gallery pictures and queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shitu.detector import Detections, Finder, to_box
from shitu.figures import apart
from shitu.geometry import Box
from shitu.images import Image


@dataclass(frozen=True)
class Candidate:
    """A box to be looked up.

    Attributes:
        box: xyxy in pixels of the original picture; None for the whole picture.
        score: of the detector; None where no detector was asked.
    """

    box: Box | None
    score: float | None


@dataclass(frozen=True)
class Dropped:
    """A box that is not looked up or not answered, by which stage and why."""

    box: Box
    score: float
    stage: str
    reason: str


@dataclass(frozen=True)
class Candidates:
    """What is looked up in a picture, best first, and what is not."""

    kept: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...] = ()


WHOLE = Candidates((Candidate(None, None),))
"""The whole picture, looked up as one object."""


@dataclass(frozen=True)
class CropPolicy:
    """How boxes are chosen.

    Attributes:
        main_body_threshold: a picture of one object (a reference) is cropped to its best box if
            that scores at least this, ...
        main_body_area: ... and covers at least this share of the picture; else it stays whole.
        area_power: the best box has the highest score * share ** area_power. A picture of one
            object is about the large thing in it, not about the clearest of its parts.
        threshold: boxes of a query below this score are not looked up.
        max_objects: at most so many boxes of a query are looked up.
    """

    main_body_threshold: float
    threshold: float
    max_objects: int = 20
    main_body_area: float = 0.05
    area_power: float = 0.5


class Cropper:
    """Chooses what to look up in a picture; without a detector that is the whole picture."""

    def __init__(self, detector: Finder | None, policy: CropPolicy) -> None:
        self._detector = detector
        self._policy = policy

    def main_bodies(self, images: Sequence[Image]) -> list[Box | None]:
        """The box of the one object each picture is about; None where that is all of it."""
        if self._detector is None:
            return [None] * len(images)
        found = self._detector.detect(images)
        return [
            self._main_body(detections, image)
            for detections, image in zip(found, images, strict=True)
        ]

    def at(self, threshold: float) -> Cropper:
        """Return the same cropper with another threshold for the boxes of queries."""
        return Cropper(self._detector, replace(self._policy, threshold=threshold))

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Return all boxes of pictures, however weak; nothing without a detector."""
        return [] if self._detector is None else self._detector.detect(images)

    def candidates(self, image: Image) -> Candidates:
        """The boxes of a query that are looked up; the whole picture where there are none."""
        if self._detector is None:
            return WHOLE
        detections = self._detector.detect([image])[0]
        below = detections.scores < self._policy.threshold
        order = np.flatnonzero(~below)
        kept = tuple(
            Candidate(to_box(detections.xyxy[i]), float(detections.scores[i]))
            for i in order[: self._policy.max_objects]
        )
        dropped = (
            *self._too_many(detections, order),
            *self._suppressed(detections),
            *self._too_weak(detections, below),
        )
        return Candidates(kept or WHOLE.kept, dropped)

    def _main_body(self, detections: Detections, image: Image) -> Box | None:
        sides = detections.xyxy[:, 2:] - detections.xyxy[:, :2]
        share = sides.prod(axis=1) / (image.shape[0] * image.shape[1])
        policy = self._policy
        good = (detections.scores >= policy.main_body_threshold) & (share >= policy.main_body_area)
        if not good.any():
            return None
        merit = np.where(good, detections.scores * share**policy.area_power, -1.0)
        return to_box(detections.xyxy[merit.argmax()])

    def _too_many(self, detections: Detections, order: np.ndarray) -> list[Dropped]:
        reason = f"only the best {self._policy.max_objects} boxes are looked up (max_objects)"
        return [
            Dropped(to_box(detections.xyxy[i]), float(detections.scores[i]), "limit", reason)
            for i in order[self._policy.max_objects :]
        ]

    def _suppressed(self, detections: Detections) -> list[Dropped]:
        return [
            Dropped(
                lost.xyxy,
                lost.score,
                "overlap",
                f"overlaps a stronger box (IoU {lost.iou:.2f}, score "
                f"{detections.scores[lost.winner]:.2f})",
            )
            for lost in detections.suppressed
        ]

    def _too_weak(self, detections: Detections, below: np.ndarray) -> list[Dropped]:
        return [
            Dropped(
                to_box(detections.xyxy[i]),
                float(detections.scores[i]),
                "detection",
                f"score {score} is below {needed} (detection_threshold)",
            )
            for i in np.flatnonzero(below)[:20]
            for score, needed in [apart(float(detections.scores[i]), self._policy.threshold)]
        ]
