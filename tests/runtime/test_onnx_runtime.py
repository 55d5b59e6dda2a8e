from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_clip

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.runtime.onnx_runtime import OnnxRuntimeSession

helper = pytest.importorskip("onnx").helper


def write_mean_model(path: Path, n: int | str = "n") -> Path:
    """Mean of each channel, and its double: (n, 3, 4, 4) -> two of (n, 3, 1, 1)."""
    import onnx

    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
            helper.make_node("Add", ["mean", "mean"], ["double"]),
        ],
        "mean",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [n, 3, 4, 4])],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [n, 3, 1, 1])
            for name in ("mean", "double")
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def mean_model(tmp_path: Path) -> Path:
    return write_mean_model(tmp_path / "mittelwert 均值.onnx")


@pytest.mark.parametrize("n", [1, 5])
def test_outputs_in_the_order_of_the_network(mean_model: Path, n: int) -> None:
    batch = np.random.default_rng(0).random((n, 3, 4, 4), dtype=np.float32)
    mean, double = OnnxRuntimeSession(mean_model).run(batch)
    assert mean.shape == (n, 3, 1, 1)
    assert mean.dtype == np.float32
    assert np.allclose(mean[:, :, 0, 0], batch.mean((2, 3)), atol=1e-6)
    assert np.allclose(double, 2 * mean)


def test_batches_that_are_views_or_doubles_are_taken(mean_model: Path) -> None:
    batch = np.random.default_rng(0).random((2, 4, 4, 3))  # float64, channels last
    (mean, _) = OnnxRuntimeSession(mean_model).run(batch.transpose(0, 3, 1, 2))
    assert np.allclose(mean[:, :, 0, 0], batch.mean((1, 2)), atol=1e-6)


def test_threads_are_limited(mean_model: Path) -> None:
    session = OnnxRuntimeSession(mean_model, threads=1)
    assert session._session.get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize("n", [1, 3])
def test_a_network_for_one_picture_is_shown_one_after_the_other(tmp_path: Path, n: int) -> None:
    path = write_mean_model(tmp_path / "one.onnx", n=1)
    batch = np.random.default_rng(0).random((n, 3, 4, 4), dtype=np.float32)
    mean, double = OnnxRuntimeSession(path).run(batch)
    assert np.allclose(mean[:, :, 0, 0], batch.mean((2, 3)), atol=1e-6)
    assert np.allclose(double, 2 * mean)


def test_pictures_one_after_the_other_give_what_all_at_once_give() -> None:
    session = OnnxRuntimeSession(tiny_clip.FOLDER / "model.onnx", threads=1)
    batch = np.random.default_rng(0).random((4, 3, 32, 32), dtype=np.float32)
    (wanted,) = session.run(batch)
    alone = np.concatenate([session.run(batch[i : i + 1])[0] for i in range(4)])
    np.testing.assert_allclose(alone, wanted, atol=1e-4)


def test_wrong_input_size_names_the_model_and_the_shape(mean_model: Path) -> None:
    session = OnnxRuntimeSession(mean_model)
    with pytest.raises(ModelError, match=r"均值\.onnx cannot run .* shape \(1, 3, 5, 4\)") as told:
        session.run(np.zeros((1, 3, 5, 4), np.float32))
    assert "\n" not in str(told.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match=r"No ONNX model at .*nowhere\.onnx"):
        OnnxRuntimeSession(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize("keep", [0, 20, -20], ids=["empty", "torn early", "torn late"])
def test_corrupt_file(mean_model: Path, keep: int) -> None:
    mean_model.write_bytes(mean_model.read_bytes()[:keep])
    with pytest.raises(WeightsCorrupt, match="cannot open the model"):
        OnnxRuntimeSession(mean_model)


def test_something_else_is_not_a_model(tmp_path: Path) -> None:
    path = tmp_path / "page.onnx"
    path.write_text("<html>404 not found</html>")
    with pytest.raises(WeightsCorrupt, match=r"page\.onnx"):
        OnnxRuntimeSession(path)


def test_engines_are_imported_when_a_model_is_opened() -> None:
    program = (
        "import sys, shitu.runtime.onnx_runtime, shitu.runtime.paddle_inference\n"
        "loaded = {'onnxruntime', 'paddle', 'shitu.nets._paddle'} & sys.modules.keys()\n"
        "sys.exit(f'imported too early: {loaded}' if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_told_to_anybody(mean_model: Path, tmp_path: Path) -> None:
    """Neither an id of the machine in its home, nor a warning where there can be none."""
    open_it = (
        "import sys\n"
        "from shitu.runtime.onnx_runtime import OnnxRuntimeSession\n"
        "from pathlib import Path\n"
        "OnnxRuntimeSession(Path(sys.argv[1]))"
    )
    for home in (tmp_path / "home", Path("/proc/nowhere")):
        places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(home))
        environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
        done = subprocess.run(
            [sys.executable, "-c", open_it, str(mean_model)],
            env=environment | places,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert not home.exists()
