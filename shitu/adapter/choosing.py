"""Does a map help this gallery, and which? Asked of its own references, none of which is judged by
a map that it was fitted into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.adapter.adapter import Adapter
from shitu.adapter.fitting import RECIPES, Recipe, fit, fit_all
from shitu.adapter.folds import Bools, Split, label_folds, ranks, reference_folds
from shitu.adapter.nearest import Floats, judged
from shitu.adapter.statistics import Codes, Statistics

FOLDS = 5
SPLITS = 2  # of the labels into halves, each of which is fitted on once
LIMIT = 4000  # references that the choice is measured on; the fit takes all
FEWEST_LABELS = 4
FEWEST_REPEATS = 20  # references beyond the first of each label
_SHARE = 20  # a label is at most one in so many of the references measured on
_SURE = 2.33  # standard deviations: a gain by chance in 1 of 100, for each recipe
_SURE_BY_RANKS = 3.0  # a gain in ranks by chance in 1 of 700
_FEWEST_BY_RANKS = 20  # labels, for their mean to be distributed normally

Vectors = npt.NDArray[np.float32]
_Answers: TypeAlias = tuple[Bools, Floats]  # right or not, and 1 / place of the right label


@dataclass(frozen=True)
class Trial:
    """A recipe, measured; shares are of references named rightly by their nearest neighbour.

    Attributes:
        name: of the recipe; "none" for embeddings as they are.
        recall: of references that the map was not fitted on, among all others.
        gained, lost: of them, how many are named rightly only with the map, or only without.
        new_recall: of references of labels that the map was not fitted on.
        new_gained, new_lost: the same of these.
        sure: by how many standard deviations new labels come sooner among each other.
        verdict: why it was not chosen, or that it was.
    """

    name: str
    recall: float
    new_recall: float
    gained: int = 0
    lost: int = 0
    new_gained: int = 0
    new_lost: int = 0
    sure: float = 0.0
    verdict: str = ""

    @property
    def gain(self) -> int:
        """Balance of references with labels that are fitted on."""
        return self.gained - self.lost

    @property
    def new_gain(self) -> int:
        """Balance of references of new labels."""
        return self.new_gained - self.new_lost


@dataclass(frozen=True)
class Choice:
    """What came of it.

    Attributes:
        adapter: fitted on all references; None where embeddings as they are do as well.
        recipe: by which it was fitted.
        trials: all that was measured, "none" first; empty where there is too little.
        reason: one sentence.
        references, labels: measured on.
    """

    adapter: Adapter | None
    recipe: Recipe | None
    trials: tuple[Trial, ...]
    reason: str
    references: int
    labels: int

    def to_dict(self) -> dict[str, Any]:
        """All but the map itself, as JSON can hold it."""
        return {
            "chosen": None if self.recipe is None else self.recipe.name,
            "reason": self.reason,
            "references": self.references,
            "labels": self.labels,
            "trials": [asdict(trial) for trial in self.trials],
        }


def choose(
    embeddings: Vectors,
    codes: Codes,
    *,
    recipes: Sequence[Recipe] = RECIPES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Choice:
    """Fit maps, measure them, and take the best one that helps both old labels and new.

    Above `LIMIT` references the measuring is done on labels drawn by chance; the fit takes all.

    Args:
        embeddings: unit float32 (n, d).
        codes: (n,) labels as integers from 0.
        recipes: what is tried.
        seed: of the splits.
        progress: told the number of rounds done so far, and the total.
    """
    whole = Statistics.of(embeddings, codes, int(codes.max()) + 1 if len(codes) else 0)
    lack = _lack(whole)
    if lack:
        return Choice(None, None, (), lack, whole.count, whole.labels)
    part = _part(codes, seed)
    some, compact = embeddings[part], np.unique(codes[part], return_inverse=True)[1]
    trials = _trials(some, np.asarray(compact, np.int64), recipes, seed, progress)
    best = _best(trials)
    measured = len(some), int(compact.max()) + 1
    if best is None:
        reason = "none of the maps surely helps the items that there are without hurting new ones"
        return Choice(None, None, trials, reason, *measured)
    recipe = next(recipe for recipe in recipes if recipe.name == trials[best].name)
    trials = tuple(
        replace(trial, verdict="chosen") if i == best else trial for i, trial in enumerate(trials)
    )
    provenance = {"references": whole.count, "labels": whole.labels, "recipe": asdict(recipe)}
    adapter = replace(fit(whole, recipe), provenance=provenance)
    return Choice(adapter, recipe, trials, _praise(trials[0], trials[best]), *measured)


def _lack(statistics: Statistics) -> str:
    """What there is too little of; empty where there is enough."""
    twice = int(np.count_nonzero(statistics.counts > 1))
    if twice >= FEWEST_LABELS and statistics.repeats >= FEWEST_REPEATS:
        return ""
    return (
        f"it takes at least {FEWEST_LABELS} items with two references or more, and "
        f"{FEWEST_REPEATS} references beyond the first of each item; there are {twice} and "
        f"{statistics.repeats}"
    )


def _part(codes: Codes, seed: int) -> npt.NDArray[np.int64]:
    """References of labels drawn by chance, until there are enough; of none very many."""
    if len(codes) <= LIMIT:
        return np.arange(len(codes))
    few = ranks(codes, seed) < LIMIT // _SHARE
    counts = np.bincount(codes[few])
    order = np.random.default_rng(seed).permutation(len(counts))
    taken = order[: int(np.searchsorted(np.cumsum(counts[order]), LIMIT))]
    return np.flatnonzero(few & np.isin(codes, taken))


def _trials(
    embeddings: Vectors,
    codes: Codes,
    recipes: Sequence[Recipe],
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Trial, ...]:
    known = list(reference_folds(codes, FOLDS, seed))
    unknown = [split for i in range(SPLITS) for split in label_folds(codes, 2, seed + i)]
    rounds: list[list[_Answers]] = []
    for split in (*known, *unknown):
        rounds.append(list(_answers(embeddings, codes, recipes, split)))
        if progress is not None:
            progress(len(rounds), len(known) + len(unknown))
    old = [_joined(some) for some in zip(*rounds[: len(known)], strict=True)]
    new = [_joined(some) for some in zip(*rounds[len(known) :], strict=True)]
    labels = np.concatenate([codes[_answerable(codes, split)] for split in unknown])
    names = ("none", *(recipe.name for recipe in recipes))
    return tuple(
        _trial(name, (old[0], new[0]), both, labels)
        for name, both in zip(names, zip(old, new, strict=True), strict=True)
    )


def _joined(parts: Iterable[_Answers]) -> _Answers:
    right, ranks = zip(*parts, strict=True)
    return np.concatenate(right), np.concatenate(ranks)


def _sure(gains: Floats, labels: Codes) -> float:
    """Standard deviations by which the mean of gains (n,) is above 0.

    Of references of one label, which are no independent cases, only the sum counts.
    """
    sums = np.bincount(labels, gains)
    spread = float(np.sqrt(np.sum(sums**2)))
    enough = len(np.unique(labels)) >= _FEWEST_BY_RANKS
    return float(sums.sum()) / spread if enough and spread else 0.0


def _answers(
    embeddings: Vectors, codes: Codes, recipes: Sequence[Recipe], split: Split
) -> Iterable[_Answers]:
    """What becomes of the queries of a split without a map, then with each."""
    answerable = _answerable(codes, split)
    # Ranked among what a map has not seen: it draws together what it has seen of rivals.
    judge = partial(
        judged, codes=codes, queries=answerable, gallery=split.gallery, rivals=~split.fitted
    )
    yield judge(embeddings)
    labels = int(codes.max()) + 1
    statistics = Statistics.of(embeddings[split.fitted], codes[split.fitted], labels)
    for adapter in fit_all(statistics, recipes):
        yield judge(adapter.apply(embeddings))


def _answerable(codes: Codes, split: Split) -> Bools:
    """Queries (n,) of a split that have another reference."""
    return np.asarray(split.queries & (np.bincount(codes)[codes] > 1))


def _trial(
    name: str, plain: tuple[_Answers, _Answers], mapped: tuple[_Answers, _Answers], labels: Codes
) -> Trial:
    """Compare answers of old labels and of new ones; `labels` are the new ones asked for."""
    (old, _), (new, ranks) = plain
    (mapped_old, _), (mapped_new, mapped_ranks) = mapped
    trial = Trial(
        name,
        recall=float(mapped_old.mean()),
        new_recall=float(mapped_new.mean()),
        gained=int(np.count_nonzero(mapped_old & ~old)),
        lost=int(np.count_nonzero(old & ~mapped_old)),
        new_gained=int(np.count_nonzero(mapped_new & ~new)),
        new_lost=int(np.count_nonzero(new & ~mapped_new)),
        sure=_sure(mapped_ranks - ranks, labels),
    )
    return trial if name == "none" else replace(trial, verdict=_objection(trial))


def _objection(trial: Trial) -> str:
    # The old references are asked once each, so that their balance is one of independent coins.
    if trial.new_gain < 0:
        return "loses on new items"
    if trial.gain <= 0:
        return "no gain"
    by_count = trial.gain >= _SURE * np.sqrt(trial.gained + trial.lost)
    # With few references an item few answers change, and ranks tell more.
    return "" if by_count or trial.sure >= _SURE_BY_RANKS else "gain may be chance"


def _best(trials: Sequence[Trial]) -> int | None:
    """Number of the trial that helps most, old labels and new ones counting alike."""
    able = [i for i, trial in enumerate(trials) if i and not trial.verdict]
    plain = trials[0]
    if not able:
        return None
    return max(
        able,
        key=lambda i: trials[i].recall - plain.recall + trials[i].new_recall - plain.new_recall,
    )


def _praise(plain: Trial, best: Trial) -> str:
    return (
        f"{best.name} names {best.recall:.1%} of the references rightly instead of "
        f"{plain.recall:.1%}, and {best.new_recall:.1%} instead of {plain.new_recall:.1%} of items "
        "that it has not seen"
    )
