"""PicoDet (Yu et al. 2021, arXiv:2111.00902) on PP-LCNet, up to its raw outputs."""

# mypy: allow-subclassing-any

from __future__ import annotations

from shitu.nets._paddle import Tensor, nn, paddle
from shitu.nets.picodet_head import STRIDES, PicoHead, PicoHeadV2
from shitu.nets.picodet_neck import PathAggregation, csp_pan, lc_pan
from shitu.nets.pplcnet import LCNet

__all__ = ["STRIDES", "PicoDet", "mainbody", "picodet_lcnet"]

_REG_MAX = 7

# Upstream's configurations picodet_{size}_*_coco_lcnet: scale, channels of the neck, convolutions.
_SIZES = {
    "xs": (0.35, 96, 2),
    "s": (0.75, 96, 2),
    "m": (1.5, 128, 4),
    "l": (2.0, 160, 4),
}


class PicoDet(nn.Layer):
    """Backbone, neck and head of an anchor-free detector.

    Cells come in the order of strides 8, 16, 32, 64, row by row in each; the centre of cell (i, j)
    of stride s is ((j + 0.5) * s, (i + 0.5) * s) pixels of the input.
    """

    def __init__(self, backbone: LCNet, neck: PathAggregation, head: PicoHead | PicoHeadV2) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, h, w), h and w multiples of 32 -> scores and distributions over all cells.

        Returns:
            Scores (n, cells, classes) in 0..1, and logits (n, cells, 4 * (reg_max + 1)) of the
            distances from the cell's centre to left, top, right, bottom, in strides.
        """
        scores, sides = [], []
        for level, features in enumerate(self.neck(self.backbone(x))):
            score, side = self.head(features, level)
            scores.append(score.flatten(2).transpose([0, 2, 1]))
            sides.append(side.flatten(2).transpose([0, 2, 1]))
        return paddle.concat(scores, axis=1), paddle.concat(sides, axis=1)


def mainbody(num_classes: int = 1) -> PicoDet:
    """Upstream's picodet_lcnet_x2_5_640_mainbody: the detector of PP-ShiTu, 640 x 640."""
    backbone = LCNet(2.5)
    neck = csp_pan(backbone.out_channels, 128)
    return PicoDet(backbone, neck, PicoHead(128, num_classes, _REG_MAX, num_convs=4))


def picodet_lcnet(size: str, num_classes: int = 80) -> PicoDet:
    """Upstream's picodet_{size}_*_coco_lcnet, the release of 2022; size is xs, s, m or l."""
    scale, channels, num_convs = _SIZES[size]
    backbone = LCNet(scale)
    neck = lc_pan(backbone.out_channels, channels)
    return PicoDet(backbone, neck, PicoHeadV2(channels, num_classes, _REG_MAX, num_convs))
