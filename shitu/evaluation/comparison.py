"""Two runs over the same queries: is the difference more than chance?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shitu.errors import DatasetError
from shitu.evaluation.bootstrap import Codes, Interval, Resampling, mean_interval, plan_for
from shitu.evaluation.metrics import Floats
from shitu.evaluation.runs import Kind, Run, RunRow, by_key

SIGNIFICANT = 0.05

_MAIN = {"queries": ("recall_at_1", "recall@1"), "boxes": ("found", "recall of boxes")}
_YES_OR_NO = {"recall_at_1", "recall_at_5", "found"}

Pairs = Sequence[tuple[RunRow, RunRow]]


@dataclass(frozen=True)
class Difference:
    """One figure in both runs, over the queries that both have.

    Attributes:
        interval: paired bootstrap, 95 %, of `after - before`; None without resamples, or where
            there is but one to be drawn.
        p_value: exact McNemar test, for a figure that is 0 or 1 of each query; else by flipped
            signs, None without resamples.
        significant: p below 0.05; None where there is no p.
    """

    name: str
    before: float
    after: float
    interval: Interval | None
    p_value: float | None
    significant: bool | None


@dataclass(frozen=True)
class Change:
    """A query that one run got right and the other wrong."""

    path: str
    label: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Comparison:
    """A run against an earlier one.

    Attributes:
        pairs: queries that both have; the differences are over these.
        only_before: queries of the earlier run alone, which count in neither.
        only_after: queries of this run alone, likewise.
        sentence: whether the main figure differs, in words.
        won: wrong before, right now.
        lost: right before, wrong now.
    """

    pairs: int
    only_before: int
    only_after: int
    sentence: str
    differences: tuple[Difference, ...]
    won: tuple[Change, ...]
    lost: tuple[Change, ...]


def compare(before: Run, after: Run, plan: Resampling | None, *, by_label: bool) -> Comparison:
    """Compare two runs pair by pair.

    Args:
        before: the earlier run.
        after: this one.
        plan: of the paired bootstrap; None: no intervals.
        by_label: draw labels with all their queries.

    Raises:
        DatasetError: one is of queries and one of boxes, or they have no query in common.
    """
    if before.kind != after.kind:
        raise DatasetError(
            f"a run over {before.kind} cannot be compared with one over {after.kind}."
        )
    earlier, later = by_key(before.rows), by_key(after.rows)
    pairs = [(earlier[key], row) for key, row in later.items() if key in earlier]
    if not pairs:
        raise DatasetError(
            "the two runs have no query in common: compare runs over the same pictures and labels."
        )
    main, called = _MAIN[after.kind]
    drawn = _clusters(pairs, after.kind, by_label=by_label)
    differences = tuple(_difference(name, pairs, plan, drawn) for name in pairs[0][1].values)
    won, lost = _changes(pairs, main, 1), _changes(pairs, main, -1)
    chief = next(one for one in differences if one.name == main)
    return Comparison(
        pairs=len(pairs),
        only_before=len(earlier) - len(pairs),
        only_after=len(later) - len(pairs),
        sentence=_sentence(called, chief, len(won), len(lost), len(pairs)),
        differences=differences,
        won=won,
        lost=lost,
    )


def mcnemar(won: int, lost: int) -> float:
    """Two-sided p of the exact McNemar test.

    p = min(1, 2 * P(X <= min(won, lost))), X binomial of won + lost trials at 1/2: pairs on which
    both runs agree tell nothing (McNemar 1947; Dietterich 1998).
    """
    trials = won + lost
    if not trials:
        return 1.0
    logs = (
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        for k in range(min(won, lost) + 1)
    )
    return min(1.0, 2 * math.fsum(math.exp(one - trials * math.log(2)) for one in logs))


def sign_flips(changes: Floats, clusters: Codes, plan: Resampling) -> float:
    """Two-sided p of the paired randomisation test of a mean change.

    Were both runs equally good, each cluster might as well have changed the other way round: p is
    the share of so many random choices of signs under which the sum is as far from 0 (Fisher 1935;
    Smucker, Allan, Carterette 2007). Below six clusters that change it is hardly below 0.05.
    """
    _, which = np.unique(clusters, return_inverse=True)
    sums = np.bincount(which, changes)
    random = np.random.default_rng(plan.seed)
    flipped = np.array([random.choice((-1, 1), len(sums)) @ sums for _ in range(plan.resamples)])
    as_far = np.abs(flipped) >= abs(sums.sum()) - 1e-9
    return float((1 + as_far.sum()) / (1 + plan.resamples))


def _difference(name: str, pairs: Pairs, plan: Resampling | None, drawn: Codes) -> Difference:
    before, after = (np.array([pair[i].values[name] for pair in pairs]) for i in (0, 1))
    change = after - before
    drawing, p_value = plan_for(drawn, plan), None
    if name in _YES_OR_NO:
        p_value = mcnemar(int((change > 0).sum()), int((change < 0).sum()))
    elif plan is not None and plan.resamples:
        p_value = sign_flips(change, drawn, plan)
    return Difference(
        name,
        float(before.mean()),
        float(after.mean()),
        None if drawing is None else mean_interval(change, drawn, drawing),
        p_value,
        None if p_value is None else p_value < SIGNIFICANT,
    )


def _clusters(pairs: Pairs, kind: Kind, *, by_label: bool) -> Codes:
    """What is drawn together: a query, a picture with all its objects, or all of a label."""
    if kind == "queries" and not by_label:
        return np.arange(len(pairs))
    number: dict[str, int] = {}
    names = (row.label if by_label else row.path for _, row in pairs)
    return np.array([number.setdefault(name, len(number)) for name in names])


def _changes(pairs: Pairs, name: str, sign: int) -> tuple[Change, ...]:
    return tuple(
        Change(new.path, new.label, old.answer, new.answer)
        for old, new in pairs
        if (new.values[name] - old.values[name]) * sign > 0
    )


def _sentence(called: str, found: Difference, won: int, lost: int, pairs: int) -> str:
    step = found.after - found.before
    went = "did not change at" if not step else "rose to" if step > 0 else "fell to"
    moved = f"{called} {went} {found.after:.3f}" + (f" from {found.before:.3f}" if step else "")
    significant = "a significant difference" if found.significant else "no significant difference"
    return (
        f"{moved}: {won} of {pairs} won and {lost} lost, {significant} "
        f"(exact McNemar test, p = {found.p_value:.2g})."
    )
