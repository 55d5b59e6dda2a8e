"""PicoDet-XS on PP-LCNet in PyTorch for training, under PaddleDetection's parameter names.

Structure: configs/picodet/picodet_xs_416_coco_lcnet.yml of PaddleDetection (LCNet x0.35, LCPAN 96,
PicoHeadV2), with one class. `pour` fills it from the official exported network, `save_params`
writes the file that the package ships.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

SCALE = 0.35
NECK_CHANNELS = 96
STRIDES = (8, 16, 32, 64)
REG_MAX = 7
INPUT_SIZE = 416
SCORE_EPSILON = 1e-9

# kernel, channels in, channels out, stride, squeeze-and-excite (at scale 1.0)
BACKBONE = {
    "blocks2": ((3, 16, 32, 1, False),),
    "blocks3": ((3, 32, 64, 2, False), (3, 64, 64, 1, False)),
    "blocks4": ((3, 64, 128, 2, False), (3, 128, 128, 1, False)),
    "blocks5": ((3, 128, 256, 2, False),) + ((5, 256, 256, 1, False),) * 5,
    "blocks6": ((5, 256, 512, 2, True), (5, 512, 512, 1, True)),
}


def scaled(channels: int) -> int:
    """Channels at SCALE, rounded to a multiple of 8 that is not below 90 % of the exact value."""
    exact = channels * SCALE
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def conv(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)


class ConvBN(nn.Module):
    """Convolution, batch norm, hard-swish. `norm` is the name upstream gives the batch norm."""

    def __init__(
        self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, norm: str = "bn"
    ) -> None:
        super().__init__()
        self.conv = conv(cin, cout, kernel, stride, groups)
        self.add_module(norm, nn.BatchNorm2d(cout))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return F.hardswish(x)


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // 4, 1)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.conv2(F.relu(self.conv1(x.mean((2, 3), keepdim=True)))))


class Separable(nn.Module):
    """Depthwise, optional squeeze-and-excite, pointwise."""

    def __init__(self, kernel: int, cin: int, cout: int, stride: int, excite: bool) -> None:
        super().__init__()
        self.dw_conv = ConvBN(cin, cin, kernel, stride, groups=cin)
        self.se = SqueezeExcite(cin) if excite else nn.Identity()
        self.pw_conv = ConvBN(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pw_conv(self.se(self.dw_conv(x)))


class DepthPoint(nn.Module):
    """The neck's and the alignment branch's depthwise + pointwise pair."""

    def __init__(self, cin: int, cout: int, stride: int = 1, act_out: bool = True) -> None:
        super().__init__()
        self.dwconv = conv(cin, cout, 5, stride, groups=cout)
        self.bn1 = nn.BatchNorm2d(cout)
        self.pwconv = conv(cout, cout, 1)
        self.bn2 = nn.BatchNorm2d(cout)
        self.act_out = act_out

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn2(self.pwconv(F.hardswish(self.bn1(self.dwconv(x)))))
        return F.hardswish(x) if self.act_out else x


class LCNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBN(3, scaled(16), 3, 2)
        for name, rows in BACKBONE.items():
            blocks = (Separable(k, scaled(i), scaled(o), s, se) for k, i, o, s, se in rows)
            self.add_module(name, nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        feats = []
        for layer in self.children():
            x = layer(x)
            feats.append(x)
        return feats[-3:]


class LCPAN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        c = NECK_CHANNELS
        self.conv_t = nn.Module()
        self.conv_t.convs = nn.ModuleList(ConvBN(scaled(i), c, 1) for i in (128, 256, 512))
        self.first_top_conv = DepthPoint(c, c, 2)
        self.second_top_conv = DepthPoint(c, c, 2)
        self.top_down_blocks = nn.ModuleList(self._fuse(c) for _ in range(2))
        self.downsamples = nn.ModuleList(DepthPoint(c, c, 2) for _ in range(2))
        self.bottom_up_blocks = nn.ModuleList(self._fuse(c) for _ in range(2))

    @staticmethod
    def _fuse(c: int) -> nn.Sequential:
        return nn.Sequential(Separable(5, 2 * c, 2 * c, 1, False), Separable(5, 2 * c, c, 1, False))

    def forward(self, feats: list[Tensor]) -> list[Tensor]:
        p3, p4, p5 = (layer(x) for layer, x in zip(self.conv_t.convs, feats, strict=True))
        up4 = self.top_down_blocks[0](torch.cat([F.interpolate(p5, scale_factor=2.0), p4], 1))
        n3 = self.top_down_blocks[1](torch.cat([F.interpolate(up4, scale_factor=2.0), p3], 1))
        n4 = self.bottom_up_blocks[0](torch.cat([self.downsamples[0](n3), up4], 1))
        n5 = self.bottom_up_blocks[1](torch.cat([self.downsamples[1](n4), p5], 1))
        return [n3, n4, n5, self.first_top_conv(p5) + self.second_top_conv(n5)]


class PicoSE(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(c, c, 1)
        self.conv = ConvBN(c, c, 1, norm="norm")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x * torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True))))


class PicoFeat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        c = NECK_CHANNELS
        for level in range(len(STRIDES)):
            for kind, kernel, groups in (("dw", 5, c), ("pw", 1, 1)):
                pair = (ConvBN(c, c, kernel, groups=groups, norm="norm") for _ in range(2))
                self.add_module(f"cls_conv_{kind}{level}", nn.ModuleList(pair))
        self.se = nn.ModuleList(PicoSE(c) for _ in STRIDES)

    def forward(self, x: Tensor, level: int) -> tuple[Tensor, Tensor]:
        depthwise = self.get_submodule(f"cls_conv_dw{level}")
        pointwise = self.get_submodule(f"cls_conv_pw{level}")
        for dw, pw in zip(depthwise, pointwise, strict=True):
            x = pw(dw(x))
        return x, self.se[level](x)


class PicoHead(nn.Module):
    """Upstream's PicoHeadV2: class and box from the excited feature, alignment from the plain
    one."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.conv_feat = PicoFeat()
        for level in range(len(STRIDES)):
            self.add_module(f"head_cls{level}", nn.Conv2d(NECK_CHANNELS, classes, 1))
            self.add_module(f"head_reg{level}", nn.Conv2d(NECK_CHANNELS, 4 * (REG_MAX + 1), 1))
        self.cls_align = nn.ModuleList(DepthPoint(NECK_CHANNELS, 1, act_out=False) for _ in STRIDES)

    def forward(self, feats: list[Tensor]) -> tuple[Tensor, Tensor]:
        scores, bins = [], []
        for level, feat in enumerate(feats):
            plain, excited = self.conv_feat(feat, level)
            logit = self.get_submodule(f"head_cls{level}")(excited).float()
            reg = self.get_submodule(f"head_reg{level}")(excited).float()
            align = self.cls_align[level](plain).float()
            score = (torch.sigmoid(logit) * torch.sigmoid(align) + SCORE_EPSILON).sqrt()
            scores.append(score.flatten(2).transpose(1, 2))
            bins.append(reg.flatten(2).transpose(1, 2))
        return torch.cat(scores, 1), torch.cat(bins, 1)


