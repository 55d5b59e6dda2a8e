"""OpenVINO, the fastest engine on most CPUs: reads the same ONNX files."""

from __future__ import annotations

from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.runtime.session import Float32Array

_HARD_SWISH = (1 / 6, 1 / 2)  # slope and offset of its gate


class OpenVinoSession:
    """A network in an ONNX file, on the CPU.

    Pictures of a batch run one by one, or side by side on `streams`: so what else is in the batch
    cannot change an output by so much as a bit, and larger batches are not faster anyway.

    Args:
        path: the file.
        threads: that work on all of it; None leaves the choice to OpenVINO.
        engine: what it is called.
        bfloat16: compute in bfloat16, which needs a CPU that can.
        streams: pictures that run at a time, each on its share of the threads.
        cache: folder where compiled networks are kept; None: nowhere.

    Raises:
        ModelError: this CPU does not compute in bfloat16.
        WeightsNotFound: there is no such file.
        WeightsCorrupt: OpenVINO cannot make sense of it.
    """

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        *,
        engine: str = "openvino",
        bfloat16: bool = False,
        streams: int = 1,
        cache: Path | None = None,
    ) -> None:
        self.engine = engine
        if not path.is_file():
            raise WeightsNotFound(f"No ONNX model at {path}. Check the path, or install again.")
        self._path = path
        core = _core(cache)
        if bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ModelError(
                "This CPU has no instructions for bfloat16: use the engine openvino instead."
            )
        settings: dict[str, Any] = {
            # Left to itself it computes in bfloat16 wherever the CPU can.
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "NUM_STREAMS": streams,
            # Pinned threads would wait for the very cores that others of ours are on.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            self._model = core.compile_model(_one_picture(core, path), "CPU", settings)
        except Exception as error:  # all that it raises is a RuntimeError
            raise WeightsCorrupt(
                f"OpenVINO cannot open the model {path}: {_summary(error)}. Fetch the file again."
            ) from None
        # A request holds one set of input and output buffers; whoever runs takes one.
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._idle.put(self._model.create_infer_request())

    def run(self, batch: Float32Array) -> list[Float32Array]:
        """See `Session.run`; safe to call from several threads, `streams` of which run at once."""
        batch = np.ascontiguousarray(batch, np.float32)
        request = self._idle.get()
        try:
            found = [self._one(request, batch[i : i + 1]) for i in range(len(batch))]
        except Exception as error:
            raise ModelError(
                f"The model {self._path} cannot run on a batch of shape {batch.shape}: "
                f"{_summary(error)}"
            ) from None
        finally:
            self._idle.put(request)
        return [np.concatenate(rows) for rows in zip(*found, strict=True)]

    def _one(self, request: Any, picture: Float32Array) -> list[Float32Array]:
        request.infer([picture], share_inputs=True)
        # Copies: the next run writes into the same buffers.
        return [tensor.data.copy() for tensor in request.output_tensors]


def _core(cache: Path | None) -> Any:
    import openvino

    core = openvino.Core()
    if cache is not None:
        core.set_property({"CACHE_DIR": str(cache)})
    return core


def _one_picture(core: Any, path: Path) -> Any:
    """The network for batches of one: shapes that are known make faster kernels."""
    model = core.read_model(path)
    shape = model.inputs[0].partial_shape
    shape[0] = 1
    model.reshape({model.inputs[0]: shape})
    _whole_activations(model)
    return model


def _whole_activations(model: Any) -> None:
    """Put hard-swish back together, which OpenVINO takes apart when it reads one from ONNX.

    As a gate and a product behind each convolution it takes as long as all convolutions.
    """
    from openvino import opset14

    for gate in model.get_ordered_ops():
        if gate.get_type_name() != "HardSigmoid":
            continue
        value, *slope = gate.input_values()
        if not np.allclose([number.get_node().data for number in slope], _HARD_SWISH):
            continue
        for place in gate.output(0).get_target_inputs():
            product = place.get_node()
            if (
                product.get_type_name() == "Multiply"
                and product.input_value(1 - place.get_index()) == value
            ):
                product.output(0).replace(opset14.hswish(value).output(0))


def _summary(error: Exception) -> str:
    """The last line of OpenVINO's many that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
