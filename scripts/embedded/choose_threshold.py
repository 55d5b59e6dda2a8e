"""Choose the score below which a label is `unknown`, on classes the network has not seen.

    python choose_threshold.py DATASETS [--write]

Plays many small shops: half of the held-out classes are the shop's items with five references each,
the other half are strangers. The threshold is the one with the best mean of two rates, known
products named rightly and strangers answered "unknown". Pictures go through the product's own crop
and embedding. `--write` puts it into model.yml.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from feature_data import HELD_OUT_GROCERIES, HELD_OUT_STEP

from shitu import Workspace
from shitu.errors import ImageError
from shitu.images import load_image

WEIGHTS = (
    Path(__file__).resolve().parents[2] / "shitu" / "models" / "weights" / "pplcnetv2_base_shitu"
)
SHOPS, REFERENCES, PICTURES, CHUNK = 200, 5, 40, 16


@dataclass(frozen=True)
class Curve:
    """Rates at each threshold, all (t,) float64."""

    thresholds: np.ndarray
    named_rightly: np.ndarray
    named_wrongly: np.ndarray
    strangers_unknown: np.ndarray

    @property
    def balance(self) -> np.ndarray:
        return (self.named_rightly + self.strangers_unknown) / 2


def held_out_pictures(root: Path) -> dict[str, list[Path]]:
    caltech = sorted((root / "Homework2-Caltech101" / "101_ObjectCategories").iterdir())[
        ::HELD_OUT_STEP
    ]
    groceries = [
        root / "groceries-object-detection-dataset" / "dataset" / "images" / n
        for n in HELD_OUT_GROCERIES
    ]
    random = np.random.default_rng(3)
    found = {}
    for folder in (*caltech, *groceries):
        pictures = sorted(
            p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png")
        )
        found[folder.name] = [pictures[i] for i in random.permutation(len(pictures))[:PICTURES]]
    return found


def embed(pictures: dict[str, list[Path]]) -> dict[str, np.ndarray]:
    """Unit embeddings (n, dim) by class, by the product's crop policy."""
    describer = Workspace().describer
    found = defaultdict(list)
    rows = [(label, path) for label, paths in pictures.items() for path in paths]
    for start in range(0, len(rows), CHUNK):
        labels, images = [], []
        for label, path in rows[start : start + CHUNK]:
            try:
                images.append(load_image(path))
                labels.append(label)
            except ImageError as error:
                print(f"skipped {path}: {error}", file=sys.stderr)
        for label, description in zip(labels, describer.describe(images), strict=True):
            found[label].append(description.embedding)
    return {label: np.stack(rows) for label, rows in found.items()}


def play(vectors: dict[str, np.ndarray], thresholds: np.ndarray) -> Curve:
    """Mean rates over the shops."""
    random = np.random.default_rng(4)
    rates = np.zeros((3, len(thresholds)))
    for _ in range(SHOPS):
        names = random.permutation(sorted(vectors))
        known, strangers = names[: len(names) // 2], names[len(names) // 2 :]
        shuffled = {name: random.permutation(vectors[name]) for name in known}
        gallery = np.concatenate([shuffled[name][:REFERENCES] for name in known])
        owner = np.repeat(np.arange(len(known)), REFERENCES)
        queries = np.concatenate([shuffled[name][REFERENCES:] for name in known])
        truth = np.repeat(
            np.arange(len(known)), [len(shuffled[name]) - REFERENCES for name in known]
        )
        scores = queries @ gallery.T
        best, right = scores.max(1), owner[scores.argmax(1)] == truth
        foreign = (np.concatenate([vectors[name] for name in strangers]) @ gallery.T).max(1)
        accepted = best[None] >= thresholds[:, None]
        rates += [
            (accepted & right).mean(1),
            (accepted & ~right).mean(1),
            (foreign[None] < thresholds[:, None]).mean(1),
        ]
    return Curve(thresholds, *(rates / SHOPS))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--write", action="store_true", help="put the threshold into model.yml")
    args = parser.parse_args()
    curve = play(embed(held_out_pictures(args.datasets)), np.round(np.arange(0.2, 0.96, 0.01), 2))
    chosen = int(curve.balance.argmax())
    print("threshold  named rightly  named wrongly  strangers unknown")
    for i in sorted({*range(0, len(curve.thresholds), 5), chosen}):
        right, wrong = curve.named_rightly[i], curve.named_wrongly[i]
        mark = "  <- best mean" if i == chosen else ""
        rates = f"{right:13.3f}  {wrong:13.3f}  {curve.strangers_unknown[i]:17.3f}"
        print(f"{curve.thresholds[i]:9.2f}  {rates}{mark}")
    if args.write:
        path = WEIGHTS / "model.yml"
        text = re.sub(
            r"^threshold: .*$",
            f"threshold: {curve.thresholds[chosen]}",
            path.read_text(),
            flags=re.M,
        )
        path.write_text(text)


if __name__ == "__main__":
    main()
