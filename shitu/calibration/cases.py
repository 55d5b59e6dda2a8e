"""Queries whose answer is known: the gallery's own references, asked about the others.

A genuine one is looked up among the others. For an impostor the references of its own item are
hidden, so that whatever is found is wrong. Where vectors are mapped, neither is judged by a map
that it was fitted into, or it would do better here than a stranger does in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from shitu.adapter import Recipe, Statistics, fit
from shitu.adapter.folds import Bools, Split, label_folds, reference_folds
from shitu.calibration.evidence import Evidence, Floats, Ids, evidence_of
from shitu.config import VOTERS
from shitu.voting import nearest, promoted

FOLDS = 5
LIMIT = 6000  # references asked; more tell hardly more
_SHRINK = 5.0  # references that the mean of all items counts for beside an item's own
_BLOCK = 256

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cases:
    """Evidence with its truth.

    Attributes:
        evidence: of n queries.
        right: (n,) whether the best answer is right; never of a stranger.
        stranger: (n,) whether the gallery, as it was asked, lacked the item.
        lent: (n,) whether it is no picture of the user's: strangers that come with the model.
        group: (n,) the item asked for; queries of one group resemble each other. Below 0: none.
        usual: by item, the score that its references usually find each other with.
        usual_of_all: the mean of all items, for those that are not in `usual`.
    """

    evidence: Evidence
    right: Bools
    stranger: Bools
    lent: Bools
    group: Ids
    usual: dict[int, float]
    usual_of_all: float

    def with_strangers(self, found: Evidence, *, lent: bool = False) -> Cases:
        """With pictures, too, of things that the gallery does not have."""
        many = len(found)
        groups = min(int(self.group.min(initial=0)), 0) - 1 - np.arange(many)
        return replace(
            self,
            evidence=Evidence.joined([self.evidence, found]),
            right=np.append(self.right, np.zeros(many, bool)),
            stranger=np.append(self.stranger, np.ones(many, bool)),
            lent=np.append(self.lent, np.full(many, lent)),
            group=np.append(self.group, groups),
        )


def gather(
    embeddings: Vectors, items: Ids, recipe: Recipe | None, seed: int = 0, voters: int = VOTERS
) -> Cases:
    """Ask each reference once as itself and once as a stranger.

    Args:
        embeddings: unit (n, d), as the network made them.
        items: (n,) ids of their items.
        recipe: of the map that is used on top; None for none.
        seed: of the folds; above `LIMIT` references also of those that are asked.
        voters: references of an item that have a say in the answer.
    """
    names, codes = np.unique(items, return_inverse=True)
    codes = np.asarray(codes, np.int64)
    chosen = _asked(len(items), seed)
    found: list[Evidence] = []
    groups: list[Ids] = []
    own = np.full(len(items), np.nan)
    for split in reference_folds(codes, FOLDS, seed):
        vectors = _mapped(embeddings, codes, recipe, split)
        rows = np.flatnonzero(split.queries & chosen)
        found += list(_ask(vectors, items, rows, split.gallery, own, voters))
        groups.append(items[rows])
    genuine = sum(map(len, found))
    for split in label_folds(codes, FOLDS, seed):
        vectors = _mapped(embeddings, codes, recipe, split)
        rows = np.flatnonzero(split.queries & chosen)
        found += list(_ask(vectors, items, rows, split.gallery, None, voters))
        groups.append(items[rows])
    evidence, group = Evidence.joined(found), np.concatenate(groups)
    stranger = np.arange(len(evidence)) >= genuine
    usual, of_all = _usual(own, codes)
    return Cases(
        evidence,
        right=(evidence.item == group) & ~stranger,
        stranger=stranger,
        lent=np.zeros(len(evidence), bool),
        group=group,
        usual={int(names[code]): score for code, score in usual.items()},
        usual_of_all=of_all,
    )


def gather_strangers(
    queries: Vectors, gallery: Vectors, items: Ids, voters: int = VOTERS
) -> Evidence:
    """Ask pictures (m, e) of things that the gallery (n, e) certainly does not have."""
    starts = range(0, max(len(queries), 1), _BLOCK)
    sizes = _sizes(items)
    found = [_evidence(queries[i : i + _BLOCK] @ gallery.T, items, sizes, voters) for i in starts]
    return Evidence.joined(found)


def _asked(count: int, seed: int) -> Bools:
    chosen = np.zeros(count, bool)
    chosen[np.random.default_rng(seed).permutation(count)[:LIMIT]] = True
    return chosen


def _mapped(embeddings: Vectors, codes: Ids, recipe: Recipe | None, split: Split) -> Vectors:
    if recipe is None:
        return embeddings
    fitted, labels = split.fitted, int(codes.max()) + 1
    statistics = Statistics.of(embeddings[fitted], codes[fitted], labels)
    return fit(statistics, recipe).apply(embeddings)


def _ask(
    vectors: Vectors, items: Ids, rows: Ids, gallery: Bools, own: Floats | None, voters: int
) -> Iterator[Evidence]:
    """Ask some references; with `own` note what their item scores, without it hide that item."""
    among = np.flatnonzero(gallery)
    base, theirs = np.ascontiguousarray(vectors[among].T), items[among]
    sizes = _sizes(theirs)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        scores = vectors[block] @ base
        same = items[block][:, None] == theirs
        if own is None:
            scores[same] = -np.inf
        else:
            own[block] = np.where(same, scores, -np.inf).max(axis=1)
        yield _evidence(scores, theirs, sizes, voters)


def _sizes(items: Ids) -> Ids:
    """How many references the item of each reference (n,) has."""
    _, codes, counts = np.unique(items, return_inverse=True, return_counts=True)
    return np.asarray(counts[codes], np.int64)


def _evidence(scores: npt.NDArray[np.float32], items: Ids, sizes: Ids, voters: int) -> Evidence:
    near = nearest(scores)
    best = np.take_along_axis(scores, near, 1)
    found = np.where(np.isfinite(best), items[near], -1)
    order = promoted(best, found, sizes[near], voters)
    return evidence_of(np.take_along_axis(best, order, 1), np.take_along_axis(found, order, 1))


def _usual(own: Floats, codes: Ids) -> tuple[dict[int, float], float]:
    known = np.isfinite(own)
    if not known.any():
        return {}, 0.0
    mean = float(own[known].mean())
    counts = np.bincount(codes[known])
    sums = np.bincount(codes[known], own[known])
    shrunk = (sums + _SHRINK * mean) / (counts + _SHRINK)
    return {int(code): float(shrunk[code]) for code in np.flatnonzero(counts)}, mean
