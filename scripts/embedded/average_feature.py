"""Put PP-LCNetV2_base_ShiTu halfway between two trainings, and fit its last layer anew.

    python average_feature.py ROWS BEFORE.npz AFTER.npz MOBILENET_V1.tflite MOBILENET_V2.pt OUT

Refining makes the network invariant and lets it forget some of what it knew. Between the weights
before and after lies a network that has most of both. Ridge regression on distorted views fits its
last layer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import torch
from feature_net import between
from feature_rows import Rows
from feature_targets import ensemble_targets
from refine_feature import Mimic, Trainer, Weights, fit_heads, read, save, told

SIDE = 192
FIT_ROWS = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rows", "before", "after", "v1", "v2", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--share", type=float, default=0.5)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    rows = Rows(args.rows)
    targets = ensemble_targets(args.rows, ("v1", "v2", "lite2"), rows)
    net = between(read(args.before), read(args.after), args.share)
    net.to(memory_format=torch.channels_last)
    mimic = Mimic(args.rows, args.v1, args.v2, rows.train)
    trainer = Trainer(rows, net, targets, mimic, Weights())
    fit_heads(trainer, SIDE, keep_last=False, count=FIT_ROWS)
    save(net.eval(), rows, args.out)
    print(told(net, rows, 2000))


if __name__ == "__main__":
    main()
