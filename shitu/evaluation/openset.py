"""What a threshold does when some queries show things that the gallery does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from shitu.calibration.calibrating import auroc
from shitu.evaluation.bootstrap import Interval
from shitu.evaluation.metrics import Bools, Floats

FALSE_ALARM_RATES = (0.01, 0.1)


@dataclass(frozen=True)
class OpenSetScores:
    """Shares of queries, 0..1, that are answered `unknown` or with a label.

    Attributes:
        threshold: a query below it is `unknown`, where the score decides.
        strangers_unknown: of the strangers, those answered `unknown`, as they should be.
        known_right: of the known queries, those answered with their label.
        known_wrong: of the known queries, those answered with another label.
        known_unknown: of the known queries, those answered `unknown`.
        auroc: chance that a known query scores higher than a stranger, whatever the threshold;
            0.5 is a coin.
    """

    threshold: float
    strangers: int
    known: int
    strangers_unknown: float
    known_right: float
    known_wrong: float
    known_unknown: float
    auroc: float


def open_set_scores(
    scores: Floats,
    right: Bools,
    known: Bools,
    threshold: float,
    answered: Bools | None = None,
) -> OpenSetScores:
    """Score the best answers to known queries and strangers.

    Args:
        scores: (queries,) of the nearest reference.
        right: (queries,) whether that has the label of the query; never true of a stranger.
        known: (queries,) whether the gallery has the label of the query at all.
        threshold: answers with a lower score are `unknown`.
        answered: (queries,) which are given, where not the score alone decides.

    Raises:
        ValueError: shapes that do not fit, no stranger, no known query, or a stranger that is
            answered rightly.
    """
    if not scores.shape == right.shape == known.shape or scores.ndim != 1:
        raise ValueError(f"shapes {scores.shape}, {right.shape} and {known.shape} must be equal")
    if known.all() or not known.any():
        raise ValueError("an open set needs known queries and strangers")
    if (right & ~known).any():
        raise ValueError("a stranger has no right answer")
    answered = scores >= threshold if answered is None else answered
    return OpenSetScores(
        threshold=float(threshold),
        strangers=int(np.count_nonzero(~known)),
        known=int(np.count_nonzero(known)),
        strangers_unknown=float(np.mean(~answered[~known])),
        known_right=float(np.mean((answered & right)[known])),
        known_wrong=float(np.mean((answered & ~right)[known])),
        known_unknown=float(np.mean(~answered[known])),
        auroc=auroc(scores[known], scores[~known]),
    )


@dataclass(frozen=True)
class Identification:
    """Detection and identification rate at one false alarm rate.

    Attributes:
        far: share of strangers that may be answered, 0..1.
        above: scores above this are answered.
        rate: of the known queries, those answered with their label.
    """

    far: float
    above: float
    rate: float


@dataclass(frozen=True)
class OpenSetReport:
    """How well strangers are told from known queries, 0..1.

    Attributes:
        at_threshold: shares at the threshold of the workspace; its `auroc` is that of the score.
        auroc_margin: the same for the margin, score minus score of the best other item.
        identification: at FAR 1 % and 10 %.
        oscr: area under the curve of right answers over answered strangers.
        intervals: 95 %, by name: those of `free_figures`; empty if none were asked for.
    """

    at_threshold: OpenSetScores
    auroc_margin: float
    identification: tuple[Identification, ...]
    oscr: float
    intervals: Mapping[str, Interval] = field(default_factory=dict)

    def lines(self) -> list[tuple[str, str, float]]:
        """Key in `intervals`, name and value of the figures that no threshold was chosen for."""
        return [
            ("auroc", "AUROC of the score", self.at_threshold.auroc),
            ("auroc_margin", "AUROC of the margin", self.auroc_margin),
            *(
                (
                    f"dir_at_far_{row.far:.0%}",
                    f"DIR at FAR {row.far:.0%} (score above {row.above:.3f})",
                    row.rate,
                )
                for row in self.identification
            ),
            ("oscr", "OSCR area", self.oscr),
        ]


def open_set_report(
    scores: Floats,
    margins: Floats,
    right: Bools,
    known: Bools,
    threshold: float,
    answered: Bools | None = None,
) -> OpenSetReport:
    """Report on the best answers to known queries and strangers; see `open_set_scores`."""
    shares = open_set_scores(scores, right, known, threshold, answered)
    return OpenSetReport(
        shares,
        auroc(margins[known], margins[~known]),
        tuple(identification(scores, right, known, far) for far in FALSE_ALARM_RATES),
        oscr_area(scores, right, known),
    )


def free_figures(
    scores: Floats, margins: Floats, right: Bools, known: Bools
) -> Mapping[str, float]:
    """The figures that no threshold was chosen for; none without known queries and strangers."""
    if known.all() or not known.any():
        return {}
    rates = (identification(scores, right, known, far) for far in FALSE_ALARM_RATES)
    return {
        "auroc": auroc(scores[known], scores[~known]),
        "auroc_margin": auroc(margins[known], margins[~known]),
        **{f"dir_at_far_{row.far:.0%}": row.rate for row in rates},
        "oscr": oscr_area(scores, right, known),
    }


def identification(scores: Floats, right: Bools, known: Bools, far: float) -> Identification:
    """DIR at a false alarm rate: share of known queries answered rightly at rank 1, and so high.

    DIR(t) = #{known q : right_q and score_q > t} / #known at the lowest t for which
    FAR(t) = #{stranger s : score_s > t} / #strangers <= far (Phillips, Grother, Micheals 2011,
    "Evaluation methods in face recognition"; NIST FRVT 1:N calls it TPIR at FPIR). With fewer than
    1 / far strangers none of them may be answered.
    """
    strangers = np.sort(scores[~known])[::-1]
    allowed = int(np.floor(far * len(strangers) + 1e-9))
    above = float(strangers[allowed]) if allowed < len(strangers) else -np.inf
    return Identification(far, above, float(np.mean((right & (scores > above))[known])))


def oscr_area(scores: Floats, right: Bools, known: Bools) -> float:
    """Area under the open set classification rate curve.

    CCR(t) = #{known q : right_q and score_q >= t} / #known over
    FPR(t) = #{stranger s : score_s >= t} / #strangers, t from high to low, by trapezoids
    (Dhamija, Guenther, Boult 2018, "Reducing Network Agnostophobia"). That is the chance that a
    known query is answered rightly and scores above a stranger, ties counting half; it is at most
    the share of right answers.
    """
    good = right & known
    if not good.any():
        return 0.0
    return auroc(scores[good], scores[~known]) * float(np.mean(right[known]))
