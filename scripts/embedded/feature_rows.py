"""The rows that feature_data.py wrote, and how often training draws each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from feature_data import SIDE, resize
from feature_teachers import FAR_SETS, inner_crop

PRODUCT_WEIGHT = {"groceries_box": 2.0, "recycle": 1.5, "cosmetic_box": 1.5, "fashion": 1.0}
FAR_WEIGHT = 0.5
GROUNDS = ("groceries_whole", "pacs_photo", "imagenet_sample", "clothing", "cosmetic_whole")


class Rows:
    """The memory map with boxes, labels and splits; `grounds` may lie behind cut-outs."""

    def __init__(self, folder: Path) -> None:
        meta = np.load(folder / "rows.npz")
        self.inner, self.dataset, self.label = meta["inner"], meta["dataset"], meta["label"]
        self.held_out, self.path = meta["held_out"], meta["path"]
        self.pixels = np.memmap(folder / "pixels.raw", np.uint8, "r").reshape(-1, SIDE, SIDE, 3)
        self.train = np.flatnonzero(~self.held_out)
        self.grounds = np.flatnonzero(~self.held_out & np.isin(self.dataset, GROUNDS))
        weight = np.array(
            [FAR_WEIGHT if d in FAR_SETS else PRODUCT_WEIGHT.get(d, 1.0) for d in self.dataset]
        )
        self.chance = weight[self.train] / weight[self.train].sum()

    def view(self, i: int, side: int) -> np.ndarray:
        """The object alone, (side, side, 3) RGB uint8."""
        return resize(inner_crop(self.pixels[i], self.inner[i]), side)
