"""What queries are answered, by a state of the gallery that is, or one that is about to be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from shitu.candidates import Decider, Ordered, answers_first
from shitu.catalog.rejections import Screen
from shitu.deciding import Rejected, Rule
from shitu.gallery import Reference
from shitu.index import Neighbours
from shitu.index.ranking import in_order
from shitu.prototypes import DEPTH, table
from shitu.verifier.reranking import Sight, Verifier

if TYPE_CHECKING:
    from shitu.calibration import Calibration
    from shitu.catalog.learning import View

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Search = Callable[[Floats, int, Collection[int]], Neighbours]


class State(Protocol):
    """A gallery as far as answers depend on it."""

    @property
    def view(self) -> View:
        """How vectors are compared."""

    @property
    def screen(self) -> Screen:
        """What was rejected."""

    @property
    def calibration(self) -> Calibration | None:
        """What is known of the scores."""

    def nearest(self, queries: Floats, k: int, without: Collection[int] = ()) -> Neighbours:
        """The k nearest references of queries (m, dim), without those of some items."""

    def items_of(self, reference_ids: Collection[int]) -> dict[int, int]:
        """The item of each reference."""

    def closeness(self, queries: Floats, items: Ids) -> npt.NDArray[np.floating[Any]]:
        """Cosines (m, k) of queries (m, dim) with the prototypes of items (m, k)."""

    def references(self, reference_ids: Collection[int]) -> dict[int, Reference]:
        """What is known of these references."""

    def thumbnails(self, reference_ids: Collection[int]) -> dict[int, bytes]:
        """JPEGs of references, as far as there are any."""


@dataclass(frozen=True)
class Answer:
    """What a query is answered.

    Attributes:
        item_id: None: unknown.
        decided_by: score, lead, confidence or geometry.
    """

    item_id: int | None
    decided_by: str


@dataclass(frozen=True)
class Eyes:
    """Lets the verifier look at queries.

    Attributes:
        sights: of each query.
    """

    verifier: Verifier
    sights: Sequence[Sight]


def answers(
    state: State,
    rule: Rule,
    queries: Floats,
    found: Neighbours | None = None,
    eyes: Eyes | None = None,
) -> list[Answer]:
    """Return what each query (m, dim) of the network's is answered.

    Args:
        found: its nearest references, at least `DEPTH`, if they are known.
        eyes: without them the scores alone decide.
    """
    found, items, _ = screened(state, queries, found or state.nearest(queries, DEPTH))
    weight = rule.prototype_weight
    closeness = state.closeness(queries, items) if weight else None
    ordered = answers_first(found, items, closeness, weight)
    evidence = ordered.evidence
    decider = Decider(rule, state.calibration, None if eyes is None else eyes.verifier)
    decided = zip(evidence.item, decider.trusts(ordered), decider.decides(ordered), strict=True)
    given = [Answer(int(item) if sure else None, by) for item, sure, by in decided]
    if eyes is not None:
        for row, sure in _to_be_seen(decider, ordered):
            near = ordered.ids[row]
            found_of = ordered.found(row, state.references(near[near >= 0].tolist()), sure)
            seen = decider.decide(found_of, eyes.sights[row])
            first = seen.matches[0].item_id if seen.trusted else None
            given[row] = Answer(first, seen.decided_by)
    return given


def _to_be_seen(decider: Decider, ordered: Ordered) -> Iterator[tuple[int, float | None]]:
    """Yield row and confidence of the queries about which the verifier is asked."""
    evidence, known, ahead = ordered.evidence, decider.calibration, ordered.leads
    sure = None if known is None else known.confidence(evidence)
    for row in np.flatnonzero(evidence.item >= 0).tolist():
        score, margin = float(evidence.score[row]), float(evidence.margin[row])
        confidence = None if sure is None else float(sure[row])
        if decider.asks(score, margin, confidence, float(ahead[row])):
            yield row, confidence


def screened(
    state: State, queries: Floats, found: Neighbours
) -> tuple[Neighbours, Ids, list[tuple[Rejected, ...]]]:
    """Put neighbours of items that were not rejected in place of those that were.

    Returns the neighbours (m, k), their items (m, k), and what was refused to each query.
    """
    items = item_table(found.reference_ids, state.items_of)
    refused = state.screen.refused(queries, state.view, items, found.scores)
    rows = [i for i, some in enumerate(refused) if some]
    if rows:
        scores, ids = found.scores.copy(), found.reference_ids.copy()
        for i in rows:
            again, refused[i] = _without(state, queries[i : i + 1], ids.shape[1], refused[i])
            scores[i], ids[i] = again.scores[0], again.reference_ids[0]
        found = Neighbours(scores, ids)
        items = item_table(ids, state.items_of)
    return found, items, refused


def _without(
    state: State, query: Floats, k: int, refused: tuple[Rejected, ...]
) -> tuple[Neighbours, tuple[Rejected, ...]]:
    """The neighbours (1, k) that are left, and all that is refused: what moves up may be, too."""
    known = {one.item_id: one for one in refused}
    while True:
        found = state.nearest(query, k, set(known))
        items = item_table(found.reference_ids, state.items_of)
        (more,) = state.screen.refused(query, state.view, items, found.scores)
        new = {one.item_id: one for one in more if one.score is not None}
        if not new:
            return found, tuple(known.values())
        known |= new


def item_table(reference_ids: Ids, items_of: Callable[[Collection[int]], dict[int, int]]) -> Ids:
    """Return the item of each reference (m, k); -1 where there is none."""
    return table(reference_ids, items_of, -1)


def nearest_of(
    queries: Floats, k: int, blocks: Iterable[tuple[Ids, Floats]], start: Neighbours | None = None
) -> Neighbours:
    """Return the k nearest among blocks of ids (n,) and vectors (n, dim), and those of `start`."""
    found = start or nothing(len(queries), k)
    for ids, vectors in blocks:
        if len(ids):
            found = _merged(found, _best(queries, k, ids, vectors), k)
    return found


def nothing(count: int, k: int) -> Neighbours:
    """No neighbours of so many queries."""
    shape = (count, k)
    return Neighbours(np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64))


def _best(queries: Floats, k: int, ids: Ids, vectors: Floats) -> Neighbours:
    rough, kept = queries @ vectors.T, min(k, len(ids))
    found = nothing(len(queries), k)
    for row, query in enumerate(queries):
        some = np.argpartition(-rough[row], kept - 1)[:kept] if kept < len(ids) else slice(None)
        # In float64, as the index does it, so that both say the same of the same vectors.
        found.scores[row, :kept], found.reference_ids[row, :kept] = in_order(
            query, ids[some], vectors[some]
        )
    return found


def _merged(one: Neighbours, other: Neighbours, k: int) -> Neighbours:
    scores = np.concatenate([one.scores, other.scores], axis=1)
    ids = np.concatenate([one.reference_ids, other.reference_ids], axis=1)
    order = np.array([_order(s, i)[:k] for s, i in zip(scores, ids, strict=True)], np.int64)
    order = order.reshape(len(scores), k)
    return Neighbours(
        np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
    )


def _order(scores: Floats, ids: Ids) -> Ids:
    return np.asarray(np.lexsort((ids, -scores)))


def in_blocks(ids: Ids, vectors: Floats, size: int = 4096) -> Iterator[tuple[Ids, Floats]]:
    """Yield ids and vectors, some at a time."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size], vectors[start : start + size]
