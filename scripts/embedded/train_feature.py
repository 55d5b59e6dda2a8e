"""Distil PP-LCNetV2_base_ShiTu from MobileNetV1 and MobileNetV2 on a CPU, by the clock.

    python train_feature.py ROWS MOBILENET_V1.tflite OUT --minutes 75

ROWS comes from feature_data.py and feature_teachers.py. OUT receives `params.npz` (upstream's
Paddle names, float16) and `net.pt` every few minutes. Nothing but the clock ends the training: the
learning rate follows it.
"""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from feature_data import SIDE, resize
from feature_net import Block, FeatureNet, GainConv, export
from feature_targets import ridge
from feature_teachers import (
    FAR_SETS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    MobileNetV1,
    inner_crop,
    load_mobilenet_v1,
    normalise,
)
from torch import Tensor

FROZEN = 5  # blocks poured from MobileNetV1 one to one
DIM = 512
PRODUCT_WEIGHT = {"groceries_box": 2.5, "recycle": 1.5, "cosmetic_box": 1.5, "fashion": 0.8}
FAR_WEIGHT = 0.5


class Rows:
    """The memory map with its boxes, splits and cached teacher embeddings."""

    def __init__(self, folder: Path) -> None:
        meta = np.load(folder / "rows.npz")
        self.inner, self.dataset, self.label = meta["inner"], meta["dataset"], meta["label"]
        self.held_out = meta["held_out"]
        self.pixels = np.memmap(folder / "pixels.raw", np.uint8, "r").reshape(-1, SIDE, SIDE, 3)
        self.v1 = np.load(folder / "teacher_v1.npy", mmap_mode="r")
        self.v2 = np.load(folder / "teacher_v2.npy", mmap_mode="r")
        self.train = np.flatnonzero(~self.held_out)
        weight = np.array(
            [FAR_WEIGHT if d in FAR_SETS else PRODUCT_WEIGHT.get(d, 1.0) for d in self.dataset]
        )
        self.chance = weight[self.train] / weight[self.train].sum()

    def cached(self, limit: int) -> np.ndarray:
        """Training rows that the cached teachers have embedded so far."""
        done = np.asarray(self.v2[:, :64]).any(1) & ~self.held_out
        return np.flatnonzero(done)[:limit]

    def view(self, i: int, side: int) -> np.ndarray:
        return resize(inner_crop(self.pixels[i], self.inner[i]), side)


# --- augmentation ---------------------------------------------------------------------------------


def _window(inner: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A jittered box in pixels of the row."""
    x0, y0, x1, y1 = inner * SIDE
    if (inner > 0.01).any() or (inner < 0.99).all():
        dx, dy = (x1 - x0) * 0.12, (y1 - y0) * 0.12
        jitter = rng.uniform(-1, 1, 4) * (dx, dy, dx, dy)
        return tuple(np.clip(np.array((x0, y0, x1, y1)) + jitter, 0, SIDE))  # type: ignore[return-value]
    area, aspect = rng.uniform(0.55, 1.0), math.exp(rng.uniform(-0.25, 0.25))
    width = min(math.sqrt(area * aspect), 1.0) * SIDE
    height = min(math.sqrt(area / aspect), 1.0) * SIDE
    left, top = rng.uniform(0, SIDE - width), rng.uniform(0, SIDE - height)
    return left, top, left + width, top + height


def _spoil(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sometimes blur, shrink or compress."""
    side, kind = image.shape[0], rng.random()
    if kind < 0.08:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.3))
    if kind < 0.20:
        small = int(side * rng.uniform(0.4, 0.9))
        return resize(resize(image, small), side)
    if kind < 0.28:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])[
            1
        ]
        return cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return image


