"""Building blocks that PP-LCNet, PP-LCNetV2 and PicoDet share; names of parameters as upstream."""

# mypy: allow-subclassing-any

from __future__ import annotations

from shitu.nets._paddle import Tensor, nn, paddle


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Nearest multiple of `divisor` that is not more than 10 % below `channels` (MobileNetV2)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def fold_batch_norm(conv: nn.Conv2D, norm: nn.Layer) -> nn.Conv2D:
    """One convolution with bias that equals `conv` followed by `norm` in evaluation mode."""
    scale = norm.weight / paddle.sqrt(norm._variance + norm._epsilon)
    bias = norm.bias - norm._mean * scale
    if conv.bias is not None:
        bias = bias + conv.bias * scale
    folded = nn.Conv2D(
        conv._in_channels,
        conv._out_channels,
        conv._kernel_size,
        stride=conv._stride,
        padding=conv._padding,
        groups=conv._groups,
    )
    folded.weight.set_value(conv.weight * scale.reshape([-1, 1, 1, 1]))
    folded.bias.set_value(bias)
    return folded


class FusedForExport(nn.Layer):
    """A layer that can rewrite itself, in place, into fewer operations with equal output."""

    folds_norms = True  # and does nothing else

    def fuse_(self) -> None:
        """Rewrite for inference; parameters no longer carry upstream's names afterwards."""
        raise NotImplementedError


def conv2d(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Conv2D:
    """Convolution without bias that keeps the size at stride 1, initialised after He et al."""
    return nn.Conv2D(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=(kernel - 1) // 2,
        groups=groups,
        weight_attr=paddle.ParamAttr(initializer=nn.initializer.KaimingNormal()),
        bias_attr=False,
    )


def batch_norm(channels: int) -> nn.BatchNorm2D:
    """Batch normalisation whose scale and shift are exempt from weight decay."""
    no_decay = paddle.ParamAttr(regularizer=paddle.regularizer.L2Decay(0.0))
    return nn.BatchNorm2D(channels, weight_attr=no_decay, bias_attr=no_decay)


class ConvBN(FusedForExport):
    """Convolution, batch normalisation and, if given, an activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        act: nn.Layer | None = None,
    ) -> None:
        super().__init__()
        self.conv = conv2d(in_channels, out_channels, kernel, stride, groups)
        self.bn = batch_norm(out_channels)
        self.act = act or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, in, h, w) -> (n, out, h / stride, w / stride)."""
        return self.act(self.bn(self.conv(x)))

    def fuse_(self) -> None:
        """Fold the normalisation into the convolution."""
        if not isinstance(self.bn, nn.Identity):
            self.conv = fold_batch_norm(self.conv, self.bn)
            self.bn = nn.Identity()


class SqueezeExcite(nn.Layer):
    """Scale channels by a gate computed from their means (Hu et al. 2018), reduction 4."""

    def __init__(self, channels: int, gate: nn.Layer) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2D(1)
        self.conv1 = nn.Conv2D(channels, channels // 4, 1)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2D(channels // 4, channels, 1)
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> same shape."""
        weights = self.conv2(self.relu(self.conv1(self.avg_pool(x))))
        return x * self.gate(weights)


class DepthwiseSeparable(nn.Layer):
    """PP-LCNet's block: depthwise convolution, optional squeeze-excite, pointwise convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        use_se: bool = False,
    ) -> None:
        super().__init__()
        self.dw_conv = ConvBN(
            in_channels, in_channels, kernel, stride, groups=in_channels, act=nn.Hardswish()
        )
        self.use_se = use_se
        if use_se:
            self.se = SqueezeExcite(in_channels, gate=nn.Hardsigmoid())
        self.pw_conv = ConvBN(in_channels, out_channels, 1, act=nn.Hardswish())

    def forward(self, x: Tensor) -> Tensor:
        """(n, in, h, w) -> (n, out, h / stride, w / stride)."""
        x = self.dw_conv(x)
        if self.use_se:
            x = self.se(x)
        return self.pw_conv(x)


def fuse(net: nn.Layer, norms: bool = True) -> nn.Layer:
    """Rewrite a network for inference, in place: equal outputs, fewer operations.

    Re-parameterisable branches become one convolution and batch normalisations vanish into the
    convolutions before them. The network is put in evaluation mode and is returned.

    Args:
        net: any network of this package.
        norms: False leaves batch normalisations alone, so that kernels keep their exact values.
    """
    net.eval()
    with paddle.no_grad():
        # Children before parents: a parent may fold what its fused children have become.
        for layer in reversed(net.sublayers(include_self=True)):
            if isinstance(layer, FusedForExport) and (norms or not layer.folds_norms):
                layer.fuse_()
    return net
