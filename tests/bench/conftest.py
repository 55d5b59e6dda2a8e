"""The benchmarks are scripts, no part of the package; their tests measure tiny networks."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))


@pytest.fixture(scope="session")
def make_model() -> Callable[[Path], Path]:
    """Write a feature model, 4 x 4 colours of a picture, into a folder whose name it bears."""
    onnx = pytest.importorskip("onnx")

    def value(name: str, shape: list[object]) -> object:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    def make(folder: Path) -> Path:
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Flatten", ["x"], ["features"])],
            "colours",
            [value("x", ["n", 3, 4, 4])],
            [value("features", ["n", 48])],
        )
        opset = onnx.helper.make_opsetid("", 16)
        model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
        folder.mkdir(parents=True)
        data = model.SerializeToString()
        (folder / "model.onnx").write_bytes(data)
        file = {"path": "model.onnx", "sha256": hashlib.sha256(data).hexdigest()}
        fields = {
            "name": folder.name,
            "kind": "feature",
            "architecture": "colours",
            "input_size": [4, 4],
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "antialias",
            "dim": 48,
            "threshold": 0.25,
            "files": {"onnx": dict(file), "params": dict(file)},
        }
        (folder / "model.yml").write_text(yaml.safe_dump(fields), encoding="utf-8")
        return folder

    return make
