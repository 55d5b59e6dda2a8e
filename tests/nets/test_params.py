from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.nets import BUILDERS, build
from shitu.nets._paddle import paddle
from shitu.nets.embedding_net import general_recognition_v2
from shitu.nets.params import derived_names, load_params, pour, save_params
from shitu.nets.picodet import picodet_lcnet
from shitu.nets.pplcnet import PPLCNet


@pytest.fixture
def net() -> PPLCNet:
    return PPLCNet(0.25, class_num=10)


@pytest.fixture
def arrays(net: PPLCNet) -> dict[str, np.ndarray]:
    return {
        name: np.full(tensor.shape, 0.5, np.float16) for name, tensor in net.state_dict().items()
    }


def test_all_parameters_arrive(net: PPLCNet, arrays: dict[str, np.ndarray]) -> None:
    pour(net, arrays, "here")
    assert all((tensor.numpy() == 0.5).all() for tensor in net.state_dict().values())
    assert net.fc.weight.numpy().dtype == np.float32


def test_missing_name(net: PPLCNet, arrays: dict[str, np.ndarray]) -> None:
    del arrays["blocks5.3.pw_conv.bn._mean"]
    with pytest.raises(WeightsCorrupt, match=r"here .* miss blocks5\.3\.pw_conv\.bn\._mean"):
        pour(net, arrays, "here")


def test_unexpected_name(net: PPLCNet, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(WeightsCorrupt, match=r"unknown head\.weight"):
        pour(net, {**arrays, "head.weight": np.zeros(1)}, "here")


def test_other_shape(net: PPLCNet, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(WeightsCorrupt, match=r"fc\.bias \(3,\) instead of \(10,\)"):
        pour(net, {**arrays, "fc.bias": np.zeros(3)}, "here")


def test_only_the_first_offenders_are_listed(net: PPLCNet) -> None:
    with pytest.raises(WeightsCorrupt, match=r"and 143 more"):
        pour(net, {}, "here")


def test_training_head_of_official_weights_is_skipped() -> None:
    trained = general_recognition_v2(class_num=3)
    arrays = {name: tensor.numpy() for name, tensor in trained.state_dict().items()}
    net = general_recognition_v2()
    pour(net, arrays, "official")
    assert np.array_equal(net.neck.feat_bn.weight.numpy(), arrays["neck.feat_bn.weight"])


def test_what_upstream_repeats_or_derives_may_be_absent(tmp_path: Path) -> None:
    net = picodet_lcnet("xs", 1)
    save_params(net, tmp_path / "params.npz")
    with np.load(tmp_path / "params.npz") as archive:
        assert set(archive.files) == net.state_dict().keys() - derived_names(net)
        assert archive["head.head_cls0.weight"].dtype == np.float16
        wanted = archive["head.head_cls0.weight"].astype(np.float32)
    assert len(derived_names(net)) == 16 + 1 + 4  # aliases, the constant, unread factors
    other = picodet_lcnet("xs", 1)
    load_params(other, tmp_path / "params.npz")
    assert np.array_equal(other.head.head_cls_list[0].weight.numpy(), wanted)


def test_missing_file(net: PPLCNet, tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match=r"No parameters at .*params\.npz"):
        load_params(net, tmp_path / "params.npz")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 torn", b"something else", b"\x93NUMPY\x01\x00"]
)
def test_corrupt_file(net: PPLCNet, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.npz"
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match=r"params\.npz cannot be read: they are damaged, cut"):
        load_params(net, path)


def test_pickles_are_refused(net: PPLCNet, tmp_path: Path) -> None:
    path = tmp_path / "params.npz"
    np.savez(path, conv=np.array([{"a": 1}], dtype=object))
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        load_params(net, path)


def test_unknown_architecture_lists_the_known() -> None:
    with pytest.raises(ModelError, match=r"'resnet'.*pplcnetv2_base_shitu"):
        build("resnet")


def test_every_architecture_builds() -> None:
    with paddle.LazyGuard():  # shapes without memory: some have more than a gigabyte
        for name in BUILDERS:
            assert build(name).state_dict()
