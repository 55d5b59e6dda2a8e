"""Take a model out: to Paddle Inference, ONNX, OpenVINO or int8, compared picture by picture."""

from shitu.exporting.export import FORMATS, ExportSummary, export
from shitu.exporting.sources import Source, source_of_model, source_of_weights

__all__ = [
    "FORMATS",
    "ExportSummary",
    "Source",
    "export",
    "source_of_model",
    "source_of_weights",
]
