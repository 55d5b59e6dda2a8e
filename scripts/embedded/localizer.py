"""Mobile Object Localizer v1: class-agnostic boxes of a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

SIDE = 192


class Localizer:
    """Picture -> boxes as fractions (xyxy) and their scores, best first."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self._session = onnxruntime.InferenceSession(str(path), options)

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(h, w, 3) RGB uint8 to (100, 4) and (100,) float32."""
        shrink = image.shape[0] > SIDE or image.shape[1] > SIDE
        how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        small = cv2.resize(image, (SIDE, SIDE), interpolation=how)
        given = {self._session.get_inputs()[0].name: small[None]}
        boxes, _, scores, _ = self._session.run(None, given)
        return np.clip(boxes[0][:, [1, 0, 3, 2]], 0, 1), scores[0]

    def best(self, image: np.ndarray) -> tuple[tuple[float, float, float, float], float]:
        """The box with the highest score."""
        boxes, scores = self(image)
        x0, y0, x1, y1 = (float(v) for v in boxes[scores.argmax()])
        return (x0, y0, x1, y1), float(scores.max())
