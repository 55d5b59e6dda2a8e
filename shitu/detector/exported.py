"""Detectors as PaddleDetection exports them: suppressed in the graph, decoded, or in levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shitu.detector.detections import Detections, strongest, without_doubles
from shitu.errors import ModelError
from shitu.geometry import clip
from shitu.images import Image
from shitu.models.spec import Suppression
from shitu.preprocess import Preprocessing
from shitu.runtime.session import Float32Array, NamedSession, Session

_SCALE = "scale_factor"
_SIZE = "im_shape"


class NmsDetector:
    """A detector whose graph decodes and suppresses.

    Args:
        session: maps pictures, and what else its inputs ask for, to rows of class, score, xyxy in
            pixels of the original (boxes of all pictures, 6), and to the number of each picture.
        preprocessing: what the network expects.
    """

    def __init__(self, session: NamedSession, preprocessing: Preprocessing) -> None:
        self._session = session
        self._preprocessing = preprocessing

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections of each picture, uint8 RGB (h, w, 3)."""
        if not images:
            return []
        feeds = feeds_of(self._session, self._preprocessing, images)
        rows, counts = self._session.run_named(feeds)
        if int(np.sum(counts)) != len(rows) or len(counts) != len(images):
            raise ModelError(
                f"The detector ({self._session.engine}) returned {len(rows)} boxes and says "
                f"{counts.tolist()} for {len(images)} pictures: export it again with its NMS."
            )
        ends = np.cumsum(counts)[:-1]
        parts = np.split(rows, ends)
        return [_sorted(part, image) for part, image in zip(parts, images, strict=True)]


def _sorted(rows: Float32Array, image: Image) -> Detections:
    rows = rows[rows[:, 0] >= 0]  # a picture without boxes has one row of class -1
    rows = rows[np.argsort(-rows[:, 1], kind="stable")]
    boxes = np.ascontiguousarray(rows[:, 2:], np.float32)
    xyxy = clip(boxes, width=image.shape[1], height=image.shape[0])
    full = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
    return Detections(xyxy[full], np.ascontiguousarray(rows[full, 1], np.float32))


class DecodedDetector:
    """A detector whose graph decodes its boxes and leaves suppression to us.

    Args:
        session: maps pictures to boxes xyxy in pixels of its input (n, a, 4) and class
            probabilities (n, classes, a), of which the highest counts.
        preprocessing: what the network expects.
        suppression: how doubles are dropped.
        explain_above: suppressed boxes with at least this score are reported.
    """

    def __init__(
        self,
        session: NamedSession,
        preprocessing: Preprocessing,
        suppression: Suppression,
        explain_above: float = 0.4,
    ) -> None:
        self._session = session
        self._preprocessing = preprocessing
        self._rule = suppression
        self._explain_above = explain_above

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections of each picture, uint8 RGB (h, w, 3)."""
        if not images:
            return []
        feeds = feeds_of(self._session, self._preprocessing, images)
        boxes, scores = self._session.run_named(feeds)
        return [self._one(boxes[i], scores[i].max(axis=0), image) for i, image in enumerate(images)]

    def _one(self, boxes: Float32Array, scores: Float32Array, image: Image) -> Detections:
        best = strongest(scores, self._rule)
        height, width = self._preprocessing.input_size
        scale = np.array([image.shape[1] / width, image.shape[0] / height] * 2, np.float32)
        xyxy = clip(boxes[best] * scale, width=image.shape[1], height=image.shape[0])
        return without_doubles(xyxy, scores[best], self._rule, self._explain_above)


class LevelsSession:
    """Gives the outputs of each stride apart, as PaddleDetection's benchmark export does, as one.

    Such a graph takes one picture at a time.

    Args:
        session: maps one picture to scores of each stride, then distributions of each stride.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.engine = session.engine

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """Scores (n, a, classes) and distributions (n, a, 4 * bins) over the cells of all."""
        found = [self._session.run(batch[i : i + 1]) for i in range(len(batch))]
        half = len(found[0]) // 2
        return [
            np.concatenate([np.concatenate(outputs[part], axis=1) for outputs in found])
            for part in (slice(half), slice(half, None))
        ]


def feeds_of(
    session: NamedSession, preprocessing: Preprocessing, images: Sequence[Image]
) -> dict[str, Float32Array]:
    """Values for the inputs of an exported detector.

    Raises:
        ModelError: it asks for something that no detector of PaddleDetection asks for.
    """
    height, width = preprocessing.input_size
    ratios = [(height / image.shape[0], width / image.shape[1]) for image in images]
    feeds: dict[str, Float32Array] = {}
    for name in session.inputs:
        if name == _SCALE:
            feeds[name] = np.array(ratios, np.float32)
        elif name == _SIZE:
            feeds[name] = np.array([(height, width)] * len(images), np.float32)
        elif not any(value.ndim == 4 for value in feeds.values()):
            feeds[name] = preprocessing(images)
        else:
            raise ModelError(
                f"The detector ({session.engine}) asks for the unknown input {name!r}: export it "
                "with PaddleDetection's inputs image, im_shape and scale_factor."
            )
    return feeds
