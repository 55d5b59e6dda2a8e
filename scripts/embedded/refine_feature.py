"""Refine PP-LCNetV2_base_ShiTu with three teachers and hard views on a CPU, by the clock.

    python refine_feature.py ROWS START.npz MOBILENET_V1.tflite MOBILENET_V2.pt OUT --minutes 50

START holds parameters under upstream's names, as train_feature.py writes them. Two things are
learnt at once. Invariance: the teachers saw each product clean and cropped; the network sees it as
in somebody's photo, set on other grounds, turned, tilted, lit, hidden, blurred, and its embedding
has to be theirs. Knowledge: of every view, also of nonsense patched together from two, features and
late blocks have to tell what MobileNetV1 and MobileNetV2 make of that very view, through heads that
are thrown away. OUT receives `params.npz` and `net.pt` every few minutes.
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
from feature_frozen import STREAMS, Frozen
from feature_net import FeatureNet, export, folded, load
from feature_rows import Rows
from feature_targets import SPREAD, ensemble_targets, labelled_rows, ridge
from feature_teachers import MobileNetV1, load_mobilenet_v1, load_mobilenet_v2, normalise
from feature_tests import held_out
from torch import Tensor

FROZEN = 5  # blocks that stay as they are
FIT_ROWS = 6000
BANK = 4096
MIMICKED = 11  # blocks up to here follow MobileNetV1's; the last two are free to be invariant
PATCHED = 0.25  # of the views, how many are patched together and have no target of their own


MIMICKING = 0.5  # share of the views, counted from the last, that the online teachers see


@dataclass(frozen=True)
class Weights:
    """Of the parts of the loss; `heat` is the temperature of the neighbours' distribution."""

    cosine: float = 2.0
    relation: float = 8.0
    neighbours: float = 0.3
    labels: float = 0.0
    mimicry: float = 2.0
    blocks: float = 0.5
    heat: float = 0.1


