"""Refine PP-LCNetV2_base_ShiTu with three teachers and hard views on a CPU, by the clock.

    python refine_feature.py ROWS START.npz OUT --minutes 75

START holds parameters under upstream's names, as train_feature.py writes them. The teachers saw
each product clean and cropped; the network sees it as in somebody's photo, set on other grounds,
turned, tilted, lit, hidden, blurred, and has to answer the same. OUT receives `params.npz` and
`net.pt` every few minutes.
"""

from __future__ import annotations

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from feature_net import FeatureNet, export, load
from feature_rows import Rows
from feature_targets import ensemble_targets, shared
from feature_teachers import normalise
from feature_tests import held_out
from feature_views import colour, photo
from torch import Tensor

FROZEN = 5  # blocks that stay as they are
FIT_ROWS = 6000
BANK = 4096


LABELLED = ("caltech101", "clothing", "groceries_box", "recycle", "foda_box", "flowers", "emoji")


@dataclass(frozen=True)
class Weights:
    """Of the parts of the loss; `heat` is the temperature of the neighbours' distribution."""

    cosine: float = 2.0
    relation: float = 8.0
    neighbours: float = 0.3
    labels: float = 0.0
    heat: float = 0.1


def class_centres(rows: Rows, targets: Tensor) -> tuple[np.ndarray, Tensor]:
    """Class of each row, -1 where it has none, and the mean target of each class."""
    kept = ~rows.held_out & np.isin(rows.dataset, LABELLED) & (rows.label != "")
    names = np.char.add(np.char.add(rows.dataset, "/"), rows.label)
    _, number = np.unique(names[kept], return_inverse=True)
    classes = np.full(len(names), -1)
    classes[kept] = number
    centres = torch.zeros(number.max() + 1, targets.shape[1])
    centres.index_add_(0, torch.from_numpy(number), targets[torch.from_numpy(np.flatnonzero(kept))])
    return classes, F.normalize(centres, dim=1)


