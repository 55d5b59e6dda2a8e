"""Training weights: arrays come out of Paddle's pickles, and nothing else does."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exports import WEIGHTS

from shitu import Workspace
from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.images import load_image
from shitu.lineup import Lineup
from shitu.models.pdparams import read_pdparams
from shitu.models.registry import find_model
from shitu.nets import build
from shitu.nets._paddle import paddle
from shitu.nets.params import load_params
from shitu.runtime.engines import Job, open_session
from shitu.runtime.onnx_runtime import OnnxRuntimeSession

FEATURE = WEIGHTS / "pplcnetv2_base_shitu"
SCENE = Path(__file__).parents[2] / "gallery" / "scenes" / "scene01.jpg"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded feature extractor as upstream saves it, with the head that it was trained by."""
    net = build("pplcnetv2_base_shitu")
    load_params(net, FEATURE / "params.npz")
    state = net.state_dict()
    state["head.weight"] = paddle.zeros([512, 7])
    path = tmp_path_factory.mktemp("trained") / "PP-ShiTuV2_rec_pretrained.pdparams"
    paddle.save(state, str(path))
    return path


def test_what_paddle_saves_is_read(trained: Path) -> None:
    arrays = read_pdparams(trained)
    with np.load(FEATURE / "params.npz") as stored:
        for name in stored.files:
            assert np.array_equal(arrays[name], stored[name].astype(np.float32)), name
    assert arrays["head.weight"].shape == (512, 7)
    assert "StructuredToParameterName@@" not in arrays


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_all_protocols(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.pdparams"
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = OrderedDict(w=values, s=np.float16(values), pair=("linear_0.w_0", values))
    path.write_bytes(pickle.dumps(dict(content), protocol))
    arrays = read_pdparams(path)
    assert np.array_equal(arrays["w"], values)
    assert np.array_equal(arrays["pair"], values)
    assert arrays["s"].dtype == np.float16


class Runs:
    """A pickle of it would run a command."""

    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"w": Runs()}), "ask for (posix|nt).system, which no weights need"),
        (pickle.dumps({"w": np.array([Runs()], object)}), "system, which no weights need"),
        (pickle.dumps({"w": np.array(["text"], object)}), "an array of object"),
        (pickle.dumps({"w": np.array(["text"])}), "an array of <U4"),
        (b"c_codecs\nencode\n}X\x01\x00\x00\x00aX\x01\x00\x00\x00bsb.", "no array"),
        (pickle.dumps({"w": 3}), "'w' is a int"),
        (pickle.dumps({3: np.zeros(2)}), "3 is a ndarray"),
        (pickle.dumps([np.zeros(2)]), "they are a list"),
        (pickle.dumps({}), "hold no array"),
        (pickle.dumps({"w": np.zeros(99)})[:-50], "refused"),
        (b"PK\x03\x04 a zip of torch", "refused"),
        (b"\xff\xd8\xff a photo", "they are damaged, cut off, or no weights"),
        (b"", "they are damaged, cut off, or no weights"),
        (b"plain/" + bytes(94) + b"0000644 a tar", "they are damaged, cut off, or no weights"),
    ],
)
def test_anything_else_is_refused(
    tmp_path: Path, content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pdparams").write_bytes(content)
    with pytest.raises(WeightsCorrupt, match=message):
        read_pdparams(tmp_path / "a.pdparams")
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match="No such file"):
        find_model(str(tmp_path / "gone.pdparams"), "feature")


def test_training_weights_are_a_model(trained: Path, tmp_path: Path) -> None:
    spec = find_model(str(trained), "feature")
    assert (spec.architecture, spec.dim) == ("pplcnetv2_base_shitu", 512)
    assert spec.preprocessing.interpolation == "linear"
    assert Lineup(str(trained), "none").space().models == (str(trained), "none")
    batch = spec.preprocessing([load_image(SCENE)])
    ours = open_session(spec, "paddle", Job(threads=1)).run(batch)[0][0]
    embedded = OnnxRuntimeSession(FEATURE / "model.onnx", threads=1).run(batch)[0][0]
    assert float(ours @ embedded / np.linalg.norm(ours) / np.linalg.norm(embedded)) > 0.9999
    # ONNX Runtime is the default engine, and cannot read them: Paddle does.
    with Workspace(tmp_path / "index", detector_model="none", feature_model=str(trained)) as shop:
        shop.add([SCENE], "table")
        assert shop.recognize(SCENE).objects[0].label == "table"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pdparams"
    path.write_bytes(pickle.dumps({"conv1.weight": np.zeros((3, 3), np.float32)}))
    with pytest.raises(ModelError, match=r"of none of the networks pplcnetv2_base.*--architecture"):
        find_model(str(path), "feature")


def test_weights_that_fit_in_part_are_refused_when_opened(trained: Path, tmp_path: Path) -> None:
    arrays = read_pdparams(trained)
    del arrays["backbone.stem.0.bn.bias"]
    path = tmp_path / "part.pdparams"
    path.write_bytes(pickle.dumps(arrays))
    with pytest.raises(WeightsCorrupt, match=r"they miss backbone.stem.0.bn.bias"):
        load_params(build("pplcnetv2_base_shitu"), path)


def test_the_detectors_weights_are_known(tmp_path: Path) -> None:
    path = tmp_path / "det.pdparams"
    paddle.save(build("picodet_lcnet_mainbody").state_dict(), str(path))
    spec = find_model(str(path), "detector")
    assert (spec.architecture, spec.reg_max, spec.head) == ("picodet_lcnet_mainbody", 7, "raw")
    assert spec.preprocessing.input_size == (640, 640)
    assert spec.preprocessing.interpolation == "cubic"
