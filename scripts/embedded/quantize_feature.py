"""Make `model.int8.onnx` of the feature extractor's `model.onnx`.

    python quantize_feature.py MODEL.onnx ROWS.npz OUT.onnx

ROWS.npz is a file of pack_feature.py. The network is equalised, then its weights and the steps of
its activations are moved a little, so that its features in 8 bits point where those in float32 do.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from feature_int8 import Network, weight_steps
from feature_int8_file import write
from feature_teachers import normalise
from torch import Tensor

SIDE, CALIBRATION, HELD_OUT, LOADED = 224, 256, 200, 6000
WEIGHT_RATE, STEP_RATE = 0.01, 3e-4  # of a step of a weight; of the logarithm of an activation's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "rows", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    pictures = read_pictures(args.rows, LOADED)
    held_out, training = pictures[:HELD_OUT], pictures[HELD_OUT:]
    teacher, network = Network(args.model), Network(args.model)
    with torch.no_grad():
        network.equalise(as_input(training[:CALIBRATION]))
    print(f"equalised: {agreement(network, teacher, held_out)}", flush=True)
    write(network, args.out)
    for step in train(network, teacher, training, args.steps, args.batch):
        if step % 40 == 0 or step == args.steps:
            print(f"step {step}: {agreement(network, teacher, held_out)}", flush=True)
            write(network, args.out)


def train(network: Network, teacher: Network, pictures: np.ndarray, steps: int, batch: int):
    """Turn the rounded features towards the teacher's; yields the number of steps taken."""
    start = {edge: network.values[edge].clone() for n in network.nodes for edge in learnt(n)}
    unit = {edge: unit_of(value) for edge, value in start.items()}
    moves = {edge: torch.zeros_like(value, requires_grad=True) for edge, value in start.items()}
    logs = {edge: step.log().requires_grad_() for edge, step in network.scales.items()}
    optimizer = torch.optim.Adam(
        [
            {"params": list(moves.values()), "lr": WEIGHT_RATE},
            {"params": list(logs.values()), "lr": STEP_RATE},
        ],
        betas=(0.9, 0.99),
    )
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: max(0.02, 0.5 * (1 + math.cos(math.pi * step / steps)))
    )
    random = np.random.default_rng(0)
    for step in range(1, steps + 1):
        shown = as_input(pictures[random.integers(0, len(pictures), batch)])
        if random.random() < 0.5:
            shown = shown.flip(3)
        for edge, move in moves.items():
            network.values[edge] = start[edge] + unit[edge] * move
        for edge, log in logs.items():
            network.scales[edge] = log.exp()
        with torch.no_grad():
            wanted = teacher.exactly(shown)
        loss = (1 - F.cosine_similarity(network.rounded(shown), wanted)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
        yield step


def learnt(node) -> list[str]:
    """Weights and bias of a convolution."""
    return node.inputs[1:] if node.kind == "Conv" else []


def unit_of(values: Tensor) -> Tensor:
    """What one unit of a move is: the step of a weight, a hundredth or so of a bias."""
    return weight_steps(values) if values.ndim == 4 else values.abs().mean() / 127


def agreement(network: Network, teacher: Network, pictures: np.ndarray) -> str:
    """Mean and least cosine of the rounded features with the teacher's."""
    with torch.no_grad():
        batches = as_input(pictures).split(20)
        near = [F.cosine_similarity(network.rounded(b), teacher.exactly(b)) for b in batches]
    found = torch.cat(near)
    return f"cosine {found.mean():.4f} in the mean, {found.min():.4f} at least"


def read_pictures(path: Path, count: int) -> np.ndarray:
    """The first pictures of a pack, uint8 RGB (count, side, side, 3)."""
    rows = np.load(path)
    data, ends = rows["data"], rows["ends"]
    parts = (data[ends[i - 1] if i else 0 : ends[i]] for i in range(min(count, len(ends))))
    small = (cv2.imdecode(part, cv2.IMREAD_COLOR_RGB) for part in parts)
    return np.stack([cv2.resize(one, (SIDE, SIDE)) for one in small])


def as_input(pictures: np.ndarray) -> Tensor:
    """Pictures (n, h, w, 3) as the network takes them."""
    shown = normalise(torch.from_numpy(pictures), "imagenet")
    return shown.contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