class Trainer:
    def __init__(self, rows: Rows, net: FeatureNet, targets: Tensor, weights: Weights) -> None:
        self.rows, self.net, self.targets, self.weights = rows, net, targets, weights
        for module in (net.stem, *net.blocks[:FROZEN]):
            module.requires_grad_(False)
        self.classes, proxies = class_centres(rows, targets)
        self.proxies = torch.nn.Parameter(proxies)
        self.params = [p for p in net.parameters() if p.requires_grad]
        if weights.labels:
            self.params.append(self.proxies)
        kernels = [p for p in self.params if p.ndim > 1]
        rest = [p for p in self.params if p.ndim == 1]
        groups = [{"params": kernels, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True)
        self.average = [p.detach().clone() for p in self.params]
        self.steps = 0

    def views(self, chosen: np.ndarray, side: int, rng: np.random.Generator) -> Tensor:
        rows = self.rows
        shots = [
            photo(rows.pixels[i], rows.inner[i], rows.pixels[g], side, rng)
            for i, g in zip(chosen, rng.choice(rows.grounds, len(chosen)), strict=True)
        ]
        return colour(torch.from_numpy(np.stack(shots)), rng)

    def embed(self, pixels: Tensor) -> Tensor:
        x = normalise(pixels, "imagenet").contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                x = F.relu(self.net.stem(x))
                for block in self.net.blocks[:FROZEN]:
                    x, _ = block(x)
            for block in self.net.blocks[FROZEN:]:
                x, _ = block(x)
            return self.net.last(x.mean((2, 3), keepdim=True)).flatten(1).float()

    def loss(
        self, chosen: np.ndarray, bank: Tensor, side: int, seed: int
    ) -> tuple[Tensor, list[float]]:
        found = self.embed(self.views(chosen, side, np.random.default_rng(seed)))
        aim, unit, w = self.targets[chosen], F.normalize(found, dim=1), self.weights
        cosine = 1 - (unit * aim).sum(1).mean()
        relation = (unit @ unit.T - aim @ aim.T).pow(2).mean()
        bank = torch.cat((aim, bank))
        wanted = (aim @ bank.T / w.heat).softmax(1)
        given = (unit @ bank.T / w.heat).log_softmax(1)
        neighbours = F.kl_div(given, wanted, reduction="batchmean")
        length = (found.norm(dim=1) - 1).pow(2).mean()
        total = w.cosine * cosine + w.relation * relation + w.neighbours * neighbours
        if w.labels:
            total = total + w.labels * self.labels(unit, torch.from_numpy(self.classes[chosen]))
        parts = torch.stack((cosine, relation, neighbours)).detach().tolist()
        return total + 0.05 * length, parts

    def labels(self, unit: Tensor, classes: Tensor) -> Tensor:
        """Cross entropy of cosines to class proxies with an additive margin (CosFace) of 0.1."""
        labelled = classes >= 0
        score = unit[labelled] @ F.normalize(self.proxies, dim=1).T
        score = score - 0.1 * F.one_hot(classes[labelled], len(self.proxies))
        loss = F.cross_entropy(score / self.weights.heat, classes[labelled], reduction="sum")
        return loss / len(unit)

    def half(self, job: tuple[np.ndarray, Tensor, int, int]) -> tuple[list[Tensor], list[float]]:
        total, parts = self.loss(*job)
        return list(torch.autograd.grad(total, self.params)), parts

    def step(self, pool: ThreadPoolExecutor, batch: int, side: int, rate: float) -> list[float]:
        rng = np.random.default_rng(1_000_000 + self.steps)
        chosen = rng.choice(self.rows.train, batch, p=self.rows.chance)
        bank = self.targets[torch.from_numpy(rng.choice(self.rows.train, BANK))]
        jobs = [
            (part, bank, side, 2 * self.steps + k)
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
        pairs = zip(copy.parameters(), self.net.parameters(), strict=True)
        trained = [p for p, own in pairs if own.requires_grad]
        with torch.no_grad():
            for p, value in zip(trained, self.average[: len(trained)], strict=True):
                p.copy_(value)
        return copy.eval().to(memory_format=torch.channels_last)


@torch.no_grad()
def embed_views(net: FeatureNet, views: np.ndarray) -> Tensor:
    """(n, side, side, 3) uint8 to (n, 512)."""
    found = []
    for start in range(0, len(views), 32):
        x = normalise(torch.from_numpy(views[start : start + 32]), "imagenet")
        with torch.autocast("cpu", torch.bfloat16):
            found.append(net(x.contiguous(memory_format=torch.channels_last)).float())
    return torch.cat(found)


@torch.no_grad()
def fit_last(trainer: Trainer, side: int) -> None:
    """Put the 512-d convolution where ridge regression of the targets has it."""
    rows, net = trainer.rows, trainer.net
    rng = np.random.default_rng(3)
    chosen = rng.choice(rows.train, FIT_ROWS, p=rows.chance)
    last, net.last = net.last, torch.nn.Identity()  # type: ignore[assignment]
    parts = np.array_split(chosen, FIT_ROWS // 64)
    seen = [trainer.embed(trainer.views(part, side, rng)) for part in parts]
    net.last = last
    x, y = torch.cat(seen), trainer.targets[torch.from_numpy(chosen)]
    xc = x - x.mean(0)
    gram = xc.T @ xc / len(x)
    lift = 1e-2 * gram.diagonal().mean() * torch.eye(gram.shape[0])
    kernel = torch.linalg.solve(gram + lift, xc.T @ (y - y.mean(0)) / len(x)).T
    last.weight.copy_(kernel[..., None, None])
    last.bias.copy_(y.mean(0) - kernel @ x.mean(0))  # type: ignore[union-attr]


def save(net: FeatureNet, rows: Rows, out: Path) -> None:
    views = np.stack([rows.view(i, 160) for i in rows.train[:96]])
    torch.save(net.state_dict(), out / "net.tmp")
    (out / "net.tmp").replace(out / "net.pt")
    arrays = export(net, normalise(torch.from_numpy(views), "imagenet"))
    np.savez(out / "params.tmp.npz", **arrays)  # type: ignore[arg-type]
    (out / "params.tmp.npz").replace(out / "params.npz")


def schedule(done: float, peak: float) -> tuple[int, float]:
    """(side, learning rate) after this share of the time."""
    side = 160 if done < 0.5 else 192 if done < 0.85 else 224
    warm = min(1.0, 0.1 + done / 0.03)
    return side, peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def told(net: FeatureNet, rows: Rows, each: int) -> str:
    figures = held_out(rows, lambda views: embed_views(net, views), 224, each)
    return "held out: " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rows", "start", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--neighbours", type=float, default=Weights.neighbours)
    parser.add_argument("--labels", type=float, default=Weights.labels)
    parser.add_argument("--teachers", nargs="+", default=["v1", "v2", "lite2"])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    cv2.setNumThreads(1)
    torch.manual_seed(1)
    rows = Rows(args.rows)
    targets = ensemble_targets(args.rows, tuple(args.teachers), rows.train)
    shared(targets, rows.label, rows.train[rows.dataset[rows.train] == "emoji"])
    net = FeatureNet()
    load(net, dict(np.load(args.start)))
    net.to(memory_format=torch.channels_last)
    trainer = Trainer(rows, net, targets, Weights(neighbours=args.neighbours, labels=args.labels))
    fit_last(trainer, 160)
    print("start;", told(net, rows, 600), flush=True)
    began = saved = spoken = time.time()
    running = np.zeros(3)
    torch.set_num_threads(1)
    with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        while (done := (time.time() - began) / (args.minutes * 60)) < 1:
            side, rate = schedule(done, args.rate)
            parts = trainer.step(pool, args.batch, side, rate)
            running = 0.95 * running + 0.05 * np.array(parts)
            if time.time() - spoken > 30:
                spoken = time.time()
                known = running / (1 - 0.95**trainer.steps)
                shown = " ".join(f"{value:.4f}" for value in known)
                print(
                    f"{done:.3f} step {trainer.steps} {side} px {rate:.1e} loss {shown}", flush=True
                )
            if time.time() - saved > 600:
                save(trainer.averaged(), rows, args.out)
                saved = spoken = time.time()
    average = trainer.averaged()
    save(average, rows, args.out)
    torch.set_num_threads(2)
    print(f"end, {trainer.steps} steps;", told(average, rows, 2000), flush=True)


if __name__ == "__main__":
    main()
