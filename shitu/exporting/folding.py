"""An ONNX graph -> the same with all computed that can be computed once."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

_ERRORS_ONLY = 3  # severity of ONNX Runtime


def folded(content: bytes) -> Any:
    """Return the model of an ONNX file with its constants folded; needs the package onnx.

    Normalisations become part of convolutions. The graph is for any engine, on any processor.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        model = onnx.load(path)
    for entry in [entry for entry in model.opset_import if entry.domain]:
        model.opset_import.remove(entry)  # ONNX Runtime names its own, none of which is used
    onnx.checker.check_model(model, full_check=True)
    return model
