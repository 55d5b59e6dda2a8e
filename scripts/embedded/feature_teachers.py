"""The teachers of the embedded feature network, as plain PyTorch, and a cache of their embeddings.

    python feature_teachers.py ROWS --v1 MOBILENET_V1.tflite --v2 MOBILENET_V2.pt [--lite2 FILE]

ROWS is what feature_data.py wrote; `teacher_v1.npy` and its like (float16) join it. A row of zeros
was not embedded: `--limit` says how many rows to embed, the held-out ones
first, then those of the sets nearest to products; a second run goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from feature_data import SIDE, resize
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
DIMENSIONS = {"v1": 1024, "v2": 1280, "lite2": 1280}
FAR_SETS = (
    "cats_dogs",
    "pacs_photo",
    "pacs_cartoon",
    "pacs_art",
    "flowers",
    "foda_box",
    "coins",
    "emoji",
)
STREAMS = 2  # of OpenVINO, one a core
BATCH = 16
V1_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


class MobileNetV1(nn.Module):
    """Float replica of the quantised MobileNetV1 1.0, batch norm folded.

    Padding is symmetric, not TensorFlow's: the same function of a picture shifted by a few pixels,
    and then every sampling grid coincides with PP-LCNetV2's, which block-wise distillation needs.
    """

    def __init__(self, tensorflow_padding: bool = False) -> None:
        super().__init__()
        self.tensorflow_padding = tensorflow_padding
        widths = [32, 64, 128, 128, 256, 256] + [512] * 6 + [1024] * 2
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.depthwise = nn.ModuleList()
        self.pointwise = nn.ModuleList()
        for stride, cin, cout in zip(V1_STRIDES, widths, widths[1:], strict=False):
            self.depthwise.append(nn.Conv2d(cin, cin, 3, stride, 1, groups=cin))
            self.pointwise.append(nn.Conv2d(cin, cout, 1))

    def _spatial(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        if self.tensorflow_padding and conv.stride[0] == 2:
            x = F.pad(x, (0, 1, 0, 1))
            x = F.conv2d(x, conv.weight, conv.bias, 2, 0, 1, conv.groups)
        else:
            x = conv(x)
        return F.relu6(x)

    def blocks(self, x: Tensor) -> list[Tensor]:
        """Outputs of blocks 1 to 13, after ReLU6, of a picture in -1..1."""
        x = self._spatial(self.stem, x)
        found = []
        for depthwise, pointwise in zip(self.depthwise, self.pointwise, strict=True):
            x = F.relu6(pointwise(self._spatial(depthwise, x)))
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) in -1..1 to (n, 1024)."""
        return self.blocks(x)[-1].mean((2, 3))


