"""The rows that feature_data.py wrote, and how often training draws each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from feature_data import SIDE, resize
from feature_teachers import FAR_SETS, inner_crop
from feature_views import photo
from numpy.random import Generator

PRODUCT_WEIGHT = {"groceries_box": 2.0, "recycle": 1.5, "cosmetic_box": 1.5, "fashion": 1.0}
FAR_WEIGHT = 0.5
GROUNDS = ("groceries_whole", "pacs_photo", "imagenet_sample", "clothing", "cosmetic_whole")


QUALITY = 95


class Pixels:
    """The pictures as JPEG in memory: a tenth of the memory map, which is read at random."""

    def __init__(self, folder: Path, count: int) -> None:
        self.shape = (count, SIDE, SIDE, 3)
        data, ends = folder / "pixels.jpg", folder / "pixels.npy"
        if not ends.exists():
            _pack(folder / "pixels.raw", count, data, ends)
        self._data, self._ends = np.fromfile(data, np.uint8), np.load(ends)

    def __getitem__(self, i: int) -> np.ndarray:
        """Row i, (240, 240, 3) RGB uint8."""
        start = self._ends[i - 1] if i else 0
        return cv2.imdecode(self._data[start : self._ends[i]], cv2.IMREAD_COLOR_RGB)


def _pack(raw: Path, count: int, data: Path, ends: Path) -> None:
    pixels = np.memmap(raw, np.uint8, "r").reshape(-1, SIDE, SIDE, 3)

    def code(i: int) -> np.ndarray:
        image = cv2.cvtColor(pixels[i], cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]

    with ThreadPoolExecutor(2) as pool, data.open("wb") as file:
        sizes = [file.write(coded.tobytes()) for coded in pool.map(code, range(count))]
    np.save(ends, np.cumsum(sizes))


def embedded(
    rows: Path, cache: Path | None, embed: Callable[[Rows], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """What `embed` makes of the rows in a folder, from the cache if it is there."""
    if cache is not None and cache.exists():
        return dict(np.load(cache))
    kept = embed(Rows(rows))
    if cache is not None:
        np.savez(cache, **kept)
    return kept


class Rows:
    """The pictures with boxes, labels and splits; `grounds` may lie behind cut-outs."""

    def __init__(self, folder: Path) -> None:
        meta = np.load(folder / "rows.npz")
        self.inner, self.dataset, self.label = meta["inner"], meta["dataset"], meta["label"]
        self.held_out, self.path = meta["held_out"], meta["path"]
        self.pixels = Pixels(folder, len(self.label))
        self.train = np.flatnonzero(~self.held_out)
        self.grounds = np.flatnonzero(~self.held_out & np.isin(self.dataset, GROUNDS))
        weight = np.array(
            [FAR_WEIGHT if d in FAR_SETS else PRODUCT_WEIGHT.get(d, 1.0) for d in self.dataset]
        )
        self.chance = weight[self.train] / weight[self.train].sum()

    def photos(self, chosen: np.ndarray, side: int, rng: Generator) -> np.ndarray:
        """The objects of these rows as in somebody's photo, (n, side, side, 3) RGB uint8."""
        grounds = rng.choice(self.grounds, len(chosen))
        shots = [
            photo(self.pixels[i], self.inner[i], partial(self.pixels.__getitem__, g), side, rng)
            for i, g in zip(chosen, grounds, strict=True)
        ]
        return np.stack(shots)

    def view(self, i: int, side: int) -> np.ndarray:
        """The object alone, (side, side, 3) RGB uint8."""
        return resize(inner_crop(self.pixels[i], self.inner[i]), side)