def augment(
    pixels: np.ndarray, inner: np.ndarray, side: int, rng: np.random.Generator
) -> np.ndarray:
    """One (side, side, 3) uint8 view: jittered crop, mild rotation, flip, blur or compression."""
    x0, y0, x1, y1 = _window(inner, rng)
    angle = math.radians(rng.normal(0, 7)) if rng.random() < 0.5 else 0.0
    sx, sy = (x1 - x0) / side, (y1 - y0) / side
    if rng.random() < 0.5:
        sx = -sx
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array([[cos * sx, -sin * sy, 0], [sin * sx, cos * sy, 0]])
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    matrix[:, 2] = centre - matrix[:, :2] @ np.full(2, (side - 1) / 2)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpAffine(
        pixels, matrix, (side, side), flags=how, borderMode=cv2.BORDER_REFLECT_101
    )
    return _spoil(view, rng)


def colour(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """uint8 (n, h, w, 3) with brightness, contrast, saturation and white balance changed, as float
    0..255."""
    n = len(pixels)

    def draw(spread: float, last: int = 1) -> Tensor:
        drawn = np.exp(rng.normal(0, spread, (n, 1, 1, last))).astype(np.float32)
        return torch.from_numpy(drawn)

    x = pixels.float() * (draw(0.18) * draw(0.05, 3))
    grey = x.mean(3, keepdim=True)
    x = grey + (x - grey) * draw(0.2)
    mean = grey.mean((1, 2), keepdim=True)
    return (mean + (x - mean) * draw(0.15)).clamp_(0, 255)


# --- what is to be learnt -------------------------------------------------------------------------


class Target:
    """512-d target: principal axes of both teachers' standardised, unit-length embeddings side by
    side."""

    def __init__(self, v1: np.ndarray, v2: np.ndarray) -> None:
        self.stats = []
        parts = []
        for value in (v1, v2):
            x = torch.from_numpy(value.astype(np.float32))
            self.stats.append((x.mean(0), x.std(0) + 0.02))
            parts.append(self.unit(x, len(self.stats) - 1))
        both = torch.cat(parts, 1)
        _, vectors = torch.linalg.eigh(both.T @ both / len(both))
        axes = vectors[:, -DIM:].flip(1)
        self.axes = (axes[: v1.shape[1]].contiguous(), axes[v1.shape[1] :].contiguous())
        whole = both @ axes
        gram = parts[0].T @ parts[0] + 0.02 * len(both) / v1.shape[1] * torch.eye(v1.shape[1])
        self.alone = torch.linalg.solve(
            gram, parts[0].T @ whole
        )  # for rows without the second teacher

    def unit(self, x: Tensor, which: int) -> Tensor:
        mean, std = self.stats[which]
        return F.normalize((x - mean) / std, dim=1)

    def __call__(self, v1: Tensor, v2: Tensor | None = None) -> Tensor:
        """(n, 512) unit vectors; rows of v2 that are all zero count as missing."""
        first = self.unit(v1, 0)
        found = first @ self.alone
        if v2 is not None:
            have = v2[:, :64].any(1, keepdim=True)
            found = torch.where(have, first @ self.axes[0] + self.unit(v2, 1) @ self.axes[1], found)
        return F.normalize(found, dim=1)


# --- pouring MobileNetV1 in -----------------------------------------------------------------------


def _pour_depthwise(conv: GainConv, source: torch.nn.Conv2d, dilate: bool) -> None:
    kernel, size = source.weight, conv.weight.shape[-1]
    poured = torch.zeros_like(conv.weight)
    if size == 3:
        poured.copy_(kernel)
    elif dilate:  # the strided grid of the source, seen densely
        poured[..., ::2, ::2] = kernel
    else:
        poured[..., 1:4, 1:4] = kernel
    conv.pour(poured + 1e-4 * torch.randn_like(poured), source.bias)  # type: ignore[arg-type]


def _fit(x: Tensor, y: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression towards a prior: kernel (out, in) and bias with y ~ x kernel' + bias."""
    kernel, bias = ridge(x, y - x @ prior.T)
    return prior + kernel, bias


@torch.no_grad()
def pour(net: FeatureNet, teacher: MobileNetV1, pixels: Tensor) -> None:
    """Initialise from MobileNetV1; the split pointwise pairs by reduced-rank regression on these
    pictures."""
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    kernel = teacher.stem.weight
    shift = (kernel * (mean * 255 / 128 - 1).view(1, 3, 1, 1)).sum((1, 2, 3))
    net.stem.pour(kernel * (std * 255 / 128).view(1, 3, 1, 1), teacher.stem.bias + shift)  # type: ignore[operator]
    wanted = teacher.blocks(normalise(pixels, "v1"))
    x = F.relu(net.stem(normalise(pixels, "imagenet")))
    given = F.relu6(teacher.stem(normalise(pixels, "v1")))
    for i, block in enumerate(net.blocks):
        assert isinstance(block, Block)
        _pour_depthwise(block.depthwise, teacher.depthwise[i], dilate=i == 12)  # type: ignore[arg-type]
        source = teacher.pointwise[i]
        aim = source(F.relu6(teacher.depthwise[i](given)))  # type: ignore[operator]
        given = wanted[i]
        spread = block.spread(x)
        if (
            spread.shape[-1] != aim.shape[-1]
        ):  # the last stage is dense here and strided in the source
            spread = spread[..., ::2, ::2]
        flat = spread.permute(0, 2, 3, 1).flatten(0, 2)
        kernel, bias = _fit(flat, aim.permute(0, 2, 3, 1).flatten(0, 2), source.weight.flatten(1))
        if block.reduce is not None:
            made = (flat - flat.mean(0)) @ kernel.T
            _, vectors = torch.linalg.eigh(made.T @ made)
            axes = vectors[:, -block.reduce.out_channels :]
            hidden = flat @ (axes.T @ kernel).T
            open_bias = 2.5 * hidden.std(0) - hidden.mean(
                0
            )  # keeps the ReLU between open, so that rank suffices
            block.reduce.pour((axes.T @ kernel)[..., None, None], open_bias)
            outside = kernel @ flat.mean(0) - axes @ (axes.T @ kernel @ flat.mean(0))
            block.pointwise.pour(
                axes[..., None, None].contiguous(), bias + outside - axes @ open_bias
            )
        else:
            block.pointwise.pour(kernel[..., None, None], bias)
        x, inside = block(x)
        goal = wanted[i]
        seen = inside[..., ::2, ::2] if inside.shape[-1] != goal.shape[-1] else inside
        error = (seen - goal).pow(2).mean() / goal.pow(2).mean()
        print(f"block {i + 1}: relative error {float(error):.3f}")


@torch.no_grad()
def fit_last(
    net: FeatureNet, teacher: MobileNetV1, target: Target, rows: Rows, chosen: np.ndarray, side: int
) -> None:
    """Start the 512-d convolution where ridge regression puts it."""
    seen, aims = [], []
    for start in range(0, len(chosen), 64):
        part = chosen[start : start + 64]
        pixels = torch.from_numpy(np.stack([rows.view(i, side) for i in part]))
        with torch.autocast("cpu", torch.bfloat16):
            x = F.relu(
                net.stem(
                    normalise(pixels, "imagenet").contiguous(memory_format=torch.channels_last)
                )
            )
            for block in net.blocks:
                x, _ = block(x)
        seen.append(x.float().mean((2, 3)))
        v2 = torch.from_numpy(np.asarray(rows.v2[part], dtype=np.float32))
        v1 = torch.from_numpy(np.asarray(rows.v1[part], dtype=np.float32))
        aims.append(target(v1, v2))
    kernel, bias = _fit(torch.cat(seen), torch.cat(aims), torch.zeros(DIM, 1024))
    net.last.weight.copy_(kernel[..., None, None])
    net.last.bias.copy_(bias)  # type: ignore[union-attr]


# --- training -------------------------------------------------------------------------------------


class Trainer:
    def __init__(self, rows: Rows, net: FeatureNet, teacher: MobileNetV1, target: Target) -> None:
        self.rows, self.net, self.teacher, self.target = rows, net, teacher, target
        frozen = [net.stem, *net.blocks[:FROZEN]]
        for module in frozen:
            module.requires_grad_(False)
        self.params = [p for p in net.parameters() if p.requires_grad]
        kernels = [p for p in self.params if p.ndim > 1]
        rest = [p for p in self.params if p.ndim == 1]
        groups = [{"params": kernels, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True)
        self.average = [p.detach().clone() for p in self.params]
        self.steps = 0

    def loss(
        self, chosen: np.ndarray, side: int, block_weight: float, seed: int
    ) -> tuple[Tensor, list[float]]:
        rng = np.random.default_rng(seed)
        rows, net = self.rows, self.net
        views = np.stack([augment(rows.pixels[i], rows.inner[i], side, rng) for i in chosen])
        pixels = colour(torch.from_numpy(views), rng)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                x = normalise(pixels, "imagenet").contiguous(memory_format=torch.channels_last)
                x = F.relu(net.stem(x))
                for block in net.blocks[:FROZEN]:
                    x, _ = block(x)
                y = normalise(pixels, "v1").contiguous(memory_format=torch.channels_last)
                goals = self.teacher.blocks(y)[FROZEN:]
                v2 = torch.from_numpy(np.asarray(rows.v2[chosen], dtype=np.float32))
                aim = self.target(goals[-1].float().mean((2, 3)), v2)
            errors = []
            for block, goal in zip(net.blocks[FROZEN:], goals, strict=True):
                x, inside = block(x)
                seen = inside[..., ::2, ::2] if inside.shape[-1] != goal.shape[-1] else inside
                goal = goal.float()
                errors.append((seen.float() - goal).pow(2).mean() / goal.pow(2).mean())
            found = net.last(x.mean((2, 3), keepdim=True)).flatten(1).float()
        unit = F.normalize(found, dim=1)
        cosine = 1 - (unit * aim).sum(1).mean()
        relation = (unit @ unit.T - aim @ aim.T).pow(2).mean()
        blockwise = torch.stack(errors).mean()
        length = (found.norm(dim=1) - 1).pow(2).mean()
        total = block_weight * blockwise + 2 * cosine + 8 * relation + 0.05 * length
        return total, torch.stack((blockwise, cosine, relation, errors[-1])).detach().tolist()

    def half(self, job: tuple[np.ndarray, int, float, int]) -> tuple[list[Tensor], list[float]]:
        total, parts = self.loss(*job)
        return list(torch.autograd.grad(total, self.params)), parts

    def step(
        self, pool: ThreadPoolExecutor, batch: int, side: int, rate: float, block_weight: float
    ) -> list[float]:
        rng = np.random.default_rng(1_000_000 + self.steps)
        chosen = rng.choice(self.rows.train, batch, p=self.rows.chance)
        jobs = [
            (part, side, block_weight, 2 * self.steps + k)
            for k, part in enumerate(np.array_split(chosen, 2))
        ]
        (one, parts), (two, other) = pool.map(self.half, jobs)
        for p, a, b in zip(self.params, one, two, strict=True):
            p.grad = (a + b) * 0.5
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        decay = min(0.998, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.params], 1 - decay)
        self.steps += 1
        return [(a + b) / 2 for a, b in zip(parts, other, strict=True)]

    def averaged(self) -> FeatureNet:
        copy = FeatureNet()
        copy.load_state_dict(self.net.state_dict())
        trained = [
            p
            for (n, p), own in zip(copy.named_parameters(), self.net.parameters(), strict=True)
            if own.requires_grad
        ]
        with torch.no_grad():
            for p, value in zip(trained, self.average, strict=True):
                p.copy_(value)
        return copy.eval()


@torch.no_grad()
def embed(net: FeatureNet, views: np.ndarray) -> Tensor:
    """(n, h, w, 3) uint8 to (n, 512) unit vectors."""
    found = []
    for start in range(0, len(views), 32):
        x = normalise(torch.from_numpy(views[start : start + 32]), "imagenet")
        with torch.autocast("cpu", torch.bfloat16):
            found.append(net(x.contiguous(memory_format=torch.channels_last)).float())
    return F.normalize(torch.cat(found), dim=1)


def leave_one_out(unit: Tensor, label: np.ndarray) -> float:
    score = unit @ unit.T
    score.fill_diagonal_(-2)
    return float((label[score.argmax(1).numpy()] == label).mean())


def held_out_recall(net: FeatureNet, rows: Rows, side: int, each: int = 400) -> str:
    found = []
    for name in ("groceries_box", "caltech101"):
        chosen = np.flatnonzero(rows.held_out & (rows.dataset == name))[:each]
        unit = embed(net, np.stack([rows.view(i, side) for i in chosen]))
        found.append(f"{name} {leave_one_out(unit, rows.label[chosen]):.3f}")
    return ", ".join(found)


def save(net: FeatureNet, rows: Rows, out: Path) -> None:
    views = np.stack([rows.view(i, 160) for i in rows.train[:96]])
    arrays = export(net, normalise(torch.from_numpy(views), "imagenet"))
    np.savez(out / "params.tmp.npz", **arrays)  # type: ignore[arg-type]
    (out / "params.tmp.npz").replace(out / "params.npz")
    torch.save(net.state_dict(), out / "net.tmp")
    (out / "net.tmp").replace(out / "net.pt")


def schedule(done: float) -> tuple[int, float, float]:
    """(side, learning rate, weight of the block-wise loss) after this share of the time."""
    side = 160 if done < 0.5 else 192
    warm = min(1.0, 0.1 + done / 0.02)
    rate = 6e-4 * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
    return side, rate, 1.0 if done < 0.3 else 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("v1", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--fit-rows", type=int, default=6000)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(1)
    began = time.time()
    rows = Rows(args.rows)
    teacher = load_mobilenet_v1(args.v1)
    cached = rows.cached(args.fit_rows)
    print(f"{len(cached)} rows with cached teachers", flush=True)
    target = Target(np.asarray(rows.v1[cached]), np.asarray(rows.v2[cached]))
    net = FeatureNet()
    pour(net, teacher, torch.from_numpy(np.stack([rows.view(i, 128) for i in rows.train[:384]])))
    net.to(memory_format=torch.channels_last)
    teacher.to(memory_format=torch.channels_last)
    fit_last(net, teacher, target, rows, cached[:2000], 128)
    print(
        f"poured after {time.time() - began:.0f} s; held out: {held_out_recall(net, rows, 160)}",
        flush=True,
    )
    trainer = Trainer(rows, net, teacher, target)
    save(trainer.averaged(), rows, args.out)
    began, saved, told, running = time.time(), time.time(), time.time(), np.zeros(4)
    with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        while (done := (time.time() - began) / (args.minutes * 60)) < 1:
            side, rate, block_weight = schedule(done)
            running = 0.95 * running + 0.05 * np.array(
                trainer.step(pool, args.batch, side, rate, block_weight)
            )
            if time.time() - told > 30:
                told = time.time()
                shown = " ".join(f"{v:.4f}" for v in running)
                print(
                    f"{done:.3f} step {trainer.steps} side {side} rate {rate:.1e} loss {shown}",
                    flush=True,
                )
            if time.time() - saved > 420:
                average = trainer.averaged()
                save(average, rows, args.out)
                average.to(memory_format=torch.channels_last)
                print(f"held out: {held_out_recall(average, rows, 224)}", flush=True)
                saved = told = time.time()
    average = trainer.averaged()
    save(average, rows, args.out)
    average.to(memory_format=torch.channels_last)
    print(
        f"end, {trainer.steps} steps; held out: {held_out_recall(average, rows, 224, 2000)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
