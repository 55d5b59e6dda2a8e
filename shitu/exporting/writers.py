"""One writer per format: files of a network in a folder, and what runs them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from shitu.errors import ModelError
from shitu.exporting.onnx_graph import to_onnx
from shitu.exporting.parity import Pictures, Run
from shitu.exporting.sources import Network, Source
from shitu.exporting.suppressed import write_suppressed
from shitu.models.exports import PADDLEX_THRESHOLD
from shitu.models.spec import FOR_MAIN_BODIES
from shitu.runtime.session import Float32Array

ONNX_FILE = "model.onnx"
PARAMS_FILE = "params.npz"
MAIN_BODY_FILE = "model.main_body.onnx"
TEXT_FILE = "text.onnx"
TOKENIZER_FILE = "tokenizer.json"
FILES = {
    "onnx": ONNX_FILE,
    FOR_MAIN_BODIES: MAIN_BODY_FILE,
    "params": PARAMS_FILE,
    "text": TEXT_FILE,
    "tokenizer": TOKENIZER_FILE,
}
Passes = Callable[[Run], bool]
PADDLEX_DESCRIPTION = "inference.yml"
_PADDLEX_INTERPOLATION = {"linear": "bilinear", "cubic": "bicubic", "antialias": "bilinear"}


def write_paddle(source: Source, folder: Path, pictures: Pictures, passes: Passes) -> Run:
    """Files of Paddle Inference, as PaddleX and Paddle's own programs open them."""
    from shitu.nets.exporting import export_paddle
    from shitu.runtime.paddle_inference import PaddleInferenceSession

    net, shape = source.image.another(), source.image.input_shape
    if source.kind != "detector":
        return PaddleInferenceSession(*export_paddle(net, shape, folder)).run
    # Of a detector raw outputs are compared number by number; what is written gives boxes.
    with tempfile.TemporaryDirectory() as scratch:
        raw = PaddleInferenceSession(*export_paddle(net, shape, Path(scratch)))
    write_suppressed(source, folder, raw, pictures)
    return raw.run


def write_onnx(source: Source, folder: Path, pictures: Pictures, passes: Passes) -> Run:
    """ONNX and parameters: a folder that `--model` takes."""
    if source.onnx is None:
        run = write_onnx_network(source.image, folder / ONNX_FILE)
    else:
        (folder / ONNX_FILE).write_bytes(source.onnx.read_bytes())
        run = open_onnx(folder / ONNX_FILE)
    if source.for_main_bodies is not None:
        (folder / MAIN_BODY_FILE).write_bytes(source.for_main_bodies.read_bytes())
    # Without the classifiers of training, which are larger than all the rest.
    kept = source.image.net.state_dict().keys() & source.image.arrays.keys()
    arrays: dict[str, Any] = {name: source.image.arrays[name] for name in sorted(kept)}
    np.savez(folder / PARAMS_FILE, **arrays)
    return run


def write_onnx_network(network: Network, path: Path) -> Run:
    """Convert a network of Paddle; needs paddle2onnx."""
    path.write_bytes(onnx_of(network))
    return open_onnx(path)


def onnx_of(network: Network) -> bytes:
    """A network as ONNX."""
    from shitu.nets.exporting import export_paddle

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = export_paddle(network.another(), network.input_shape, folder, norms=False)
        return to_onnx(*files, network.outputs)


def write_openvino(source: Source, folder: Path, pictures: Pictures, passes: Passes) -> Run:
    """OpenVINO's two files, in float32."""
    return write_openvino_of(onnx_bytes(source), folder)


def write_openvino_of(content: bytes, folder: Path) -> Run:
    """OpenVINO's two files of an ONNX model, in float32."""
    if not find_spec("openvino"):
        raise ModelError("Making OpenVINO files needs openvino: `pip install 'shitu[openvino]'`.")
    import openvino

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / ONNX_FILE
        path.write_bytes(content)
        model = openvino.convert_model(path)
    openvino.save_model(model, folder / "inference.xml", compress_to_fp16=False)
    core = openvino.Core()
    # Left to itself it computes in bfloat16 wherever the CPU can.
    compiled = core.compile_model(
        str(folder / "inference.xml"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )

    def run(batch: Float32Array) -> list[Float32Array]:
        return [np.array(output) for output in compiled(batch).values()]

    return run


def onnx_bytes(source: Source) -> bytes:
    """The image network as ONNX: its file where there is one, else converted."""
    return onnx_of(source.image) if source.onnx is None else source.onnx.read_bytes()


def open_onnx(path: Path) -> Run:
    """What runs an ONNX file in the default engine."""
    from shitu.runtime.onnx_runtime import OnnxRuntimeSession

    return OnnxRuntimeSession(path).run


def describe_for_paddlex(source: Source, folder: Path) -> tuple[str, ...]:
    """Write `inference.yml` in the layout of PaddleX; what it cannot say is a note."""
    preprocessing = source.preprocessing
    height, width = preprocessing.input_size
    write = _feature_yml if source.kind == "feature" else _detector_yml
    fields = {"Global": {"model_name": source.name}, **write(source, [width, height])}
    (folder / PADDLEX_DESCRIPTION).write_text(
        yaml.safe_dump(fields, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    return *_resized(source), *_unknown_below(source)


def _resized(source: Source) -> tuple[str, ...]:
    kind = source.preprocessing.interpolation
    if kind == "linear":
        return ()
    made = "vectors" if source.kind == "feature" else "boxes"
    return (
        f"{source.name} was made for pictures resized by {kind!r} interpolation, which "
        f"{PADDLEX_DESCRIPTION} cannot say: PaddleX resizes otherwise, and its {made} differ a "
        "little.",
    )


def _unknown_below(source: Source) -> tuple[str, ...]:
    threshold = source.fields["threshold"]
    if source.kind == "detector" or threshold == PADDLEX_THRESHOLD:
        return ()
    return (
        f"Answers of {source.name} are unknown below {threshold:g}, which {PADDLEX_DESCRIPTION} "
        f"cannot say: give --threshold {threshold:g}, in PaddleX rec_threshold, or "
        f"{PADDLEX_THRESHOLD:g} holds.",
    )


def _normalize(source: Source) -> dict[str, Any]:
    p = source.preprocessing
    return {"mean": list(p.mean), "std": list(p.std)}


def _feature_yml(source: Source, size: Sequence[int]) -> dict[str, Any]:
    interpolation = _PADDLEX_INTERPOLATION[source.preprocessing.interpolation]
    normalize = {"channel_num": 3, "order": "hwc", "scale": 1 / 255, **_normalize(source)}
    return {
        "PreProcess": {
            "transform_ops": [
                {"ResizeImage": {"size": list(size), "interpolation": interpolation}},
                {"NormalizeImage": normalize},
                {"ToCHWImage": None},
            ]
        },
        "PostProcess": {"NormalizeFeatures": None},
    }


def _detector_yml(source: Source, size: Sequence[int]) -> dict[str, Any]:
    target = [size[1], size[0]]
    return {
        "mode": "paddle",
        "draw_threshold": source.fields["threshold"],
        "arch": "PicoDet",
        "Preprocess": [
            {"type": "Resize", "interp": 1, "keep_ratio": False, "target_size": target},
            {"type": "NormalizeImage", "is_scale": True, **_normalize(source)},
            {"type": "Permute"},
        ],
        "label_list": ["foreground"],
        "fpn_stride": source.fields["strides"],
    }
