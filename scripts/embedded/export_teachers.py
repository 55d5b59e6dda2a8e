"""Write the teachers as models that shitu reads: one folder each, `model.onnx` beside `model.yml`.

    python export_teachers.py OUT --v1 MOBILENET_V1.tflite --v2 MOBILENET_V2.pt --lite2 FILE.pth

Each folder is a feature model like the embedded ones, so `SHITU_FEATURE_MODEL=OUT/mobilenet_v1`
works with every command, and `scripts/bench quality --teachers OUT` measures all of them. Weights
stay float32; the mean and std in model.yml are each teacher's own. `params` names the ONNX file, as
there is no other: the engine paddle cannot run a teacher. Each is compared with its PyTorch network
on some pictures below the folder `--pictures`, and not written if they disagree.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from feature_data import resize
from feature_teachers import (
    DIMENSIONS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Lite2,
    load_mobilenet_v1,
    load_mobilenet_v2,
    normalise,
)
from torch import nn

from shitu.embedder import Embedder
from shitu.images import Image, find_images, load_image
from shitu.models.registry import find_model
from shitu.runtime.onnx_runtime import OnnxRuntimeSession

ROOT = Path(__file__).resolve().parents[2]
OPSET = 16
MIN_COSINE = 0.9999
PICTURES = 8
NO_OPERATING_POINT = 0.0  # of a teacher none was chosen: every answer counts


@dataclass(frozen=True)
class Teacher:
    """How a teacher is made from its file, and what it wants to see.

    `mean` and `std` are of pixels divided by 255, per RGB channel.
    """

    name: str
    load: Callable[[Path], nn.Module]
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


TEACHERS = {
    "v1": Teacher(
        "mobilenet_v1",
        lambda path: load_mobilenet_v1(path, tensorflow_padding=True),
        224,
        (128 / 255,) * 3,
        (128 / 255,) * 3,
    ),
    "v2": Teacher("mobilenet_v2", load_mobilenet_v2, 224, IMAGENET_MEAN, IMAGENET_STD),
    "lite2": Teacher("efficientnet_lite2", Lite2, 260, (127 / 255,) * 3, (128 / 255,) * 3),
}


def export(kind: str, source: Path, out: Path, pictures: list[Image]) -> bool:
    """Write the folder of one teacher, unless ONNX Runtime disagrees with PyTorch."""
    teacher = TEACHERS[kind]
    net = teacher.load(source).eval()  # all of it: the exporter puts back the mode it found
    with tempfile.TemporaryDirectory() as scratch:
        candidate = Path(scratch) / teacher.name
        candidate.mkdir()
        write_onnx(net, teacher.side, candidate / "model.onnx")
        describe(candidate, teacher, DIMENSIONS[kind])
        cosine = least_cosine(candidate, net, kind, pictures)
        print(f"{teacher.name}: cosine with PyTorch {cosine:.6f} or more, {len(pictures)} pictures")
        if not cosine > MIN_COSINE:
            return False
        target = out / teacher.name
        target.mkdir(parents=True, exist_ok=True)
        for file in candidate.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    return True


def write_onnx(net: nn.Module, side: int, path: Path) -> None:
    """(n, 3, side, side) normalised pixels to (n, dim)."""
    torch.onnx.export(
        net,
        (torch.zeros(2, 3, side, side),),
        str(path),
        input_names=["x"],
        output_names=["features"],
        dynamic_axes={"x": {0: "n"}, "features": {0: "n"}},
        opset_version=OPSET,
        dynamo=False,
    )


def describe(folder: Path, teacher: Teacher, dim: int) -> None:
    """Write model.yml."""
    data = (folder / "model.onnx").read_bytes()
    file = {"path": "model.onnx", "sha256": hashlib.sha256(data).hexdigest()}
    description: dict[str, Any] = {
        "name": teacher.name,
        "kind": "feature",
        "architecture": teacher.name,
        "input_size": [teacher.side] * 2,
        "mean": list(teacher.mean),
        "std": list(teacher.std),
        "interpolation": "antialias",
        "dim": dim,
        "threshold": NO_OPERATING_POINT,
        "files": {"onnx": dict(file), "params": dict(file)},
    }
    text = yaml.safe_dump(description, sort_keys=False, default_flow_style=None, width=100)
    (folder / "model.yml").write_text(text, encoding="utf-8")


@torch.inference_mode()
def least_cosine(folder: Path, net: nn.Module, kind: str, pictures: list[Image]) -> float:
    """Between shitu's embeddings by the folder and PyTorch's by the training code."""
    spec = find_model(str(folder), "feature")
    session = OnnxRuntimeSession(spec.files["onnx"].verified(), 1)
    got = Embedder(session, spec.preprocessing, spec.dim).embed(pictures)
    batch = np.stack([resize(picture, TEACHERS[kind].side) for picture in pictures])
    wanted = nn.functional.normalize(net(normalise(torch.from_numpy(batch), kind)), dim=1).numpy()
    return float((got * wanted).sum(1).min())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    for kind in TEACHERS:
        parser.add_argument(f"--{kind}", type=Path)
    parser.add_argument("--pictures", type=Path, default=ROOT / "gallery" / "queries")
    args = parser.parse_args()
    found = find_images(args.pictures)
    pictures = [load_image(path) for path in found[:: max(len(found) // PICTURES, 1)][:PICTURES]]
    for kind in TEACHERS:
        source: Path | None = getattr(args, kind)
        if source is not None and not export(kind, source, args.out, pictures):
            print(
                f"{kind}: ONNX Runtime and PyTorch disagree; nothing was written", file=sys.stderr
            )
            return 1
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
