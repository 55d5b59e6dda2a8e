"""What is an exported graph already, in another format: for other engines, not for Paddle."""

from __future__ import annotations

import shutil
from pathlib import Path

from shitu.errors import ModelError
from shitu.exporting.made import ExportSummary, made_whole, sizes
from shitu.exporting.onnx_graph import to_onnx
from shitu.exporting.parity import FLOAT_COSINE, Gate, pictures_of
from shitu.exporting.writers import open_onnx, write_openvino_of
from shitu.models.exports import DESCRIPTIONS
from shitu.models.spec import ModelSpec
from shitu.runtime.exported import open_exported

GRAPH_FORMATS = ("onnx", "openvino")
ONNX_GRAPH = "inference.onnx"


def export_graph(
    spec: ModelSpec,
    form: str,
    folder: Path,
    pictures: Path | None = None,
    least: float | None = None,
) -> ExportSummary:
    """Write the graph of PaddleX, PaddleClas or PaddleDetection for another engine.

    Its description goes along as it is, so that the new folder is opened like the old one.

    Args:
        spec: has a `program`, or is an ONNX file.
        form: one of `GRAPH_FORMATS`.
        folder, pictures, least: see `export`.

    Raises:
        ModelError: the format is not for graphs, the graph wants more than a picture, a package
            is missing, or a picture gets another vector; nothing is written then.
    """
    able = GRAPH_FORMATS if "program" in spec.files else GRAPH_FORMATS[1:]
    if form not in able:
        raise ModelError(
            f"The model {spec.name} is an exported graph: it can become {' or '.join(able)}, not "
            f"{form}. For that, export its weights (.pdparams or .safetensors, with "
            "--architecture)."
        )
    original = open_exported(spec, None)
    if len(original.inputs) != 1:
        raise ModelError(
            f"The model {spec.name} wants {', '.join(original.inputs)}: it suppresses boxes within "
            "its graph, which only Paddle can. Export it raw (PaddleDetection's export.nms=False)."
        )
    least = FLOAT_COSINE if least is None else least
    with made_whole(folder) as made:
        shown = pictures_of(pictures)
        gate = Gate(spec.preprocessing, original.run, shown, least)
        content = _onnx_of(spec)
        if form == "onnx":
            (made / ONNX_GRAPH).write_bytes(content)
            run = open_onnx(made / ONNX_GRAPH)
        else:
            run = write_openvino_of(content, made)
        worst = gate.require(run)
        beside = next(iter(spec.files.values())).path.parent
        for name in DESCRIPTIONS:
            if (beside / name).exists():
                shutil.copyfile(beside / name, made / name)
    return ExportSummary(folder, form, sizes(folder), worst, len(shown.names))


def _onnx_of(spec: ModelSpec) -> bytes:
    if "program" not in spec.files:
        return spec.files["onnx"].verified().read_bytes()
    return to_onnx(spec.files["program"].verified(), spec.files["weights"].verified())
