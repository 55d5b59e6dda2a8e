"""Multiply-accumulates and parameters at 224 x 224 against PaddleClas's published tables.

Source: docs/en/models/PP-LCNet_en.md and PP-LCNetV2_en.md, columns FLOPs(M) and Params(M), which
count as `paddle.flops` does: products of convolutions and linear layers, and two operations for
each output of a batch normalisation. (`paddle.flops` itself fails under numpy 2.4.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shitu.nets._paddle import nn, paddle
from shitu.nets.layers import fuse
from shitu.nets.pplcnet import PPLCNet
from shitu.nets.pplcnet_v2 import pplcnetv2_base


def count_flops(net: Any) -> float:
    """Millions of operations on one picture, by the rules above; `net` is fused."""
    total = 0

    def count(layer: Any, _inputs: Any, output: Any) -> None:
        nonlocal total
        per_output = np.prod(layer.weight.shape[1:]) if output.ndim == 4 else layer.weight.shape[0]
        normalisation = 2 if output.ndim == 4 else 0
        total += (int(per_output) + normalisation) * int(np.prod(output.shape))

    for layer in net.sublayers():
        if isinstance(layer, (nn.Conv2D, nn.Linear)):
            layer.register_forward_post_hook(count)
    with paddle.no_grad():
        net(paddle.zeros([1, 3, 224, 224]))
    return total / 1e6


def millions_of_parameters(net: Any) -> float:
    return sum(int(np.prod(parameter.shape)) for parameter in net.parameters()) / 1e6


@pytest.mark.parametrize(
    ("scale", "flops", "parameters"),
    [
        (0.25, 18, 1.5),
        (0.35, 29, 1.6),
        (0.5, 47, 1.9),
        (0.75, 99, 2.4),
        (1.0, 161, 3.0),
        (1.5, 342, 4.5),
        (2.0, 590, 6.5),
        (2.5, 906, 9.0),
    ],
)
def test_pplcnet(scale: float, flops: float, parameters: float) -> None:
    net = fuse(PPLCNet(scale))
    assert count_flops(net) == pytest.approx(flops, abs=0.6)
    assert millions_of_parameters(net) == pytest.approx(parameters, abs=0.06)


def test_pplcnetv2_base() -> None:
    net = fuse(pplcnetv2_base())
    assert count_flops(net) == pytest.approx(604, abs=0.6)
    assert millions_of_parameters(net) == pytest.approx(6.6, abs=0.05)
