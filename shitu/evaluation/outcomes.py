"""What became of each query: its answer, how far off it was, and what would have been right."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from shitu.evaluation.answers import NOBODY, AnswerKey, Ranking
from shitu.evaluation.checking import Check, Ruling
from shitu.evaluation.depths import ranked_deeper
from shitu.evaluation.metrics import Bools, Floats, first_right, map_at_r
from shitu.evaluation.queries import DescribedQueries
from shitu.gallery import Reference
from shitu.geometry import Box, crop
from shitu.images import Image, load_image
from shitu.index import Neighbours
from shitu.prototypes import DEPTH, promoted
from shitu.runtime.session import Float32Array

_DEPTH = 1000  # neighbours ranked; a right one beyond counts as not found
_BLOCK = 256  # queries searched at a time, so that rankings need little memory
_LOWEST = -1.0  # the lowest cosine: that of a runner-up where there is no other item

Kind = Literal["known", "stranger", "alone"]


class Lookup(Protocol):
    """The gallery and its index."""

    def search(self, queries: Float32Array, k: int) -> Neighbours:
        """The k nearest references of each query (n, dim)."""

    def closeness(
        self,
        queries: Float32Array,
        items: NDArray[np.int64],
        without: Sequence[Collection[int]],
    ) -> NDArray[np.floating[Any]]:
        """Cosines (n, k) of queries (n, dim) with the prototypes of items (n, k); -1: none.

        Args:
            without: for each query references that do not count.
        """

    def all_references(self) -> Sequence[Reference]:
        """Every reference of the gallery."""


class Confidence(Protocol):
    """Calibrated probabilities that answers are right."""

    def __call__(
        self,
        scores: Floats,
        items: NDArray[np.int64],
        closeness: NDArray[np.floating[Any]] | None,
        /,
    ) -> Floats:
        """Probabilities (n,), 0..1, from the neighbours of n queries, best first.

        Args:
            scores: (n, depth) cosines; -inf past the end.
            items: (n, depth) ids of their items; -1 past the end.
            closeness: (n, k) cosines to the prototypes of the first of them, if they have a say.
        """


@dataclass(frozen=True)
class QueryOutcome:
    """What became of one query.

    Attributes:
        box: what was embedded of it, xyxy in pixels; None for all of it.
        kind: "known": the gallery has its label; "stranger": it has not; "alone": only in the
            query's own file, so that nothing could be right.
        answer: label of the item that nearest reference and prototype speak for, or that geometry
            puts before it, the query's own file left out; None if there is none.
        score: cosine to the nearest reference of that label.
        margin: score minus that of the best reference of another item; below 0 where the nearest
            reference was outweighed by a prototype, or by points that agree.
        rank: of the first right reference, from 1, the answer's standing first; 0 where none is in
            the ranking.
        own_file: a reference that is the very same file.
        confidence: calibrated probability that the answer is right; None where nobody knows it.
        by_score: the answer of the scores alone.
        nearest_id, nearest_score: of the nearest reference, whatever its label.
        ruling: what `recognize` makes of it; None where it was not asked.
    """

    path: str
    sha256: str
    label: str
    box: Box | None
    kind: Kind
    answer: str | None
    answer_id: int | None
    score: float
    margin: float
    rank: int
    map_at_r: float
    right_id: int | None
    right_score: float | None
    own_file: int | None
    confidence: float | None
    by_score: str | None = None
    nearest_id: int | None = None
    nearest_score: float = _LOWEST
    ruling: Ruling | None = None

    @property
    def right(self) -> bool:
        """Whether the answer is the label."""
        return self.rank == 1


def rank_queries(
    found: DescribedQueries,
    lookup: Lookup,
    confidence: Confidence | None = None,
    prototype_weight: float = 0.0,
    check: Check | None = None,
) -> list[QueryOutcome]:
    """Rank the gallery for each query, leaving out references that are the query's own file.

    Args:
        prototype_weight: how much an item's prototype counts beside its nearest reference.
        check: what `recognize` would make of each ranking; needs the paths of the queries.
    """
    known = {reference.reference_id: reference for reference in lookup.all_references()}
    key = AnswerKey.of(list(known.values()))
    codes = key.codes_of(found.labels)
    own = key.same_files(found.hashes)
    relevant = key.relevant(codes, own)
    longest = max(map(len, own), default=0)
    first = _DEPTH if check is None else check.depth
    depth = min(len(key.ids), max(_DEPTH, first, int(relevant.max(initial=0)) + longest))
    if not depth:
        return []
    names = {code: label for label, code in key.code_of.items()}
    considered = DEPTH if check is None else max(DEPTH, check.depth)
    outcomes: list[QueryOutcome] = []
    for start in range(0, len(codes), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(codes)))
        files = [own[row] for row in rows]
        near = ranked_deeper(lookup.search, found.embeddings[rows], first, depth)
        ranking = key.ranked(near, files)
        closeness = None
        if prototype_weight:
            # The query's own file is none of the item's references.
            items = ranking.items[:, :considered]
            closeness = lookup.closeness(found.embeddings[rows], items, files)
            order = promoted(ranking.scores, ranking.items, closeness, prototype_weight)
            ranking = ranking.reordered(order)
            closeness = np.take_along_axis(closeness, order[:, :considered], axis=1)
        sure = None
        if confidence is not None:
            sure = confidence(ranking.scores, ranking.items, closeness)
        by_score, rulings = ranking, None
        if check is not None:
            pictures = [partial(_picture, found, int(row)) for row in rows]
            ranking, rulings = check.rule(ranking, known, pictures, sure, closeness)
        whole = depth == len(key.ids)
        block = _Block(ranking, by_score, codes[rows], relevant[rows], whole=whole)
        outcomes += block.outcomes(found, rows, own, names, _answered(sure, rulings, len(rows)))
    return outcomes


def _answered(
    confidence: Floats | None, rulings: Sequence[Ruling] | None, count: int
) -> list[tuple[float | None, Ruling | None]]:
    """Confidence and ruling of each of so many answers."""
    if rulings is not None:
        return [(ruling.confidence, ruling) for ruling in rulings]
    return [(None if confidence is None else float(confidence[i]), None) for i in range(count)]


def _picture(found: DescribedQueries, row: int) -> Image:
    """What was embedded of a query."""
    image, box = load_image(Path(found.paths[row])), found.boxes[row]
    return image if box is None else crop(image, box)


class _Block:
    """The rankings of some queries, looked at from all sides."""

    def __init__(
        self,
        ranking: Ranking,
        by_score: Ranking,
        codes: np.ndarray,
        relevant: np.ndarray,
        *,
        whole: bool,
    ) -> None:
        self._ranking = ranking
        self._by_score = by_score
        self._nearest = by_score.scores.argmax(axis=1)
        self._codes = codes
        self._relevant = relevant
        right: Bools = (ranking.codes == codes[:, None]) & (codes >= 0)[:, None]
        self._first = first_right(right)
        self._map_at_r = map_at_r(right, np.maximum(relevant, 1))
        self.scores = np.maximum(ranking.scores[:, 0], _LOWEST)
        self.margins = self.scores - self._runner_up(whole=whole)

    def _runner_up(self, *, whole: bool) -> Floats:
        """Best score of another item; at most the last one ranked where all are of one item."""
        codes, scores = self._ranking.codes, self._ranking.scores
        other = (codes != codes[:, :1]) & (codes != NOBODY)
        best = np.where(other, scores, -np.inf).max(axis=1)
        # Own files were taken out, and left gaps at the end.
        last = np.where(np.isfinite(scores), scores, scores[:, :1]).min(axis=1)
        unseen = _LOWEST if whole else last
        runner_up: Floats = np.where(other.any(axis=1), best, unseen)
        return np.maximum(runner_up, _LOWEST)

    def outcomes(
        self,
        found: DescribedQueries,
        rows: np.ndarray,
        own: Sequence[Sequence[int]],
        names: dict[int, str],
        answers: Sequence[tuple[float | None, Ruling | None]],
    ) -> Iterator[QueryOutcome]:
        ids, codes, plain = self._ranking.ids, self._ranking.codes, self._by_score
        for i, (row, (confidence, ruling)) in enumerate(zip(rows, answers, strict=True)):
            first, answered = int(self._first[i]), codes[i, 0] != NOBODY
            nearest = self._nearest[i]
            yield QueryOutcome(
                path=found.paths[row] if found.paths else "",
                sha256=found.hashes[row],
                label=found.labels[row],
                box=found.boxes[row] if found.boxes else None,
                kind=self._kind(i),
                answer=names[int(codes[i, 0])] if answered else None,
                answer_id=int(ids[i, 0]) if answered else None,
                score=float(self.scores[i]),
                margin=float(self.margins[i]),
                rank=first,
                map_at_r=float(self._map_at_r[i]),
                right_id=int(ids[i, first - 1]) if first else None,
                right_score=float(self._ranking.scores[i, first - 1]) if first else None,
                own_file=own[row][0] if own[row] else None,
                confidence=confidence,
                by_score=names[int(plain.codes[i, 0])] if answered else None,
                nearest_id=int(plain.ids[i, nearest]) if answered else None,
                nearest_score=max(float(plain.scores[i, nearest]), _LOWEST),
                ruling=ruling,
            )

    def _kind(self, i: int) -> Kind:
        if self._codes[i] < 0:
            return "stranger"
        return "known" if self._relevant[i] > 0 else "alone"
