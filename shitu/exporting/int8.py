"""Networks in 8 bits: as much of one as its outputs bear."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from shitu.errors import ModelError
from shitu.exporting.folding import folded
from shitu.exporting.parity import Pictures, Run
from shitu.exporting.sources import Source
from shitu.exporting.writers import ONNX_FILE, onnx_bytes, open_onnx
from shitu.models.graphs import read_graph
from shitu.runtime.session import Float32Array

_WARNINGS, _ERRORS_ONLY = 2, 3  # severities of ONNX Runtime
_WEIGHTED = {"Conv": 0, "MatMul": 1, "Gemm": 1}  # operators, and where their outputs are counted


def write_int8(
    source: Source, folder: Path, pictures: Pictures, passes: Callable[[Run], bool]
) -> Run:
    """Write the first that passes, else the last: trained for it, all rounded, or weights alone.

    Raises:
        ModelError: onnx or ml_dtypes is not installed.
    """
    target = folder / ONNX_FILE
    if source.eight_bits is not None:
        shutil.copyfile(source.eight_bits, target)
        run = open_onnx(target)
        if passes(run):
            return run
    # The latter is what ONNX Runtime's quantiser imports besides.
    if not (find_spec("onnx") and find_spec("ml_dtypes")):
        raise ModelError(
            "Making int8 models needs onnx and ml_dtypes: `pip install 'shitu[export]'`."
        )
    with tempfile.TemporaryDirectory() as scratch, _silent():
        path = Path(scratch) / "folded.onnx"
        path.write_bytes(folded(onnx_bytes(source)).SerializeToString())
        if source.image.architecture.startswith("clip_"):
            _dynamically(path, target)
        else:
            _statically(path, target, source, pictures)
        run = open_onnx(target)
        if not passes(run):
            target.write_bytes(_weights_only(path))
            run = open_onnx(target)
    return run


def rounds_what_flows(folder: Path) -> bool:
    """Whether the model in a folder computes in 8 bits, rather than only keeping its weights so."""
    return b"QuantizeLinear" in (folder / ONNX_FILE).read_bytes()


def _dynamically(path: Path, target: Path) -> None:
    """For transformers, whose activations have outliers: their range is taken anew each time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(path, target, per_channel=True, weight_type=QuantType.QInt8)


def _statically(path: Path, target: Path, source: Source, pictures: Pictures) -> None:
    """For convolutions: the range of what flows is what it was on the pictures."""
    from onnxruntime.quantization import quantize_static

    batches = (source.preprocessing([image]) for image in pictures.images)
    quantize_static(
        path,
        target,
        _Calibration(next(iter(read_graph(path).inputs)), batches),
        per_channel=True,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=_delicate(path),
    )


class _Calibration:
    """Feeds pictures to ONNX Runtime's quantiser, one by one, as the input of that name."""

    def __init__(self, name: str, batches: Iterator[Float32Array]) -> None:
        self._name, self._batches = name, batches

    def get_next(self) -> dict[str, Float32Array] | None:
        """The next picture; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}

    def set_range(self, start_index: int, end_index: int) -> None:
        """Ignored: all pictures are taken."""

    def __len__(self) -> int:
        return 0


def _delicate(path: Path) -> list[str]:
    """Convolutions that lose much and cost little: the first, depthwise ones, all on means."""
    import onnx

    graph = onnx.load(path).graph
    maker = {output: node for node in graph.node for output in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [
        node.name
        for node in convolutions
        if node is convolutions[0] or _is_depthwise(node) or _follows_pooling(node, maker)
    ]


def _is_depthwise(node: Any) -> bool:
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)


def _follows_pooling(node: Any, maker: dict[str, Any], steps: int = 4) -> bool:
    found = maker.get(node.input[0])
    if found is None or steps == 0:
        return False
    return found.op_type == "GlobalAveragePool" or _follows_pooling(found, maker, steps - 1)


def _weights_only(path: Path) -> bytes:
    """Keep weights in 8 bits, one scale for each output, and compute in float32."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    axes = {n.input[1]: _WEIGHTED[n.op_type] for n in graph.node if n.op_type in _WEIGHTED}
    nodes = []
    for tensor in [tensor for tensor in graph.initializer if tensor.name in axes]:
        array = numpy_helper.to_array(tensor)
        if array.ndim < 2 or array.dtype != np.float32:
            continue
        axis = axes[tensor.name]
        numbers, scale = _quantised(array, axis)
        names = (f"{tensor.name}.int8", f"{tensor.name}.scale")
        graph.initializer.extend(
            numpy_helper.from_array(a, name)
            for a, name in zip((numbers, scale), names, strict=True)
        )
        graph.initializer.remove(tensor)
        nodes.append(helper.make_node("DequantizeLinear", list(names), [tensor.name], axis=axis))
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content


def _quantised(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of -127 to 127, and the scale of each slice along the axis."""
    others = tuple(i for i in range(array.ndim) if i != axis)
    largest = np.abs(array).max(axis=others, keepdims=True)
    scale = np.maximum(largest, np.finfo(np.float32).tiny) / 127
    return np.rint(array / scale).astype(np.int8), scale.reshape(-1).astype(np.float32)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the quantiser's advice to its authors from the user."""
    import onnxruntime

    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
        logging.disable(logging.NOTSET)
