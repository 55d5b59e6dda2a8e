"""What it brings that an answer has to be near, and nearer than the next item, in many small shops.

    python choose_rule.py ROWS [--cache FILE.npz]

Of each set some labels are the items of a shop, from 3 to 100 with one to eight references each,
and as many others are strangers from the same shelf. Strangers of other kinds are pictures of the
other sets. Prints, for each threshold and lead, the shares of known pictures named rightly and
wrongly, and of strangers answered "unknown": the mean of the sets, the same of classes alone that
the network has not seen, then rightly / unknown of each set.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from feature_rows import Rows, embedded
from feature_teachers import inner_crop

from shitu.deciding import Rule
from shitu.prototypes import Prototypes, distances, leads, nearest, promoted, taken
from shitu.workspace import Workspace

SETS = ("caltech101", "coins", "emoji", "foda_box", "groceries_box", "recycle")
UNSEEN = ("caltech101", "emoji")  # of which enough classes are held out
MOST, CHUNK, OTHERS = 3000, 64, 200
REFERENCES = ((1, 1), (2, 2), (5, 5), (1, 8))
ITEMS = ((3, 5), (10, 20), (50, 100))
ROUNDS, QUERIES, FEWEST_STRANGERS = 10, 15, 20
THRESHOLDS = (0.3, 0.32, 0.34, 0.36, 0.38)
LEADS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


@dataclass(frozen=True)
class Asked:
    """Answers to pictures of a shop's items, of its shelf, and of other kinds: each (n,)."""

    score: np.ndarray
    lead: np.ndarray
    right: np.ndarray
    stranger: np.ndarray
    other: np.ndarray


def embed(rows: Rows) -> dict[str, np.ndarray]:
    """Per set: unit vectors (n, dim), labels (n,) and whether these are held out (n,)."""
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
        found[name + "_held"] = rows.held_out[chosen]
    return found


def shops(vectors: np.ndarray, labels: np.ndarray, others: np.ndarray) -> Iterator[Asked]:
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
                foreign = random.permutation(foreign)[: QUERIES * len(strangers)]
                asked = [vectors[queries], vectors[foreign], random.choice(others, OTHERS)]
                yield ask(vectors[references], codes[references], asked, codes[queries])


def ask(
    gallery: np.ndarray, labels: np.ndarray, asked: list[np.ndarray], true: np.ndarray
) -> Asked:
    """Answer as the product does.

    Args:
        gallery: vectors (g, dim) of references.
        labels: (g,) of these.
        asked: vectors of known pictures (k, dim), of strangers, and of those of other kinds.
        true: (k,) labels of the known ones.
    """
    names, items = np.unique(labels, return_inverse=True)
    queries = np.concatenate(asked)
    prototypes = Prototypes.of(gallery, items, len(names))
    scores = queries @ gallery.T
    near = nearest(scores)
    best, theirs = taken(scores, near), items[near]
    close = prototypes.closeness(queries, theirs)
    order = promoted(best, theirs, close, 1.0)
    best, theirs, close = (taken(each, order) for each in (best, theirs, close))
    kind = np.repeat(np.arange(3), [len(each) for each in asked])
    right = np.zeros(len(queries), bool)
    right[: len(true)] = names[theirs[: len(true), 0]] == true
    lead = leads(distances(best, theirs, close, 1.0))
    return Asked(best[:, 0], lead, right, kind == 1, kind == 2)


def rates(asked: Asked, threshold: float, lead: float) -> tuple[float, float, float, float]:
    """Shares named rightly and wrongly of the known, and unknown of either kind of strangers."""
    clear = Rule(threshold, lead=lead).is_clear(asked.score, asked.lead)
    given = (asked.score >= threshold) & clear
    known = ~asked.stranger & ~asked.other
    rightly, wrongly = (given & asked.right)[known], (given & ~asked.right)[known]
    unknown = 1 - given[asked.stranger].mean(), 1 - given[asked.other].mean()
    return (rightly.mean(), wrongly.mean(), *unknown)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("rows", type=Path, help="folder that feature_data.py wrote")
    parser.add_argument("--cache", type=Path, help="file that keeps the embeddings")
    args = parser.parse_args()
    kept = embedded(args.rows, args.cache, embed)
    every, unseen = {}, {}
    for name in SETS:
        vectors, labels, held = (kept[name + part] for part in ("", "_label", "_held"))
        others = np.concatenate([kept[other] for other in SETS if other != name])
        every[name] = list(shops(vectors, labels, others))
        if name in UNSEEN:
            unseen[name] = list(shops(vectors[held], labels[held], others))
    rule = ("threshold", "lead")
    shares = ("rightly", "wrongly", "unknown", "of other kinds")
    print("|", " | ".join([*rule, *shares, *(f"unseen: {share}" for share in shares), *SETS]), "|")
    for threshold in THRESHOLDS:
        for lead in LEADS:
            by_set, of_unseen = (
                [
                    np.mean([rates(each, threshold, lead) for each in some], axis=0)
                    for some in played.values()
                ]
                for played in (every, unseen)
            )
            means = [*np.mean(by_set, axis=0), *np.mean(of_unseen, axis=0)]
            cells = [f"{each[0]:.2f} / {each[2]:.2f}" for each in by_set]
            row = [f"{threshold:.2f}", f"{lead:g}", *(f"{mean:.3f}" for mean in means), *cells]
            print("|", " | ".join(row), "|")


if __name__ == "__main__":
    main()
