"""Looks at each change before it is committed: does it break a golden query?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shitu.calibration.evidence import DEPTH
from shitu.catalog.foresight import answers
from shitu.catalog.states import Committed, Foreseen
from shitu.deciding import Rule
from shitu.errors import GoldenBroken
from shitu.gallery import Head, Space
from shitu.gallery.known_queries import GoldenQuery
from shitu.gallery.pending import Pending
from shitu.images import display_path
from shitu.index import Neighbours

_NAMED = 5  # broken queries that an error names

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Broken:
    """A golden query that was answered rightly, and is not any more.

    Attributes:
        answer: what it is answered instead, None for unknown.
    """

    golden_id: int
    path: str
    expected: str
    answer: str | None

    def sentence(self, verb: str) -> str:
        """Say it; the verb is "would be" or "is"."""
        now = "unknown" if self.answer is None else repr(self.answer)
        was = self.expected if self.expected == "unknown" else repr(self.expected)
        return f"{self.golden_id} ({display_path(self.path)}) was {was} and {verb} {now}"


@dataclass(frozen=True, eq=False)
class _Known:
    """What was found out about one state: it need not be looked up again."""

    head: Head
    space: Space
    ids: tuple[int, ...]
    queries: Floats
    neighbours: Neighbours
    items: dict[int, int]
    answers: tuple[int | None, ...]


@dataclass(eq=False)
class GoldenGuard:
    """Called with each change before its commit; see `Gallery.guard`.

    Args:
        committed: brings the index up to date and returns the state that it is in; None while
            there is no vector.
        rule: decides what is unknown in a space; always the same.

    Attributes:
        forced: let changes through that break golden queries.
        broken: those that were broken by force.
        unchecked: ids of golden queries that had no vector by which to look them up.
    """

    committed: Callable[[], Committed | None]
    rule: Callable[[Space], Rule]
    forced: bool = False
    broken: list[Broken] = field(default_factory=list)
    unchecked: set[int] = field(default_factory=set)
    _known: list[_Known] = field(default_factory=list)

    def __call__(self, pending: Pending) -> None:
        """Judge a change.

        Raises:
            GoldenBroken: it would break golden queries, and nobody forced it.
        """
        _, count = pending.known().counts()
        before = self.committed() if count else None
        if before is None:
            return
        space = pending.space() or before.view.raw
        then = {one.golden_id: one for one in pending.known().golden(space)}
        with before.gallery.known() as known:
            now = {one.golden_id: one for one in known.golden(before.view.raw)}
        both = sorted(now.keys() & then.keys())
        blind = {i for i in both if now[i].vector is None or then[i].vector is None}
        self.unchecked |= blind
        able = [i for i in both if i not in blind]
        if able:
            pairs = [(now[i], then[i]) for i in able]
            self._judge(pending, before, *map(tuple, zip(*pairs, strict=True)))

    def _judge(
        self,
        pending: Pending,
        before: Committed,
        now: tuple[GoldenQuery, ...],
        then: tuple[GoldenQuery, ...],
    ) -> None:
        base = self._base(before, now)
        queries = base.queries if before.view.raw == pending.space() else _vectors(then)
        coming = Foreseen(pending, before, queries, base.neighbours, dict(base.items))
        after = self._look(coming, pending.head, queries, base.ids)
        self._known = [base, after]  # committed or not, one of them is the next base
        wrong = [
            (one, answer)
            for one, same, was, answer in zip(now, then, base.answers, after.answers, strict=True)
            if was == one.item_id and answer != same.item_id
        ]
        if wrong:
            self._report(pending, wrong)

    def _base(self, before: Committed, now: Sequence[GoldenQuery]) -> _Known:
        head, ids = before.cache.head, tuple(one.golden_id for one in now)
        for known in self._known:
            if known.head == head and known.ids == ids and known.space == before.view.raw:
                return known
        return self._look(before, head, _vectors(now), ids)

    def _look(
        self, state: Committed | Foreseen, head: Head, queries: Floats, ids: tuple[int, ...]
    ) -> _Known:
        found = state.nearest(queries, DEPTH)
        items = state.items_of([i for i in np.unique(found.reference_ids).tolist() if i >= 0])
        space = state.view.raw
        given = answers(state, self.rule(space), queries, found)
        return _Known(head, space, ids, queries, found, items, tuple(given))

    def _report(self, pending: Pending, wrong: Sequence[tuple[GoldenQuery, int | None]]) -> None:
        labels = pending.labels_of({answer for _, answer in wrong if answer is not None})
        broken = [
            Broken(
                one.golden_id, one.path, one.expected, None if answer is None else labels[answer]
            )
            for one, answer in wrong
        ]
        if self.forced:
            self.broken += broken
            return
        named = "; ".join(one.sentence("would be") for one in broken[:_NAMED])
        more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        raise GoldenBroken(
            f"this change would break {_count(len(broken))} and was not made: {named}{more}; go "
            "on with --force, or see `shitu golden list`"
        )


def _vectors(queries: Sequence[GoldenQuery]) -> Floats:
    return np.stack([one.vector for one in queries if one.vector is not None])


def _count(number: int) -> str:
    return "a golden query" if number == 1 else f"{number} golden queries"
