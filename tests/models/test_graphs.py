"""Inputs and outputs of networks, read from their files without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from exports import WEIGHTS, export_colours

from shitu.errors import WeightsCorrupt, WeightsNotFound
from shitu.models.graphs import Graph, read_graph

DETECTOR = WEIGHTS / "picodet_lcnet_mainbody" / "model.onnx"


@pytest.mark.parametrize(("old", "name"), [(False, "inference.json"), (True, "inference.pdmodel")])
def test_paddle_programs_of_both_generations(tmp_path: Path, old: bool, name: str) -> None:
    graph = read_graph(export_colours(tmp_path, old=old) / name)
    assert graph.inputs == {"x": (-1, 3, 224, 224)}
    assert graph.outputs == ((-1, 24),)
    assert any("pool2d" in operator for operator in graph.operators)


def test_onnx() -> None:
    graph = read_graph(DETECTOR)
    assert graph.inputs == {"x": (-1, 3, 416, 416)}
    assert graph.outputs == ((-1, 3598, 1), (-1, 3598, 32))
    assert "Conv" in graph.operators


def test_inputs_of_old_onnx_files_are_not_their_weights(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    value, number = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["y"])],
        "old",
        [value("x", number, ["n", 3]), value("w", number, [3])],
        [value("y", number, ["n", 3])],
        [onnx.helper.make_tensor("w", number, [3], [1.0, 2.0, 3.0])],
    )
    path = tmp_path / "model.onnx"
    onnx.save(onnx.helper.make_model(graph), path)
    assert read_graph(path) == Graph({"x": (-1, 3)}, ((-1, 3),), frozenset({"Add"}))


@pytest.mark.parametrize("name", ["inference.json", "inference.pdmodel", "model.onnx"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b"\x0a\xff\xff\x03x", b"\x08" * 99])
def test_what_is_no_program_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match=f"{name} is damaged"):
        read_graph(path)


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(DETECTOR.read_bytes()[:5000])
    with pytest.raises(WeightsCorrupt):
        read_graph(path)


def test_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match="No such file"):
        read_graph(tmp_path / "inference.json")
