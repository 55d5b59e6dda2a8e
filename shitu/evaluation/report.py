"""Outcomes of queries -> the figures of an evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from shitu.evaluation.bootstrap import (
    Interval,
    Resampling,
    interval_of,
    macro_interval,
    mean_interval,
    plan_for,
)
from shitu.evaluation.calibration import Calibration, calibration
from shitu.evaluation.checking import Check
from shitu.evaluation.leaks import NEAR_DUPLICATE, Leak, find_leaks, leak_of
from shitu.evaluation.metrics import (
    Floats,
    cumulative_match,
    label_means,
    macro_average,
    reciprocal,
)
from shitu.evaluation.openset import OpenSetReport, free_figures, open_set_report
from shitu.evaluation.outcomes import Confidence, QueryOutcome
from shitu.evaluation.runs import Run, RunRow, distinct
from shitu.figures import many, short
from shitu.verifier.reranking import OFF

CMC_DEPTH = 20


@dataclass(frozen=True)
class EvaluationOptions:
    """What to report, and how.

    Attributes:
        resampling: of the bootstrap; None: no intervals.
        by_label: draw labels with all their queries, not queries: for queries of one label that
            are alike, as photos of one session are.
        exclude_leaks: leave out queries whose picture sits in the gallery.
        near_duplicate: cosine from which it does.
        threshold: answers with a lower score are `unknown`; for the open set.
        confidence: calibrated probabilities; without them calibration is not reported.
        prototype_weight: how much an item's prototype counts beside its nearest reference.
        check: what `recognize` makes of the rankings; None: the scores and the threshold decide.
    """

    resampling: Resampling | None = field(default_factory=Resampling)
    by_label: bool = False
    exclude_leaks: bool = False
    near_duplicate: float = NEAR_DUPLICATE
    threshold: float = 0.0
    confidence: Confidence | None = None
    prototype_weight: float = 0.0
    check: Check | None = None


@dataclass(frozen=True)
class LabelScore:
    """Means over the queries of one label."""

    label: str
    queries: int
    recall_at_1: float
    recall_at_5: float


@dataclass(frozen=True)
class Confusion:
    """How many queries of a label were answered with another."""

    label: str
    answer: str
    queries: int


@dataclass(frozen=True)
class Decided:
    """What decided the answers, and what geometry has changed.

    Attributes:
        verify: the setting: auto, on or off.
        threshold: score below which an answer is unknown, where the score decides.
        operating_point: confidence below which it is; None where the score decides.
        lead: share by which it has to be nearer than the next item, where the score decides.
        compared: queries that were compared with pictures, strangers included.
        changed: those of them with another answer than by the scores alone.
        won, lost: known queries that are answered rightly, or wrongly, because of that.
        note: what is to be said of the calibration, if anything.
    """

    verify: str
    threshold: float
    operating_point: float | None
    lead: float
    compared: int
    changed: int
    won: int
    lost: int
    note: str | None = None

    @property
    def point(self) -> str:
        """From where on answers are given, in words."""
        if self.operating_point is None:
            lead = f", lead {short(self.lead)}" if self.lead else ""
            return f"threshold {short(self.threshold)}{lead}"
        return f"operating point {short(self.operating_point)}"

    @property
    def sentence(self) -> str:
        """What geometry had to do with the answers."""
        said = (
            "the scores alone decide"
            if self.verify == OFF
            else (
                f"{many(self.compared, 'query')} compared point by point, "
                f"{many(self.changed, 'answer')} changed, "
                f"{self.won} put right, {self.lost} put wrong"
            )
        )
        return f"verify {self.verify}: {said}" + ("" if self.note is None else f"; {self.note}")


@dataclass(frozen=True)
class RetrievalReport:
    """Result of an evaluation; means over the scored queries, 0..1.

    Attributes:
        queries: how many were scored.
        without_answer: queries that count in no mean: strangers, and those whose label has no
            reference but the query's own file.
        own_file_excluded: queries that are themselves in the gallery; that reference was ignored.
        skipped: files that could not be read, with the reason.
        labels: per label, worst first.
        macro_recall_at_1: mean over labels of the mean over their queries.
        intervals: of the means, by name; empty if none were asked for, or there is but one query
            (label) to be drawn.
        cmc: share of queries with a right reference among the first 1, 2, ...
        open_set: of known queries and strangers; None without strangers.
        calibration: of the answers with a calibrated confidence; None where there is none.
        confusions: wrong answers, the most frequent first.
        leaks: queries whose picture sits in the gallery.
        leaks_excluded: whether those were left out.
        decided: what decided the answers.
        outcomes: of every query that could be read and was not left out.
    """

    queries: int
    recall_at_1: float
    recall_at_5: float
    map_at_r: float
    mrr: float
    without_answer: int
    own_file_excluded: int
    skipped: tuple[tuple[str, str], ...]
    labels: tuple[LabelScore, ...]
    macro_recall_at_1: float
    intervals: Mapping[str, Interval]
    cmc: tuple[float, ...]
    open_set: OpenSetReport | None
    calibration: Calibration | None
    confusions: tuple[Confusion, ...]
    leaks: tuple[Leak, ...]
    leaks_excluded: bool
    decided: Decided
    outcomes: tuple[QueryOutcome, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The report as `shitu eval-recall --json` prints it: everything but the outcomes."""
        values = asdict(replace(self, outcomes=()))
        del values["outcomes"]
        return values

    def run(self) -> Run:
        """The known queries, to be kept and compared with."""
        return _run([outcome for outcome in self.outcomes if outcome.kind == "known"])


