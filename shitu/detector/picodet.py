"""Pictures -> detections: run PicoDet raw, decode its box distributions and suppress doubles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shitu.detector.detections import Detections, strongest, without_doubles
from shitu.errors import ModelError
from shitu.geometry import Boxes, clip
from shitu.images import Image
from shitu.models.spec import Suppression
from shitu.preprocess import Preprocessing
from shitu.runtime.session import Float32Array, Session


class Detector:
    """Finds the main bodies in pictures, whatever they are.

    Args:
        session: maps (n, 3, h, w) to class probabilities (n, a, classes), of which the highest
            counts, and box side logits (n, a, 4 * (reg_max + 1)) over the a cells of all strides.
        preprocessing: what the network expects.
        strides: of its feature maps, in the order of its cells.
        reg_max: box sides are distributions over 0..reg_max strides
            (Generalized Focal Loss, Li et al. 2020, section 3.2).
        nms_threshold: of two boxes with a higher IoU the weaker is dropped.
        explain_above: suppressed boxes with at least this score are reported.
        suppression: all of its numbers; by default upstream's, with `nms_threshold`.
    """

    def __init__(
        self,
        session: Session,
        preprocessing: Preprocessing,
        strides: Sequence[int],
        reg_max: int,
        nms_threshold: float = 0.6,
        explain_above: float = 0.4,
        suppression: Suppression | None = None,
    ) -> None:
        self._session = session
        self._preprocessing = preprocessing
        self._bins = np.arange(reg_max + 1, dtype=np.float32)
        self._centres, self._strides = cells(preprocessing.input_size, strides)
        self._rule = suppression or Suppression(iou=nms_threshold)
        self._explain_above = explain_above

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections of each picture, uint8 RGB (h, w, 3).

        Raises:
            ModelError: the network does not answer for the cells that its description speaks of.
        """
        if not images:
            return []
        scores, sides = self._fitting(self._session.run(self._preprocessing(images)), len(images))
        return [
            self._one(scores[i].max(axis=1), sides[i], image.shape[:2])
            for i, image in enumerate(images)
        ]

    def _fitting(self, found: Sequence[Float32Array], pictures: int) -> Sequence[Float32Array]:
        wanted = (pictures, len(self._strides), 4 * len(self._bins))
        shapes = [array.shape for array in found]
        # How many classes there are is for the network to say.
        if [shape[:2] for shape in shapes] != [wanted[:2]] * 2 or shapes[1] != wanted:
            raise ModelError(
                f"The detector ({self._session.engine}) returned {shapes}, and not scores and "
                f"sides of {wanted[1]} cells with {wanted[2]} numbers each: its description gives "
                "other strides or another reg_max. Correct that, or export it again."
            )
        return found

    def _one(self, scores: Float32Array, sides: Float32Array, size: tuple[int, ...]) -> Detections:
        best = strongest(scores, self._rule)
        xyxy = self._decode(best, sides[best], size)
        return without_doubles(xyxy, scores[best], self._rule, self._explain_above)

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


def cells(
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
