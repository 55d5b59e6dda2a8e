"""The prototype of an item, the mean of its references, has a say in which item is the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

_Scalar = TypeVar("_Scalar", bound=np.generic)

Floats = npt.NDArray[np.floating[Any]]
Ids = npt.NDArray[np.int64]

_AT_ONCE = 256  # prototypes copied for each query: so many of 512 numbers are half a MB
DEPTH = 20  # neighbours looked at; the same wherever evidence is taken, or it would not compare
_MOST = 1000  # references that a prototype is made of; of more only every second, third, ...
_KEPT = 20_000  # prototypes in memory; 40 MB at most
_ROUNDING = 1e-6
SAME = 0.98  # cosine from which two pictures are one, or were taken in a row
_NOTHING = 1e-9


def table(
    numbers: Ids, known_of: Callable[[Collection[int]], Mapping[int, int]], missing: int
) -> Ids:
    """What is known of each number (m, k), asked once; `missing` for the rest and those below 0."""
    unique, places = np.unique(numbers, return_inverse=True)
    known = known_of([number for number in unique.tolist() if number >= 0])
    found = [known.get(number, missing) for number in unique.tolist()]
    return np.array(found, np.int64)[places].reshape(numbers.shape)


def nearest(scores: Floats, depth: int = DEPTH) -> Ids:
    """Columns (m, k) of the highest scores of (m, n), best first."""
    k = min(depth, scores.shape[1])
    columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, columns, 1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, 1)


def taken(values: npt.NDArray[_Scalar], order: Ids) -> npt.NDArray[_Scalar]:
    """The values (m, n) of each row at these places (m, k)."""
    return np.take_along_axis(values, order, axis=1)


def promoted(scores: Floats, items: Ids, closeness: Floats | None, weight: float) -> Ids:
    """Order (m, k) of the neighbours that has the nearest reference of the answer first.

    The answer is the item with the greatest sum of two cosines: to its nearest reference, and to
    its prototype. One reference that happens to look like the query does not outweigh an item all
    of whose references do; of an item with a single reference both cosines are the same. A picture
    that is a reference itself, or nearly so, is what that one is. All other neighbours keep their
    order.

    Args:
        scores: (m, k) cosines, best first; only the first `DEPTH` can be the answer.
        items: (m, k) ids of their items; -1 where there is no reference.
        closeness: (m, k) cosines to the prototypes of these items; None: they have no say.
        weight: how much they count.
    """
    count, k = items.shape
    order = np.tile(np.arange(k), (count, 1))
    if not k:
        return order
    near = slice(None, DEPTH)
    there = (items[:, near] >= 0) & np.isfinite(scores[:, near])
    close = 0.0 if closeness is None else closeness[:, near]
    worth = np.where(there, scores[:, near] + weight * close, -np.inf)
    # Of equals the nearer one; a hair less than equal is rounding.
    best = worth.max(axis=1, keepdims=True)
    first = (worth >= best - _ROUNDING).argmax(axis=1)[:, None]
    first = np.where(there[:, :1] & (scores[:, :1] >= SAME), 0, first)
    return np.asarray(np.where(order == 0, first, order - (order <= first)), np.int64)


def distances(scores: Floats, items: Ids, closeness: Floats | None, weight: float) -> Floats:
    """How far (m, 2) each answer and the next item are: 1 less the mean of the two cosines.

    These make an item the answer, so that one which its prototype put first is nearer by that,
    too. The next item is infinitely far where there is none.

    Args:
        scores: (m, k) cosines, the nearest reference of the answer first; only the first `DEPTH`
            are looked at.
        items: (m, k) ids of their items; -1 where there is no reference.
        closeness: (m, k) cosines to the prototypes of these items; None: they have no say.
        weight: how much they count.
    """
    if not items.shape[1]:
        return np.tile((1.0, np.inf), (len(items), 1))
    worth, others = _worths(scores, items, closeness, weight)
    both = np.stack([worth[:, 0], others.max(axis=1)], axis=1)
    return np.asarray(np.maximum(1 - both, 0.0))


def rivals(scores: Floats, items: Ids, closeness: Floats | None, weight: float) -> Ids:
    """The next item (m,) of each answer, by id; -1 where there is none. See `distances`."""
    if not items.shape[1]:
        return np.full(len(items), -1, np.int64)
    _, others = _worths(scores, items, closeness, weight)
    place = others.argmax(axis=1)[:, None]
    there = np.isfinite(taken(others, place))
    return np.asarray(np.where(there, taken(items, place), -1)[:, 0], np.int64)


def _worths(
    scores: Floats, items: Ids, closeness: Floats | None, weight: float
) -> tuple[Floats, Floats]:
    """Means of the two cosines (m, k), and the same with -inf where it is no other item."""
    near = slice(None, DEPTH)
    there = (items[:, near] >= 0) & np.isfinite(scores[:, near])
    worth = np.where(there, scores[:, near], 0.0)
    if closeness is not None:
        worth = (worth + weight * np.where(there, closeness[:, near], 0.0)) / (1 + weight)
    other = there & (items[:, near] != items[:, :1])
    return worth, np.where(other, worth, -np.inf)


def leads(apart: Floats, points: float = 0.0) -> Floats:
    """By which share (m,) each answer is nearer than the next item; infinite without another.

    What the ratio test of Lowe (2004) asks of local features: 1 less the ratio of the distances.
    The farther an answer is itself, the more it has to be ahead of the next item.

    Args:
        apart: (m, 2) distances of the answer and of the next item.
        points: cosine by which points that agree put the answer nearer.
    """
    first, second = np.maximum(apart[:, 0] - points, 0.0), apart[:, 1]
    # Of two that are the picture itself none is ahead, whatever their cosines are rounded to.
    share = np.where(second > _ROUNDING, 1 - first / np.maximum(second, _ROUNDING), 0.0)
    # Below 0 where it is a reference itself.
    return np.asarray(np.where(np.isfinite(second), np.maximum(share, 0.0), np.inf))


@dataclass(frozen=True)
class Prototypes:
    """Of items by number: their direction is all that counts, so a sum is as good as a mean.

    Attributes:
        sums: (c, dim) of the unit vectors of their references.
        squares: (c,) of the lengths of these.
    """

    sums: Floats
    squares: Floats

    @classmethod
    def of(cls, vectors: Floats, codes: Ids, count: int) -> Prototypes:
        """Sum unit vectors (n, dim) by the number (n,) of their item, one of `count`."""
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(count + 1))
        rows = (order[start:end] for start, end in pairwise(ends.tolist()))
        return cls.summed([_sum(vectors[each]) for each in rows], vectors.shape[1])

    @classmethod
    def summed(cls, sums: Sequence[Floats], dim: int) -> Prototypes:
        """Those with these sums (dim,)."""
        all_of_them = np.array(sums, np.float32).reshape(len(sums), dim)
        return cls(all_of_them, np.square(all_of_them.astype(np.float64)).sum(axis=1))

    def closeness(self, queries: Floats, codes: Ids, own: Ids | None = None) -> Floats:
        """Cosines (m, k) of queries (m, dim) with the prototypes of these numbers (m, k).

        Args:
            codes: -1: none, whose closeness is 0.
            own: (m,) number of the item that the query itself is a reference of; it does not count
                as one of them.
        """
        if not len(self.sums):
            return np.zeros(codes.shape, np.float32)
        there = codes >= 0
        at = np.where(there, codes, 0)
        dots = np.empty(at.shape, np.result_type(queries, self.sums))
        for some in range(0, at.shape[1], _AT_ONCE):
            part = slice(some, some + _AT_ONCE)
            dots[:, part] = np.einsum("md,mkd->mk", queries, self.sums[at[:, part]])
        squares = self.squares[at]
        if own is not None:
            mine = at == own[:, None]
            squares = np.where(mine, squares - 2 * dots + 1, squares)
            dots = np.where(mine, dots - 1, dots)
        there &= squares > _NOTHING
        return np.where(there, dots / np.sqrt(np.where(there, squares, 1.0)), 0.0)


@dataclass(frozen=True)
class _Prototype:
    references: Ids
    total: Floats


class PrototypesOfItems:
    """Prototypes of the items of a gallery at one moment, made when they are asked for.

    May be shared between threads.

    Args:
        members: the references (n,), ascending, of each item.
        vectors: of references (n,): unit (n, dim), as they are compared; those that are gone are
            left out.
    """

    def __init__(
        self,
        members: Callable[[Collection[int]], Mapping[int, Ids]],
        vectors: Callable[[Ids], Floats],
    ) -> None:
        self._members = members
        self._vectors = vectors
        self._kept: dict[int, _Prototype] = {}

    def closeness(
        self, queries: Floats, items: Ids, without: Sequence[Collection[int]] = ()
    ) -> Floats:
        """Cosines (m, k) of queries (m, dim) with the prototypes of items (m, k).

        Args:
            queries: as they are compared.
            items: -1: none, whose closeness is 0.
            without: for each query references that do not count.
        """
        wanted = np.unique(items[items >= 0])
        known = self._of(wanted.tolist())
        dim = queries.shape[1]
        prototypes = Prototypes.summed([known[item].total for item in wanted.tolist()], dim)
        codes = np.where(items >= 0, np.searchsorted(wanted, items), -1)
        close = prototypes.closeness(queries, codes)
        for row, hidden in enumerate(without):
            if hidden:
                rest = [self._rest(known.get(item), hidden, dim) for item in items[row].tolist()]
                places = np.arange(len(rest))[None]
                alone = queries[row : row + 1]
                close[row] = Prototypes.summed(rest, dim).closeness(alone, places)[0]
        return close

    def _rest(self, known: _Prototype | None, hidden: Collection[int], dim: int) -> Floats:
        """The sum without some references."""
        if known is None:
            return np.zeros(dim, np.float32)
        gone = np.intersect1d(known.references, np.array(sorted(hidden), np.int64))
        return known.total - _sum(self._vectors(gone)) if len(gone) else known.total

    def _of(self, items: Iterable[int]) -> dict[int, _Prototype]:
        found = {item: kept for item in items if (kept := self._kept.get(item)) is not None}
        missing = [item for item in items if item not in found]
        members = self._members(missing) if missing else {}
        for item in missing:
            references = members.get(item, np.empty(0, np.int64))
            some = references[:: max(1, -(-len(references) // _MOST))]
            found[item] = _Prototype(some, _sum(self._vectors(some)))
        if len(self._kept) + len(missing) > _KEPT:
            self._kept = {}
        self._kept.update({item: found[item] for item in missing})
        return found


def _sum(vectors: Floats) -> Floats:
    # In float64, so that it is the same in whatever order they come.
    return np.asarray(vectors.sum(axis=0, dtype=np.float64).astype(np.float32))
