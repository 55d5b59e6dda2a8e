"""Official files load only if every name and shape of the state is upstream's.

The table was made by running upstream's own classes (PaddleClas d178931: ppcls/arch/backbone
and ppcls/arch/gears; PaddleDetection 666f597: ppdet/modeling) and digesting the sorted lines
"name shape" of their state dictionaries. Sizes count twice what upstream names twice (heads of
picodet_lcnet_*).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import pytest

from shitu.nets import build
from shitu.nets._paddle import paddle
from shitu.nets.embedding_net import general_recognition_v2
from shitu.nets.picodet import mainbody, picodet_lcnet
from shitu.nets.pplcnet import SCALES, PPLCNet
from shitu.nets.pplcnet_v2 import pplcnetv2_base, pplcnetv2_large, pplcnetv2_small

EXPECTED = {
    "pplcnet_x0_25": (146, 1_523_936, "4a9ea206d2a77413"),
    "pplcnet_x0_35": (146, 1_646_930, "1b4ce2576024e87e"),
    "pplcnet_x0_5": (146, 1_885_048, "df257b36025d3ba9"),
    "pplcnet_x0_75": (146, 2_365_232, "ab46ce770ef42dc5"),
    "pplcnet_x1_0": (146, 2_963_464, "39455d4e72cfd9ff"),
    "pplcnet_x1_5": (146, 4_516_248, "dc5d8a202e679abf"),
    "pplcnet_x2_0": (146, 6_543_400, "cc058884568dec90"),
    "pplcnet_x2_5": (146, 9_044_920, "d1ed51afdd1afbee"),
    "pplcnetv2_small": (216, 4_217_160, "bc7230704f37f791"),
    "pplcnetv2_base": (278, 6_841_192, "45537a833cc42bbf"),
    "pplcnetv2_large": (340, 10_779_400, "cdf5d3611e2dad8d"),
    "general_recognition_v2": (287, 4_782_464, "ca629053550b9a02"),
    "clip_vit_base_shitu": (154, 86_455_296, "384bedcfc80b67af"),
    "clip_vit_large_shitu": (298, 303_966_720, "7d144c39df6d9f8e"),
    "clip_vit_base_patch16_224": (152, 86_192_640, "be066839854651b4"),
    "picodet_lcnet_mainbody": (491, 7_085_920, "185f20ac5f792ea6"),
    "picodet_lcnet_xs": (463, 762_906, "3a05858991926372"),
    "picodet_lcnet_s": (463, 1_249_528, "14436054061e275d"),
    "picodet_lcnet_m": (543, 3_558_752, "a9ccda884187ccd5"),
    "picodet_lcnet_l": (543, 5_922_544, "9c70c56b9688af77"),
}

BUILDERS: dict[str, Callable[[], Any]] = {
    **{
        f"pplcnet_x{str(scale).replace('.', '_')}": lambda scale=scale: PPLCNet(scale)
        for scale in SCALES
    },
    "pplcnetv2_small": pplcnetv2_small,
    "pplcnetv2_base": pplcnetv2_base,
    "pplcnetv2_large": pplcnetv2_large,
    "general_recognition_v2": lambda: general_recognition_v2(class_num=7),
    "clip_vit_base_shitu": lambda: build("clip_vit_base_shitu"),
    "clip_vit_large_shitu": lambda: build("clip_vit_large_shitu"),
    "clip_vit_base_patch16_224": lambda: build("clip_vit_base_patch16_224"),
    "picodet_lcnet_mainbody": mainbody,
    **{f"picodet_lcnet_{size}": lambda size=size: picodet_lcnet(size) for size in "sml"},
    "picodet_lcnet_xs": lambda: picodet_lcnet("xs"),
}


def summary(shapes: dict[str, tuple[int, ...]]) -> tuple[int, int, str]:
    lines = sorted(f"{name} {shape}" for name, shape in shapes.items())
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    return len(lines), sum(math.prod(shape) for shape in shapes.values()), digest


def shapes_of(net: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_state_is_upstreams(name: str) -> None:
    with paddle.LazyGuard():  # shapes without memory: some networks have more than a gigabyte
        net = BUILDERS[name]()
    assert summary(shapes_of(net)) == EXPECTED[name]


def test_one_other_name_or_shape_is_noticed() -> None:
    shapes = shapes_of(PPLCNet(0.25))
    renamed = {name.replace("fc.bias", "fc.b"): shape for name, shape in shapes.items()}
    reshaped = {**shapes, "fc.bias": (1, 1000)}
    assert summary(shapes) == EXPECTED["pplcnet_x0_25"]
    assert summary(renamed) != EXPECTED["pplcnet_x0_25"]
    assert summary(reshaped) != EXPECTED["pplcnet_x0_25"]


def test_mainbody_detector_is_the_published_size() -> None:
    tensors, size, _ = summary(shapes_of(mainbody()))
    assert tensors == 491
    assert round(size / 1e6, 2) == 7.09
