"""Make 8-bit files of the embedded models: `model.onnx` -> `model.int8.onnx`, to be measured.

    .venv/bin/python scripts/quantize_embedded.py feature PICTURES --out DIR

Needs the package onnx. PICTURES is a folder with pictures to calibrate on, which no test may use.
Nothing is written into the package: what a file loses decides whether it is worth having
(docs/engines.md has the figures).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.cropper import Cropper
from shitu.errors import ImageError
from shitu.geometry import crop
from shitu.images import Image, find_images, load_image
from shitu.models.registry import find_model
from shitu.preprocess import Preprocessing
from shitu.workspace import Workspace

MODELS = {"feature": FEATURE_MODEL, "detector": DETECTOR_MODEL}
METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=MODELS)
    parser.add_argument("pictures", type=Path, nargs="+", help="folders to calibrate on")
    parser.add_argument("--count", type=int, default=200, help="pictures, spread evenly")
    parser.add_argument("--method", choices=METHODS, default="minmax")
    parser.add_argument(
        "--keep", nargs="*", default=[], help="nodes, by a part of their name, left alone"
    )
    parser.add_argument("--convolutions-only", action="store_true")
    parser.add_argument("--out", type=Path, required=True, help="the file")
    options = parser.parse_args()
    spec = find_model(MODELS[options.kind], options.kind)
    found = [path for folder in options.pictures for path in find_images(folder)]
    chosen = found[:: max(1, len(found) // options.count)][: options.count]
    cropper = None if options.kind == "detector" else detector()
    with tempfile.TemporaryDirectory() as scratch:
        plain, ready = Path(scratch) / "plain.onnx", Path(scratch) / "ready.onnx"
        onnx.save(in_full_precision(onnx.load(spec.files["onnx"].path)), plain)
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        nodes = onnx.load(ready).graph.node
        left = [n.name for n in nodes if any(part in n.name for part in options.keep)]
        quantize_static(
            str(ready),
            str(options.out),
            Reader(chosen, spec.preprocessing, cropper),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[options.method],
            nodes_to_exclude=left,
            op_types_to_quantize=["Conv"] if options.convolutions_only else None,
        )
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {len(chosen)} pictures")
    return 0


def detector() -> Cropper:
    return Workspace(
        ROOT / "no-index",
        feature_model=FEATURE_MODEL,
        detector_model=DETECTOR_MODEL,
        engine="onnxruntime",
    )._networks.cropper


def in_full_precision(model: Any) -> Any:
    """Weights that are stored as halves and cast while loading -> plain ones."""
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "Cast" and n.input[0] in weights]:
        half = weights[node.input[0]]
        full = numpy_helper.to_array(half).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(full, node.output[0]))
        graph.initializer.remove(half)
        graph.node.remove(node)
    return model


class Reader(CalibrationDataReader):
    """Pictures as the network sees them: of the feature extractor, their main bodies."""

    def __init__(
        self, paths: list[Path], preprocessing: Preprocessing, cropper: Cropper | None
    ) -> None:
        self._batches = self._read(paths, preprocessing, cropper)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)

    def _read(
        self, paths: list[Path], preprocessing: Preprocessing, cropper: Cropper | None
    ) -> Iterator[dict[str, Any]]:
        for path in paths:
            try:
                yield {"x": preprocessing([main_body(load_image(path), cropper)])}
            except ImageError as error:
                print(f"skipped {path}: {error}", file=sys.stderr)


def main_body(image: Image, cropper: Cropper | None) -> Image:
    (box,) = (None,) if cropper is None else cropper.main_bodies([image])
    return image if box is None else crop(image, box)


if __name__ == "__main__":
    sys.exit(main())
