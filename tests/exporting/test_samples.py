"""The samples in C++ and JavaScript give the vectors that Python gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from shitu.embedder import Embedder
from shitu.exporting.parity import made_up
from shitu.models.registry import find_model
from shitu.runtime.onnx_runtime import OnnxRuntimeSession

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
# `npm install` in a copy of the samples, elsewhere: where tests run there may be no network.
MODULES = os.environ.get("SHITU_TEST_NODE_MODULES")
SPEC = find_model("pplcnetv2_base_shitu", "feature")
MODEL = SPEC.files["onnx"].path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of the size that the network takes."""
    height, width = SPEC.preprocessing.input_size
    image = made_up(5, height)
    path = tmp_path / "picture.ppm"
    path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + image.tobytes())
    return path


def in_python(seed: int = 5) -> np.ndarray:
    embedder = Embedder(OnnxRuntimeSession(MODEL), SPEC.preprocessing, SPEC.dim)
    return embedder.embed([made_up(seed, SPEC.preprocessing.input_size[0])])[0]


def vector_of(command: list[str], folder: Path) -> np.ndarray:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout))


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
@pytest.mark.skipif(
    not MODULES, reason="SHITU_TEST_NODE_MODULES is unset: no node_modules with onnxruntime-web"
)
def test_javascript(tmp_path: Path, picture: Path) -> None:
    shutil.copy(SAMPLES / "embed.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(str(MODULES))
    found = vector_of(["node", "embed.mjs", str(MODEL), str(picture)], tmp_path)
    assert found.shape == (SPEC.dim,)
    assert float(found @ in_python()) > 0.99999
    assert np.abs(found - in_python()).max() < 1e-4


@pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed")
@pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("c++")), reason="no cmake or C++ compiler"
)
def test_cpp(tmp_path: Path, picture: Path) -> None:
    import openvino

    where = Path(openvino.__path__[0]) / "cmake"
    for command in (
        ["cmake", "-S", str(SAMPLES), "-B", str(tmp_path / "build"), f"-DOpenVINO_DIR={where}"],
        ["cmake", "--build", str(tmp_path / "build")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    program = str(tmp_path / "build" / "embed")
    found = vector_of([program, str(MODEL), str(picture)], tmp_path)
    assert found.shape == (SPEC.dim,)
    assert float(found @ in_python()) > 0.99999
    assert np.abs(found - in_python()).max() < 1e-4
