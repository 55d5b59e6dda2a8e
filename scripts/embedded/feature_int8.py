"""The feature extractor in 8 bits, as PyTorch computes it while training.

Weights are signed and symmetric, with a scale for each output channel; activations, all behind a
ReLU, are unsigned with one scale a tensor. Convolutions on maps are quantised but for the first,
which has three channels and gains nothing; what is computed of a single pixel stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from shitu.exporting.folding import folded

MOST, LEVELS = 127, 255
_BALANCE = 0.5  # of the ranges of activations against those of weights, as in SmoothQuant
_CALIBRATION = 16  # pictures a batch


@dataclass
class Node:
    """One operation: what it reads, the edge that it writes, and its attributes."""

    kind: str
    inputs: list[str]
    output: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Any) -> Node:
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return cls(node.op_type, list(node.input), node.output[0], options)

    @property
    def depthwise(self) -> bool:
        return self.options.get("group", 1) > 1


class Network:
    """The network of an ONNX file, with and without rounding.

    Attributes:
        values: weights and biases by edge.
        quantised: convolutions in 8 bits; none before they are chosen.
        scales: by edge, the step of each activation that is rounded.
    """

    def __init__(self, path: Path) -> None:
        self.model = folded(path.read_bytes())
        graph = self.model.graph
        self.nodes = [Node.of(node) for node in graph.node]
        self.values = {
            t.name: torch.tensor(numpy_helper.to_array(t).astype(np.float32))
            for t in graph.initializer
            if t.data_type == TensorProto.FLOAT
        }
        self._let_sums_have_gains()
        self.made = {node.output: node for node in self.nodes}
        self.readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for edge in node.inputs:
                self.readers.setdefault(edge, []).append(node)
        seen = self.edges(torch.zeros(1, 3, 224, 224))
        maps = [n for n in self.nodes if n.kind == "Conv" and seen[n.output].shape[-1] > 1]
        self.quantised = maps[1:]
        self.scales = dict.fromkeys(self._rounded_edges(), torch.tensor(1.0))

    def _let_sums_have_gains(self) -> None:
        """Multiply what is summed by one for each channel, in which equalising leaves its mark."""
        makers = {node.output: node for node in self.nodes}
        nodes: list[Node] = []
        for node in self.nodes:
            if node.kind == "Add":
                for place, edge in enumerate(node.inputs):
                    gain, scaled = f"{edge}.gain", f"{edge}.scaled"
                    channels = len(self.values[makers[makers[edge].inputs[0]].inputs[1]])
                    self.values[gain] = torch.ones(1, channels, 1, 1)
                    nodes.append(Node("Mul", [edge, gain], scaled))
                    node.inputs[place] = scaled
            nodes.append(node)
        self.nodes = nodes

    def _rounded_edges(self) -> Iterator[str]:
        """What goes into quantised convolutions, and comes out of them and the ReLU behind."""
        for node in self.quantised:
            yield node.inputs[0]
            yield self.readers[node.output][0].output

    def exactly(self, pictures: Tensor) -> Tensor:
        """Features (n, dim) in float32."""
        return self.edges(pictures)[self.nodes[-1].output]

    def rounded(self, pictures: Tensor) -> Tensor:
        """Features (n, dim) as 8 bits give them, with gradients as if nothing were rounded."""
        return self.edges(pictures, rounding=True)[self.nodes[-1].output]

    def edges(self, pictures: Tensor, *, rounding: bool = False) -> dict[str, Tensor]:
        """What flows through the network for pictures (n, 3, h, w)."""
        known = {"x": pictures}
        weights = {node.inputs[1] for node in self.quantised} if rounding else set()
        for node in self.nodes:
            values = [known.get(edge, self.values.get(edge)) for edge in node.inputs]
            if node.kind == "Conv" and node.inputs[1] in weights:
                values[1] = round_weights(values[1])
            found = compute(node, values)
            if found is None:
                continue
            if rounding and node.output in self.scales:
                found = round_activations(found, self.scales[node.output])
            known[node.output] = found
        return known

    def ranges(self, pictures: Tensor) -> dict[str, Tensor]:
        """The largest value in each channel of each picture, (n, channels), by rounded edge."""
        parts: dict[str, list[Tensor]] = {edge: [] for edge in self.scales}
        for batch in pictures.split(_CALIBRATION):
            seen = self.edges(batch)
            for edge, part in parts.items():
                part.append(seen[edge].amax((2, 3)))
        return {edge: torch.cat(part) for edge, part in parts.items()}

    def equalise(self, pictures: Tensor) -> None:
        """Scale channels against each other so that fewer levels are wasted on quiet ones.

        A ReLU lets any positive factor through, so that what one layer is divided by the next is
        multiplied with: the network stays the same (Nagel et al. 2019; Xiao et al. 2023).
        """
        largest = {edge: part.amax(0) for edge, part in self.ranges(pictures).items()}
        for edge, ranges in largest.items():
            if self.made[edge].kind != "Relu":
                continue
            readers, gains = self._readers_through_gates(edge)
            factors = self._factors(ranges, readers)
            maker = self.made[self.made[edge].inputs[0]]
            self.values[maker.inputs[1]] /= factors[:, None, None, None]
            self.values[maker.inputs[2]] /= factors
            for gain in gains:
                self.values[gain] *= factors[None, :, None, None]
            for reader in readers:
                columns = factors[:, None] if reader.depthwise else factors[None]
                self.values[reader.inputs[1]] *= columns[..., None, None]
        for edge, part in self.ranges(pictures).items():
            self.scales[edge] = part.amax(1).mean() / LEVELS

    def _readers_through_gates(self, edge: str) -> tuple[list[Node], list[str]]:
        """Convolutions that read an edge, through means and gates, too; and gains of sums."""
        found: dict[str, Node] = {}
        gains, waiting = [], [edge]
        while waiting:
            for node in self.readers[waiting.pop()]:
                if node.kind == "Conv":
                    found[node.output] = node
                elif node.inputs[-1] in self.values:
                    gains.append(node.inputs[-1])
                else:
                    waiting.append(node.output)
        return list(found.values()), gains

    def _factors(self, ranges: Tensor, readers: list[Node]) -> Tensor:
        ranges = ranges.clamp_min(float(ranges.max()) * 1e-3)
        rounded = {node.inputs[1] for node in self.quantised}
        mixing = [
            self.values[node.inputs[1]].abs().amax((0, 2, 3))
            for node in readers
            if node.inputs[1] in rounded and not node.depthwise
        ]
        if mixing:
            weights = torch.stack(mixing).amax(0).clamp_min(1e-6)
            factors = ranges**_BALANCE / weights ** (1 - _BALANCE)
        elif readers:
            factors = ranges**0.9  # filters of one channel each do not mind
        else:
            factors = ranges**0.5  # a gain does not either, but new pictures go beyond the range
        return factors / factors.log().mean().exp()


def compute(node: Node, values: list[Any]) -> Tensor | None:
    """What an operation makes of its inputs; None of those that only make out a shape."""
    match node.kind:
        case "Conv":
            top, left, bottom, right = node.options.get("pads", [0, 0, 0, 0])
            assert (top, left) == (bottom, right)
            strides, groups = node.options.get("strides", [1, 1]), node.options.get("group", 1)
            return F.conv2d(*values, stride=strides, padding=(top, left), groups=groups)
        case "Relu":
            return F.relu(values[0])
        case "GlobalAveragePool":
            return values[0].mean((2, 3), keepdim=True)
        case "Mul":
            return values[0] * values[1]
        case "Add":
            return values[0] + values[1]
        case "Sigmoid":
            return torch.sigmoid(values[0])
        case "Reshape":
            return values[0].flatten(1)
        case "BatchNormalization":
            x, weight, bias, mean, variance = values
            return F.batch_norm(x, mean, variance, weight, bias, eps=node.options["epsilon"])
        case "Shape" | "Slice" | "Concat":
            return None
    raise ValueError(node.kind)


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.round()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient


def weight_steps(weights: Tensor) -> Tensor:
    """Step (out, 1, 1, 1) between the levels of weights (out, in, h, w)."""
    largest = weights.detach().abs().amax((1, 2, 3), keepdim=True)
    return largest.clamp_min(float(largest.max()) * 1e-4) / MOST


def round_weights(weights: Tensor) -> Tensor:
    """Weights as whole steps."""
    steps = weight_steps(weights)
    rounded: Tensor = _Round.apply(weights / steps)
    return rounded.clamp(-MOST, MOST) * steps


def round_activations(values: Tensor, step: Tensor) -> Tensor:
    """Activations as whole steps; the step learns as in LSQ (Esser et al. 2020)."""
    share = (values[0].numel() * LEVELS) ** -0.5
    step = step * share + (step * (1 - share)).detach()
    rounded: Tensor = _Round.apply((values / step).clamp(0, LEVELS))
    return rounded * step
