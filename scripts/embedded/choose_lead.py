"""What it brings that an answer has to be ahead of the next item, in many small shops.

    python choose_lead.py ROWS [--cache FILE.npz]

Of each set some labels are the items of a shop, from 3 to 100 with one to eight references each,
and as many others are strangers. Prints, for each lead that is asked for beside the model's
threshold, the shares of known pictures named rightly and wrongly, and of strangers answered
"unknown": the mean of the sets, then rightly / unknown of each.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from feature_rows import Rows, embedded
from feature_teachers import inner_crop

from shitu.prototypes import Prototypes, leads, nearest, promoted, taken
from shitu.workspace import Workspace

SETS = ("caltech101", "coins", "emoji", "foda_box", "groceries_box", "recycle")
MOST, CHUNK = 3000, 64
REFERENCES = ((1, 1), (2, 2), (5, 5), (1, 8))
ITEMS = ((3, 5), (10, 20), (50, 100))
ROUNDS, QUERIES, FEWEST_STRANGERS = 10, 15, 20
LEADS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1)


@dataclass(frozen=True)
class Asked:
    """Answers to the pictures of a shop's items, and to those of strangers: each (n,)."""

    score: np.ndarray
    lead: np.ndarray
    right: np.ndarray
    stranger: np.ndarray


def embed(rows: Rows) -> dict[str, np.ndarray]:
    """Per set: unit vectors (n, dim) and labels (n,)."""
    embedder, found = Workspace(engine="onnxruntime")._networks.embedder, {}
    random = np.random.default_rng(0)
    for name in SETS:
        mine = np.flatnonzero(rows.dataset == name)
        chosen = np.sort(random.permutation(mine)[:MOST])
        parts = []
        for start in range(0, len(chosen), CHUNK):
            some = chosen[start : start + CHUNK]
            parts.append(embedder.embed([inner_crop(rows.pixels[i], rows.inner[i]) for i in some]))
        found[name], found[name + "_label"] = np.concatenate(parts), rows.label[chosen]
    return found


def shops(vectors: np.ndarray, labels: np.ndarray) -> Iterator[Asked]:
    """Shops of all sizes for which a set has enough pictures."""
    random = np.random.default_rng(0)
    codes = np.unique(labels, return_inverse=True)[1]
    counts = np.bincount(codes)
    for least, most in REFERENCES:
        enough = np.flatnonzero(counts >= most + 3)
        for few, many in ITEMS:
            for _ in range(ROUNDS if len(enough) >= 2 * few else 0):
                names = random.permutation(enough)
                size = min(len(names) // 2, int(random.integers(few, many + 1)))
                strangers = names[size : size + max(size, FEWEST_STRANGERS)]
                references, queries = [], []
                for name in names[:size]:
                    mine = random.permutation(np.flatnonzero(codes == name))
                    count = int(random.integers(least, most + 1))
                    references += mine[:count].tolist()
                    queries += mine[count : count + QUERIES].tolist()
                foreign = np.flatnonzero(np.isin(codes, strangers))
                foreign = random.permutation(foreign)[: QUERIES * len(strangers)].tolist()
                yield ask(vectors, codes, references, queries, foreign)


def ask(
    vectors: np.ndarray,
    codes: np.ndarray,
    references: list[int],
    queries: list[int],
    foreign: list[int],
) -> Asked:
    """Answer as the product does."""
    rows = [*queries, *foreign]
    gallery, asked = vectors[references], vectors[rows]
    items = np.unique(codes[references], return_inverse=True)[1]
    prototypes = Prototypes.of(gallery, items, int(items.max()) + 1)
    scores = asked @ gallery.T
    near = nearest(scores)
    best, theirs = taken(scores, near), items[near]
    close = prototypes.closeness(asked, theirs)
    order = promoted(best, theirs, close, 1.0)
    best, theirs, close = (taken(each, order) for each in (best, theirs, close))
    named = np.unique(codes[references])[theirs[:, 0]]
    stranger = np.arange(len(rows)) >= len(queries)
    right = (named == codes[rows]) & ~stranger
    return Asked(best[:, 0], leads(best, theirs, close, 1.0), right, stranger)


def rates(asked: Asked, threshold: float, lead: float) -> tuple[float, float, float]:
    """Shares named rightly and wrongly of the known, and unknown of the strangers."""
    given = (asked.score >= threshold) & (asked.lead >= lead)
    known = ~asked.stranger
    rightly, wrongly = given & asked.right, given & ~asked.right
    return rightly[known].mean(), wrongly[known].mean(), 1 - given[asked.stranger].mean()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("rows", type=Path, help="folder that feature_data.py wrote")
    parser.add_argument("--cache", type=Path, help="file that keeps the embeddings")
    args = parser.parse_args()
    kept = embedded(args.rows, args.cache, embed)
    threshold = Workspace().threshold
    played = {name: list(shops(kept[name], kept[name + "_label"])) for name in SETS}
    print("|", " | ".join(["lead", "rightly", "wrongly", "unknown", *SETS]), "|")
    for lead in LEADS:
        by_set = {
            name: np.mean([rates(each, threshold, lead) for each in some], axis=0)
            for name, some in played.items()
        }
        means = np.mean(list(by_set.values()), axis=0)
        cells = [f"{each[0]:.2f} / {each[2]:.2f}" for each in by_set.values()]
        print("|", " | ".join([f"{lead:g}", *(f"{mean:.3f}" for mean in means), *cells]), "|")


if __name__ == "__main__":
    main()
