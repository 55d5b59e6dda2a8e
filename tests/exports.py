"""Models in the layouts in which PaddleX, PaddleClas and PaddleDetection export them.

The descriptions say what upstream's exporters write (PaddleClas d178931 ppcls/utils/config.py,
PaddleDetection 666f597 ppdet/engine/export_utils.py), with the settings of the official models.
"""

# mypy: ignore-errors

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import yaml

import shitu.models
from shitu.models.spec import read_spec
from shitu.nets import build
from shitu.nets._paddle import nn, paddle
from shitu.nets.layers import fuse
from shitu.nets.params import load_params

WEIGHTS = Path(shitu.models.__file__).parent / "weights"
DETECTOR = WEIGHTS / "picodet_lcnet_mainbody"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def feature_yml(size: Any = 224, name: str | None = "PP-ShiTuV2_rec", **resize: Any) -> dict:
    """`inference.yml` of a feature extractor."""
    resize = {"interpolation": "bilinear", "backend": "cv2", "return_numpy": False, **resize}
    normalize = {"channel_num": 3, "mean": MEAN, "std": STD, "order": "hwc", "scale": 1 / 255}
    side = size if isinstance(size, int) else size[0]
    return {
        "Hpi": {"backend_config": {"paddle_tensorrt": {"dynamic_shapes": {"x": [[1, 3, side]]}}}},
        **({"Global": {"model_name": name}} if name else {}),
        "PreProcess": {
            "transform_ops": [
                {"ResizeImage": {"size": size, **resize}},
                {"NormalizeImage": normalize},
                {"ToCHWImage": None},
            ]
        },
        "PostProcess": {"NormalizeFeatures": None},
    }


def detector_yml(size: int = 416, interp: int = 2, **more: Any) -> dict:
    """`inference.yml` or `infer_cfg.yml` of a PicoDet."""
    return {
        "mode": "paddle",
        "draw_threshold": 0.5,
        "metric": "COCO",
        "use_dynamic_shape": False,
        "arch": "GFL",
        "min_subgraph_size": 3,
        "Preprocess": [
            {"type": "Resize", "interp": interp, "keep_ratio": False, "target_size": [size, size]},
            {"type": "NormalizeImage", "is_scale": True, "mean": MEAN, "std": STD},
            {"type": "Permute"},
        ],
        "label_list": ["foreground"],
        "NMS": {
            "name": "MultiClassNMS",
            "nms_threshold": 0.6,
            "nms_top_k": 1000,
            "keep_top_k": 100,
            "score_threshold": 0.025,
        },
        "fpn_stride": [8, 16, 32, 64],
        **more,
    }


def write_yml(folder: Path, fields: dict, name: str = "inference.yml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")
    return folder


class Colours(nn.Layer):
    """A feature extractor of 27 numbers: mean colours of 3 x 3 parts, weighted at random."""

    def __init__(self, dim: int = 24) -> None:
        super().__init__()
        paddle.seed(5)
        self.fc = nn.Linear(27, dim)

    def forward(self, x):
        """(n, 3, h, w) -> (n, dim)."""
        return self.fc(nn.functional.adaptive_avg_pool2d(x, 3).flatten(1))


def save(net: nn.Layer, inputs: dict[str, list], folder: Path, *, old: bool = False) -> Path:
    """Write `inference.json` (or, `old`, `.pdmodel`) and `.pdiparams`."""
    folder.mkdir(parents=True, exist_ok=True)
    net.eval()
    specs = [paddle.static.InputSpec(shape, "float32", name) for name, shape in inputs.items()]
    with paddle.pir_utils.OldIrGuard() if old else nullcontext():
        program = paddle.jit.to_static(net, input_spec=specs, full_graph=True)
        paddle.jit.save(program, str(folder / "inference"))
    return folder


def export_colours(folder: Path, *, old: bool = False, **yml: Any) -> Path:
    """A small feature extractor in PaddleX's layout."""
    fields = feature_yml(**yml)
    size = fields["PreProcess"]["transform_ops"][0]["ResizeImage"]["size"]
    width, height = (size, size) if isinstance(size, int) else size
    save(Colours(), {"x": [-1, 3, height, width]}, folder, old=old)
    return write_yml(folder, fields)


