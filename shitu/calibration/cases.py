"""Queries whose answer is known: the gallery's own references, asked about the others, and photos.

A genuine one is looked up among the others. For an impostor the references of its own item are
hidden, so that whatever is found is wrong. Where vectors are mapped, neither is judged by a map
that it was fitted into, or it would do better here than a stranger does in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu.adapter import Recipe, Statistics, fit
from shitu.adapter.folds import Bools, Split, label_folds, reference_folds
from shitu.calibration.evidence import Evidence, Floats, Ids, evidence_of
from shitu.config import PROTOTYPE_WEIGHT
from shitu.prototypes import DEPTH, Prototypes, nearest, promoted, taken

FOLDS = 5
LIMIT = 6000  # references asked; more tell hardly more
_SHRINK = 5.0  # references that the mean of all items counts for beside an item's own
_BLOCK = 256

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Near:
    """What n queries were looked up among; the answer of the scores first.

    Attributes:
        query: (n,) row of the reference that asked; below 0: -1 - place of a stranger's picture.
        rows: (n, k) rows of references; -1 past the end, and of what has no picture to look at.
        scores: (n, k) cosines.
        closeness: (n, k) cosines to the prototypes of their items.
    """

    query: Ids
    rows: Ids
    scores: Vectors
    closeness: npt.NDArray[np.floating[Any]]

    @classmethod
    def joined(cls, parts: Sequence[Near]) -> Near:
        """All queries of several."""
        depth = max((part.rows.shape[1] for part in parts), default=0)
        return cls(
            np.concatenate([part.query for part in parts]),
            np.concatenate([_padded(part.rows, depth, -1) for part in parts]),
            np.concatenate([_padded(part.scores, depth, -np.inf) for part in parts]),
            np.concatenate([_padded(part.closeness, depth, -1.0) for part in parts]),
        )

    @classmethod
    def nothing(cls, count: int) -> Near:
        """Of queries without pictures."""
        none = np.full((count, 1), -1, np.int64)
        return cls(none[:, 0], none, np.full((count, 1), -np.inf, np.float32), -np.ones((count, 1)))


def _padded(values: npt.NDArray[Any], depth: int, filler: float) -> npt.NDArray[Any]:
    wider = ((0, 0), (0, depth - values.shape[1]))
    return np.pad(values, wider, constant_values=filler)


@dataclass(frozen=True)
class Cases:
    """Evidence with its truth.

    Attributes:
        evidence: of n queries.
        right: (n,) whether the best answer is right; never of a stranger.
        stranger: (n,) whether the gallery, as it was asked, lacked the item.
        lent: (n,) whether it is no picture of the user's: strangers that come with the model.
        photo: (n,) whether it is a photo as they will be asked, and no reference.
        group: (n,) the item asked for; queries of one group resemble each other. Below 0: none.
        usual: by item, the score that its references usually find each other with.
        usual_of_all: the mean of all items, for those that are not in `usual`.
        near: what the queries were looked up among.
    """

    evidence: Evidence
    right: Bools
    stranger: Bools
    lent: Bools
    photo: Bools
    group: Ids
    usual: dict[int, float]
    usual_of_all: float
    near: Near

    def with_strangers(
        self, found: Evidence, *, lent: bool = False, near: Near | None = None
    ) -> Cases:
        """With pictures, too, of things that the gallery does not have.

        Args:
            near: what they were looked up among; None: they are vectors without pictures.
        """
        many = len(found)
        return self._with(
            found,
            stranger=np.ones(many, bool),
            lent=np.full(many, lent),
            photo=np.zeros(many, bool),
            group=self._no_item - 1 - np.arange(many),
            near=Near.nothing(many) if near is None else near,
        )

    def with_photos(
        self, found: Evidence, shown: Ids, near: Near | None = None, *, hidden: bool = False
    ) -> Cases:
        """With photos as they will be asked.

        Args:
            shown: (m,) the item that each shows; below 0, a number for each thing, of what the
                gallery does not have.
            near: what they were looked up among; None: they are vectors without pictures.
            hidden: the item was hidden from them.
        """
        many = len(found)
        return self._with(
            found,
            stranger=(shown < 0) | hidden,
            lent=np.zeros(many, bool),
            photo=np.ones(many, bool),
            group=np.where(shown < 0, self._no_item + shown, shown),
            near=Near.nothing(many) if near is None else near,
        )

    @property
    def _no_item(self) -> int:
        """Numbers below this are no group yet."""
        return min(int(self.group.min(initial=0)), 0)

    def _with(
        self, found: Evidence, stranger: Bools, lent: Bools, photo: Bools, group: Ids, near: Near
    ) -> Cases:
        return replace(
            self,
            evidence=Evidence.joined([self.evidence, found]),
            right=np.append(self.right, (found.item == group) & ~stranger),
            stranger=np.append(self.stranger, stranger),
            lent=np.append(self.lent, lent),
            photo=np.append(self.photo, photo),
            group=np.append(self.group, group),
            near=Near.joined([self.near, near]),
        )


def gather(
    embeddings: Vectors,
    items: Ids,
    recipe: Recipe | None,
    seed: int = 0,
    prototype_weight: float = PROTOTYPE_WEIGHT,
    *,
    depth: int = DEPTH,
    limit: int = LIMIT,
    progress: Callable[[int, int], None] | None = None,
) -> Cases:
    """Ask each reference once as itself and once as a stranger.

    Args:
        embeddings: unit (n, d), as the network made them.
        items: (n,) ids of their items.
        recipe: of the map that is used on top; None for none.
        seed: of the folds; above the limit also of those that are asked.
        prototype_weight: how much an item's prototype counts beside its nearest reference.
        depth: neighbours that are noted of each case.
        limit: references that are asked at most.
        progress: told the number of queries asked so far, and of all.
    """
    names, codes = np.unique(items, return_inverse=True)
    codes = np.asarray(codes, np.int64)
    chosen = _asked(len(items), seed, limit)
    found: list[Evidence] = []
    near: list[Near] = []
    groups: list[Ids] = []
    stranger: list[Bools] = []
    own = np.full(len(items), np.nan)
    known, unknown = reference_folds(codes, FOLDS, seed), label_folds(codes, FOLDS, seed)
    splits = [*((each, own) for each in known), *((each, None) for each in unknown)]
    done, total = 0, sum(int(np.sum(each.queries & chosen)) for each, _ in splits)
    for split, noted in splits:
        vectors = _mapped(embeddings, codes, recipe, split)
        rows = np.flatnonzero(split.queries & chosen)
        asked = _ask(vectors, items, rows, split.gallery, noted, prototype_weight, depth)
        for evidence, some in asked:
            found.append(evidence)
            near.append(some)
            done += len(evidence)
            if progress is not None:
                progress(done, total)
        groups.append(items[rows])
        stranger.append(np.full(len(rows), noted is None))
    evidence, group = Evidence.joined(found), np.concatenate(groups)
    strange = np.concatenate(stranger)
    usual, of_all = _usual(own, codes)
    return Cases(
        evidence,
        right=(evidence.item == group) & ~strange,
        stranger=strange,
        lent=np.zeros(len(evidence), bool),
        photo=np.zeros(len(evidence), bool),
        group=group,
        usual={int(names[code]): score for code, score in usual.items()},
        usual_of_all=of_all,
        near=Near.joined(near),
    )


def gather_strangers(
    queries: Vectors, gallery: Vectors, items: Ids, prototype_weight: float = PROTOTYPE_WEIGHT
) -> Evidence:
    """Ask pictures (m, e) of things that the gallery (n, e) certainly does not have."""
    return Shelf.of(gallery, items, prototype_weight).ask(queries)[0]


def ask_photos(
    cases: Cases,
    photos: Vectors,
    shown: Ids,
    shelf: Shelf,
    depth: int = DEPTH,
    *,
    first: int | None = None,
) -> Cases:
    """Ask each photo as itself and, if the gallery has its item, with that hidden, too.

    Args:
        cases: to which these are added.
        photos: (m, e), as they will be asked, and no references of the shelf.
        shown: (m,) what they show; see `Cases.with_photos`.
        depth: neighbours that are noted of each case.
        first: place of the first photo among the pictures; None: there are no pictures to look at.
    """
    places, known = (first or 0) + np.arange(len(shown)), shown >= 0
    for rows, hidden in ((np.arange(len(shown)), False), (np.flatnonzero(known), True)):
        theirs = shown[rows]
        found, near = shelf.ask(
            photos[rows], depth, places=places[rows], hidden=theirs if hidden else None
        )
        cases = cases.with_photos(found, theirs, None if first is None else near, hidden=hidden)
    return cases


def _asked(count: int, seed: int, limit: int) -> Bools:
    chosen = np.zeros(count, bool)
    chosen[np.random.default_rng(seed).permutation(count)[:limit]] = True
    return chosen


def _mapped(embeddings: Vectors, codes: Ids, recipe: Recipe | None, split: Split) -> Vectors:
    if recipe is None:
        return embeddings
    fitted, labels = split.fitted, int(codes.max()) + 1
    statistics = Statistics.of(embeddings[fitted], codes[fitted], labels)
    return fit(statistics, recipe).apply(embeddings)


def _ask(
    vectors: Vectors,
    items: Ids,
    rows: Ids,
    gallery: Bools,
    own: Floats | None,
    prototype_weight: float,
    depth: int,
) -> Iterator[tuple[Evidence, Near]]:
    """Ask some references; with `own` note what their item scores, without it hide that item."""
    among = np.flatnonzero(gallery)
    there, theirs = vectors[among], items[among]
    base, shelf = np.ascontiguousarray(there.T), Shelf.of(there, theirs, prototype_weight, among)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        scores = vectors[block] @ base
        same = items[block][:, None] == theirs
        if own is None:
            scores[same] = -np.inf
        else:
            own[block] = np.where(same, scores, -np.inf).max(axis=1)
        yield shelf.evidence(block, vectors[block], scores, depth)


@dataclass(frozen=True)
class Shelf:
    """What queries are looked up among: n references and their items.

    Attributes:
        vectors: (n, e) unit vectors.
        rows: (n,) of the references in the gallery.
        items: (n,) ids.
        codes: (n,) numbers of these, by which there are prototypes.
        prototype_weight: how much an item's prototype counts beside its nearest reference.
    """

    vectors: Vectors
    rows: Ids
    items: Ids
    codes: Ids
    prototypes: Prototypes
    prototype_weight: float

    @classmethod
    def of(
        cls,
        vectors: Vectors,
        items: Ids,
        prototype_weight: float = PROTOTYPE_WEIGHT,
        rows: Ids | None = None,
    ) -> Shelf:
        """Put references with unit vectors (n, e) on it; `rows`: None: all of the gallery."""
        names, codes = np.unique(items, return_inverse=True)
        codes = np.asarray(codes, np.int64)
        prototypes = Prototypes.of(vectors, codes, len(names))
        rows = np.arange(len(items)) if rows is None else rows
        return cls(vectors, rows, items, codes, prototypes, prototype_weight)

    def ask(
        self,
        queries: Vectors,
        depth: int = DEPTH,
        *,
        places: Ids | None = None,
        hidden: Ids | None = None,
    ) -> tuple[Evidence, Near]:
        """Ask pictures (m, e) that are no references.

        Args:
            depth: neighbours that are noted of each.
            places: (m,) of the pictures; see `Near.query`; None: 0, 1, 2 ...
            hidden: (m,) ids of the items that each is not to find; None: none is hidden.

        Returns:
            Evidence, and what they were looked up among.
        """
        places = np.arange(len(queries)) if places is None else places
        found: list[Evidence] = []
        near: list[Near] = []
        for start in range(0, max(len(queries), 1), _BLOCK):
            part = slice(start, start + _BLOCK)
            block = queries[part]
            scores = block @ self.vectors.T
            if hidden is not None:
                scores[hidden[part, None] == self.items] = -np.inf
            evidence, some = self.evidence(-1 - places[part], block, scores, depth)
            found.append(evidence)
            near.append(some)
        return Evidence.joined(found), Near.joined(near)

    def evidence(
        self, asked: Ids, queries: Vectors, scores: Vectors, depth: int
    ) -> tuple[Evidence, Near]:
        """Evidence, and the nearest of the n references.

        Args:
            asked: (m,) see `Near.query`.
            scores: (m, n) of the queries (m, d); -inf of references that do not count.
        """
        near = nearest(scores, depth)
        best = np.take_along_axis(scores, near, 1)
        there = np.isfinite(best)
        found = np.where(there, self.items[near], -1)
        closeness: npt.NDArray[np.floating[Any]] = best
        if self.prototype_weight:
            codes = np.where(there, self.codes[near], -1)
            closeness = self.prototypes.closeness(queries, codes)
            order = promoted(best, found, closeness, self.prototype_weight)
            best, found, near = (taken(each, order) for each in (best, found, near))
            closeness = taken(closeness, order)
        rows = np.where(found < 0, -1, self.rows[near])
        return evidence_of(best, found, closeness), Near(asked, rows, best, closeness)


def _usual(own: Floats, codes: Ids) -> tuple[dict[int, float], float]:
    known = np.isfinite(own)
    if not known.any():
        return {}, 0.0
    mean = float(own[known].mean())
    counts = np.bincount(codes[known])
    sums = np.bincount(codes[known], own[known])
    shrunk = (sums + _SHRINK * mean) / (counts + _SHRINK)
    return {int(code): float(shrunk[code]) for code in np.flatnonzero(counts)}, mean
