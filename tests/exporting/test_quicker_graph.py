"""Graphs that were made quicker compute what they computed before."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from shitu.exporting.quicker_graph import quicken

PICTURE = np.random.default_rng(0).normal(size=(2, 4, 3, 5)).astype(np.float32)


def model(nodes: list[Any], constants: dict[str, Any], *, wrapped: bool = False) -> Any:
    """`x` (n, 4, 3, 5) -> `y`; `wrapped`: constants that reach their readers as Paddle's do."""
    tensors = [
        numpy_helper.from_array(np.array(value), f"{name}.raw" if wrapped else name)
        for name, value in constants.items()
    ]
    if wrapped:
        nodes = [
            *(helper.make_node("Identity", [f"{name}.raw"], [name]) for name in constants),
            *nodes,
        ]
    edges = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 3, 5])]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "graph", edges, out, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)


def enlarged(middle: list[int], times: list[int], last: list[int], *, wrapped: bool = False) -> Any:
    nodes = [
        helper.make_node("Reshape", ["x", "middle"], ["apart"]),
        helper.make_node("Expand", ["apart", "times"], ["wide"]),
        helper.make_node("Reshape", ["wide", "last"], ["y"]),
    ]
    shapes = {"middle": middle, "times": times, "last": last}
    return model(nodes, {n: np.array(v, np.int64) for n, v in shapes.items()}, wrapped=wrapped)


def filtered(channels: int, **options: Any) -> Any:
    weights = np.random.default_rng(1).normal(size=(channels, 4, 3, 3)).astype(np.float32)
    return model([helper.make_node("Conv", ["x", "w"], ["y"], **options)], {"w": weights})


def kinds(graph: Any) -> list[str]:
    return [node.op_type for node in graph.graph.node]


def run(graph: Any) -> Any:
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, {"x": PICTURE})[0]


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_repeats_rows_and_columns_is_a_resize(wrapped: bool) -> None:
    slow = enlarged([-1, 4, 3, 1, 5, 1], [1, 1, 1, 2, 1, 2], [-1, 4, 6, 10], wrapped=wrapped)
    wanted = run(slow)
    quick = quicken(slow)
    assert "Resize" in kinds(quick)
    assert not {"Expand", "Reshape"} & {*kinds(quick)}
    np.testing.assert_array_equal(run(quick), wanted)


@pytest.mark.parametrize(
    ("middle", "times", "last"),
    [
        ([-1, 4, 3, 1, 5, 1], [1, 1, 1, 3, 1, 2], [-1, 4, 9, 10]),
        ([-1, 4, 1, 3, 1, 5], [1, 1, 2, 1, 2, 1], [-1, 4, 6, 10]),
        ([-1, 4, 3, 1, 5, 1], [1, 1, 1, 2, 1, 2], [-1, 8, 3, 10]),
    ],
)
def test_other_repetitions_stay(middle: list[int], times: list[int], last: list[int]) -> None:
    slow = enlarged(middle, times, last)
    wanted = run(slow)
    quick = quicken(slow)
    assert kinds(quick) == ["Reshape", "Expand", "Reshape"]
    np.testing.assert_array_equal(run(quick), wanted)


def test_a_single_output_channel_is_summed_over_channels() -> None:
    slow = filtered(1, pads=[1, 1, 1, 1], strides=[1, 2])
    wanted = run(slow)
    quick = quicken(slow)
    assert kinds(quick) == ["Conv", "Conv"]
    assert [t.name for t in quick.graph.initializer] == ["y.each", "y.ones"]
    np.testing.assert_allclose(run(quick), wanted, rtol=1e-5, atol=1e-5)


def test_more_output_channels_stay() -> None:
    slow = filtered(2)
    assert kinds(quicken(slow)) == ["Conv"]