class Mimic(torch.nn.Module):
    """Heads that tell the online teachers' embeddings from the pooled features, and what they have
    to tell."""

    def __init__(self, folder: Path, v1: Path, v2: Path, train: np.ndarray) -> None:
        super().__init__()
        self.v1, self.v2 = Frozen(_Inside(load_mobilenet_v1(v1))), Frozen(load_mobilenet_v2(v2))
        self.heads = torch.nn.ModuleList()
        self.stats = []
        some = np.sort(np.random.default_rng(4).choice(train, FIT_ROWS))
        for kind in ("v1", "v2"):
            raw = np.load(folder / f"teacher_{kind}.npy", mmap_mode="r")
            seen = torch.from_numpy(np.asarray(raw[some], np.float32))
            self.stats.append((seen.mean(0), seen.std(0) + SPREAD))
            self.heads.append(torch.nn.Linear(1024, seen.shape[1]))

    def goals(self, pixels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Unit embeddings of both teachers, and MobileNetV1's blocks that are to be followed, of
        (n, h, w, 3) in 0..255."""
        *blocks, pooled = self.v1(normalise(pixels, "v1"))
        found = [pooled, *self.v2(normalise(pixels, "imagenet"))]
        units = [
            F.normalize((x - mean) / std, dim=1)
            for x, (mean, std) in zip(found, self.stats, strict=True)
        ]
        return units, blocks


class _Inside(torch.nn.Module):
    """MobileNetV1's blocks that are to be followed, and its pooled features."""

    def __init__(self, net: MobileNetV1) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> list[Tensor]:
        blocks = self.net.blocks(x)
        return [*blocks[FROZEN:MIMICKED], blocks[-1].mean((2, 3))]


class _Start(torch.nn.Module):
    """The part of the network that stays as it is."""

    def __init__(self, net: FeatureNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.net.stem(x))
        for block in self.net.blocks[:FROZEN]:
            x, _ = block(x)
        return x


def patched(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Each view with a rectangle of the next one on it."""
    made, side = pixels.clone(), pixels.shape[1]
    for i in range(len(made)):
        size = rng.uniform(0.3, 0.8, 2) * side
        top, left = (int(v) for v in rng.uniform(0, side - size))
        bottom, right = top + int(size[0]), left + int(size[1])
        made[i, top:bottom, left:right] = pixels[i - 1, top:bottom, left:right]
    return made


def class_centres(rows: Rows, targets: Tensor) -> tuple[np.ndarray, Tensor]:
    """Class of each row, -1 where it has none, and the mean target of each class."""
    chosen, number = labelled_rows(rows)
    classes = np.full(len(rows.label), -1)
    classes[chosen.numpy()] = number.numpy()
    centres = torch.zeros(int(number.max()) + 1, targets.shape[1])
    centres.index_add_(0, number, targets[chosen])
    return classes, F.normalize(centres, dim=1)


class Trainer:
    def __init__(
        self, rows: Rows, net: FeatureNet, targets: Tensor, mimic: Mimic, weights: Weights
    ) -> None:
        self.rows, self.net, self.targets, self.weights = rows, net, targets, weights
        self.mimic = mimic
        for module in (net.stem, *net.blocks[:FROZEN]):
            module.requires_grad_(False)
        self.start = Frozen(_Start(net))
        self.classes, proxies = class_centres(rows, targets)
        self.proxies = torch.nn.Parameter(proxies)
        self.params = [p for p in net.parameters() if p.requires_grad]
        self.params += list(mimic.heads.parameters())
        if weights.labels:
            self.params.append(self.proxies)
        kernels = [p for p in self.params if p.ndim > 1]
        rest = [p for p in self.params if p.ndim == 1]
        groups = [{"params": kernels, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True)
        self.average = [p.detach().clone() for p in self.params]
        self.steps = 0

    def views(self, chosen: np.ndarray, side: int, rng: np.random.Generator) -> Tensor:
        return torch.from_numpy(self.rows.photos(chosen, side, rng))

    def features(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Pooled (n, 1024), and the outputs of the trained blocks before their shortcuts."""
        (x,) = self.start(normalise(pixels, "imagenet"))
        x = x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            found = []
            for block in self.net.blocks[FROZEN:]:
                x, inside = block(x)
                found.append(inside)
            return x.mean((2, 3)), found

    def loss(
        self, chosen: np.ndarray, bank: Tensor, side: int, seed: int
    ) -> tuple[Tensor, list[float]]:
        rng = np.random.default_rng(seed)
        pixels = self.views(chosen, side, rng)
        own = len(chosen) - int(len(chosen) * PATCHED)
        pixels = torch.cat((pixels[:own], patched(pixels[own:], rng)))
        with torch.autocast("cpu", torch.bfloat16):
            pooled, inside = self.features(pixels)
            found = self.net.last(pooled[:own, :, None, None]).flatten(1).float()
            mimicry, blocks = self.mimicry(pixels, pooled, inside)
        aim, unit, w = self.targets[chosen[:own]], F.normalize(found, dim=1), self.weights
        cosine = 1 - (unit * aim).sum(1).mean()
        relation = (unit @ unit.T - aim @ aim.T).pow(2).mean()
        bank = torch.cat((aim, bank))
        wanted = (aim @ bank.T / w.heat).softmax(1)
        given = (unit @ bank.T / w.heat).log_softmax(1)
        neighbours = F.kl_div(given, wanted, reduction="batchmean")
        length = (found.norm(dim=1) - 1).pow(2).mean()
        total = w.cosine * cosine + w.relation * relation + w.neighbours * neighbours
        total = total + w.mimicry * mimicry + w.blocks * blocks
        if w.labels:
            classes = torch.from_numpy(self.classes[chosen[:own]])
            total = total + w.labels * self.labels(unit, classes)
        parts = torch.stack((cosine, relation, neighbours, mimicry, blocks)).detach().tolist()
        return total + 0.05 * length, parts

    def mimicry(
        self, pixels: Tensor, pooled: Tensor, inside: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Mean cosine distance to both teachers, and relative squared error of the blocks."""
        seen = slice(int(len(pixels) * (1 - MIMICKING)), None)
        units, goals = self.mimic.goals(pixels[seen])
        told = [F.normalize(head(pooled[seen]).float(), dim=1) for head in self.mimic.heads]
        apart = [1 - (a * b).sum(1).mean() for a, b in zip(told, units, strict=True)]
        errors = []
        for made, goal in zip(inside, goals, strict=False):
            errors.append((made[seen].float() - goal).pow(2).mean() / goal.pow(2).mean())
        return torch.stack(apart).mean(), torch.stack(errors).mean()

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


def embed_views(net: FeatureNet, views: np.ndarray) -> Tensor:
    """(n, side, side, 3) uint8 to (n, 512)."""
    run = Frozen(folded(net))
    parts = torch.from_numpy(views).split(32)
    with ThreadPoolExecutor(STREAMS) as pool:
        return torch.cat(
            [made for (made,) in pool.map(lambda x: run(normalise(x, "imagenet")), parts)]
        )


@torch.no_grad()
def fit_heads(trainer: Trainer, side: int, keep_last: bool, count: int = FIT_ROWS) -> None:
    """Put the 512-d convolution and the thrown-away heads where ridge regression has them."""
    rows, mimic, last = trainer.rows, trainer.mimic, trainer.net.last
    rng = np.random.default_rng(3)
    chosen = rng.choice(rows.train, count, p=rows.chance)
    seen, goals = [], []
    for part in np.array_split(chosen, count // 64):
        pixels = trainer.views(part, side, rng)
        with torch.autocast("cpu", torch.bfloat16):
            seen.append(trainer.features(pixels)[0].float())
            goals.append(mimic.goals(pixels)[0])
    x = torch.cat(seen)
    if not keep_last:
        kernel, bias = ridge(x, trainer.targets[torch.from_numpy(chosen)])
        last.weight.copy_(kernel[..., None, None])
        last.bias.copy_(bias)  # type: ignore[union-attr]
    for i, head in enumerate(mimic.heads):
        kernel, bias = ridge(x, torch.cat([goal[i] for goal in goals]))
        head.weight.copy_(kernel)
        head.bias.copy_(bias)


def read(path: Path) -> FeatureNet:
    net = FeatureNet()
    load(net, dict(np.load(path)))
    return net


def save(net: FeatureNet, rows: Rows, out: Path) -> None:
    views = np.stack([rows.view(i, 160) for i in rows.train[:96]])
    torch.save(net.state_dict(), out / "net.tmp")
    (out / "net.tmp").replace(out / "net.pt")
    arrays = export(net, normalise(torch.from_numpy(views), "imagenet"))
    np.savez(out / "params.tmp.npz", **arrays)  # type: ignore[arg-type]
    (out / "params.tmp.npz").replace(out / "params.npz")


def schedule(done: float, peak: float) -> tuple[int, float]:
    """(side, learning rate) after this share of the time."""
    side = 128 if done < 0.35 else 160 if done < 0.8 else 192
    warm = min(1.0, 0.1 + done / 0.03)
    return side, peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def told(net: FeatureNet, rows: Rows, each: int) -> str:
    figures = held_out(rows, lambda views: embed_views(net, views), 224, each)
    return "held out: " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rows", "start", "v1", "v2", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--neighbours", type=float, default=Weights.neighbours)
    parser.add_argument("--labels", type=float, default=Weights.labels)
    parser.add_argument("--keep-last", action="store_true", help="START is refined already")
    parser.add_argument("--teachers", nargs="+", default=["v1", "v2", "lite2"])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    cv2.setNumThreads(1)
    torch.manual_seed(1)
    rows = Rows(args.rows)
    targets = ensemble_targets(args.rows, tuple(args.teachers), rows)
    net = read(args.start)
    net.to(memory_format=torch.channels_last)
    mimic = Mimic(args.rows, args.v1, args.v2, rows.train)
    trainer = Trainer(
        rows, net, targets, mimic, Weights(neighbours=args.neighbours, labels=args.labels)
    )
    fit_heads(trainer, 160, args.keep_last)
    print("start;", told(net, rows, 600), flush=True)
    began = saved = spoken = time.time()
    running = np.zeros(5)
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
