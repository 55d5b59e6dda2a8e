"""PP-LCNet (Cui et al. 2021, arXiv:2109.15099), as classifier and as PicoDet's backbone."""

# mypy: allow-subclassing-any

from __future__ import annotations

from shitu.nets._paddle import Tensor, nn
from shitu.nets.layers import ConvBN, DepthwiseSeparable, make_divisible

# Blocks of each stage at scale 1: (kernel, out channels, stride, squeeze-excite); paper, table 1.
_STAGES: dict[str, tuple[tuple[int, int, int, bool], ...]] = {
    "blocks2": ((3, 32, 1, False),),
    "blocks3": ((3, 64, 2, False), (3, 64, 1, False)),
    "blocks4": ((3, 128, 2, False), (3, 128, 1, False)),
    "blocks5": ((3, 256, 2, False), *((5, 256, 1, False),) * 5),
    "blocks6": ((5, 512, 2, True), (5, 512, 1, True)),
}
_STEM_CHANNELS = 16
SCALES = (0.25, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5)


class LCNet(nn.Layer):
    """The convolutional body of PP-LCNet: outputs of blocks 3 to 6, at strides 4, 8, 16 and 32.

    Args:
        scale: multiplies all channel counts.
        feature_maps: which outputs to return, by upstream's numbering: 2 is blocks3 (stride 4),
            3 is blocks4 (8), 4 is blocks5 (16), 5 is blocks6 (32).
    """

    def __init__(self, scale: float = 1.0, feature_maps: tuple[int, ...] = (3, 4, 5)) -> None:
        super().__init__()
        self.feature_maps = feature_maps
        channels = make_divisible(_STEM_CHANNELS * scale)
        self.conv1 = ConvBN(3, channels, 3, stride=2, act=nn.Hardswish())
        stage_channels = []
        for name, blocks in _STAGES.items():
            layers = []
            for kernel, out, stride, use_se in blocks:
                out_channels = make_divisible(out * scale)
                layers.append(DepthwiseSeparable(channels, out_channels, kernel, stride, use_se))
                channels = out_channels
            self.add_sublayer(name, nn.Sequential(*layers))
            stage_channels.append(channels)
        self.out_channels = tuple(stage_channels[number - 1] for number in feature_maps)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, 3, h, w) -> the feature maps asked for, finest first."""
        x = self.blocks2(self.conv1(x))
        maps = []
        for stage in (self.blocks3, self.blocks4, self.blocks5, self.blocks6):
            x = stage(x)
            maps.append(x)
        return [maps[number - 2] for number in self.feature_maps]


class PPLCNet(LCNet):
    """PP-LCNet with its classification head: a wide 1x1 convolution after pooling, then FC.

    Args:
        scale: multiplies the channel counts of the body; the head stays `class_expand` wide.
        class_num: number of logits.
        dropout: upstream scales down at inference instead of up in training, so that trained
            weights expect the factor (1 - dropout) when they are used.
    """

    def __init__(
        self,
        scale: float = 1.0,
        class_num: int = 1000,
        class_expand: int = 1280,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(scale, feature_maps=(5,))
        self.avg_pool = nn.AdaptiveAvgPool2D(1)
        self.last_conv = nn.Conv2D(self.out_channels[-1], class_expand, 1, bias_attr=False)
        self.act = nn.Hardswish()
        self.dropout = nn.Dropout(dropout, mode="downscale_in_infer")
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(class_expand, class_num)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> logits (n, class_num)."""
        (x,) = super().forward(x)
        x = self.dropout(self.act(self.last_conv(self.avg_pool(x))))
        return self.fc(self.flatten(x))
