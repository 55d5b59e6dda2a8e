"""What more looks, more references and more neighbours of a query are worth, on held-out classes.

    python fusion_ablation.py ROWS [--cache FILE.npz]

Each label's pictures are dealt into a gallery and queries, three times anew. The gallery holds so
many references of every label, or from one to ten. Prints recall@1, the mean of the sets.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from feature_rows import Rows, embedded
from feature_teachers import inner_crop

from shitu.prototypes import DEPTH, Prototypes, promoted
from shitu.workspace import Workspace

SETS, MOST, ROUNDS = ("groceries_box", "caltech101", "clothing"), 1500, 3
VIEWS = ("crop", "crop mirrored", "whole", "whole mirrored", "by 90", "by 180", "by 270")
GALLERIES: tuple[tuple[int, int], ...] = ((2, 2), (5, 5), (10, 10), (1, 10))


def views(rows: Rows, i: int) -> list[np.ndarray]:
    whole = rows.pixels[i]
    crop = inner_crop(whole, rows.inner[i])
    turned = [np.ascontiguousarray(np.rot90(crop, k)) for k in (1, 2, 3)]
    mirrored = [np.ascontiguousarray(each[:, ::-1]) for each in (crop, whole)]
    return [crop, mirrored[0], whole, mirrored[1], *turned]


def embed(rows: Rows) -> dict[str, np.ndarray]:
    """Per set: embeddings (n, 7, dim), labels and paths."""
    embedder, found = Workspace()._networks.embedder, {}
    for name in SETS:
        chosen = np.flatnonzero(rows.held_out & (rows.dataset == name))[:MOST]
        vectors = embedder.embed([view for i in chosen for view in views(rows, i)])
        found[name] = vectors.reshape(len(chosen), len(VIEWS), -1)
        found[name + "_label"], found[name + "_path"] = rows.label[chosen], rows.path[chosen]
    return found


@dataclass(frozen=True)
class Shop:
    """Queries and gallery of one round: vectors (n, 7, dim) and numbers of labels (n,)."""

    queries: np.ndarray
    wanted: np.ndarray
    gallery: np.ndarray
    labels: np.ndarray


def deal(kept: dict[str, np.ndarray], name: str, least: int, most: int, seed: int) -> Shop:
    rng = np.random.default_rng(seed)
    label, path = kept[name + "_label"], kept[name + "_path"]
    codes = np.unique(label, return_inverse=True)[1]
    sizes = rng.integers(least, most + 1, codes.max() + 1)
    order = rng.permutation(len(codes))
    rank = np.empty(len(codes), int)
    for code in range(codes.max() + 1):
        mine = order[codes[order] == code]
        rank[mine] = np.arange(len(mine))
    inside = rank < sizes[codes]
    asked = ~inside & ~np.isin(path, path[inside])  # no crop of a picture that the gallery has
    vectors = kept[name].astype(np.float32)
    return Shop(vectors[asked], codes[asked], vectors[inside], codes[inside])


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def looks(vectors: np.ndarray, *names: str) -> np.ndarray:
    return unit(sum(vectors[:, VIEWS.index(name)] for name in names))


def recall(shop: Shop, scores: np.ndarray, weight: float = 0.0) -> float:
    near = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    labels = shop.labels[near]
    best = np.take_along_axis(scores, near, axis=1)
    vectors = looks(shop.gallery, "crop")
    prototypes = Prototypes.of(vectors, shop.labels, int(shop.labels.max()) + 1)
    closeness = prototypes.closeness(looks(shop.queries, "crop"), labels)
    order = promoted(best, labels, closeness, weight)
    return float((np.take_along_axis(labels, order[:, :1], 1)[:, 0] == shop.wanted).mean())


def voted(shop: Shop, voters: int) -> float:
    """The label with the greatest mean of exp(score / 0.12) over its nearest references."""
    scores = looked(shop, ("crop",), ("crop",))
    votes = np.full((len(scores), int(shop.labels.max()) + 1), -np.inf)
    for label in np.unique(shop.labels):
        own = -np.sort(-scores[:, shop.labels == label], axis=1)[:, :voters]
        votes[:, label] = np.exp(own / 0.12).mean(axis=1)
    return float((votes.argmax(axis=1) == shop.wanted).mean())


def expanded(shop: Shop, count: int) -> np.ndarray:
    """Scores after alpha query expansion (Radenovic et al., 2018), alpha 3."""
    gallery, queries = looks(shop.gallery, "crop"), looks(shop.queries, "crop")
    scores = queries @ gallery.T
    near = np.argsort(-scores, axis=1)[:, :count]
    weight = np.maximum(np.take_along_axis(scores, near, axis=1), 0) ** 3
    return unit(queries + (weight[..., None] * gallery[near]).sum(axis=1)) @ gallery.T


def looked(shop: Shop, queries: tuple[str, ...], gallery: tuple[str, ...]) -> np.ndarray:
    return looks(shop.queries, *queries) @ looks(shop.gallery, *gallery).T


def any_turn(shop: Shop, upright: str = "crop") -> np.ndarray:
    turns = ("crop", "by 90", "by 180", "by 270")
    return np.max([looked(shop, (turn,), (upright,)) for turn in turns], axis=0)


WAYS: dict[str, Callable[[Shop], float]] = {
    "nearest reference": lambda s: recall(s, looked(s, ("crop",), ("crop",))),
    "votes of 5": lambda s: voted(s, 5),
    "votes of 10": lambda s: voted(s, 10),
    "prototype, 0.5": lambda s: recall(s, looked(s, ("crop",), ("crop",)), 0.5),
    "prototype, 1 (default)": lambda s: recall(s, looked(s, ("crop",), ("crop",)), 1.0),
    "prototype, 2": lambda s: recall(s, looked(s, ("crop",), ("crop",)), 2.0),
    "query also mirrored": lambda s: recall(s, looked(s, ("crop", "crop mirrored"), ("crop",))),
    "both also mirrored": lambda s: recall(
        s, looked(s, ("crop", "crop mirrored"), ("crop", "crop mirrored"))
    ),
    "query also whole": lambda s: recall(s, looked(s, ("crop", "whole"), ("crop",))),
    "both also whole": lambda s: recall(s, looked(s, ("crop", "whole"), ("crop", "whole"))),
    "query expansion, 3": lambda s: recall(s, expanded(s, 3)),
    "prototype, mirrored": lambda s: recall(
        s, looked(s, ("crop", "crop mirrored"), ("crop",)), 1.0
    ),
    "any turn of the query": lambda s: recall(s, any_turn(s)),
    "query turned by 90": lambda s: recall(s, looked(s, ("by 90",), ("crop",))),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--cache", type=Path, help="file that keeps the embeddings")
    args = parser.parse_args()
    kept = embedded(args.rows, args.cache, embed)
    print("|", " | ".join(["", *(f"{a}" if a == b else f"{a} to {b}" for a, b in GALLERIES)]), "|")
    for name, way in WAYS.items():
        cells = []
        for least, most in GALLERIES:
            shops = [deal(kept, s, least, most, seed) for s in SETS for seed in range(ROUNDS)]
            cells.append(f"{np.mean([way(shop) for shop in shops]):.3f}")
        print("|", " | ".join([name, *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
