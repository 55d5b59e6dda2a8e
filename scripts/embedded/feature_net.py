"""PP-LCNetV2_base_ShiTu in PyTorch for training, exported under upstream's Paddle names.

While training, each convolution carries a gain and a bias in place of its batch norm, and each
re-parameterisable depthwise block one kernel in place of its branches: a third of the work.
`export` turns both back into upstream's full parameter set, with batch statistics measured on given
pictures, so that the Paddle network computes the same function and can be trained further.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from feature_depthwise import depthwise
from torch import Tensor, nn

BN_EPSILON = 1e-5
DROPOUT = 0.2


class GainConv(nn.Conv2d):
    """Convolution whose kernel is scaled per output channel by a learnt gain."""

    def __init__(self, cin: int, cout: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(cin, cout, size, stride, size // 2, groups=groups)
        self.gain = nn.Parameter(torch.ones(cout))

    def kernel(self) -> Tensor:
        return self.weight * self.gain.view(-1, 1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        slow = self.groups > 1 and x.device.type == "cpu" and torch.is_grad_enabled()
        if slow and self.bias is not None:
            return depthwise(x, self.kernel(), self.bias, self.stride[0])
        return F.conv2d(x, self.kernel(), self.bias, self.stride, self.padding, 1, self.groups)

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """The same without a gain of its own."""
        size, stride = self.kernel_size[0], self.stride[0]
        made = nn.Conv2d(
            self.in_channels, self.out_channels, size, stride, size // 2, groups=self.groups
        )
        made.weight.copy_(self.kernel())
        assert self.bias is not None
        assert made.bias is not None
        made.bias.copy_(self.bias)
        return made

    @torch.no_grad()
    def pour(self, kernel: Tensor, bias: Tensor) -> None:
        """Take over a folded kernel; each output channel of `weight` gets unit root mean square x
        0.1."""
        norm = kernel.flatten(1).pow(2).mean(1).sqrt().clamp_min(1e-6) * 10
        self.weight.copy_(kernel / norm.view(-1, 1, 1, 1))
        self.gain.copy_(norm)
        assert self.bias is not None
        self.bias.copy_(bias)


class Gate(nn.Module):
    """Squeeze and excitation, reduction 4, sigmoid; starts wide open."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width // 4, 1)
        self.conv2 = nn.Conv2d(width // 4, width, 1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.constant_(self.conv2.bias, 2.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv2(F.relu(self.conv1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


@dataclass(frozen=True)
class Plan:
    """Shape of one depthwise separable block and where upstream keeps it."""

    name: str
    cin: int
    cout: int
    stride: int
    size: int
    split: bool = False
    rep: bool = False
    gate: bool = False
    shortcut: bool = False


def plans() -> list[Plan]:
    found = [Plan("stem.1", 32, 64, 1, 3)]
    for stage, (width, depth) in enumerate(((64, 2), (128, 2), (256, 6), (512, 2))):
        for i in range(depth):
            late = stage >= 2
            found.append(
                Plan(
                    name=f"stages.{stage}.{i}",
                    cin=width if i == 0 else width * 2,
                    cout=width * 2,
                    stride=2 if i == 0 and stage < 3 else 1,
                    size=5 if late else 3,
                    split=stage == 2,
                    rep=late,
                    gate=stage == 2,
                    shortcut=stage == 3 and i > 0,
                )
            )
    return found


class Block(nn.Module):
    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.depthwise = GainConv(plan.cin, plan.cin, plan.size, plan.stride, plan.cin)
        self.gate = Gate(plan.cin) if plan.gate else None
        middle = plan.cout // 2 if plan.split else plan.cin
        self.reduce = GainConv(plan.cin, middle, 1) if plan.split else None
        self.pointwise = GainConv(middle, plan.cout, 1)

    def spread(self, x: Tensor) -> Tensor:
        """The part before the pointwise convolutions."""
        x = F.relu(self.depthwise(x))
        return x if self.gate is None else self.gate(x)

    def mix(self, x: Tensor) -> Tensor:
        if self.reduce is not None:
            x = F.relu(self.reduce(x))
        return F.relu(self.pointwise(x))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(what goes on, the same before the shortcut)."""
        inside = self.mix(self.spread(x))
        return (inside + x if self.plan.shortcut else inside), inside


class FeatureNet(nn.Module):
    """(n, 3, h, w) with ImageNet mean and std to (n, 512), not L2 normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = GainConv(3, 32, 3, 2)
        self.blocks = nn.ModuleList(Block(p) for p in plans())
        self.last = nn.Conv2d(1024, 512, 1)

    def features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = F.relu(self.stem(x))
        found = []
        for block in self.blocks:
            x, inside = block(x)
            found.append(inside)
        return self.last(x.mean((2, 3), keepdim=True)).flatten(1), found

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)[0]