def make_report(
    outcomes: Sequence[QueryOutcome],
    skipped: tuple[tuple[str, str], ...],
    options: EvaluationOptions,
) -> RetrievalReport | None:
    """The figures over all outcomes; None if no query is known to the gallery."""
    leaks = find_leaks(outcomes, options.near_duplicate)
    if options.exclude_leaks:
        outcomes = [one for one in outcomes if leak_of(one, options.near_duplicate) is None]
    known = [outcome for outcome in outcomes if outcome.kind == "known"]
    if not known:
        return None
    values, codes = figures(known), label_codes(known)
    first = np.array([outcome.rank for outcome in known], dtype=np.int64)
    return RetrievalReport(
        queries=len(known),
        **{name: float(column.mean()) for name, column in values.items()},
        without_answer=len(outcomes) - len(known),
        own_file_excluded=sum(outcome.own_file is not None for outcome in outcomes),
        skipped=skipped,
        labels=_per_label(values, known),
        macro_recall_at_1=macro_average(values["recall_at_1"], codes),
        intervals=_intervals(values, codes, options),
        cmc=tuple(cumulative_match(first, CMC_DEPTH).tolist()),
        open_set=_open_set(outcomes, options),
        calibration=_calibration(outcomes),
        confusions=_confusions(known),
        leaks=leaks,
        leaks_excluded=options.exclude_leaks,
        decided=_decided(outcomes, options),
        outcomes=tuple(outcomes),
    )


def _decided(outcomes: Sequence[QueryOutcome], options: EvaluationOptions) -> Decided:
    check = options.check
    changed = [one for one in outcomes if one.answer != one.by_score]
    known = [one for one in changed if one.kind == "known"]
    return Decided(
        verify=OFF if check is None else check.mode,
        threshold=options.threshold,
        operating_point=None if check is None else check.operating_point,
        lead=0.0 if check is None else check.decider.rule.lead,
        compared=sum(one.ruling is not None and one.ruling.compared for one in outcomes),
        changed=len(changed),
        won=sum(one.right for one in known),
        lost=sum(one.by_score == one.label for one in known),
        note=None if check is None else check.decider.note,
    )


def figures(outcomes: Sequence[QueryOutcome]) -> dict[str, Floats]:
    """What is averaged, (queries,) each in 0..1."""
    first = np.array([outcome.rank for outcome in outcomes], dtype=np.int64)
    return {
        "recall_at_1": (first == 1).astype(np.float64),
        "recall_at_5": ((first >= 1) & (first <= 5)).astype(np.float64),
        "map_at_r": np.array([outcome.map_at_r for outcome in outcomes], dtype=np.float64),
        "mrr": reciprocal(first),
    }


