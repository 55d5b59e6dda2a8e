"""PicoDet's necks: path aggregation with CSP blocks (2021) or with PP-LCNet blocks (2022)."""

# mypy: allow-subclassing-any

from __future__ import annotations

from collections.abc import Callable

from shitu.nets._paddle import F, Tensor, nn, paddle
from shitu.nets.layers import (
    ConvBN,
    DepthwiseSeparable,
    FusedForExport,
    batch_norm,
    conv2d,
    fold_batch_norm,
)

_KERNEL = 5
_LEVELS = 3


class DPModule(FusedForExport):
    """Depthwise then pointwise convolution, each with batch normalisation and hard-swish."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = _KERNEL,
        stride: int = 1,
        last_act: bool = True,
    ) -> None:
        super().__init__()
        self.dwconv = conv2d(in_channels, out_channels, kernel, stride, groups=out_channels)
        self.bn1 = batch_norm(out_channels)
        self.pwconv = conv2d(out_channels, out_channels, 1)
        self.bn2 = batch_norm(out_channels)
        self.last_act = last_act

    def forward(self, x: Tensor) -> Tensor:
        """(n, in, h, w) -> (n, out, h / stride, w / stride)."""
        x = F.hardswish(self.bn1(self.dwconv(x)))
        x = self.bn2(self.pwconv(x))
        return F.hardswish(x) if self.last_act else x

    def fuse_(self) -> None:
        """Fold both normalisations into their convolutions."""
        if not isinstance(self.bn1, nn.Identity):
            self.dwconv = fold_batch_norm(self.dwconv, self.bn1)
            self.pwconv = fold_batch_norm(self.pwconv, self.bn2)
            self.bn1 = self.bn2 = nn.Identity()


class _Bottleneck(nn.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(channels, channels, 1, act=nn.Hardswish())
        self.conv2 = DPModule(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class CSPLayer(nn.Layer):
    """Cross-stage partial block (Wang et al. 2020): half of the channels skip the bottleneck."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.main_conv = ConvBN(in_channels, half, 1, act=nn.Hardswish())
        self.short_conv = ConvBN(in_channels, half, 1, act=nn.Hardswish())
        self.final_conv = ConvBN(2 * half, out_channels, 1, act=nn.Hardswish())
        self.blocks = nn.Sequential(_Bottleneck(half))

    def forward(self, x: Tensor) -> Tensor:
        """(n, in, h, w) -> (n, out, h, w)."""
        short = self.short_conv(x)
        main = self.blocks(self.main_conv(x))
        return self.final_conv(paddle.concat([main, short], axis=1))


class _ChannelTransform(nn.Layer):
    def __init__(self, in_channels: tuple[int, ...], out_channels: int) -> None:
        super().__init__()
        self.convs = nn.LayerList(
            ConvBN(channels, out_channels, 1, act=nn.Hardswish()) for channels in in_channels
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        return [conv(maps[level]) for level, conv in enumerate(self.convs)]


def upsample2(x: Tensor) -> Tensor:
    """Repeat each pixel twice in both directions: (n, c, h, w) -> (n, c, 2h, 2w).

    Written without interpolation: nearest interpolation fails under Paddle 3.3's oneDNN kernels and
    does not survive the way to ONNX.
    """
    _, channels, height, width = x.shape
    x = x.reshape([-1, channels, height, 1, width, 1]).expand([-1, -1, -1, 2, -1, 2])
    return x.reshape([-1, channels, 2 * height, 2 * width])


class PathAggregation(nn.Layer):
    """Top-down then bottom-up fusion of three feature maps, plus a fourth, coarser one.

    Args:
        in_channels: of the backbone's three maps, finest first.
        out_channels: of all four outputs.
        block: makes the layer that fuses two concatenated maps.
    """

    def __init__(
        self,
        in_channels: tuple[int, ...],
        out_channels: int,
        block: Callable[[int, int], nn.Layer],
    ) -> None:
        super().__init__()
        c = out_channels
        self.out_channels = out_channels
        self.conv_t = _ChannelTransform(in_channels, c)
        self.first_top_conv = DPModule(c, c, stride=2)
        self.second_top_conv = DPModule(c, c, stride=2)
        self.top_down_blocks = nn.LayerList(block(2 * c, c) for _ in range(_LEVELS - 1))
        self.downsamples = nn.LayerList(DPModule(c, c, stride=2) for _ in range(_LEVELS - 1))
        self.bottom_up_blocks = nn.LayerList(block(2 * c, c) for _ in range(_LEVELS - 1))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps at strides 8, 16, 32 -> fused maps at strides 8, 16, 32, 64."""
        maps = self.conv_t(maps)
        fused = [maps[-1]]
        # No zip here: with `strict` it cannot be traced, without it the linter objects.
        for i, block in enumerate(self.top_down_blocks):
            finer = maps[_LEVELS - 2 - i]
            fused.append(block(paddle.concat([upsample2(fused[-1]), finer], axis=1)))
        outs = [fused.pop()]
        for i, block in enumerate(self.bottom_up_blocks):
            finer = self.downsamples[i](outs[-1])
            outs.append(block(paddle.concat([finer, fused.pop()], axis=1)))
        top = self.first_top_conv(maps[-1]) + self.second_top_conv(outs[-1])
        return [*outs, top]


def _lc_block(in_channels: int, out_channels: int) -> nn.Layer:
    return nn.Sequential(
        DepthwiseSeparable(in_channels, in_channels, _KERNEL),
        DepthwiseSeparable(in_channels, out_channels, _KERNEL),
    )


def csp_pan(in_channels: tuple[int, ...], out_channels: int) -> PathAggregation:
    """CSP-PAN of PicoDet (Yu et al. 2021, arXiv:2111.00902), the neck of the mainbody detector."""
    return PathAggregation(in_channels, out_channels, CSPLayer)


def lc_pan(in_channels: tuple[int, ...], out_channels: int) -> PathAggregation:
    """LC-PAN, the neck of upstream's PicoDet release of 2022."""
    return PathAggregation(in_channels, out_channels, _lc_block)