@torch.no_grad()
def between(before: FeatureNet, after: FeatureNet, share: float) -> FeatureNet:
    """The network whose kernels and biases are (1 - share) x before + share x after: Wortsman et
    al., "Robust fine-tuning of zero-shot models" (CVPR 2022). Last layers that answer in different
    bases cannot be averaged; fit a new one."""
    made = FeatureNet()
    for own, a, b in zip(made.modules(), before.modules(), after.modules(), strict=True):
        if isinstance(own, GainConv):
            own.pour(torch.lerp(a.kernel(), b.kernel(), share), torch.lerp(a.bias, b.bias, share))
        elif isinstance(own, nn.Conv2d):
            own.weight.copy_(torch.lerp(a.weight, b.weight, share))
            if own.bias is not None:
                own.bias.copy_(torch.lerp(a.bias, b.bias, share))
    return made


def folded(net: FeatureNet) -> FeatureNet:
    """A copy that computes the same with plain convolutions, which other engines convert in seconds
    instead of a minute."""
    made = copy.deepcopy(net)
    for module in list(made.modules()):
        for name, conv in list(module.named_children()):
            if isinstance(conv, GainConv):
                setattr(module, name, conv.plain())
    return made


# --- export ---------------------------------------------------------------------------------------


def _put_bn(
    out: dict[str, Tensor], name: str, kernel: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> None:
    """Write conv + bn computing kernel * x + bias, where the kernel's own output has this mean and
    variance.

    The kernel is scaled to unit output variance, which keeps every array well inside float16.
    """
    std = var.sqrt().clamp_min(1e-2)
    out[f"{name}.conv.weight"] = kernel / std.view(-1, 1, 1, 1)
    out[f"{name}.bn.weight"] = std * (1 + BN_EPSILON) ** 0.5
    out[f"{name}.bn.bias"] = bias + mean
    out[f"{name}.bn._mean"] = mean / std
    out[f"{name}.bn._variance"] = torch.ones_like(var)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean((0, 2, 3)), x.var((0, 2, 3))


def _put_conv(out: dict[str, Tensor], name: str, conv: GainConv, x: Tensor) -> Tensor:
    kernel, bias = conv.kernel(), conv.bias
    assert bias is not None
    z = F.conv2d(x, kernel, None, conv.stride, conv.padding, 1, conv.groups)
    _put_bn(out, name, kernel, bias, *_statistics(z))
    return F.relu(z + bias.view(1, -1, 1, 1))


def _put_branches(out: dict[str, Tensor], name: str, conv: GainConv, x: Tensor) -> Tensor:
    """Share one 5x5 kernel out to the branches: the outer ring to 5x5, the inner ring to 3x3, the
    centre to 1x1."""
    kernel, bias = conv.kernel(), conv.bias
    assert bias is not None
    out[f"{name}.dw_conv.weight"], out[f"{name}.dw_conv.bias"] = kernel, bias
    sizes = [s for s in range(kernel.shape[-1], 0, -2) if s > 1 or conv.stride[0] == 1]
    rest = kernel.clone()
    total: Tensor | None = None
    for i, size in enumerate(sizes):
        edge = (kernel.shape[-1] - size) // 2
        whole = rest[..., edge : edge + size, edge : edge + size].clone()
        part = whole.clone()
        if i + 1 < len(sizes):
            part[..., 1:-1, 1:-1] = 0
        z = F.conv2d(x, part, None, conv.stride, size // 2, 1, conv.groups)
        mean, var = _statistics(z)
        share = bias if i == 0 else torch.zeros_like(bias)
        _put_bn(out, f"{name}.dw_conv_list.{i}", part, share, mean, var)
        total = z if total is None else total + z
    assert total is not None
    return F.relu(total + bias.view(1, -1, 1, 1))


@torch.no_grad()
def export(net: FeatureNet, pictures: Tensor) -> dict[str, np.ndarray]:
    """Upstream's parameter set as float16 arrays; `pictures` (n, 3, h, w) give the batch
    statistics."""
    net = net.float().eval()
    out: dict[str, Tensor] = {}
    x = _put_conv(out, "stem.0", net.stem, pictures)
    for block in net.blocks:
        assert isinstance(block, Block)
        name, entry = block.plan.name, x
        if block.plan.rep:
            x = _put_branches(out, name, block.depthwise, x)
        else:
            x = _put_conv(out, f"{name}.dw_conv", block.depthwise, x)
        if block.gate is not None:
            x = block.gate(x)
            for part in ("conv1", "conv2"):
                conv = getattr(block.gate, part)
                out[f"{name}.se.{part}.weight"], out[f"{name}.se.{part}.bias"] = (
                    conv.weight,
                    conv.bias,
                )
        if block.reduce is not None:
            x = _put_conv(out, f"{name}.pw_conv_1", block.reduce, x)
            x = _put_conv(out, f"{name}.pw_conv_2", block.pointwise, x)
        else:
            x = _put_conv(out, f"{name}.pw_conv", block.pointwise, x)
        x = x + entry if block.plan.shortcut else x
    z = net.last(x.mean((2, 3), keepdim=True)).flatten(1)
    assert net.last.bias is not None
    # The neck's bias is frozen at 0 upstream, so what is not centred by the last convolution stays
    # in its bias.
    std = (z.var(0) + 1e-8).sqrt()
    out["last_conv.weight"] = net.last.weight / std.view(-1, 1, 1, 1)
    out["last_conv.bias"] = net.last.bias / std
    named = {f"backbone.{k}": v for k, v in out.items()}
    # At inference upstream's dropout multiplies by 1 - p ("downscale_in_infer"); the neck takes
    # that back.
    named["neck.feat_bn.weight"] = std * (1 + BN_EPSILON) ** 0.5 / (1 - DROPOUT)
    named["neck.feat_bn.bias"] = torch.zeros(512)
    named["neck.feat_bn._mean"] = torch.zeros(512)
    named["neck.feat_bn._variance"] = torch.ones(512)
    return {k: v.detach().cpu().numpy().astype(np.float16) for k, v in named.items()}


# --- import ---------------------------------------------------------------------------------------


def _fold(arrays: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Kernel and bias of conv + bn in one."""
    scale = arrays[f"{name}.bn.weight"] / (arrays[f"{name}.bn._variance"] + BN_EPSILON).sqrt()
    kernel = arrays[f"{name}.conv.weight"] * scale.view(-1, 1, 1, 1)
    return kernel, arrays[f"{name}.bn.bias"] - arrays[f"{name}.bn._mean"] * scale


@torch.no_grad()
def load(net: FeatureNet, arrays: dict[str, np.ndarray]) -> None:
    """Take over what `export` wrote; of re-parameterisable blocks the fused kernel."""
    given = {
        k.removeprefix("backbone."): torch.from_numpy(np.asarray(v, np.float32))
        for k, v in arrays.items()
    }
    net.stem.pour(*_fold(given, "stem.0"))
    for block in net.blocks:
        assert isinstance(block, Block)
        name = block.plan.name
        if block.plan.rep:
            block.depthwise.pour(given[f"{name}.dw_conv.weight"], given[f"{name}.dw_conv.bias"])
        else:
            block.depthwise.pour(*_fold(given, f"{name}.dw_conv"))
        if block.gate is not None:
            for part in ("conv1", "conv2"):
                conv = getattr(block.gate, part)
                conv.weight.copy_(given[f"{name}.se.{part}.weight"].view_as(conv.weight))
                conv.bias.copy_(given[f"{name}.se.{part}.bias"])
        if block.reduce is not None:
            block.reduce.pour(*_fold(given, f"{name}.pw_conv_1"))
            block.pointwise.pour(*_fold(given, f"{name}.pw_conv_2"))
        else:
            block.pointwise.pour(*_fold(given, f"{name}.pw_conv"))
    neck = given["neck.feat_bn.weight"] * (1 - DROPOUT)
    neck = neck / (given["neck.feat_bn._variance"] + BN_EPSILON).sqrt()
    weight = given["last_conv.weight"]
    net.last.weight.copy_(weight.view_as(net.last.weight) * neck.view(-1, 1, 1, 1))
    net.last.bias.copy_(given["last_conv.bias"] * neck)  # type: ignore[union-attr]