def _run(known: Sequence[QueryOutcome]) -> Run:
    keys = distinct(f"{one.sha256} {one.label}" for one in known)
    columns = figures(known)
    rows = [
        RunRow(
            key,
            one.path,
            one.label,
            one.answer,
            {name: float(column[i]) for name, column in columns.items()},
        )
        for i, (key, one) in enumerate(zip(keys, known, strict=True))
    ]
    return Run("queries", tuple(rows))


def label_codes(outcomes: Sequence[QueryOutcome]) -> np.ndarray:
    """A number for the label of each outcome, in the order of the labels."""
    labels = sorted({outcome.label for outcome in outcomes})
    number = {label: i for i, label in enumerate(labels)}
    return np.array([number[outcome.label] for outcome in outcomes], dtype=np.int64)


def _intervals(
    values: Mapping[str, Floats], codes: np.ndarray, options: EvaluationOptions
) -> dict[str, Interval]:
    clusters = codes if options.by_label else np.arange(len(codes))
    plan = plan_for(clusters, options.resampling)
    if plan is None:
        return {}
    found = {name: mean_interval(column, clusters, plan) for name, column in values.items()}
    found["macro_recall_at_1"] = macro_interval(
        values["recall_at_1"], codes, plan, by_label=options.by_label
    )
    return found


def _open_set(outcomes: Sequence[QueryOutcome], options: EvaluationOptions) -> OpenSetReport | None:
    """Strangers are queries whose label the gallery does not have at all."""
    asked = [outcome for outcome in outcomes if outcome.kind != "alone"]
    known = np.array([outcome.kind == "known" for outcome in asked])
    if known.all():
        return None
    scores = np.array([_open_score(outcome) for outcome in asked])
    margins = np.array([outcome.margin for outcome in asked])
    right = np.array([outcome.right for outcome in asked])
    rulings = [outcome.ruling for outcome in asked if outcome.ruling is not None]
    named = np.array([ruling.named for ruling in rulings]) if len(rulings) == len(asked) else None
    found = open_set_report(scores, margins, right, known, options.threshold, named)
    plan = options.resampling
    if plan is None or not plan.resamples:
        return found
    clusters = label_codes(asked) if options.by_label else np.arange(len(asked))
    intervals = interval_of(
        lambda rows: free_figures(scores[rows], margins[rows], right[rows], known[rows]),
        clusters,
        plan,
    )
    return replace(found, intervals=intervals)


def _open_score(outcome: QueryOutcome) -> float:
    """The score; that of equality where geometry proves the answer, which no threshold refuses."""
    return 1.0 if outcome.ruling is not None and outcome.ruling.proven else outcome.score


def _calibration(outcomes: Sequence[QueryOutcome]) -> Calibration | None:
    """Of known queries and strangers: an answer to a stranger is never right."""
    asked = [one for one in outcomes if one.kind != "alone" and one.confidence is not None]
    if not asked:
        return None
    sure = np.array([one.confidence for one in asked], dtype=np.float64)
    return calibration(sure, np.array([one.right for one in asked]))


def _confusions(known: Sequence[QueryOutcome]) -> tuple[Confusion, ...]:
    pairs = Counter(
        (one.label, one.answer) for one in known if not one.right and one.answer is not None
    )
    rows = [Confusion(label, answer, count) for (label, answer), count in pairs.items()]
    return tuple(sorted(rows, key=lambda row: (-row.queries, row.label, row.answer)))


def _per_label(
    values: Mapping[str, Floats], known: Sequence[QueryOutcome]
) -> tuple[LabelScore, ...]:
    codes = label_codes(known)
    counts = np.bincount(codes)
    at_1, at_5 = (label_means(values[name], codes) for name in ("recall_at_1", "recall_at_5"))
    labels = sorted({outcome.label for outcome in known})
    rows = [
        LabelScore(label, int(counts[i]), float(at_1[i]), float(at_5[i]))
        for i, label in enumerate(labels)
    ]
    return tuple(sorted(rows, key=lambda row: (row.recall_at_1, row.recall_at_5, row.label)))
