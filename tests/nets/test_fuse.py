"""What is exported must answer as what was trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shitu.nets._paddle import nn, paddle
from shitu.nets.embedding_net import general_recognition_v2
from shitu.nets.layers import fuse
from shitu.nets.picodet import PicoDet, picodet_lcnet
from shitu.nets.picodet_head import PicoHead
from shitu.nets.picodet_neck import csp_pan, upsample2
from shitu.nets.pplcnet import LCNet
from shitu.nets.pplcnet_v2 import pplcnetv2_small


def tiny_mainbody() -> PicoDet:
    """The mainbody detector's kind of neck and head, narrow."""
    backbone = LCNet(0.25)
    return PicoDet(backbone, csp_pan(backbone.out_channels, 16), PicoHead(16, 1, 7, num_convs=2))


def with_random_statistics(net: Any) -> Any:
    """Batch norms as after training: without this, folding them would multiply by one."""
    generator = np.random.default_rng(0)
    for name, tensor in net.state_dict().items():
        shape = tuple(tensor.shape)
        if name.endswith("_variance"):
            tensor.set_value(generator.uniform(0.5, 2.0, shape).astype(np.float32))
        elif name.endswith("_mean") or (tensor.ndim == 1 and name.endswith("bias")):
            tensor.set_value(generator.normal(0.0, 0.2, shape).astype(np.float32))
        elif tensor.ndim == 1 and name.endswith("weight"):
            tensor.set_value(generator.uniform(0.5, 1.5, shape).astype(np.float32))
    net.eval()
    return net


def outputs(net: Any, size: int) -> list[np.ndarray]:
    batch = np.random.default_rng(1).normal(size=(2, 3, size, size)).astype(np.float32)
    with paddle.no_grad():
        result = net(paddle.to_tensor(batch))
    return [t.numpy() for t in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("norms", [True, False])
@pytest.mark.parametrize(
    ("build", "size"),
    [
        (general_recognition_v2, 64),
        (pplcnetv2_small, 64),
        (lambda: picodet_lcnet("xs", 3), 64),
        (tiny_mainbody, 64),
    ],
    ids=["feature", "classifier", "picodet 2022", "picodet 2021"],
)
def test_outputs_are_equal(build: Callable[[], Any], size: int, norms: bool) -> None:
    net = with_random_statistics(build())
    before = outputs(net, size)
    after = outputs(fuse(net, norms=norms), size)
    for a, b in zip(after, before, strict=True):
        assert np.abs(a - b).max() <= 1e-5 * max(1.0, np.abs(b).max())


def test_nothing_but_plain_convolutions_is_left() -> None:
    net = fuse(general_recognition_v2())
    kinds = {type(layer) for layer in net.sublayers()}
    assert not kinds & {nn.BatchNorm1D, nn.BatchNorm2D, nn.Dropout}
    assert not any("dw_conv_list" in name for name in net.state_dict())


def test_fusing_twice_changes_nothing() -> None:
    net = fuse(with_random_statistics(picodet_lcnet("xs", 1)))
    (before, _), (after, _) = outputs(net, 64), outputs(fuse(net), 64)
    assert np.array_equal(before, after)


def test_dropout_scales_at_inference_as_upstreams_does() -> None:
    # Upstream drops without scaling up in training, so its weights expect 0.8 of the features.
    net = with_random_statistics(general_recognition_v2())
    kept = outputs(net.backbone, 64)[0]
    net.backbone.dropout = nn.Identity()
    assert np.allclose(kept, 0.8 * outputs(net.backbone, 64)[0], atol=1e-6)


def test_normalised_embeddings_have_unit_length() -> None:
    net = with_random_statistics(general_recognition_v2(normalise=True))
    (vectors,) = outputs(net, 64)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_upsample_is_nearest_interpolation() -> None:
    x = np.arange(2 * 3 * 2 * 4, dtype=np.float32).reshape(2, 3, 2, 4)
    wanted = x.repeat(2, axis=2).repeat(2, axis=3)
    assert np.array_equal(upsample2(paddle.to_tensor(x)).numpy(), wanted)


def test_detector_lists_cells_by_stride_then_row_by_row() -> None:
    net = fuse(with_random_statistics(picodet_lcnet("xs", 1)))
    wide = np.zeros((1, 3, 64, 128), np.float32)
    with paddle.no_grad():
        maps = net.neck(net.backbone(paddle.to_tensor(wide)))
        scores, sides = net(paddle.to_tensor(wide))
        level1, _ = net.head(maps[1], 1)
    assert [tuple(m.shape[2:]) for m in maps] == [(8, 16), (4, 8), (2, 4), (1, 2)]
    assert scores.shape == [1, 170, 1]
    assert sides.shape == [1, 170, 32]
    # Cell (row 3, column 5) of stride 16 comes after the 8 x 16 cells of stride 8.
    assert float(scores[0, 128 + 3 * 8 + 5, 0]) == float(level1[0, 0, 3, 5])
