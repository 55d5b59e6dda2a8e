"""Open a graph that upstream exported, on the engine that its format is for."""

from __future__ import annotations

from importlib.util import find_spec

from shitu.errors import ModelError
from shitu.models.spec import ModelSpec
from shitu.runtime.session import NamedSession


def open_exported(spec: ModelSpec, threads: int | None) -> NamedSession:
    """Open a Paddle graph in Paddle Inference, an ONNX file in ONNX Runtime.

    Raises:
        ModelError: Paddle is not installed.
        WeightsNotFound, WeightsCorrupt: of the model's files.
    """
    if "program" not in spec.files:
        from shitu.runtime.onnx_runtime import OnnxRuntimeSession

        return OnnxRuntimeSession(spec.files["onnx"].verified(), threads)
    if find_spec("paddle") is None:
        raise ModelError(
            f"The model {spec.name} is a Paddle graph, which needs the package paddlepaddle: "
            "`pip install paddlepaddle`."
        )
    from shitu.runtime.paddle_inference import PaddleInferenceSession

    program, weights = (spec.files[name].verified() for name in ("program", "weights"))
    return PaddleInferenceSession(program, weights, threads)
