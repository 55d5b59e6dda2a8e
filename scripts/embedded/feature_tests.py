"""Retrieval on what training never shows: classes, single products, emoji, turned pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from feature_data import resize
from feature_rows import Rows
from torch import Tensor

Embed = Callable[[np.ndarray], Tensor]  # (n, side, side, 3) RGB uint8 to (n, dim) of any length

CLASSES = ("groceries_box", "caltech101", "clothing")


def nearest_is_right(queries: Tensor, gallery: Tensor, right: Tensor, barred: Tensor) -> float:
    """Share of queries whose nearest row of the gallery is right; `barred` pairs do not count."""
    score = F.normalize(queries, dim=1) @ F.normalize(gallery, dim=1).T
    score[barred] = -2
    nearest = score.argmax(1, keepdim=True)
    return float(right.gather(1, nearest).float().mean())


def _equal(a: np.ndarray, b: np.ndarray) -> Tensor:
    return torch.from_numpy(a[:, None] == b[None])


def of_classes(rows: Rows, dataset: str, embed: Embed, side: int, each: int) -> float:
    """Leave-one-out over held-out classes; crops of the same picture do not count."""
    chosen = np.flatnonzero(rows.held_out & (rows.dataset == dataset))[:each]
    found = embed(np.stack([rows.view(i, side) for i in chosen]))
    same = _equal(rows.path[chosen], rows.path[chosen])
    return nearest_is_right(found, found, _equal(rows.label[chosen], rows.label[chosen]), same)


def of_products(rows: Rows, embed: Embed, side: int, each: int) -> float:
    """Catalogue picture -> photo: single fashion products against distorted views of themselves."""
    chosen = np.flatnonzero(rows.held_out & (rows.dataset == "fashion"))[:each]
    shots = rows.photos(chosen, side, np.random.default_rng(7))
    gallery = embed(np.stack([rows.view(i, side) for i in chosen]))
    right = torch.eye(len(chosen), dtype=torch.bool)
    return nearest_is_right(embed(shots), gallery, right, torch.zeros_like(right))


def of_emoji(rows: Rows, embed: Embed, side: int) -> float:
    """One vendor's drawings are the gallery, the other vendors' the queries."""
    held = rows.held_out & (rows.dataset == "emoji")
    first = np.char.find(rows.path, "datasource-apple") >= 0
    gallery, queries = np.flatnonzero(held & first), np.flatnonzero(held & ~first)
    found = [embed(np.stack([rows.view(i, side) for i in part])) for part in (queries, gallery)]
    right = _equal(rows.label[queries], rows.label[gallery])
    return nearest_is_right(found[0], found[1], right, torch.zeros_like(right))


def turned(rows: Rows, embed: Embed, side: int, each: int) -> float:
    """Held-out groceries: upright gallery, queries turned by 90 degrees."""
    chosen = np.flatnonzero(rows.held_out & (rows.dataset == "groceries_box"))[:each]
    views = np.stack([resize(rows.view(i, side), side) for i in chosen])
    gallery, queries = embed(views), embed(np.ascontiguousarray(np.rot90(views, 1, (1, 2))))
    same = _equal(rows.path[chosen], rows.path[chosen])
    right = _equal(rows.label[chosen], rows.label[chosen])
    return nearest_is_right(queries, gallery, right, same)


def held_out(rows: Rows, embed: Embed, side: int, each: int) -> dict[str, float]:
    found = {name: of_classes(rows, name, embed, side, each) for name in CLASSES}
    found["products"] = of_products(rows, embed, side, each)
    found["emoji"] = of_emoji(rows, embed, side)
    found["turned"] = turned(rows, embed, side, each)
    found["mean"] = float(np.mean(list(found.values())))
    return found
