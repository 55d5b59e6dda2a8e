from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import shitu.models
from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.runtime.onnx_runtime import OnnxRuntimeSession
from shitu.runtime.openvino_runtime import OpenVinoSession

openvino = pytest.importorskip("openvino")

WEIGHTS = Path(shitu.models.__file__).parent / "weights"
FEATURE = WEIGHTS / "pplcnetv2_base_shitu" / "model.onnx"
DETECTOR = WEIGHTS / "picodet_lcnet_mainbody" / "model.onnx"


def pictures(n: int) -> np.ndarray:
    coarse = np.random.default_rng(5).normal(size=(n, 3, 7, 7)).astype(np.float32)
    return coarse.repeat(32, axis=2).repeat(32, axis=3)


@pytest.fixture(scope="module")
def session() -> OpenVinoSession:
    return OpenVinoSession(FEATURE, threads=2, streams=2)


def test_neighbours_in_the_batch_change_no_bit(session: OpenVinoSession) -> None:
    (together,) = session.run(pictures(3))
    for i in range(3):
        (alone,) = session.run(pictures(3)[i : i + 1])
        assert np.array_equal(alone[0], together[i])


def test_several_threads_may_run_it_at_once(session: OpenVinoSession) -> None:
    (wanted,) = session.run(pictures(4))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: session.run(pictures(4)[i : i + 1])[0], [0, 1, 2, 3] * 3))
    for i, rows in enumerate(found):
        assert np.array_equal(rows[0], wanted[i % 4])


def test_it_computes_in_float32_unless_told_otherwise(session: OpenVinoSession) -> None:
    """Left to itself, OpenVINO takes bfloat16 where the CPU can, which is a thousand times off."""
    (wanted,) = OnnxRuntimeSession(FEATURE, threads=1).run(pictures(2))
    (found,) = session.run(pictures(2))
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_activations_are_computed_with_their_convolutions() -> None:
    """Taken apart, hard-swish doubles the time of the detector."""
    session = OpenVinoSession(DETECTOR, threads=1)
    compiled = session._model.get_runtime_model().get_ops()
    kinds = [node.get_rt_info()["layerType"].astype(str) for node in compiled]
    assert kinds.count("Math") == 2  # gates of squeeze-and-excite, of another value
    picture = np.random.default_rng(0).normal(size=(1, 3, 416, 416)).astype(np.float32)
    reference = OnnxRuntimeSession(DETECTOR, threads=1).run(picture)
    for found, wanted in zip(session.run(picture), reference, strict=True):
        assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_bfloat16_is_close_or_refused() -> None:
    core = openvino.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(ModelError, match="no instructions for bfloat16"):
            OpenVinoSession(FEATURE, threads=1, bfloat16=True)
        return
    session = OpenVinoSession(FEATURE, threads=1, bfloat16=True)
    (wanted,) = OnnxRuntimeSession(FEATURE, threads=1).run(pictures(1))
    (found,) = session.run(pictures(1))
    cosine = float(found[0] @ wanted[0] / np.linalg.norm(found) / np.linalg.norm(wanted))
    assert 0.999 < cosine < 1 - 1e-7


def test_compiled_networks_are_kept_and_damaged_ones_made_anew(tmp_path: Path) -> None:
    (wanted,) = OpenVinoSession(FEATURE, threads=1, cache=tmp_path).run(pictures(1))
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    (again,) = OpenVinoSession(FEATURE, threads=1, cache=tmp_path).run(pictures(1))
    assert np.array_equal(again, wanted)
    for path in kept:
        data = bytearray(path.read_bytes())
        data[: len(data) // 2] = b"\0" * (len(data) // 2)
        path.write_bytes(data)
    (mended,) = OpenVinoSession(FEATURE, threads=1, cache=tmp_path).run(pictures(1))
    assert np.array_equal(mended, wanted)


def test_wrong_input_size_names_the_model_and_the_shape(session: OpenVinoSession) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx cannot run .* shape \(1, 3, 5, 4\)"):
        session.run(np.zeros((1, 3, 5, 4), np.float32))
    assert session.run(pictures(1))[0].shape == (1, 512)  # and is as good as before


def test_missing_and_corrupt_files(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match="No ONNX model at"):
        OpenVinoSession(tmp_path / "nowhere.onnx")
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(FEATURE.read_bytes()[:1000])
    with pytest.raises(WeightsCorrupt, match=r"OpenVINO cannot open the model .*torn\.onnx"):
        OpenVinoSession(torn)