class PicoDet(nn.Module):
    """(n, 3, s, s) float32 normalised RGB -> scores (n, a, classes), box bins (n, a, 4 x 8)."""

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        self.backbone = LCNet()
        self.neck = LCPAN()
        self.head = PicoHead(classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.neck(self.backbone(x)))


@cache
def anchor_points(size: int) -> tuple[Tensor, Tensor]:
    """Cell centres (a, 2) as x, y in pixels and the stride of each (a, 1), in output order."""
    points, strides = [], []
    for stride in STRIDES:
        cells = -(-size // stride)
        axis = (torch.arange(cells) + 0.5) * stride
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        points.append(torch.stack([x.reshape(-1), y.reshape(-1)], 1))
        strides.append(torch.full((cells * cells, 1), float(stride)))
    return torch.cat(points), torch.cat(strides)


def decode_boxes(bins: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Box bins (..., a, 4 x 8) -> xyxy in pixels: the expected distance to each of the four
    sides."""
    shape = (*bins.shape[:-1], 4, REG_MAX + 1)
    steps = torch.arange(REG_MAX + 1, dtype=bins.dtype, device=bins.device)
    distance = (bins.reshape(shape).softmax(-1) @ steps) * strides
    return torch.cat([points - distance[..., :2], points + distance[..., 2:]], -1)


def execution_order(net: nn.Module, size: int = INPUT_SIZE) -> list[tuple[str, nn.Conv2d]]:
    """Names and convolutions in the order in which one forward pass calls them."""
    names = {module: name for name, module in net.named_modules()}
    called: list[tuple[str, nn.Conv2d]] = []
    hooks = [
        m.register_forward_hook(lambda m, *_: called.append((names[m], m)))
        for m in names
        if isinstance(m, nn.Conv2d)
    ]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return called


def batch_norm_after(net: nn.Module, conv_name: str) -> nn.BatchNorm2d | None:
    """The batch norm that follows a convolution, or None where the convolution has a bias."""
    parent = net.get_submodule(conv_name.rpartition(".")[0])
    last = conv_name.rpartition(".")[2]
    pairs = {"conv": ("bn", "norm"), "dwconv": ("bn1",), "pwconv": ("bn2",)}
    norms = (getattr(parent, name, None) for name in pairs.get(last, ()))
    return next((norm for norm in norms if isinstance(norm, nn.BatchNorm2d)), None)


def onnx_convolutions(path: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution of an ONNX graph, in graph order."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        if node.op_type == "Conv":
            weight, bias = (torch.tensor(np.array(values[name])) for name in node.input[1:3])
            yield weight, bias.reshape(-1)


def pour(net: PicoDet, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Fill `net` with weights and biases in execution order, batch norms being folded into them."""
    for (name, layer), (weight, bias) in zip(execution_order(net), pairs, strict=True):
        if weight.shape != layer.weight.shape:
            raise ValueError(f"{name}: {tuple(weight.shape)} does not fit {layer.weight.shape}")
        layer.weight.data.copy_(weight)
        norm = batch_norm_after(net, name)
        target = layer.bias if norm is None else norm.bias
        assert target is not None
        target.data.copy_(bias)
        if norm is not None:  # the identity up to the shift, epsilon included
            norm.weight.data.fill_(1.0)
            norm.running_mean.zero_()
            norm.running_var.fill_(1.0 - norm.eps)


def fold_batch_norms(net: PicoDet) -> PicoDet:
    """Merge every batch norm into its convolution: a third less work per training step."""
    for name, layer in execution_order(net.eval()):
        norm = batch_norm_after(net, name)
        if norm is not None:
            parent, _, last = name.rpartition(".")
            setattr(net.get_submodule(parent), last, fuse_conv_bn_eval(layer, norm))
            for key, child in list(net.get_submodule(parent).named_children()):
                if child is norm:
                    setattr(net.get_submodule(parent), key, nn.Identity())
    return net


def with_batch_norms(folded: PicoDet, batches: Iterable[Tensor]) -> PicoDet:
    """The same function as `folded` with batch norms, their statistics measured on `batches`."""
    net = PicoDet(folded.head.classes)
    layers = [layer for _, layer in execution_order(folded)]
    pour(net, [(layer.weight, layer.bias) for layer in layers])
    unfold_batch_norms(net, batches)
    return net


def unfold_batch_norms(net: PicoDet, batches: Iterable[Tensor]) -> None:
    """Give folded batch norms the statistics of `batches` without changing any output.

    After folding, mean 0 and variance 1 are placeholders. Training normalises by batch statistics,
    so a fold-free state is needed: scale = sqrt(var), shift = bias + mean, both measured.
    """
    sums: dict[nn.BatchNorm2d, list[Tensor]] = {}

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        x = inputs[0].detach().double()
        moments = torch.stack([x.mean((0, 2, 3)), x.square().mean((0, 2, 3))])
        sums.setdefault(norm, []).append(moments)

    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    net.eval()
    with torch.no_grad():
        for batch in batches:
            net(batch)
    for hook in hooks:
        hook.remove()
    for norm, rows in sums.items():
        mean, square = torch.stack(rows).mean(0)
        var = (square - mean.square()).clamp_min(1e-4)
        norm.bias.data += mean.float()
        norm.weight.data.copy_((var + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)


def single_class(net: PicoDet, batches: Iterable[Tensor]) -> PicoDet:
    """The same network with one class: at each level the linear map of the features that comes
    closest, over `batches`, to the largest of the 80 logits (least squares, object cells weighted).
    """
    heads = [net.head.get_submodule(f"head_cls{level}") for level in range(len(STRIDES))]
    seen: list[list[Tensor]] = [[] for _ in STRIDES]
    hooks = [
        head.register_forward_hook(lambda m, x, y, rows=rows: rows.append(_cells(x[0], y)))
        for head, rows in zip(heads, seen, strict=True)
    ]
    with torch.no_grad():
        for batch in batches:
            net.eval()(batch)
    for hook in hooks:
        hook.remove()
    state = net.state_dict()
    for level, rows in enumerate(seen):
        features, target = torch.cat(rows).double().split([NECK_CHANNELS, 1], 1)
        features = torch.cat([features, torch.ones_like(target)], 1)
        weight = target.sigmoid() + 0.01
        ridge = 1e-3 * len(features) * weight.mean() * torch.eye(NECK_CHANNELS + 1)
        normal = (features * weight).T @ features + ridge
        solution = torch.linalg.solve(normal, (features * weight).T @ target).float()
        state[f"head.head_cls{level}.weight"] = solution[:-1].reshape(1, -1, 1, 1)
        state[f"head.head_cls{level}.bias"] = solution[-1]
    one = PicoDet(1)
    one.load_state_dict(state)
    return one


def _cells(features: Tensor, logits: Tensor) -> Tensor:
    """Every cell as a row: its features and its largest logit."""
    rows = torch.cat([features, logits.amax(1, keepdim=True)], 1)
    return rows.permute(0, 2, 3, 1).reshape(-1, rows.shape[1])


def paddle_name(name: str) -> str:
    return re.sub(r"running_mean$", "_mean", re.sub(r"running_var$", "_variance", name))


def save_params(net: nn.Module, path: Path) -> None:
    """Write the parameters as float16 arrays under PaddleDetection's names (no pickle)."""
    arrays = {
        paddle_name(name): value.detach().cpu().numpy().astype(np.float16)
        for name, value in net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    partial.replace(path)


def load_params(net: nn.Module, path: Path) -> None:
    """Read a file that `save_params` wrote."""
    state = net.state_dict()
    with np.load(path, allow_pickle=False) as arrays:
        for name in state:
            if not name.endswith("num_batches_tracked"):
                state[name] = torch.from_numpy(arrays[paddle_name(name)].astype(np.float32))
    net.load_state_dict(state)
