"""Paddle's graph -> ONNX, by paddle2onnx, with names and an open batch size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from shitu.errors import ModelError
from shitu.exporting.quicker_graph import quicken

OPSET = 16


def to_onnx(program: Path, params: Path, outputs: Sequence[str] = ()) -> bytes:
    """Convert files of Paddle Inference; weights that have exact halves are stored as such.

    Args:
        program, params: the files.
        outputs: new names for what comes out; none: they keep theirs.

    Raises:
        ModelError: paddle2onnx is not installed.
    """
    if not (find_spec("paddle2onnx") and find_spec("onnx")):
        raise ModelError(
            "Making ONNX of a Paddle network needs paddle2onnx: `pip install 'shitu[export]'`, in "
            "an environment of its own."
        )
    # Otherwise polygraphy, which paddle2onnx uses, installs packages while it converts.
    os.environ["POLYGRAPHY_AUTOINSTALL_DEPS"] = "0"
    import onnx
    import paddle2onnx

    data = paddle2onnx.export(str(program), str(params), opset_version=OPSET, verbose=False)
    model = quicken(onnx.load_from_string(data))
    if outputs:
        rename_outputs(model.graph, outputs)
    name_batch_dimension(model.graph)
    halve(model.graph)
    model.producer_name = "shitu"
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def rename_outputs(graph: Any, names: Sequence[str]) -> None:
    """Give the outputs of a graph these names, in its order."""
    renamed = {output.name: name for output, name in zip(graph.output, names, strict=True)}
    for node in graph.node:
        for edges in (node.input, node.output):
            edges[:] = [renamed.get(edge, edge) for edge in edges]
    for output in graph.output:
        output.name = renamed[output.name]


def name_batch_dimension(graph: Any) -> None:
    """Call the first dimension of what goes in and comes out `n`."""
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"


def halve(graph: Any) -> None:
    """Store weights as float16 followed by a cast, where nothing is rounded by it.

    ONNX Runtime folds the cast when it loads. The embedded models' parameters are float16
    themselves, so all of their weights but those of fused branches have exact halves. This is why
    batch normalisations are left to ONNX Runtime, which folds them.
    """
    from onnx import TensorProto, helper, numpy_helper

    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        (value,) = (a.t for a in node.attribute if a.name == "value")
        value.name = node.output[0]
        weights[value.name] = value
        graph.node.remove(node)
    used = {edge for node in graph.node for edge in node.input}
    casts, stored = [], []
    for name, tensor in weights.items():
        if name not in used:
            continue
        array = numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT and array.size > 1 and is_half(array):
            stored.append(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
        else:
            stored.append(tensor)
    del graph.initializer[:]
    graph.initializer.extend(stored)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def is_half(array: np.ndarray) -> bool:
    """Whether float16 holds these numbers exactly."""
    with np.errstate(over="ignore"):
        return bool((array.astype(np.float16) == array).all())
