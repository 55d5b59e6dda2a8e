"""Cases with their truth -> a calibration, or why so few of them cannot carry one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shitu.adapter.folds import Bools
from shitu.calibration.calibration import Calibration, columns_of
from shitu.calibration.cases import Cases
from shitu.calibration.evidence import Floats
from shitu.calibration.logistic import fit_logistic, sigmoid
from shitu.calibration.rates import cases_needed, clopper_pearson, effective_cases

FEWEST_ITEMS = 5
FEWEST_GENUINE = 30
_FOLDS = 5
_BINS = 10


@dataclass(frozen=True)
class Refusal:
    """Why there is no calibration: one sentence that says what is missing."""

    reason: str
    references_needed: int


@dataclass(frozen=True)
class Calibrated:
    """A calibration and what it was measured to do.

    Everything but the false-accept rate at the operating point is measured on items that the
    weights were not fitted on.

    Attributes:
        genuine, strangers: cases.
        lent: how many of the strangers came with the model.
        items: asked for.
        false_accepts: share of the strangers that get an answer.
        false_accepts_low, false_accepts_high: 95 % interval of that, pictures of one item counting
            for as many as they are worth.
        named: share of the genuine that get the right answer.
        misnamed: share of the genuine that get a wrong one.
        named_by_score: what would be named at the same rate by the score alone.
        auroc: chance that a genuine query is more sure of its answer than a stranger.
        auroc_of_score: the same of the score alone.
        calibration_error: mean distance of probability and truth over ten equal bins.
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

    def to_dict(self) -> dict[str, Any]:
        """What was measured, as JSON can hold it."""
        values = asdict(self)
        del values["calibration"]
        point = self.calibration.operating_point
        return {**values, "far": self.calibration.far, "operating_point": point}


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
    targets, weights = cases.right.astype(np.float64), _weights(cases.stranger)
    found = fit_logistic(columns, targets, weights)
    chances = _chances(found, columns)
    point = _point(cases, chances, far)
    unseen = _cross_fitted(cases, columns, targets, weights)
    measured = _measured(cases, chances, unseen, point, far)
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


def _refusal(cases: Cases, far: float) -> Refusal | None:
    strangers = int(cases.stranger.sum())
    genuine = len(cases.stranger) - strangers
    items = len(np.unique(cases.group[cases.group >= 0]))
    needed = max(cases_needed(far), FEWEST_GENUINE)
    if strangers < needed or genuine < FEWEST_GENUINE:
        return Refusal(
            f"a false-accept rate of {far:.2%} takes {needed} references to be measured, "
            f"{FEWEST_GENUINE} of them with another one of the same item; there are {strangers} "
            f"and {genuine}",
            needed,
        )
    if items < FEWEST_ITEMS:
        return Refusal(
            f"it takes {FEWEST_ITEMS} items to know how strangers look; there are {items}", needed
        )
    return None


def _weights(stranger: Bools) -> Floats:
    """Strangers together weigh as much as all others."""
    strangers = np.count_nonzero(stranger)
    return np.where(stranger, (len(stranger) - strangers) / strangers, 1.0)


def _chances(found: Floats, columns: Floats) -> Floats:
    return sigmoid(columns @ found[:-1] + found[-1])


def _point(cases: Cases, chances: Floats, far: float) -> float:
    """The lowest probability that no more than this share of the strangers reach.

    Neither of the gallery's own, nor of those lent, which resemble its items less.
    """
    own = _reached(chances[cases.stranger & ~cases.lent], far)
    return max(own, _reached(chances[cases.lent], far)) if cases.lent.any() else own


def _reached(chances: Floats, far: float) -> float:
    ordered = np.sort(chances)[::-1]
    allowed = int(far * len(ordered) + 1e-9)
    return float(np.nextafter(ordered[allowed], 2.0)) if allowed < len(ordered) else 0.0


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
    cases: Cases, chances: Floats, unseen: Floats, point: float, far: float
) -> dict[str, Any]:
    stranger, score = cases.stranger, cases.evidence.score
    accepted = chances[stranger] >= point
    worth = effective_cases(accepted, cases.group[stranger])
    low, high = clopper_pearson(float(accepted.mean()) * worth, worth)
    given = unseen[~stranger] >= _point(cases, unseen, far)
    by_score = score[~stranger] >= _point(cases, score, far)
    right = cases.right[~stranger]
    return {
        "genuine": int(np.count_nonzero(~stranger)),
        "strangers": int(np.count_nonzero(stranger)),
        "lent": int(np.count_nonzero(cases.lent)),
        "items": len(np.unique(cases.group[cases.group >= 0])),
        "false_accepts": float(accepted.mean()),
        "false_accepts_low": low,
        "false_accepts_high": high,
        "named": float((given & right).mean()),
        "misnamed": float((given & ~right).mean()),
        "named_by_score": float((by_score & right).mean()),
        "auroc": auroc(unseen[~stranger], unseen[stranger]),
        "auroc_of_score": auroc(score[~stranger], score[stranger]),
        "calibration_error": calibration_error(unseen, cases.right, _weights(stranger)),
    }


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