class Exported(nn.Layer):
    """Our detector with what PaddleDetection puts after it: `nms`, `boxes` or `levels`."""

    def __init__(self, head: str, nearest: bool = False) -> None:
        super().__init__()
        spec = read_spec(DETECTOR)
        self.net = build(spec.architecture)
        load_params(self.net, spec.files["params"].path)
        fuse(self.net)
        self.head = head
        self.nearest = nearest

    def forward(self, image, scale_factor=None):
        """Pictures, ratios (n, 2) of height and width -> what the head gives."""
        if self.nearest:  # changes nothing, but oneDNN cannot run it
            half = image[:, :, ::2, ::2]
            up = nn.functional.interpolate(half, scale_factor=2, mode="nearest")
            image = image + 0.0 * up
        scores, sides = self.net(image)
        if self.head == "levels":
            parts = [2704, 676, 169, 49]
            return (*paddle.split(scores, parts, axis=1), *paddle.split(sides, parts, axis=1))
        boxes = self._decode(sides)
        scores = scores.transpose([0, 2, 1])
        if self.head == "boxes":
            return boxes, scores
        y, x = paddle.split(scale_factor, 2, axis=-1)
        boxes = boxes / paddle.concat([x, y, x, y], axis=-1).reshape([-1, 1, 4])
        settings = (0.025, 1000, 100, 0.6, True, 1.0, -1)
        found, _, counts = paddle._C_ops.multiclass_nms3(boxes, scores, None, *settings)
        return found, counts

    def _decode(self, sides):
        weights = nn.functional.softmax(sides.reshape([0, 0, 4, 8]), axis=-1)
        distances = (weights * paddle.arange(8, dtype="float32")).sum(axis=-1)
        centres, strides = [], []
        for stride in (8, 16, 32, 64):
            cells = -(-416 // stride)
            y, x = paddle.meshgrid(paddle.arange(cells), paddle.arange(cells))
            points = paddle.stack([x, y], axis=-1).reshape([-1, 2]).astype("float32")
            centres.append((points + 0.5) * stride)
            strides.append(paddle.full([cells * cells, 1], stride, "float32"))
        centre, stride = paddle.concat(centres), paddle.concat(strides)
        distances = distances * stride
        return paddle.concat([centre - distances[..., :2], centre + distances[..., 2:]], axis=-1)


def export_detector(
    folder: Path, head: str = "nms", *, old: bool = False, nearest: bool = False, **yml: Any
) -> Path:
    """Our embedded detector in PaddleX's layout."""
    inputs = {"image": [1 if head == "levels" else -1, 3, 416, 416]}
    if head == "nms":
        inputs["scale_factor"] = [-1, 2]
    save(Exported(head, nearest), inputs, folder, old=old)
    return write_yml(folder, detector_yml(**yml))


def export_old_detector(folder: Path) -> Path:
    """A Paddle 2 program with suppression, as PaddleDetection wrote it: always the same boxes.

    Of three boxes in pixels of its 64 x 64 input, the second overlaps the first.
    """
    import numpy as np
    from paddle.base.layer_helper import LayerHelper

    folder.mkdir(parents=True, exist_ok=True)
    paddle.enable_static()
    try:
        with paddle.pir_utils.OldIrGuard():
            program, start = paddle.static.Program(), paddle.static.Program()
            with paddle.static.program_guard(program, start):
                image = paddle.static.data("image", [-1, 3, 64, 64], "float32")
                ratio = paddle.static.data("scale_factor", [-1, 2], "float32")
                one = nn.initializer.Constant(1.0)
                weight = paddle.static.create_parameter([1], "float32", "w", None, False, one)
                nothing = paddle.mean(image, axis=[1, 2, 3], keepdim=True).reshape([-1, 1, 1])
                nothing = nothing * 0.0 * weight
                rows = [[[8, 8, 32, 32], [9, 9, 33, 33], [40, 40, 60, 60]]]
                y, x = paddle.split(ratio, 2, axis=-1)
                boxes = (paddle.assign(np.array(rows, "float32")) + nothing) / paddle.concat(
                    [x, y, x, y], axis=-1
                ).reshape([-1, 1, 4])
                scores = paddle.assign(np.array([[[0.9, 0.8, 0.6]]], "float32")) + nothing
                maker = LayerHelper("multiclass_nms3")
                kinds = {"Out": "float32", "Index": "int32", "NmsRoisNum": "int32"}
                found = {k: maker.create_variable_for_type_inference(v) for k, v in kinds.items()}
                maker.append_op(
                    type="multiclass_nms3",
                    inputs={"BBoxes": boxes, "Scores": scores},
                    attrs={
                        "background_label": -1,
                        "score_threshold": 0.025,
                        "nms_top_k": 1000,
                        "nms_threshold": 0.6,
                        "keep_top_k": 100,
                        "nms_eta": 1.0,
                        "normalized": True,
                    },
                    outputs=found,
                )
                executor = paddle.static.Executor(paddle.CPUPlace())
                executor.run(start)
                paddle.static.save_inference_model(
                    str(folder / "model"),
                    [image, ratio],
                    [found["Out"], found["NmsRoisNum"]],
                    executor,
                    program=program,
                )
    finally:
        paddle.disable_static()
    return write_yml(folder, detector_yml(64), "infer_cfg.yml")
