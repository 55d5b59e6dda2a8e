"""PicoDet's heads, raw: class scores and distributions of box sides; no decoding, no NMS."""

# mypy: allow-subclassing-any

from __future__ import annotations

import math

from shitu.nets._paddle import F, Tensor, nn, paddle
from shitu.nets.layers import FusedForExport, batch_norm, fold_batch_norm
from shitu.nets.picodet_neck import DPModule

STRIDES = (8, 16, 32, 64)
_KERNEL = 5
_PRIOR = 0.01  # expected share of foreground cells, RetinaNet's initialisation
_TINY = 1e-9  # keeps the gradient of the square root finite


def _normal(std: float) -> paddle.ParamAttr:
    return paddle.ParamAttr(initializer=nn.initializer.Normal(std=std))


def _constant(value: float) -> paddle.ParamAttr:
    return paddle.ParamAttr(initializer=nn.initializer.Constant(value))


class ConvNorm(FusedForExport):
    """Convolution and batch normalisation, with the names PaddleDetection's heads use."""

    def __init__(self, channels: int, kernel: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2D(
            channels,
            channels,
            kernel,
            padding=(kernel - 1) // 2,
            groups=groups,
            weight_attr=_normal(0.01),
            bias_attr=False,
        )
        self.norm = batch_norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> same shape."""
        return self.norm(self.conv(x))

    def fuse_(self) -> None:
        """Fold the normalisation into the convolution."""
        if not isinstance(self.norm, nn.Identity):
            self.conv = fold_batch_norm(self.conv, self.norm)
            self.norm = nn.Identity()


class _PicoSE(nn.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2D(channels, channels, 1, weight_attr=_normal(0.001))
        self.conv = ConvNorm(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = F.sigmoid(self.fc(F.adaptive_avg_pool2d(x, 1)))
        return F.hardswish(self.conv(x * gate))


class PicoFeat(nn.Layer):
    """Convolutions of the head, a separate chain for each stride, shared by scores and boxes."""

    def __init__(self, channels: int, num_convs: int, use_se: bool) -> None:
        super().__init__()
        self.num_convs = num_convs
        for level in range(len(STRIDES)):
            for i in range(num_convs):
                depthwise = ConvNorm(channels, _KERNEL, groups=channels)
                self.add_sublayer(f"cls_conv_dw{level}.{i}", depthwise)
                self.add_sublayer(f"cls_conv_pw{level}.{i}", ConvNorm(channels, 1))
        self.use_se = use_se
        if use_se:
            self.se = nn.LayerList(_PicoSE(channels) for _ in STRIDES)

    def forward(self, x: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """(n, c, h, w) -> the features, and the same after squeeze-excite (if there is one)."""
        for i in range(self.num_convs):
            for part in ("dw", "pw"):
                x = F.hardswish(self._sub_layers[f"cls_conv_{part}{level}.{i}"](x))
        return x, self.se[level](x) if self.use_se else x


class _Integral(nn.Layer):
    """Holds the constant 0..reg_max under the name it has in upstream's files; numpy decodes."""

    derived = ("project",)

    def __init__(self, reg_max: int) -> None:
        super().__init__()
        self.register_buffer("project", paddle.linspace(0, reg_max, reg_max + 1))


class _ScaleReg(nn.Layer):
    """A factor that upstream's files hold and no forward pass of PicoDet reads."""

    derived = ("scale_reg",)

    def __init__(self) -> None:
        super().__init__()
        self.scale_reg = self.create_parameter([1], attr=_constant(1.0))


class _RawHead(nn.Layer):
    """What both heads hold only because the files of upstream's common base class do."""

    def __init__(self, reg_max: int) -> None:
        super().__init__()
        self.distribution_project = _Integral(reg_max)
        for stride in STRIDES:
            self.add_sublayer(f"p{stride.bit_length() - 1}_feat", _ScaleReg())


class PicoHead(_RawHead):
    """Head of 2021: one convolution per stride gives class logits and box distributions.

    Args:
        channels: of the feature maps.
        num_classes: of the detector.
        reg_max: box sides are distributions over 0..reg_max strides.
        num_convs: depthwise-pointwise pairs per stride.
    """

    def __init__(self, channels: int, num_classes: int, reg_max: int, num_convs: int) -> None:
        super().__init__(reg_max)
        self.sections = [num_classes, 4 * (reg_max + 1)]
        self.conv_feat = PicoFeat(channels, num_convs, use_se=False)
        bias = -math.log((1 - _PRIOR) / _PRIOR)
        for level in range(len(STRIDES)):
            layer = nn.Conv2D(
                channels,
                sum(self.sections),
                1,
                weight_attr=_normal(0.01),
                bias_attr=_constant(bias),
            )
            self.add_sublayer(f"head_cls{level}", layer)

    def forward(self, x: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Features of a stride -> scores (n, classes, h, w), distributions (n, 4 * bins, h, w)."""
        features, _ = self.conv_feat(x, level)
        logits, sides = paddle.split(
            self._sub_layers[f"head_cls{level}"](features), self.sections, axis=1
        )
        return F.sigmoid(logits), sides


class PicoHeadV2(_RawHead):
    """Head of 2022: squeeze-excite, and scores that are aligned with the quality of the boxes.

    The score is the geometric mean of class probability and alignment (Feng et al. 2021, TOOD).
    Arguments as for `PicoHead`.
    """

    # Upstream registers these layers twice; its files hold each of them under both names.
    derived = tuple(
        f"head_{kind}_list.{level}.{name}"
        for kind in ("cls", "reg")
        for level in range(len(STRIDES))
        for name in ("weight", "bias")
    )

    def __init__(self, channels: int, num_classes: int, reg_max: int, num_convs: int) -> None:
        super().__init__(reg_max)
        self.conv_feat = PicoFeat(channels, num_convs, use_se=True)
        self.head_cls_list = nn.LayerList()
        self.head_reg_list = nn.LayerList()
        self.cls_align = nn.LayerList()
        bias = -math.log((1 - _PRIOR) / _PRIOR)
        for level in range(len(STRIDES)):
            layer = nn.Conv2D(
                channels, num_classes, 1, weight_attr=_normal(0.01), bias_attr=_constant(bias)
            )
            self.head_cls_list.append(self.add_sublayer(f"head_cls{level}", layer))
            layer = nn.Conv2D(
                channels, 4 * (reg_max + 1), 1, weight_attr=_normal(0.01), bias_attr=_constant(0.0)
            )
            self.head_reg_list.append(self.add_sublayer(f"head_reg{level}", layer))
            self.cls_align.append(DPModule(channels, 1, _KERNEL, last_act=False))

    def forward(self, x: Tensor, level: int) -> tuple[Tensor, Tensor]:
        """Features of a stride -> scores (n, classes, h, w), distributions (n, 4 * bins, h, w)."""
        features, excited = self.conv_feat(x, level)
        logits = self.head_cls_list[level](excited)
        sides = self.head_reg_list[level](excited)
        aligned = F.sigmoid(self.cls_align[level](features))
        return paddle.sqrt(F.sigmoid(logits) * aligned + _TINY), sides
