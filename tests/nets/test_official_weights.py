"""PicoDet against the vendor's own export: same weights, same raw outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu.nets._paddle import nn, paddle
from shitu.nets.layers import fuse
from shitu.nets.picodet import PicoDet, picodet_lcnet
from shitu.runtime.onnx_runtime import OnnxRuntimeSession


def convolution_weights(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each convolution, in the order in which the graph runs them."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(path).graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    values.update(
        (node.output[0], node.attribute[0].t) for node in graph.node if node.op_type == "Constant"
    )
    return [
        tuple(onnx.numpy_helper.to_array(values[name]) for name in node.input[1:])
        for node in graph.node
        if node.op_type == "Conv"
    ]


def convolutions_as_run(net: PicoDet) -> list[Any]:
    order: list[Any] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, _inputs: order.append(layer))
        for layer in net.sublayers()
        if isinstance(layer, nn.Conv2D)
    ]
    net(paddle.zeros([1, 3, 64, 64]))
    for hook in hooks:
        hook.remove()
    return list(dict.fromkeys(order))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.parametrize("size", [320, 416])
def test_picodet_xs_gives_the_official_raw_outputs(official_models: Path, size: int) -> None:
    path = official_models / "picodet_xs_lcnet" / f"picodet_xs_{size}_lcnet_processed.onnx"
    net = fuse(picodet_lcnet("xs"))
    layers, weights = convolutions_as_run(net), convolution_weights(path)
    assert len(layers) == len(weights) == 98
    for layer, (kernel, bias) in zip(layers, weights, strict=True):
        layer.weight.set_value(kernel)
        layer.bias.set_value(bias.reshape(-1))

    batch = np.random.default_rng(0).normal(size=(1, 3, size, size)).astype(np.float32)
    with paddle.no_grad():
        scores, sides = (t.numpy() for t in net(paddle.to_tensor(batch)))
    official = OnnxRuntimeSession(path).run(batch)
    wanted_scores = np.concatenate(official[:4], axis=1)
    wanted_sides = np.concatenate(official[4:], axis=1)

    assert scores.shape == wanted_scores.shape
    assert cosine(scores, wanted_scores) > 0.9999
    assert cosine(sides, wanted_sides) > 0.9999
    assert np.abs(scores - wanted_scores).max() < 1e-3
