"""Train the embedded main-body detector on a CPU or a GPU.

    python train_detector.py DATA_FOLDER labels.jsonl picodet_xs_416_lcnet.onnx OUT_FOLDER

Starts from the official COCO PicoDet-XS (PP-LCNet), turns its 80 classes into "foreground", trains
with batch norms folded and gives them statistics again when it writes OUT_FOLDER/params.npz.
See detector_labels.py for labels.jsonl and detector_eval.py for the figures.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from detector_data import Batches, Sample, Scenes
from detector_eval import detector, held_out, measure, report
from detector_losses import detection_loss
from detector_net import (
    INPUT_SIZE,
    PicoDet,
    anchor_points,
    fold_batch_norms,
    load_params,
    onnx_convolutions,
    pour,
    save_params,
    single_class,
    with_batch_norms,
)
from torch import Tensor
from torch.utils.data import DataLoader

FROZEN = ("conv1", "blocks2", "blocks3")  # on a CPU: good as they are, dear to train


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for name in ("data", "labels", "onnx", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--minutes", type=float, default=50, help="wall time for training")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument(
        "--full-size-from", type=float, default=0.75, help="share of the time at 320"
    )
    parser.add_argument("--sizes", type=int, nargs="+", help="draw each batch's size from these")
    parser.add_argument(
        "--check", type=int, default=100, help="validation pictures a set; 0: none, with --start"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=1, help="processes that make pictures")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--photos", type=float, default=0.12, help="share of one-object photos")
    parser.add_argument("--things", type=float, default=0.0, help="share of one thing in clutter")
    parser.add_argument("--start", type=Path, help="state.pt or params.npz to start from")
    parser.add_argument("--resume", action="store_true", help="go on from OUT_FOLDER/state.pt")
    return parser.parse_args()


def validation_sets(args: argparse.Namespace) -> dict[str, list[Sample]]:
    if not args.check:
        return {}
    return held_out(Scenes(args.data, args.labels, test=True), args.check)


def start_network(args: argparse.Namespace, sample_batches: list[Tensor]) -> PicoDet:
    """The official network made to one class, or with the weights of an earlier run."""
    if args.start is not None and args.start.suffix == ".npz":
        shipped = PicoDet()
        load_params(shipped, args.start)
        return fold_batch_norms(shipped)
    official = PicoDet(80)
    pour(official, onnx_convolutions(args.onnx))
    net = fold_batch_norms(single_class(official, sample_batches))
    if args.start is not None:
        net.load_state_dict(torch.load(args.start, weights_only=True)["average"])
    return net


def optimizer(net: PicoDet, rate: float, frozen: tuple[str, ...]) -> torch.optim.Optimizer:
    """AdamW; the backbone learns at a third of the rate, biases without decay."""
    for name in frozen:
        net.backbone.get_submodule(name).requires_grad_(False)
    groups = []
    for part, factor in ((net.backbone, 0.33), (net.neck, 1.0), (net.head, 1.0)):
        params = [p for p in part.parameters() if p.requires_grad]
        for decay, chosen in (
            (1e-4, [p for p in params if p.ndim > 1]),
            (0.0, [p for p in params if p.ndim == 1]),
        ):
            groups.append(
                {
                    "params": chosen,
                    "weight_decay": decay,
                    "lr": rate * factor,
                    "base": rate * factor,
                }
            )
    return torch.optim.AdamW(groups)


def rate_factor(progress: float, step: int) -> float:
    """Linear warm-up over 100 steps, then cosine to 2 %."""
    return min(1.0, (step + 1) / 100) * (
        0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    )


@torch.no_grad()
def follow(average: PicoDet, net: PicoDet, step: int) -> None:
    """Exponential moving average with a window that grows to 500 steps."""
    keep = min(0.998, 1 - 1 / (1 + step / 4))
    for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - keep)


def batches(scenes: Scenes, sizes: list[int], args: argparse.Namespace, first: int) -> Iterator:
    """Endless batches, made by worker processes; each at one of `sizes`."""
    drawn = np.random.default_rng(args.seed).choice(sizes, 1_000_000).tolist()
    dataset = Batches(scenes, len(drawn), args.batch, drawn, args.seed + sizes[0])
    order = range(first, len(drawn))
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=order,
        num_workers=args.workers,
        prefetch_factor=4,
        worker_init_fn=lambda _: (cv2.setNumThreads(1), torch.set_num_threads(1)),
    )
    yield from loader


def resumed(
    state: Path, net: PicoDet, average: PicoDet, learn: torch.optim.Optimizer
) -> tuple[int, float]:
    """Take up where a checkpoint was written: steps done and seconds spent."""
    saved = torch.load(state, weights_only=True)
    net.load_state_dict(saved["net"])
    average.load_state_dict(saved["average"])
    learn.load_state_dict(saved["optimizer"])
    return saved["step"], saved["spent"]


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    scenes = Scenes(args.data, args.labels, photo_share=args.photos, thing_share=args.things)
    validation = validation_sets(args)
    probe = Batches(scenes, 6, 8, [INPUT_SIZE] * 6, args.seed)
    calibration = [probe[i][0] for i in range(6)]
    net = start_network(args, calibration).to(args.device, memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    learn = optimizer(net, args.rate, FROZEN if args.device == "cpu" else ())
    state = args.out / "state.pt"
    resume = args.resume and state.is_file()
    step, spent = resumed(state, net, average, learn) if resume else (0, 0.0)

    def checkpoint(note: str) -> None:
        torch.save(
            {
                "net": net.state_dict(),
                "average": average.state_dict(),
                "optimizer": learn.state_dict(),
                "step": step,
                "spent": spent,
            },
            state,
        )
        still = copy.deepcopy(average).cpu()
        save_params(with_batch_norms(still, calibration), args.out / "params.npz")
        figures = {name: measure(detector(still), samples) for name, samples in validation.items()}
        for name, values in figures.items():
            print(report(f"{note} {name}", values), flush=True)
        (args.out / "figures.json").write_text(json.dumps({"step": step, **figures}, indent=1))

    if step == 0:
        checkpoint("start")
    total, sizes, source = args.minutes * 60, [0], iter(())
    sums: dict[str, Tensor] = {}
    shown = saved_at = time.monotonic()
    while spent < total:
        began = time.monotonic()
        progress = spent / total
        wanted = args.sizes or [INPUT_SIZE if progress >= args.full_size_from else 320]
        if wanted != sizes:
            sizes, source = wanted, batches(scenes, wanted, args, step)
        images, truths, unsure = next(source)
        points, strides = (part.to(args.device) for part in anchor_points(images.shape[-1]))
        images = images.to(args.device, memory_format=torch.channels_last)
        truths, unsure = ([part.to(args.device) for part in parts] for parts in (truths, unsure))
        for group in learn.param_groups:
            group["lr"] = group["base"] * rate_factor(progress, step)
        scores, bins = net(images)
        parts = detection_loss(scores, bins, points, strides, truths, unsure)
        learn.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        learn.step()
        follow(average, net, step)
        step, spent = step + 1, spent + time.monotonic() - began
        for name, value in parts.items():
            value = value.detach()
            sums[name] = 0.98 * sums.get(name, value) + 0.02 * value
        if time.monotonic() - shown > 30:
            shown = time.monotonic()
            text = "  ".join(f"{name} {value:.3f}" for name, value in sums.items())
            print(f"step {step} {spent:.0f} s  size {images.shape[-1]}  {text}", flush=True)
        if time.monotonic() - saved_at > 480:
            checkpoint(f"step {step}")
            saved_at = time.monotonic()
    checkpoint("final")


if __name__ == "__main__":
    main()
