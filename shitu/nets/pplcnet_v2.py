"""PP-LCNetV2, and the variant of it that PP-ShiTuV2 takes as backbone of its feature network."""

# mypy: allow-subclassing-any

from __future__ import annotations

from dataclasses import dataclass

from shitu.nets._paddle import F, Tensor, nn, paddle
from shitu.nets.layers import (
    ConvBN,
    FusedForExport,
    SqueezeExcite,
    make_divisible,
)


@dataclass(frozen=True)
class _Stage:
    """Blocks of one stage; `channels` is the input width at scale 1, the output is twice that."""

    channels: int
    kernel: int
    split_pointwise: bool = False
    branches: bool = False
    squeeze_excite: bool = False
    shortcut: bool = False


_STAGES = (
    _Stage(64, 3),
    _Stage(128, 3),
    _Stage(256, 5, split_pointwise=True, branches=True, squeeze_excite=True),
    _Stage(512, 5, branches=True, shortcut=True),
)


class RepDepthwiseSeparable(FusedForExport):
    """Depthwise-separable block whose depthwise part is a sum of branches while training.

    With branches, kernels of k, k-2, ... 1 run side by side, each with its batch normalisation;
    `fuse_` adds them up into `dw_conv`. Upstream leaves the 1x1 branch out at stride 2.
    """

    folds_norms = False

    def __init__(self, in_channels: int, out_channels: int, stride: int, stage: _Stage) -> None:
        super().__init__()
        self.has_branches = stage.branches
        if stage.branches:
            self.derived = ("dw_conv.weight", "dw_conv.bias")
            self.dw_conv_list = nn.LayerList(
                ConvBN(in_channels, in_channels, kernel, stride, groups=in_channels)
                for kernel in range(stage.kernel, 0, -2)
                if kernel > 1 or stride == 1
            )
            self.dw_conv = nn.Conv2D(
                in_channels,
                in_channels,
                stage.kernel,
                stride=stride,
                padding=(stage.kernel - 1) // 2,
                groups=in_channels,
            )
        else:
            self.dw_conv = ConvBN(
                in_channels, in_channels, stage.kernel, stride, groups=in_channels, act=nn.ReLU()
            )
        self.act = nn.ReLU()
        self.se = SqueezeExcite(in_channels, nn.Sigmoid()) if stage.squeeze_excite else None
        self.split_pointwise = stage.split_pointwise
        if stage.split_pointwise:
            middle = out_channels // 2
            self.pw_conv_1 = ConvBN(in_channels, middle, 1, act=nn.ReLU())
            self.pw_conv_2 = ConvBN(middle, out_channels, 1, act=nn.ReLU())
        else:
            self.pw_conv = ConvBN(in_channels, out_channels, 1, act=nn.ReLU())
        self.shortcut = stage.shortcut and stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(n, in, h, w) -> (n, out, h / stride, w / stride)."""
        y = self._depthwise(x)
        if self.se is not None:
            y = self.se(y)
        y = self.pw_conv_2(self.pw_conv_1(y)) if self.split_pointwise else self.pw_conv(y)
        return x + y if self.shortcut else y

    def _depthwise(self, x: Tensor) -> Tensor:
        if not self.has_branches:
            return self.dw_conv(x)
        y = self.dw_conv_list[0](x)
        for branch in self.dw_conv_list[1:]:
            y = y + branch(x)
        return self.act(y)

    def fuse_(self) -> None:
        """Add the branches up into `dw_conv`: kernels padded to the largest, biases summed."""
        if not self.has_branches:
            return
        size = self.dw_conv._kernel_size[0]
        kernels, biases = [], []
        for branch in self.dw_conv_list:
            branch.fuse_()
            margin = (size - branch.conv._kernel_size[0]) // 2
            kernels.append(F.pad(branch.conv.weight, [margin] * 4))
            biases.append(branch.conv.bias)
        self.dw_conv.weight.set_value(paddle.add_n(kernels))
        self.dw_conv.bias.set_value(paddle.add_n(biases))
        self.dw_conv = nn.Sequential(self.dw_conv, nn.ReLU())
        self.has_branches = False
        del self.dw_conv_list


class PPLCNetV2(nn.Layer):
    """PP-LCNetV2, classifier or feature extractor.

    Args:
        scale: multiplies the channel counts of stem and stages.
        depths: number of blocks in each of the four stages.
        class_num: number of logits; 0 leaves out the FC layer, so that features come out.
        class_expand: width of the 1x1 convolution after pooling: the length of the features.
        shitu: the changes of PPLCNetV2_base_ShiTu: the last stage keeps its resolution, the last
            convolution has a bias and no ReLU follows it.
        dropout: see `shitu.nets.pplcnet.PPLCNet`.
    """

    def __init__(
        self,
        scale: float = 1.0,
        depths: tuple[int, int, int, int] = (2, 2, 6, 2),
        class_num: int = 1000,
        class_expand: int = 1280,
        shitu: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels = make_divisible(32 * scale)
        first = make_divisible(64 * scale)
        self.stem = nn.Sequential(
            ConvBN(3, channels, 3, stride=2, act=nn.ReLU()),
            RepDepthwiseSeparable(channels, first, 1, _Stage(32, 3)),
        )
        self.stages = nn.LayerList()
        channels = first
        for number, (stage, depth) in enumerate(zip(_STAGES, depths, strict=True)):
            out_channels = make_divisible(2 * stage.channels * scale)
            first_stride = 1 if shitu and number == len(_STAGES) - 1 else 2
            blocks = []
            for block in range(depth):
                stride = first_stride if block == 0 else 1
                blocks.append(RepDepthwiseSeparable(channels, out_channels, stride, stage))
                channels = out_channels
            self.stages.append(nn.Sequential(*blocks))
        self.avg_pool = nn.AdaptiveAvgPool2D(1)
        self.last_conv = nn.Conv2D(channels, class_expand, 1, bias_attr=None if shitu else False)
        self.act = nn.Identity() if shitu else nn.ReLU()
        self.dropout = nn.Dropout(dropout, mode="downscale_in_infer")
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(class_expand, class_num) if class_num else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> logits (n, class_num), or features (n, class_expand) without FC."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        x = self.dropout(self.act(self.last_conv(self.avg_pool(x))))
        return self.fc(self.flatten(x))


def pplcnetv2_small(class_num: int = 1000) -> PPLCNetV2:
    """PPLCNetV2_small of upstream."""
    return PPLCNetV2(0.75, (2, 2, 4, 2), class_num)


def pplcnetv2_base(class_num: int = 1000) -> PPLCNetV2:
    """PPLCNetV2_base of upstream: 6.6 M parameters, 604 MFLOPs."""
    return PPLCNetV2(1.0, (2, 2, 6, 2), class_num)


def pplcnetv2_large(class_num: int = 1000) -> PPLCNetV2:
    """PPLCNetV2_large of upstream."""
    return PPLCNetV2(1.25, (2, 2, 8, 2), class_num)


def pplcnetv2_base_shitu(dim: int = 512) -> PPLCNetV2:
    """PPLCNetV2_base_ShiTu of upstream, stopped after `flatten`: features (n, dim)."""
    return PPLCNetV2(class_num=0, class_expand=dim, shitu=True)
