"""A network in 8 bits -> an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from feature_int8 import MOST, Network, Node, weight_steps
from onnx import TensorProto, helper, numpy_helper


def write(network: Network, path: Path) -> None:
    """Store it as pairs of QuantizeLinear and DequantizeLinear, which engines turn into integers.

    What stays in float32 is stored as float16.
    """
    file = _File(network)
    for node in network.nodes:
        file.add(node)
    file.save(path)


class _File:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._quantised = {node.output for node in network.quantised}
        self._stored = {tensor.name: tensor for tensor in network.model.graph.initializer}
        for edge, value in network.values.items():
            self._store(edge, value.detach().numpy())
        self._nodes: list[Any] = []

    def add(self, node: Node) -> None:
        """Add an operation, and what turns its inputs into numbers and its output into levels."""
        scales = self._network.scales
        inputs = [_real(edge) if edge in scales else edge for edge in node.inputs]
        if node.output in self._quantised:
            inputs[1:] = self._levels(node)
        elif node.kind == "Conv":
            inputs[1] = self._halves(node.inputs[1])
        self._node(node.kind, inputs, node.output, **node.options)
        if node.output in scales:
            ends = [
                self._store(f"{node.output}.scale", _number(scales[node.output])),
                self._store(f"{node.output}.zero", np.uint8(0)),
            ]
            levels = f"{node.output}.whole"
            self._node("QuantizeLinear", [node.output, *ends], levels)
            self._node("DequantizeLinear", [levels, *ends], _real(node.output))

    def save(self, path: Path) -> None:
        model = self._network.model
        used = {edge for node in self._nodes for edge in node.input}
        graph = helper.make_graph(
            self._nodes,
            model.graph.name,
            model.graph.input,
            model.graph.output,
            [tensor for name, tensor in self._stored.items() if name in used],
        )
        written = helper.make_model(
            graph,
            opset_imports=[entry for entry in model.opset_import if not entry.domain],
            ir_version=model.ir_version,
            producer_name="shitu",
        )
        onnx.checker.check_model(written, full_check=True)
        onnx.save(written, path)

    def _levels(self, node: Node) -> list[str]:
        """Weights and bias of a convolution as whole numbers; the edges that restore them."""
        values = self._network.values
        weights, bias = (values[edge].detach().numpy() for edge in node.inputs[1:])
        steps = weight_steps(values[node.inputs[1]]).numpy().ravel()
        fine = steps * _number(self._network.scales[node.inputs[0]])
        whole = np.rint(weights / steps[:, None, None, None]).clip(-MOST, MOST).astype(np.int8)
        return [
            self._restored(node.inputs[1], whole, steps),
            self._restored(node.inputs[2], np.rint(bias / fine).astype(np.int32), fine),
        ]

    def _restored(self, edge: str, whole: Any, scale: Any) -> str:
        ends = [self._store(f"{edge}.whole", whole), self._store(f"{edge}.scale", scale)]
        return self._node("DequantizeLinear", ends, _real(edge), axis=0)

    def _halves(self, edge: str) -> str:
        values = self._network.values[edge].detach().numpy()
        half = self._store(f"{edge}.half", values.astype(np.float16))
        return self._node("Cast", [half], _real(edge), to=TensorProto.FLOAT)

    def _store(self, name: str, array: Any) -> str:
        self._stored[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return name

    def _node(self, kind: str, inputs: list[str], output: str, **options: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], **options))
        return output


def _real(edge: str) -> str:
    """What carries the numbers of an edge that was rounded."""
    return f"{edge}.real"


def _number(scale: Any) -> np.float32:
    return np.float32(scale.item())
