"""A detector that decodes and suppresses within its graph, as upstream's exports do."""

# mypy: allow-subclassing-any

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shitu.models.spec import Suppression
from shitu.nets._paddle import F, Tensor, nn, paddle


class Suppressing(nn.Layer):
    """PicoDet with its postprocessing (PaddleDetection's PicoHead with `export.nms`).

    Args:
        net: gives scores (n, a, classes) and box side logits (n, a, 4 * (reg_max + 1)).
        centres: float32 (a, 2), x and y of its cells in pixels of the input.
        strides: float32 (a,) of its cells.
        reg_max: box sides are distributions over 0..reg_max strides.
        rule: of the suppression.
    """

    def __init__(
        self,
        net: nn.Layer,
        centres: npt.NDArray[np.float32],
        strides: npt.NDArray[np.float32],
        reg_max: int,
        rule: Suppression,
    ) -> None:
        super().__init__()
        self.net = net
        self._bins, self._rule = reg_max + 1, rule
        self.register_buffer("centres", paddle.to_tensor(centres))
        self.register_buffer("strides", paddle.to_tensor(strides[:, None]))

    def forward(self, image: Tensor, scale_factor: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of class, score, xyxy of all pictures (boxes, 6), and how many each has (n,).

        Args:
            image: (n, 3, h, w).
            scale_factor: (n, 2) height and width of the input as shares of the original's.
        """
        scores, sides = self.net(image)
        y, x = paddle.split(scale_factor, 2, axis=-1)
        ratios = paddle.concat([x, y, x, y], axis=-1).reshape([-1, 1, 4])
        found, _, counts = paddle._C_ops.multiclass_nms3(
            self._boxes(sides) / ratios,
            scores.transpose([0, 2, 1]),
            None,  # number of boxes of each picture: all have the same
            self._rule.floor,
            self._rule.candidates,
            self._rule.keep,
            self._rule.iou,
            True,  # boxes end where they end, not a pixel before
            1.0,  # the limit of IoU does not adapt
            -1,  # no class is the background
        )
        return found, counts

    def _boxes(self, sides: Tensor) -> Tensor:
        """Distributions of distances to four sides -> xyxy in pixels of the input (n, a, 4)."""
        weights = F.softmax(sides.reshape([0, 0, 4, self._bins]), axis=-1)
        distances = (weights * paddle.arange(self._bins, dtype="float32")).sum(axis=-1)
        distances = distances * self.strides
        low, high = self.centres - distances[..., :2], self.centres + distances[..., 2:]
        return paddle.concat([low, high], axis=-1)
