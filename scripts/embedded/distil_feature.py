"""Distil three teachers into PP-LCNetV2_base_ShiTu on a GPU, by the clock.

    python distil_feature.py PACK START.npz OUT --minutes 9

PACK is what pack_feature.py wrote, START holds parameters under upstream's names. Half of each
batch learns to stay: seen as in somebody's photo, the embedding has to be what the teachers make of
the clean crop, and its neighbours theirs. The other half learns to follow: of views blended and
patched together from two, it has to tell what the teachers make of that very view (Beyer et al.,
"Knowledge distillation: a good teacher is patient and consistent", CVPR 2022).

OUT receives `net_SHARE.pt` (float16): the network that share of the way from START to the averaged
weights, with a last layer fitted anew; choose_feature.py measures them and makes parameters of one.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from feature_net import FeatureNet, between, load
from feature_rows import GROUNDS
from feature_targets import fit_ensemble, ridge, share_looks
from feature_teachers import DIMENSIONS, scaled
from feature_views import cut_out, on_plain_white
from feature_views_gpu import corners, heaped, patched, photos, set_on, shown_on_ground, warp
from torch import Tensor, nn

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LOW = torch.bfloat16
SIDES = {"v1": 224, "v2": 224, "lite2": 260}
BANK = 16384
CHUNK = 384
FIT_ROWS = 8192
HEAPS = 0.4  # of the cut-outs on other grounds, how many lie there many times


@dataclass(frozen=True)
class Weights:
    """Of the parts of the loss; `heat` is the temperature of the neighbours' distribution."""

    cosine: float = 2.0
    relation: float = 8.0
    neighbours: float = 0.4
    follow: float = 2.0
    heads: float = 1.0
    heat: float = 0.08


class Pack:
    """All packed rows on the device: pixels (n, 3, s, s) uint8, boxes, cut-outs of those on
    white."""

    def __init__(self, folder: Path) -> None:
        parts = [dict(np.load(path)) for path in sorted(folder.glob("rows_*.npz"))]
        with ThreadPoolExecutor(16) as pool:
            read = [row for part in parts for row in pool.map(_decode, _split(part))]
        self.pixels = torch.from_numpy(np.stack([pixels for pixels, _ in read])).to(DEVICE)
        white = [i for i, (_, mask) in enumerate(read) if mask is not None]
        self.masks = torch.from_numpy(np.stack([read[i][1] for i in white])).to(DEVICE)
        self.cut = torch.full((len(read),), -1, device=DEVICE)
        self.cut[white] = torch.arange(len(white), device=DEVICE)
        joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        self.dataset, self.label = joined["dataset"], joined["label"]
        self.train, self.held_out = np.arange(len(read)), np.zeros(len(read), bool)
        self.inner = torch.from_numpy(joined["inner"]).to(DEVICE)
        self.chance = torch.from_numpy(joined["weight"]).to(DEVICE)
        grounds = np.flatnonzero(np.isin(self.dataset, GROUNDS))
        self.grounds = torch.from_numpy(grounds).to(DEVICE)
        seen = self.masks > 127
        self.boxes = torch.stack([_extent(mask) for mask in seen])
        middle = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        half = (self.boxes[:, 2:] - self.boxes[:, :2]).amax(1, keepdim=True) / 2
        self.squares = torch.cat((middle - half, middle + half), 1)

    def __len__(self) -> int:
        return len(self.pixels)

    def draw(self, count: int) -> Tensor:
        return torch.multinomial(self.chance, count, replacement=True)

    def clean(self, rows: Tensor, side: int) -> Tensor:
        """The objects alone."""
        return warp(self.pixels[rows].float(), corners(self.inner[rows]), side)

    def photos(self, rows: Tensor, side: int) -> Tensor:
        """The objects as in somebody's photo; half of those on white on other grounds."""
        pictures, box = self.pixels[rows].float(), self.inner[rows].clone()
        picks = torch.randint(len(self.grounds), (len(rows),), device=DEVICE)
        others = self.pixels[self.grounds[picks]].float()
        mine = torch.nonzero((self.cut[rows] >= 0) & shown_on_ground(rows))[:, 0]
        cut = self.cut[rows[mine]]
        mask = self.masks[cut].float()[:, None] / 255
        heap = torch.nonzero(torch.rand(len(mine), device=DEVICE) < HEAPS)[:, 0]
        many, their = mine[heap], mask[heap]
        alone = torch.cat((pictures[many] * their, their), 1)
        pictures[mine] = set_on(pictures[mine], mask, others[mine])
        box[mine] = self.boxes[cut]
        if len(many):
            alone = warp(alone, corners(self.squares[cut[heap]]), alone.shape[-1], outside="zeros")
            pictures[many] = heaped(alone, others[many])
            box[many] = box.new_tensor((0, 0, 1, 1))
        return photos(pictures, box, others.roll(1, 0), side)


