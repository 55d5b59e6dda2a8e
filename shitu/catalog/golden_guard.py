"""Looks at each change before it is committed: does it break a golden query?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shitu.catalog.foresight import Answer, Eyes, State, answers, nothing
from shitu.catalog.golden_cache import Nearest, read_nearest, write_nearest
from shitu.catalog.golden_points import GoldenPoints
from shitu.catalog.states import Committed, Foreseen
from shitu.deciding import Rule
from shitu.errors import GoldenBroken
from shitu.gallery import Head, Space
from shitu.gallery.known_queries import GoldenQuery
from shitu.gallery.pending import Pending
from shitu.images import display_path
from shitu.index import Neighbours
from shitu.prototypes import DEPTH

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


@dataclass(eq=False)
class GoldenGuard:
    """Called with each change before its commit; see `Gallery.guard`.

    Args:
        committed: brings the index up to date and returns the state that it is in; None while
            there is no vector.
        rule: decides what is unknown in a space; always the same.
        folder: where to remember what is nearest; None: nowhere.
        points: lets the verifier have its say; None: the scores alone decide.

    Attributes:
        forced: let changes through that break golden queries.
        broken: those that were broken by force.
        unchecked: ids of golden queries that had no vector by which to look them up.
        foreseen: the answers in the state that the last change was to lead to.
    """

    committed: Callable[[], Committed | None]
    rule: Callable[[Space], Rule]
    folder: Path | None = None
    points: GoldenPoints | None = None
    forced: bool = False
    broken: list[Broken] = field(default_factory=list)
    unchecked: set[int] = field(default_factory=set)
    foreseen: tuple[Head, dict[int, int | None]] | None = None
    _states: list[Nearest] = field(default_factory=list)

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
        ids = [one.golden_id for one in now]
        queries = _vectors(now)
        base = self._base(before, ids, queries)
        right = self._right(before, now, queries, base)
        known = nothing(len(ids), self._depth)
        base.put_into(known, ids)
        coming = Foreseen(pending, before, queries, known, dict(base.items))
        if before.view.raw != pending.space():
            queries = _vectors(then)
        found = coming.nearest(queries, self._depth)
        given = self.answers(coming, then, queries, found)
        self._remember(base, pending.head, coming, ids, found, given)
        wrong = [
            (one, answer)
            for one, same, was, answer in zip(now, then, right, given, strict=True)
            if was == one.item_id and answer != same.item_id
        ]
        if wrong:
            self._report(pending, wrong)

    def _base(self, before: Committed, ids: Sequence[int], queries: Floats) -> Nearest:
        """The nearest references as they are; what is remembered of them is not searched."""
        head, view = before.cache.head, before.view.space.fingerprint
        key = head, view, self._depth
        same = (each for each in self._nearest() if (each.head, each.view, each.depth) == key)
        known = next(same, Nearest(*key, {}, {}))
        found = nothing(len(ids), self._depth)
        missing = known.put_into(found, ids)
        if not missing:
            return known
        new = before.nearest(queries[missing], self._depth)
        found.reference_ids[missing], found.scores[missing] = new.reference_ids, new.scores
        return Nearest.of(head, view, ids, found, before.items_of(_there(found)))

    def _nearest(self) -> list[Nearest]:
        if not self._states and self.folder is not None:
            self._states = read_nearest(self.folder)
        return self._states

    def _right(
        self, before: Committed, golden: Sequence[GoldenQuery], queries: Floats, base: Nearest
    ) -> list[int | None]:
        """The answers before the change, which may be those that an earlier one was to lead to."""
        ids = [one.golden_id for one in golden]
        if self.foreseen is not None:
            head, known = self.foreseen
            if head == base.head and all(number in known for number in ids):
                return [known[number] for number in ids]
        found = nothing(len(ids), self._depth)
        base.put_into(found, ids)
        return self.answers(before, golden, queries, found)

    def answers(
        self,
        state: State,
        golden: Sequence[GoldenQuery],
        queries: Floats,
        found: Neighbours | None = None,
    ) -> list[int | None]:
        """Return the item that each golden query is answered in a state; None: unknown.

        Args:
            queries: (m, dim) their vectors.
            found: their nearest references, if they are known.
        """
        return [one.item_id for one in self.decided(state, golden, queries, found)]

    def decided(
        self,
        state: State,
        golden: Sequence[GoldenQuery],
        queries: Floats,
        found: Neighbours | None = None,
    ) -> list[Answer]:
        """Return the answers, and by what they were decided; see `answers`."""
        found = found or state.nearest(queries, self._depth)
        rule, points = self.rule(state.view.raw), self.points
        if points is None:
            return answers(state, rule, queries, found)
        sights = [points.sight(one.query_id, state) for one in golden]
        given = answers(state, rule, queries, found, Eyes(points.verifier, sights))
        points.cache.save()
        return given

    @property
    def _depth(self) -> int:
        return DEPTH if self.points is None else self.points.depth

    def _remember(
        self,
        base: Nearest,
        head: Head,
        coming: Foreseen,
        ids: Sequence[int],
        found: Neighbours,
        given: Sequence[int | None],
    ) -> None:
        """Keep both states: the change committed or not, one of them is the next to start from."""
        view = coming.view.space.fingerprint
        after = Nearest.of(head, view, ids, found, coming.items_of(_there(found)))
        self._states = [base, after]
        self.foreseen = head, dict(zip(ids, given, strict=True))
        if self.folder is not None:
            write_nearest(self.folder, self._states)

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


def _there(found: Neighbours) -> list[int]:
    return [number for number in np.unique(found.reference_ids).tolist() if number >= 0]


def _vectors(queries: Sequence[GoldenQuery]) -> Floats:
    return np.stack([one.vector for one in queries if one.vector is not None])


def _count(number: int) -> str:
    return "a golden query" if number == 1 else f"{number} golden queries"
