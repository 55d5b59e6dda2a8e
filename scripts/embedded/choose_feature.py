"""Measure the networks that distil_feature.py left, and make parameters of the best.

    python choose_feature.py ROWS START.npz DISTILLED OUT

Prints the held-out figures of START and of every `net_*.pt` in DISTILLED. The one with the highest
mean is whitened and measured again; OUT receives its `params.npz`, under upstream's names.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import torch
from feature_net import FeatureNet
from feature_rows import Rows
from feature_tests import held_out
from feature_whitening import whiten_last
from refine_feature import embed_views, read, save


def read_state(path: Path) -> FeatureNet:
    net = FeatureNet()
    state = torch.load(path, map_location="cpu", weights_only=True)
    net.load_state_dict({name: value.float() for name, value in state.items()})
    return net


def told(figures: dict[str, float]) -> str:
    return ", ".join(f"{kind} {value:.3f}" for kind, value in figures.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rows", "start", "distilled", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--each", type=int, default=2000, help="queries of each kind at most")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    rows = Rows(args.rows)
    nets = {"start": read(args.start)}
    nets |= {path.stem: read_state(path) for path in sorted(args.distilled.glob("net_*.pt"))}
    means = {}
    for name, net in nets.items():
        net.eval().to(memory_format=torch.channels_last)
        figures = held_out(rows, partial(embed_views, net), 224, args.each)
        means[name] = figures["mean"]
        print(name, told(figures), flush=True)
    name = max(means, key=lambda name: means[name])
    best = nets[name]
    whiten_last(best, rows, partial(embed_views, best))
    save(best, rows, args.out)
    figures = held_out(rows, partial(embed_views, best), 224, args.each)
    print(f"{name}, whitened", told(figures))


if __name__ == "__main__":
    main()