def _split(part: dict[str, np.ndarray]) -> list[np.ndarray]:
    return np.split(part["data"], part["ends"][:-1])


def _decode(coded: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    pixels = cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    mask = None
    if on_plain_white(pixels):
        mask = (cut_out(pixels) * 255).astype(np.uint8)
        wide, high = ((mask > 127).any(axis).sum() for axis in (0, 1))
        if min(wide, high) < len(mask) // 8 or (mask > 127).mean() > 0.97:
            mask = None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), mask


def _extent(mask: Tensor) -> Tensor:
    """Box (4,) in 0..1 of what is true in (h, w)."""
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    return torch.stack(edges).float() / len(mask)


class Teachers:
    """The three networks, and the map from their embeddings to the target, fitted on a pack."""

    def __init__(self, path: Path, pack: Pack) -> None:
        nets = torch.load(path, weights_only=False, map_location="cpu")
        self.nets = {
            kind: net.to(DEVICE, LOW, memory_format=torch.channels_last).eval()
            for kind, net in nets.items()
        }
        raw = self._all(pack, mirrored=False)
        self.ensemble, upright = fit_ensemble(raw, pack)
        # The mean of a clean crop and its mirror image is a better target than either.
        self.targets = F.normalize(upright + self.ensemble(self._all(pack, mirrored=True)), dim=1)
        share_looks(self.targets, pack)

    @torch.no_grad()
    def embed(self, views: Tensor) -> dict[str, Tensor]:
        """Embeddings (n, d) float32 of views (n, 3, s, s) in 0..255."""
        found = {}
        for kind, net in self.nets.items():
            x = views
            if x.shape[-1] != SIDES[kind]:
                x = F.interpolate(x, size=SIDES[kind], mode="bilinear")
            x = scaled(x, kind).to(LOW).contiguous(memory_format=torch.channels_last)
            found[kind] = net(x).float()
        return found

    def _all(self, pack: Pack, mirrored: bool) -> dict[str, Tensor]:
        found = []
        # One shape for all: cudnn tries its algorithms anew for each.
        for rows in torch.arange(-(-len(pack) // CHUNK) * CHUNK, device=DEVICE).split(CHUNK):
            views = pack.clean(rows % len(pack), 224)
            found.append(self.embed(views.flip(3) if mirrored else views))
        return {kind: torch.cat([part[kind] for part in found])[: len(pack)] for kind in self.nets}


class Trainer:
    def __init__(self, pack: Pack, teachers: Teachers, net: FeatureNet) -> None:
        self.pack, self.teachers, self.net = pack, teachers, net
        self.aims = teachers.targets
        self.weights = Weights()
        self.heads = nn.ModuleList(nn.Linear(1024, DIMENSIONS[kind]) for kind in teachers.nets)
        self.heads.to(DEVICE)
        params = [*net.parameters(), *self.heads.parameters()]
        kernels, rest = [p for p in params if p.ndim > 1], [p for p in params if p.ndim == 1]
        groups = [{"params": kernels, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True)
        self.params, self.average, self.steps = params, copy.deepcopy(net).eval(), 0

    def pooled(self, views: Tensor) -> Tensor:
        """(n, 1024) float32."""
        x = scaled(views, "imagenet").contiguous(memory_format=torch.channels_last)
        with torch.autocast(DEVICE, LOW):
            x = F.relu(self.net.stem(x))
            for block in self.net.blocks:
                x, _ = block(x)
        return x.float().mean((2, 3))

    def embed(self, pooled: Tensor) -> Tensor:
        return F.linear(pooled, self.net.last.weight.flatten(1), self.net.last.bias)

    def loss(self, batch: int, side: int) -> dict[str, Tensor]:
        pack, w = self.pack, self.weights
        with torch.no_grad():
            rows = pack.draw(batch)
            stay = pack.photos(rows, side)
            follow = pack.photos(pack.draw(2 * batch // 3), side)
            follow[::2] = patched(follow[::2])
            raw = self.teachers.embed(follow)
            wanted, units = self.teachers.ensemble(raw), self.teachers.ensemble.units(raw)
            bank = self.aims[torch.randint(len(pack), (BANK,), device=DEVICE)]
        aim = self.aims[rows]
        pooled = self.pooled(torch.cat((stay, follow)))
        made = self.embed(pooled)
        unit, other = F.normalize(made, dim=1).tensor_split([batch])
        bank = torch.cat((aim, bank))
        goal = (aim @ bank.T / w.heat).softmax(1)
        given = (unit @ bank.T / w.heat).log_softmax(1)
        told = [F.normalize(head(pooled[batch:]), dim=1) for head in self.heads]
        apart = [1 - (a * b).sum(1).mean() for a, b in zip(told, units, strict=True)]
        return {
            "cosine": w.cosine * (1 - (unit * aim).sum(1).mean()),
            "relation": w.relation * (unit @ unit.T - aim @ aim.T).pow(2).mean(),
            "neighbours": w.neighbours * F.kl_div(given, goal, reduction="batchmean"),
            "follow": w.follow * (1 - (other * wanted).sum(1).mean()),
            "follow relation": w.relation * (other @ other.T - wanted @ wanted.T).pow(2).mean(),
            "heads": w.heads * torch.stack(apart).mean(),
            "length": 0.05 * (made.norm(dim=1) - 1).pow(2).mean(),
        }

    def step(self, batch: int, side: int, rate: float) -> dict[str, Tensor]:
        parts = self.loss(batch, side)
        torch.stack(list(parts.values())).sum().backward()
        nn.utils.clip_grad_norm_(self.params, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        decay = min(0.998, (1 + self.steps) / (10 + self.steps))
        own, slow = list(self.net.parameters()), list(self.average.parameters())
        torch._foreach_lerp_([p.detach() for p in slow], [p.detach() for p in own], 1 - decay)
        self.steps += 1
        return {name: value.detach() for name, value in parts.items()}

    @torch.no_grad()
    def fit_last(self, batch: int, side: int) -> None:
        """Put the last layer and the heads where ridge regression on distorted views has them."""
        seen, aims, units = [], [], []
        for _ in range(-(-FIT_ROWS // batch)):
            rows = self.pack.draw(batch)
            views = self.pack.photos(rows, side)
            seen.append(self.pooled(views))
            aims.append(self.aims[rows])
            units.append(self.teachers.ensemble.units(self.teachers.embed(views)))
        x = torch.cat(seen)
        goals = [torch.cat(aims), *(torch.cat(parts) for parts in zip(*units, strict=True))]
        layers = [self.net.last, *self.heads]
        for layer, goal in zip(layers, goals, strict=True):
            kernel, bias = ridge(x, goal)
            layer.weight.copy_(kernel.view_as(layer.weight))
            layer.bias.copy_(bias)


def schedule(done: float, peak: float) -> tuple[int, float]:
    """(side, learning rate) after this share of the time."""
    side = 160 if done < 0.35 else 192 if done < 0.8 else 224
    warm = min(1.0, 0.1 + done / 0.03)
    return side, peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def save(net: FeatureNet, path: Path) -> None:
    state = {name: value.cpu().half() for name, value in net.state_dict().items()}
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("pack", "start", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--minutes", type=float, default=9, help="all in all")
    parser.add_argument("--batch", type=int, default=CHUNK, help="of each half")
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.75, 1.0])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.time()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.backends.cudnn.benchmark = True
    cv2.setNumThreads(1)
    pack = Pack(args.pack)
    print(f"{len(pack)} rows, {len(pack.masks)} cut out, {time.time() - began:.0f} s", flush=True)
    teachers = Teachers(args.pack / "teachers.pt", pack)
    print(f"targets, {time.time() - began:.0f} s", flush=True)
    net = FeatureNet()
    load(net, dict(np.load(args.start)))
    before = copy.deepcopy(net).to(DEVICE)
    trainer = Trainer(pack, teachers, net.to(DEVICE, memory_format=torch.channels_last))
    trainer.fit_last(args.batch, 160)
    trainer.average.load_state_dict(net.state_dict())
    start, end = time.time(), began + 60 * args.minutes
    print(f"fitted, {start - began:.0f} s", flush=True)
    spoken, sums = start, {}
    while (now := time.time()) < end:
        done = (now - start) / (end - start)
        side, rate = schedule(done, args.rate)
        parts = trainer.step(args.batch, side, rate)
        for name, value in parts.items():
            sums[name] = sums.get(name, value) * 0.95 + value * 0.05
        if now - spoken > 15:
            spoken = now
            shown = "  ".join(f"{name} {float(value):.3f}" for name, value in sums.items())
            print(f"{done:.3f} step {trainer.steps} {side} px {rate:.1e}  {shown}", flush=True)
    print(f"end, {trainer.steps} steps", flush=True)
    after = trainer.average
    for share in args.shares:
        trainer.net = between(before, after, share).to(DEVICE, memory_format=torch.channels_last)
        trainer.fit_last(args.batch, 192)
        save(trainer.net, args.out / f"net_{share}.pt")


if __name__ == "__main__":
    main()
