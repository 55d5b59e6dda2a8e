"""PaddleDetection's PicoDet and ours are one network: weights go both ways, outputs are equal.

Runs where paddledet is installed; `./scripts/check_paddledet` makes such an environment.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu.nets._paddle import paddle
from shitu.nets.params import pour
from shitu.nets.picodet import STRIDES, PicoDet, mainbody, picodet_lcnet

pytestmark = [
    pytest.mark.skipif(
        not find_spec("ppdet"), reason="paddledet is not installed (scripts/check_paddledet)"
    ),
    # A package of 2023 under today's numpy and Python.
    pytest.mark.filterwarnings("ignore"),
]
SIZE = 128
# As in its configurations: scale, channels of the neck, convolutions of the head.
SIZES = {"xs": (0.35, 96, 2), "s": (0.75, 96, 2), "m": (1.5, 128, 4), "l": (2.0, 160, 4)}


def theirs(name: str) -> Any:
    """Upstream's network, built from its own classes as its configurations describe it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ppdet.modeling import architectures, backbones, heads, necks
        from ppdet.modeling.losses.gfocal_loss import DistributionFocalLoss
        from ppdet.modeling.losses.iou_loss import GIoULoss
        from ppdet.modeling.losses.varifocal_loss import VarifocalLoss

    common: dict[str, Any] = {
        "num_classes": 1 if name == "mainbody" else 80,
        "fpn_stride": list(STRIDES),
        "reg_max": 7,
        "cell_offset": 0.5,
        "loss_class": VarifocalLoss(use_sigmoid=name == "mainbody"),
        "loss_dfl": DistributionFocalLoss(),
        "loss_bbox": GIoULoss(),
        "assigner": None,
    }
    scale, channels, convs = (2.5, 128, 4) if name == "mainbody" else SIZES[name]
    backbone = backbones.LCNet(scale=scale, feature_maps=[3, 4, 5])
    widths = [shape.channels for shape in backbone.out_shape]
    feat = heads.PicoFeat(
        channels, channels, len(STRIDES), convs, share_cls_reg=True, use_se=name != "mainbody"
    )
    # Its necks append to the list that is their default: the second of a process would be broken.
    scales = {"num_features": 4, "spatial_scales": [1 / 8, 1 / 16, 1 / 32]}
    if name == "mainbody":
        neck = necks.CSPPAN(widths, channels, **scales)
        head = heads.PicoHead(conv_feat=feat, feat_in_chan=channels, **common)
    else:
        neck = necks.LCPAN(widths, channels, **scales)
        head = heads.PicoHeadV2(
            conv_feat=feat, feat_in_chan=channels, static_assigner=None, **common
        )
    return architectures.PicoDet(backbone, neck, head)


def ours(name: str) -> PicoDet:
    return mainbody() if name == "mainbody" else picodet_lcnet(name)


def randomise(net: Any) -> None:
    """Weights and statistics as after some training."""
    rng = np.random.default_rng(0)
    for name, tensor in net.state_dict().items():
        if name.endswith("project") or "scale_reg" in name:
            continue
        spread = rng.uniform(0.5, 1.5, tensor.shape) if tensor.ndim == 1 else None
        noise = rng.normal(0, 1, tensor.shape) * np.prod(tensor.shape[1:]) ** -0.5
        tensor.set_value(np.asarray(noise if spread is None else spread, np.float32))


def raw(net: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores and distributions of a random picture, before boxes are made of them."""
    net.eval()
    x = np.random.default_rng(1).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)
    with paddle.no_grad():
        x = paddle.to_tensor(x)
        if isinstance(net, PicoDet):
            scores, sides = net(x)
        else:
            maps = net.neck(net.backbone({"image": x}))
            lists = net.head(maps, export_post_process=False)
            scores, sides = (paddle.concat(part, axis=1) for part in lists)
    return scores.numpy(), sides.numpy()


def assert_equal_outputs(a: Any, b: Any) -> None:
    for first, second in zip(raw(a), raw(b), strict=True):
        assert first.shape == second.shape
        assert np.abs(first - second).max() <= 1e-4 * max(1.0, np.abs(second).max())
        assert second.std() > 1e-4


@pytest.mark.parametrize("name", ["mainbody", *SIZES])
def test_states_have_the_same_names_and_shapes(name: str) -> None:
    found, wanted = (
        {key: tuple(t.shape) for key, t in net.state_dict().items()}
        for net in (ours(name), theirs(name))
    )
    assert found == wanted


@pytest.mark.parametrize("name", ["mainbody", "xs"])
def test_their_weights_in_our_network(name: str, tmp_path: Path) -> None:
    from ppdet.utils.checkpoint import save_model

    source, net = theirs(name), ours(name)
    randomise(source)
    optimizer = paddle.optimizer.SGD(parameters=source.parameters())
    save_model(source.state_dict(), optimizer, str(tmp_path), "best", last_epoch=1)
    arrays = paddle.load(str(tmp_path / "best.pdparams"), return_numpy=True)
    pour(net, arrays, "best.pdparams")
    assert_equal_outputs(net, source)


@pytest.mark.parametrize("name", ["mainbody", "xs"])
def test_our_weights_in_their_network(name: str, tmp_path: Path) -> None:
    from ppdet.utils.checkpoint import load_pretrain_weight

    source, net = ours(name), theirs(name)
    randomise(source)
    paddle.save(source.state_dict(), str(tmp_path / "ours.pdparams"))
    load_pretrain_weight(net, str(tmp_path / "ours.pdparams"))
    assert_equal_outputs(net, source)
