"""Take a model out: to Paddle Inference, ONNX, OpenVINO or int8, compared picture by picture."""

from shitu.exporting.export import FORMATS, export
from shitu.exporting.graphs import export_graph
from shitu.exporting.made import ExportSummary
from shitu.exporting.sources import Source, source_of_model, source_of_weights

__all__ = [
    "FORMATS",
    "ExportSummary",
    "Source",
    "export",
    "export_graph",
    "source_of_model",
    "source_of_weights",
]
