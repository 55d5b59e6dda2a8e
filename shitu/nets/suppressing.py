"""A detector that decodes and suppresses within its graph, as upstream's exports do."""

# mypy: allow-subclassing-any

from __future__ import annotations

from collections.abc import Sequence

from shitu.nets._paddle import F, Tensor, nn, paddle


class Suppressing(nn.Layer):
    """PicoDet with its postprocessing (PaddleDetection's PicoHead with `export.nms`).

    Args:
        net: gives scores (n, a, classes) and box side logits (n, a, 4 * (reg_max + 1)).
        size: height and width of its input.
        strides: of its feature maps.
        reg_max: box sides are distributions over 0..reg_max strides.
        floor, candidates, keep, iou: of the suppression; see `models.spec.Suppression`.
    """

    def __init__(
        self,
        net: nn.Layer,
        size: tuple[int, int],
        strides: Sequence[int],
        reg_max: int,
        *,
        floor: float,
        candidates: int,
        keep: int,
        iou: float,
    ) -> None:
        super().__init__()
        self.net = net
        self._size, self._strides, self._bins = size, tuple(strides), reg_max + 1
        self._rule = (floor, candidates, keep, iou)

    def forward(self, image: Tensor, scale_factor: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of class, score, xyxy of all pictures (boxes, 6), and how many each has (n,).

        Args:
            image: (n, 3, h, w).
            scale_factor: (n, 2) height and width of the input as shares of the original's.
        """
        scores, sides = self.net(image)
        y, x = paddle.split(scale_factor, 2, axis=-1)
        ratios = paddle.concat([x, y, x, y], axis=-1).reshape([-1, 1, 4])
        floor, candidates, keep, iou = self._rule
        found, _, counts = paddle._C_ops.multiclass_nms3(
            self._boxes(sides) / ratios,
            scores.transpose([0, 2, 1]),
            None,  # number of boxes of each picture: all have the same
            floor,
            candidates,
            keep,
            iou,
            True,  # boxes end where they end, not a pixel before
            1.0,  # the limit of IoU does not adapt
            -1,  # no class is the background
        )
        return found, counts

    def _boxes(self, sides: Tensor) -> Tensor:
        """Distributions of distances to four sides -> xyxy in pixels of the input (n, a, 4)."""
        weights = F.softmax(sides.reshape([0, 0, 4, self._bins]), axis=-1)
        distances = (weights * paddle.arange(self._bins, dtype="float32")).sum(axis=-1)
        centre, step = self._cells()
        distances = distances * step
        return paddle.concat([centre - distances[..., :2], centre + distances[..., 2:]], axis=-1)

    def _cells(self) -> tuple[Tensor, Tensor]:
        centres, steps = [], []
        for stride in self._strides:
            rows, columns = (-(-side // stride) for side in self._size)
            y, x = paddle.meshgrid(paddle.arange(rows), paddle.arange(columns))
            points = paddle.stack([x, y], axis=-1).reshape([-1, 2]).astype("float32")
            centres.append((points + 0.5) * stride)
            steps.append(paddle.full([rows * columns, 1], stride, "float32"))
        return paddle.concat(centres), paddle.concat(steps)
