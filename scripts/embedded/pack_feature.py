"""Pack what training on a GPU needs into a few small files.

    python pack_feature.py ROWS MOBILENET_V1.tflite MOBILENET_V2.pt LITE2.pth OUT

ROWS is what feature_data.py wrote. OUT receives `rows_K.npz`, each about --megabytes large, with
the training rows as WebP, and `teachers.pt`, the teachers in float16. Any of the parts is a sample
of all.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from feature_data import SIDE, resize
from feature_rows import Rows
from feature_teachers import Lite2, load_mobilenet_v1, load_mobilenet_v2

SEED = 5
LESS = {"foda_box": 0.4, "cats_dogs": 0.5}  # of sets that repeat themselves
LEFT_OUT = ("coins", "flowers")  # to be tests


def choose(rows: Rows) -> np.ndarray:
    """The training rows to pack, in random order, so that each part is a sample of all."""
    random = np.random.default_rng(SEED)
    share = np.array([LESS.get(name, 1.0) for name in rows.dataset[rows.train]])
    share[np.isin(rows.dataset[rows.train], LEFT_OUT)] = 0
    return random.permutation(rows.train[random.random(len(share)) < share])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("rows", "v1", "v2", "lite2", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--side", type=int, default=240)
    parser.add_argument("--quality", type=int, default=45)
    parser.add_argument("--megabytes", type=float, default=42)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    rows = Rows(args.rows)

    def code(i: int) -> np.ndarray:
        small = cv2.cvtColor(resize(rows.pixels[i], args.side), cv2.COLOR_RGB2BGR)
        return cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, args.quality])[1]

    chosen = choose(rows)
    with ThreadPoolExecutor(2) as pool:
        coded = list(pool.map(code, chosen))
    ends = np.cumsum([len(one) for one in coded])
    part = (ends // int(args.megabytes * 1e6)).astype(int)
    for number in range(part[-1] + 1):
        mine = np.flatnonzero(part == number)
        np.savez(
            args.out / f"rows_{number}.npz",
            data=np.concatenate([coded[i] for i in mine]),
            ends=np.cumsum([len(coded[i]) for i in mine]),
            inner=rows.inner[chosen[mine]],
            weight=rows.chance[np.searchsorted(rows.train, chosen[mine])],
            dataset=rows.dataset[chosen[mine]],
            label=rows.label[chosen[mine]],
        )
        print(f"rows_{number}.npz: {len(mine)} rows of {SIDE} -> {args.side} px", flush=True)
    nets = {
        "v1": load_mobilenet_v1(args.v1, tensorflow_padding=True).half(),
        "v2": load_mobilenet_v2(args.v2).half(),
        "lite2": Lite2(args.lite2).half(),
    }
    torch.save(nets, args.out / "teachers.pt")


if __name__ == "__main__":
    main()
