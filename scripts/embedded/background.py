"""Embed pictures of all kinds, which stand in for strangers where a gallery has few references.

    python background.py ROWS DATASETS

Takes a share of every set, of held-out classes where it has any, one picture of each label before
a second one, through the product's own crop and network. Writes `background.npz` beside the weights
of the default feature extractor: `space`, the fingerprint, and `vectors`, (n, dim) float16.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from shitu.evaluation.retrieval import Query, describe_queries
from shitu.models.background import BACKGROUND
from shitu.models.registry import find_model
from shitu.workspace import Workspace

EACH = {
    "caltech101": 100,
    "clothing": 60,
    "coins": 10,
    "cosmetic_whole": 60,
    "fashion": 60,
    "flowers": 20,
    "foda_box": 40,
    "groceries_box": 70,
    "imagenet_sample": 80,
    "pacs_photo": 20,
    "recycle": 60,
}


def choose(labels: np.ndarray, held_out: np.ndarray, many: int) -> np.ndarray:
    """Rows (many,): only held-out ones if there are any; no label twice before all others once."""
    order = np.random.default_rng(11).permutation(len(labels))
    if held_out.any():
        order = order[held_out[order]]
    seen: Counter[str] = Counter()
    turns = []
    for label in labels[order]:
        turns.append(seen[label])
        seen[label] += 1
    return order[np.argsort(turns, kind="stable")][:many]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path, help="folder that feature_data.py wrote")
    parser.add_argument("datasets", type=Path)
    args = parser.parse_args()
    rows = np.load(args.rows / "rows.npz")
    paths: list[Path] = []
    for name, many in EACH.items():
        mine = np.flatnonzero(rows["dataset"] == name)
        # Some rows are boxes of one picture, which is taken but once.
        _, first = np.unique(rows["path"][mine], return_index=True)
        mine = mine[np.sort(first)]
        chosen = mine[choose(rows["label"][mine], rows["held_out"][mine], many)]
        paths += [args.datasets / str(path) for path in rows["path"][chosen]]
    shop = Workspace()
    found = describe_queries([Query(path, "") for path in paths], shop.describer, None)
    spec = find_model("pplcnetv2_base_shitu", "feature")
    target = spec.files["params"].path.with_name(BACKGROUND)
    vectors = found.embeddings.astype(np.float16)
    np.savez(target, space=shop.describer.space.fingerprint, vectors=vectors)
    print(f"{len(vectors)} vectors in {target}")


if __name__ == "__main__":
    main()
