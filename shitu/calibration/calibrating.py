"""Cases with their truth -> a calibration, or why so few of them cannot carry one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from shitu.adapter.folds import Bools
from shitu.calibration.calibration import Calibration, WithPoints, columns_of
from shitu.calibration.cases import Cases
from shitu.calibration.evidence import Evidence, Floats, Ids
from shitu.calibration.logistic import fit_logistic, sigmoid
from shitu.calibration.rates import cases_needed, clopper_pearson, effective_cases

FEWEST_ITEMS = 5
FEWEST_GENUINE = 30
_FOLDS = 5
_BINS = 10
_MOST_OF_A_PHOTO = 10.0  # references that it counts for
_RATES = (0.02, 0.05, 0.1, 0.2)  # to choose another one by


@dataclass(frozen=True)
class Refusal:
    """Why there is no calibration: one sentence that says what is missing."""

    reason: str
    references_needed: int


@dataclass(frozen=True)
class Calibrated:
    """A calibration and what it was measured to do.

    Everything but the false-accept rate at the operating point is measured on items that the
    weights were not fitted on, and where there are photos of known items, on photos alone.

    Attributes:
        genuine, strangers: cases.
        photos, strange_photos: how many of these were photos, and no references.
        lent: how many of the strangers came with the model.
        items: asked for.
        false_accepts: share of the strangers that get an answer.
        false_accepts_low, false_accepts_high: 95 % interval of that, pictures of one item counting
            for as many as they are worth.
        named: share of the genuine that get the right answer.
        misnamed: share of the genuine that get a wrong one.
        named_by_score: what would be named at the same rate by the score alone.
        named_at: what would be named rightly at other rates, by rate.
        auroc: chance that a genuine query is more sure of its answer than a stranger.
        auroc_of_score: the same of the score alone.
        calibration_error: mean distance of probability and truth over ten equal bins.
        compared: cases that the verifier looked at.
        named_with_points, named_without_points: what would be named rightly at the same rate if it
            had a say, and if not; None where nobody asked it.
    """

    calibration: Calibration
    genuine: int
    strangers: int
    lent: int
    items: int
    false_accepts: float
    false_accepts_low: float
    false_accepts_high: float
    named: float
    misnamed: float
    named_by_score: float
    auroc: float
    auroc_of_score: float
    calibration_error: float
    named_at: Mapping[str, float] = field(default_factory=dict)
    photos: int = 0
    strange_photos: int = 0
    compared: int = 0
    named_with_points: float | None = None
    named_without_points: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """What was measured, as JSON can hold it."""
        values = asdict(self)
        del values["calibration"]
        points = self.calibration.points
        verify = "off" if points is None else points.verify
        told = {"far": self.calibration.far, "operating_point": self.operating_point}
        return {**values, **told, "verify": verify}

    @property
    def operating_point(self) -> float:
        """From which an answer is given, by scores and points if it was learnt with both."""
        points = self.calibration.points
        return self.calibration.operating_point if points is None else points.operating_point


@dataclass(frozen=True)
class SeenCases:
    """What the verifier makes of n cases.

    Attributes:
        points: (n,) what the agreement of the scores' answer is worth, less that of the best
            other item; 0 where nothing was compared.
        others: evidence of the answers that points put before it, where they do.
        cases: (m,) the case of each of those.
        their_points: (m,) the same of them.
        proven: (n,) whether points prove the answer that they put first.
        compared: (n,) whether it looked at the query.
    """

    points: Floats
    others: Evidence
    cases: Ids
    their_points: Floats
    proven: Bools
    compared: Bools


def calibrate(cases: Cases, far: float, space: str) -> Calibrated | Refusal:
    """Learn the probability and the operating point.

    Args:
        cases: of `gather`, and strangers if there are any.
        far: false-accept rate that is wanted, above 0 and below 1.
        space: fingerprint of the space whose scores these are.
    """
    refusal = _refusal(cases, far)
    if refusal is not None:
        return refusal
    columns = columns_of(cases.evidence, cases.usual, cases.usual_of_all)
    count = len(cases.right)
    alone = _Rivals(count, np.empty(0, np.int64))
    found, point, measured = _learn(cases, columns, far, np.zeros(count, bool), alone)
    calibration = Calibration(
        space=space,
        weights=tuple(float(weight) for weight in found[:-1]),
        constant=float(found[-1]),
        operating_point=point,
        far=far,
        usual=cases.usual,
        usual_of_all=cases.usual_of_all,
        report=measured,
    )
    return Calibrated(calibration, **measured)


def calibrate_points(plain: Calibrated, cases: Cases, seen: SeenCases, verify: str) -> Calibrated:
    """Learn the same of answers that the verifier has a say in.

    Where points put another item first than the scores, the more probable of the two is the
    answer. One that points prove is given whatever its probability, if that keeps the false-accept
    rate and names more. Where the scores name more without any points, these have no say.

    Args:
        plain: what was learnt of the cases by their scores alone.
        cases: the same.
        seen: what the verifier makes of them.
        verify: the setting that it looked with.
    """
    known = plain.calibration
    best = max(_ways(cases, seen, known.far), key=lambda way: way.measured["named"])
    with_points = best.measured["named"]
    best.measured.update(named_by_score=plain.named_by_score, auroc_of_score=plain.auroc_of_score)
    points = WithPoints(
        verify=verify,
        weights=tuple(float(weight) for weight in best.found[:-1]),
        constant=float(best.found[-1]),
        operating_point=best.point,
        proof=best.proof,
        report=best.measured,
    )
    if with_points < plain.named or not points.count:
        points = WithPoints(
            verify,
            (*known.weights, 0.0),
            known.constant,
            known.operating_point,
            False,
            known.report,
        )
    return Calibrated(
        replace(known, points=points),
        **points.report,
        compared=int(np.count_nonzero(seen.compared)),
        named_with_points=with_points,
        named_without_points=plain.named,
    )


@dataclass(frozen=True)
class _Way:
    """What was learnt of points; `proof`: with answers that they prove given anyway."""

    proof: bool
    found: Floats
    point: float
    measured: dict[str, Any]


def _ways(cases: Cases, seen: SeenCases, far: float) -> Iterator[_Way]:
    """With proofs, where that keeps the rate, and without."""
    both, columns = _candidates(cases, seen)
    rivals = _Rivals(len(cases.right), seen.cases)
    proven = [seen.proven[some] for some in _strangers(cases)]
    if all(np.count_nonzero(each) <= _allowed(far, len(each)) for each in proven):
        yield _Way(True, *_learn(both, columns, far, seen.proven, rivals))
    yield _Way(False, *_learn(both, columns, far, np.zeros_like(seen.proven), rivals))


def _candidates(cases: Cases, seen: SeenCases) -> tuple[Cases, Floats]:
    """All answers between which the verifier chooses, those of the scores first; and columns."""
    some = seen.cases
    group, stranger = cases.group[some], cases.stranger[some]
    both = replace(
        cases,
        evidence=Evidence.joined([cases.evidence, seen.others]),
        right=np.append(cases.right, (seen.others.item == group) & ~stranger),
        stranger=np.append(cases.stranger, stranger),
        lent=np.append(cases.lent, cases.lent[some]),
        photo=np.append(cases.photo, cases.photo[some]),
        group=np.append(cases.group, group),
    )
    points = np.append(seen.points, seen.their_points)
    columns = columns_of(both.evidence, cases.usual, cases.usual_of_all)
    return both, np.column_stack([columns, points])


@dataclass(frozen=True)
class _Rivals:
    """Which rows are answers to the same query: the first ones to each, the others to some.

    Attributes:
        cases: how many queries there are.
        of: (m,) the query that each further row is another answer to.
    """

    cases: int
    of: Ids

    def best(self, chances: Floats, given: Bools) -> Ids:
        """The row (cases,) of the more probable answer to each query; of equals the first.

        Where one is given anyway, that is the further one, if there is any.
        """
        rows = np.arange(self.cases)
        better = (chances[self.cases :] > chances[self.of]) | given[self.of]
        rows[self.of[better]] = self.cases + np.flatnonzero(better)
        return rows


def _learn(
    cases: Cases, columns: Floats, far: float, given: Bools, rivals: _Rivals
) -> tuple[Floats, float, dict[str, Any]]:
    """Coefficients, operating point and what was measured.

    Args:
        given: (queries,) whether an answer is given anyway.
        rivals: which rows are answers to one query.
    """
    targets, weights = cases.right.astype(np.float64), _weights(cases)
    found = fit_logistic(columns, targets, weights)
    chances = _chances(found, columns)
    unseen = _cross_fitted(cases, columns, targets, weights)
    rows, unseen_rows = rivals.best(chances, given), rivals.best(unseen, given)
    answered = _rows_of(cases, unseen_rows)
    chances = np.where(given, np.inf, chances[rows])
    point = _point(answered, chances, far)
    return found, point, _measured(answered, chances, unseen[unseen_rows], point, far, given)


def _rows_of(cases: Cases, rows: Ids) -> Cases:
    """The answers in some rows, one to each query."""
    return replace(
        cases,
        evidence=cases.evidence.where(rows),
        **{
            name: getattr(cases, name)[rows]
            for name in ("right", "stranger", "lent", "photo", "group")
        },
    )


def _refusal(cases: Cases, far: float) -> Refusal | None:
    strangers = int(cases.stranger.sum())
    genuine = len(cases.stranger) - strangers
    items = len(np.unique(cases.group[cases.group >= 0]))
    needed = max(cases_needed(far), FEWEST_GENUINE)
    others = int((cases.group < 0).sum())
    lent = f", {others} strangers from elsewhere among them," if others else ""
    if strangers < needed or genuine < FEWEST_GENUINE:
        return Refusal(
            f"a false-accept rate of {far:.2%} takes {needed} references to be measured, "
            f"{FEWEST_GENUINE} of them with another one of the same item; there are "
            f"{strangers}{lent} and {genuine}; photos of the items count like references",
            needed,
        )
    if items < FEWEST_ITEMS:
        return Refusal(
            f"it takes {FEWEST_ITEMS} items to know how strangers look; there are {items}", needed
        )
    return None


def _weights(cases: Cases) -> Floats:
    """Strangers together weigh as much as all others; of either, photos as much as references.

    For references, often taken at one time and place, resemble each other more than photos do. No
    photo outweighs ten of them, so that a few say little.
    """
    weights = np.ones(len(cases.right))
    for kind in (cases.stranger, ~cases.stranger):
        photos = kind & cases.photo
        others = np.count_nonzero(kind) - np.count_nonzero(photos)
        ratio = others / max(np.count_nonzero(photos), 1)
        weights[photos] = np.clip(ratio, 1.0, _MOST_OF_A_PHOTO)
    genuine = weights[~cases.stranger].sum()
    weights[cases.stranger] *= genuine / weights[cases.stranger].sum()
    return weights


def _chances(found: Floats, columns: Floats) -> Floats:
    return sigmoid(columns @ found[:-1] + found[-1])


def _point(cases: Cases, chances: Floats, far: float) -> float:
    """The lowest probability that no more than this share of the strangers reach."""
    return max(_reached(chances[some], far) for some in _strangers(cases))


def _strangers(cases: Cases) -> list[Bools]:
    """Sets of strangers (n,), of none of which more than the wanted share may get an answer.

    Easy ones in numbers, given or lent, buy no licence to take the gallery's own items for each
    other.
    """
    known = cases.stranger & ~cases.lent
    return [some for some in (known, known & (cases.group >= 0), cases.lent) if some.any()]


def _reached(chances: Floats, far: float) -> float:
    ordered = np.sort(chances)[::-1]
    allowed = _allowed(far, len(ordered))
    return float(np.nextafter(ordered[allowed], 2.0)) if allowed < len(ordered) else 0.0


def _allowed(far: float, strangers: int) -> int:
    """How many of so many strangers may get an answer, so that the next one does at this rate.

    The chance that one more is among the k + 1 surest of n + 1 is (k + 1) / (n + 1): the quantile
    of split conformal prediction (Vovk, Gammerman, Shafer 2005).
    """
    return max(int(far * (strangers + 1) + 1e-9) - 1, 0)


def _cross_fitted(cases: Cases, columns: Floats, targets: Floats, weights: Floats) -> Floats:
    """Probabilities (n,) by weights that were fitted on other items."""
    groups = np.unique(cases.group)
    order = np.random.default_rng(0).permutation(groups)
    chances = np.empty(len(targets))
    for number in range(_FOLDS):
        asked = np.isin(cases.group, order[number::_FOLDS])
        if asked.any():
            found = fit_logistic(columns[~asked], targets[~asked], weights[~asked])
            chances[asked] = _chances(found, columns[asked])
    return chances


def _measured(
    cases: Cases, chances: Floats, unseen: Floats, point: float, far: float, anyway: Bools
) -> dict[str, Any]:
    stranger, score = cases.stranger, cases.evidence.score
    accepted = chances[stranger] >= point
    worth = effective_cases(accepted, cases.group[stranger])
    low, high = clopper_pearson(float(accepted.mean()) * worth, worth)
    right, photo, judged = cases.right, cases.photo, _judged(cases)
    known, strange = judged & ~stranger, judged & stranger
    reached = np.where(anyway, np.inf, unseen)
    given = {rate: reached >= _point(cases, reached, rate) for rate in (far, *_RATES)}
    by_score = score >= _point(cases, score, far)
    return {
        "genuine": int(np.count_nonzero(~stranger)),
        "strangers": int(np.count_nonzero(stranger)),
        "lent": int(np.count_nonzero(cases.lent)),
        "items": len(np.unique(cases.group[cases.group >= 0])),
        "false_accepts": float(accepted.mean()),
        "false_accepts_low": low,
        "false_accepts_high": high,
        "named": float((given[far] & right)[known].mean()),
        "misnamed": float((given[far] & ~right)[known].mean()),
        "named_by_score": float((by_score & right)[known].mean()),
        "auroc": auroc(unseen[known], unseen[strange]),
        "auroc_of_score": auroc(score[known], score[strange]),
        "calibration_error": calibration_error(
            unseen[judged], right[judged], _weights(cases)[judged]
        ),
        "named_at": {
            f"{rate:g}": float((given[rate] & right)[known].mean()) for rate in _RATES if rate > far
        },
        "photos": int(np.count_nonzero(photo & ~stranger)),
        "strange_photos": int(np.count_nonzero(photo & stranger)),
    }


def _judged(cases: Cases) -> Bools:
    """What tells how it will be in use: photos, where there are such of known items."""
    photos = bool((cases.photo & ~cases.stranger).any())
    return cases.photo if photos else np.ones(len(cases.photo), bool)


def auroc(higher: Floats, lower: Floats) -> float:
    """Chance that one of `higher` is above one of `lower`; equal ones count half.

    The area under the ROC curve, by Mann and Whitney's U (Hanley, McNeil 1982).
    """
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, higher, side="left")
    not_above = np.searchsorted(ordered, higher, side="right")
    return float(np.mean(below + not_above) / 2 / len(ordered))


def calibration_error(chances: Floats, right: Bools, weights: Floats | None = None) -> float:
    """Expected calibration error: over bins of equally many, |mean probability - share right|."""
    weights = np.ones(len(chances)) if weights is None else weights
    order = np.argsort(chances, kind="stable")
    total = 0.0
    for rows in np.array_split(order, _BINS):
        if len(rows):
            total += abs(float(np.sum(weights[rows] * (chances[rows] - right[rows]))))
    return total / float(weights.sum())
