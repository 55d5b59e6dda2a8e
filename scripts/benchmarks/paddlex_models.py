"""PaddleX in an environment of its own, and our networks in files that it takes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from shitu.errors import ShituError

if TYPE_CHECKING:
    from shitu.models.spec import ModelSpec

VERSION = "3.4.3"  # the pipeline PP-ShiTuV2 of 3.5 to 3.7 cannot build an index
_PACKAGES = (f"paddlex[cv]=={VERSION}", "paddlepaddle==3.3.1")
_ASKED = "import importlib.metadata as m; print(m.version('paddlex'))"
_SUPPRESSION = (0.025, 1000, 100, 0.6, True, 1.0, -1)  # as in upstream's exports


def environment(folder: Path) -> Path:
    """Return the Python that has PaddleX, which is installed unless it is there.

    Raises:
        ShituError: it cannot be installed.
    """
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing PaddleX {VERSION} into {folder}", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", *_PACKAGES])
    found = _run([str(python), "-c", _ASKED]).strip()
    if found != VERSION:
        raise ShituError(f"{folder} has PaddleX {found}; {VERSION} is needed: give another folder.")
    return python


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ShituError(f"{' '.join(command)} failed ({done.returncode}): {lines[-1]}")
    return done.stdout


def export_models(feature: str, detector: str, folder: Path) -> dict[str, str]:
    """Write both models as PaddleX opens them; their folders by PaddleX' names."""
    from shitu.exporting import export, source_of_model
    from shitu.models.registry import read_model

    models = {"PP-ShiTuV2_rec": feature, "PP-ShiTuV2_det": detector}
    for name, model in models.items():
        export(source_of_model(read_model(model)), "paddle", folder / name)
        description = folder / name / "inference.yml"
        fields = yaml.safe_load(description.read_text(encoding="utf-8"))
        fields["Global"]["model_name"] = name  # PaddleX opens no other
        description.write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")
    _add_suppression(read_model(detector), folder / "PP-ShiTuV2_det")
    return {name: str(folder / name) for name in models}


def _add_suppression(spec: ModelSpec, folder: Path) -> None:
    """Overwrite the program: PaddleX wants boxes, and suppression within the graph."""
    from shitu.nets import build
    from shitu.nets._paddle import paddle
    from shitu.nets.layers import fuse
    from shitu.nets.params import load_params

    net: Any = build(spec.architecture)
    load_params(net, spec.files["params"].path)
    fuse(net)
    height, width = spec.preprocessing.input_size
    specs = [
        paddle.static.InputSpec([-1, 3, height, width], "float32", "image"),
        paddle.static.InputSpec([-1, 2], "float32", "scale_factor"),
    ]
    whole = _whole(net, (height, width))
    whole.eval()
    program = paddle.jit.to_static(whole, input_spec=specs, full_graph=True)
    paddle.jit.save(program, str(folder / "inference"))


def _whole(net: Any, size: tuple[int, int]) -> Any:
    from shitu.nets._paddle import nn, paddle

    class Whole(nn.Layer):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, image: Any, scale_factor: Any) -> Any:
            scores, sides = self.net(image)
            y, x = paddle.split(scale_factor, 2, axis=-1)
            ratios = paddle.concat([x, y, x, y], axis=-1).reshape([-1, 1, 4])
            boxes = _boxes(sides, size) / ratios
            found, _, counts = paddle._C_ops.multiclass_nms3(
                boxes, scores.transpose([0, 2, 1]), None, *_SUPPRESSION
            )
            return found, counts

    return Whole()


def _boxes(sides: Any, size: tuple[int, int]) -> Any:
    """Distributions of distances to four sides (n, cells, 32) -> boxes in pixels (n, cells, 4)."""
    from shitu.nets._paddle import nn, paddle

    weights = nn.functional.softmax(sides.reshape([0, 0, 4, 8]), axis=-1)
    distances = (weights * paddle.arange(8, dtype="float32")).sum(axis=-1)
    centres, strides = [], []
    for stride in (8, 16, 32, 64):
        rows, columns = -(-size[0] // stride), -(-size[1] // stride)
        y, x = paddle.meshgrid(paddle.arange(rows), paddle.arange(columns))
        points = paddle.stack([x, y], axis=-1).reshape([-1, 2]).astype("float32")
        centres.append((points + 0.5) * stride)
        strides.append(paddle.full([rows * columns, 1], stride, "float32"))
    centre, step = paddle.concat(centres), paddle.concat(strides)
    distances = distances * step
    return paddle.concat([centre - distances[..., :2], centre + distances[..., 2:]], axis=-1)
