"""Export the embedded models: `params.npz` -> ONNX files and `model.yml` beside it.

Needs the extra `export` in an environment of its own, because paddle2onnx pins onnx 1.17:

    python -m venv .venv-export && .venv-export/bin/pip install -e '.[export]'
    .venv-export/bin/python scripts/export_embedded.py
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import yaml

from shitu.exporting.folding import folded
from shitu.exporting.onnx_graph import to_onnx
from shitu.nets import build
from shitu.nets._paddle import paddle
from shitu.nets.exporting import export_paddle
from shitu.nets.params import load_params
from shitu.runtime.onnx_runtime import OnnxRuntimeSession

WEIGHTS = ROOT / "shitu" / "models" / "weights"
MIN_COSINE = 0.99999
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
# What model.yml says beside names and checksums; `threshold` only where the file has none yet.
MODELS: dict[str, dict[str, Any]] = {
    "pplcnetv2_base_shitu": {
        "kind": "feature",
        "architecture": "pplcnetv2_base_shitu",
        "input_size": [224, 224],
        **IMAGENET,
        "interpolation": "antialias",
        "dim": 512,
        "threshold": 0.5,
    },
    "picodet_lcnet_mainbody": {
        "kind": "detector",
        "architecture": "picodet_lcnet_xs",
        "input_size": [416, 416],
        "main_body_size": [256, 256],
        **IMAGENET,
        "interpolation": "antialias",
        "strides": [8, 16, 32, 64],
        "reg_max": 7,
        "threshold": 0.3,
    },
}
FILES = {
    "onnx": "model.onnx",
    "onnx_int8": "model.int8.onnx",
    "onnx_main_body": "model.main_body.onnx",
    "params": "params.npz",
}
SIZES = {"onnx": "input_size", "onnx_main_body": "main_body_size"}  # of the files made here
OUTPUTS = {"feature": ["features"], "detector": ["scores", "distributions"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all embedded models")
    for name in parser.parse_args().names or MODELS:
        if not export(WEIGHTS / name, MODELS[name]):
            print(f"{name}: ONNX Runtime and Paddle disagree; nothing was written", file=sys.stderr)
            return 1
    return 0


def export(folder: Path, fields: dict[str, Any]) -> bool:
    """Write the ONNX files and model.yml, unless the outputs of both engines differ."""
    net = build(fields["architecture"])
    load_params(net, folder / "params.npz")
    made = {
        kind: onnx_of(net, fields, fields[size]) for kind, size in SIZES.items() if size in fields
    }
    if not all(made.values()):
        return False
    for kind, content in made.items():
        (folder / FILES[kind]).write_bytes(content)
        print(f"{folder.name}: {FILES[kind]} {len(content) / 1e6:.2f} MB")
    describe(folder, fields)
    return True


def onnx_of(net: Any, fields: dict[str, Any], size: list[int]) -> bytes:
    """The network for an input of (height, width) as ONNX; nothing if it answers otherwise."""
    with tempfile.TemporaryDirectory() as scratch:
        files = export_paddle(net, (3, *size), Path(scratch), norms=False)
        candidate = Path(scratch) / "model.onnx"
        content: bytes = to_onnx(*files, OUTPUTS[fields["kind"]])
        if fields["kind"] == "detector":
            # A small network with many layers opens in a third of the time. Weights lose their
            # exact halves with that, so that one with many weights would be twice as large.
            content = folded(content).SerializeToString()
        candidate.write_bytes(content)
        return content if agrees(candidate, net, {**fields, "input_size": size}) else b""


def agrees(path: Path, net: Any, fields: dict[str, Any]) -> bool:
    """Compare ONNX Runtime with Paddle on random pictures, one by one and as a batch."""
    batch = np.random.default_rng(0).normal(size=(3, 3, *fields["input_size"])).astype(np.float32)
    session = OnnxRuntimeSession(path)
    got = session.run(batch)
    alone = session.run(batch[:1])
    with paddle.no_grad():
        wanted = net(paddle.to_tensor(batch))
    wanted = [t.numpy() for t in (wanted if isinstance(wanted, (tuple, list)) else [wanted])]
    good = True
    for name, a, b, c in zip(OUTPUTS[fields["kind"]], got, wanted, alone, strict=True):
        cosine = cosines(a, b).min()
        print(
            f"{path.parent.name and fields['architecture']} {name} {a.shape[1:]}: "
            f"max difference {np.abs(a - b).max():.2e}, cosine {cosine:.8f}, "
            f"alone against in a batch {np.abs(a[:1] - c).max():.1e}"
        )
        good = good and a.shape == b.shape and bool(cosine >= MIN_COSINE)
    return good


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def describe(folder: Path, fields: dict[str, Any]) -> None:
    """Write model.yml; a threshold measured since the last export is kept."""
    path = folder / "model.yml"
    known = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    files = {
        kind: {
            "path": name,
            "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
        }
        for kind, name in FILES.items()
        if (folder / name).exists()
    }
    description = {"name": folder.name, **fields}
    description["threshold"] = known.get("threshold", fields["threshold"])
    description["files"] = files
    text = yaml.safe_dump(description, sort_keys=False, default_flow_style=None, width=100)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