def load_mobilenet_v1(path: Path, tensorflow_padding: bool = False) -> MobileNetV1:
    """Dequantise the .tflite file; its tensor names tell the layers."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    net = MobileNetV1(tensorflow_padding)
    for detail in interpreter.get_tensor_details():
        name = detail["name"].rsplit(";")[-1]
        is_weight, is_bias = name.endswith("FakeQuantWithMinMaxVars"), name.endswith("Fold/bias")
        if (";" in detail["name"] and "Relu6" in detail["name"]) or not (is_weight or is_bias):
            continue
        scale, zero = detail["quantization"]
        value = (interpreter.get_tensor(detail["index"]).astype(np.float32) - zero) * scale
        layer = name.split("Conv2d_")[1].split("/")[0]
        if layer == "0":
            conv = net.stem
        else:
            index, kind = layer.split("_")
            conv = (net.depthwise if kind == "depthwise" else net.pointwise)[int(index) - 1]
        if is_bias:
            target, made = conv.bias, value
        elif conv.groups > 1:  # (1, 3, 3, c)
            target, made = conv.weight, value.transpose(3, 0, 1, 2)
        else:  # (out, h, w, in)
            target, made = conv.weight, value.transpose(0, 3, 1, 2)
        assert target is not None, name
        assert target.shape == made.shape, name
        target.data.copy_(torch.from_numpy(made.copy()))
    return net.eval().requires_grad_(False)


class _Inverted(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int, expand: int) -> None:
        super().__init__()
        mid = cin * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers += [nn.Conv2d(cin, mid, 1, bias=False), nn.BatchNorm2d(mid), nn.ReLU6()]
        layers += [
            nn.Conv2d(mid, mid, 3, stride, 1, groups=mid, bias=False),
            nn.BatchNorm2d(mid),
            nn.ReLU6(),
            nn.Conv2d(mid, cout, 1, bias=False),
            nn.BatchNorm2d(cout),
        ]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2 1.0 up to its pooled 1280-d features; ImageNet mean and std at the input."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6())
        ]
        cin = 32
        plan = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2))
        for expand, cout, depth, stride in (*plan, (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
            for i in range(depth):
                layers.append(_Inverted(cin, cout, stride if i == 0 else 1, expand))
                cin = cout
        layers.append(
            nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6())
        )
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x).mean((2, 3))


def load_mobilenet_v2(path: Path) -> nn.Module:
    net = MobileNetV2()
    state = torch.load(path, map_location="cpu", weights_only=True)
    wanted = net.state_dict()
    net.load_state_dict({k: v for k, v in state.items() if k in wanted})
    net.eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            children = list(module)
            for i in range(len(children) - 1):
                conv, bn = children[i], children[i + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
                    module[i] = torch.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)
                    module[i + 1] = nn.Identity()
    return net


class Lite2(nn.Module):
    """EfficientNet-Lite2 up to its pooled 1280-d features; the input is (pixel - 127) / 128."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.net = EfficientNet.from_name("efficientnet-lite2")
        self.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.net.eval().requires_grad_(False)
        for module in self.net.modules():
            for conv, bn in (
                ("_conv_stem", "_bn0"),
                ("_expand_conv", "_bn0"),
                ("_depthwise_conv", "_bn1"),
                ("_project_conv", "_bn2"),
                ("_conv_head", "_bn1"),
            ):
                if hasattr(module, conv) and hasattr(module, bn):
                    fused = torch.nn.utils.fusion.fuse_conv_bn_eval(
                        getattr(module, conv), getattr(module, bn)
                    )
                    setattr(module, conv, fused)
                    setattr(module, bn, nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        return self.net.extract_features(x).mean((2, 3))


def normalise(pixels: Tensor, kind: str) -> Tensor:
    """uint8 (n, h, w, 3) to the (n, 3, h, w) that a teacher of this kind takes, channels last in
    memory."""
    return scaled(pixels.permute(0, 3, 1, 2).float(), kind)


def scaled(x: Tensor, kind: str) -> Tensor:
    """(n, 3, h, w) RGB in 0..255 to what a teacher of this kind, or "imagenet", takes."""
    if kind == "v1":
        return (x - 128) / 128
    if kind == "lite2":
        return (x - 127) / 128
    mean = torch.tensor(IMAGENET_MEAN, device=x.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD, device=x.device).view(1, 3, 1, 1) * 255
    return (x - mean) / std


class Teachers:
    """All three teachers; each sees a crop at the size it was trained for.

    They run in OpenVINO, in bfloat16: ten times as fast as the same in PyTorch.
    """

    def __init__(self, v1: Path | None, v2: Path | None = None, lite2: Path | None = None) -> None:
        nets: dict[str, nn.Module] = {}
        if v1 is not None:
            nets["v1"] = load_mobilenet_v1(v1, tensorflow_padding=True)
        if v2 is not None:
            nets["v2"] = load_mobilenet_v2(v2)
        if lite2 is not None:
            nets["lite2"] = Lite2(lite2)
        self.sides = {"v1": 224, "v2": 224, "lite2": 260}
        self.nets = {kind: _compile(net.eval(), self.sides[kind]) for kind, net in nets.items()}

    def embed(self, crops: list[np.ndarray]) -> dict[str, np.ndarray]:
        """RGB uint8 crops of any size to {teacher: (n, dim) float32}, not normalised."""
        import openvino

        found = {}
        for kind, net in self.nets.items():
            rows = np.empty((len(crops), DIMENSIONS[kind]), np.float32)
            queue = openvino.AsyncInferQueue(net, STREAMS)
            queue.set_callback(partial(_keep, rows))
            for start in range(0, len(crops), BATCH):
                some = crops[start : start + BATCH]
                batch = np.stack([resize(crop, self.sides[kind]) for crop in some])
                queue.start_async({0: normalise(torch.from_numpy(batch), kind).numpy()}, start)
            queue.wait_all()
            found[kind] = rows
        return found


def _compile(net: nn.Module, side: int) -> Any:
    import openvino

    model = openvino.convert_model(net, example_input=torch.zeros(2, 3, side, side))
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": str(STREAMS)}
    return openvino.Core().compile_model(model, "CPU", settings)


def _keep(rows: np.ndarray, request: Any, start: int) -> None:
    made = request.get_output_tensor().data
    rows[start : start + len(made)] = made


def inner_crop(pixels: np.ndarray, inner: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = np.clip(np.round(inner * SIDE), 0, SIDE).astype(int)
    return pixels[y0 : max(y1, y0 + 2), x0 : max(x1, x0 + 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    for kind in DIMENSIONS:
        parser.add_argument(f"--{kind}", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--batch", type=int, default=512)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = np.load(args.rows / "rows.npz")
    inner, count = rows["inner"], len(rows["inner"])
    late = ~rows["held_out"] * (1 + np.isin(rows["dataset"], FAR_SETS))
    order = np.argsort(late, kind="stable")[: args.limit]
    raw = np.memmap(args.rows / "pixels.raw", np.uint8, "r").reshape(-1, SIDE, SIDE, 3)
    teachers = Teachers(args.v1, args.v2, args.lite2)
    kept = {k: _cache(args.rows / f"teacher_{k}.npy", count, DIMENSIONS[k]) for k in teachers.nets}
    done = np.logical_and.reduce([np.asarray(value[:, :64]).any(1) for value in kept.values()])
    order = order[~done[order]]
    began = time.time()
    for start in range(0, len(order), args.batch):
        chosen = order[start : start + args.batch]
        found = teachers.embed([inner_crop(raw[i], inner[i]) for i in chosen])
        for kind, value in found.items():
            kept[kind][chosen] = value
        if start // args.batch % 8 == 0:
            embedded = start + len(chosen)
            rate = embedded / (time.time() - began)
            print(f"{embedded}/{len(order)} {rate:.0f}/s", file=sys.stderr, flush=True)


def _cache(path: Path, count: int, dim: int) -> np.ndarray:
    """(count, dim) float16 on disk, zeros where nothing was embedded yet."""
    if path.exists():
        return np.load(path, mmap_mode="r+")
    return np.lib.format.open_memmap(path, "w+", np.float16, (count, dim))


if __name__ == "__main__":
    main()
