"""What was learnt from the gallery about its own answers, as a small JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu.calibration.evidence import Evidence, Floats, evidence_of
from shitu.calibration.logistic import sigmoid

COLUMNS = ("score", "margin", "closeness", "agreement", "prototype")
WEIGHT = "prototype_weight"  # in the report


@dataclass(frozen=True)
class WithPoints:
    """Evidence and points that agree -> probability, where the verifier may look at queries.

    Attributes:
        verify: the setting that it was learnt with, and is good for: auto or on.
        weights: of `COLUMNS` and points, none negative; 0 for points: they have no say.
        constant: added to the weighted evidence.
        operating_point: an answer of this probability or more is given.
        proof: whether answers that points prove are given, too, whatever their probability; only
            where that keeps the false-accept rate.
        report: what was measured.
    """

    verify: str
    weights: tuple[float, ...]
    constant: float
    operating_point: float
    proof: bool
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> bool:
        """Whether anything depends on points, so that queries are to be looked at."""
        return self.proof or self.weights[-1] > 0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> WithPoints:
        """Read what `Calibration.to_json` made of it; raises ValueError."""
        if not isinstance(values, Mapping) or set(values) != {each.name for each in fields(cls)}:
            raise ValueError("not a calibration")
        *weights, points = map(float, values["weights"])
        return cls(**{**values, "weights": (*_weights(weights), points)})


@dataclass(frozen=True)
class Calibration:
    """Evidence -> probability, and the operating point.

    The probability is that the best answer is right, of queries half of which show things that the
    gallery does not have.

    Attributes:
        space: fingerprint of the space whose scores it speaks of.
        weights: of `COLUMNS`, none negative.
        constant: added to the weighted evidence.
        operating_point: an answer of this probability or more is given, any other is unknown.
        far: the false-accept rate that this is meant to keep.
        usual: by item id, the score that its references usually find each other with.
        usual_of_all: the mean of all items, for those that came later.
        report: what was measured.
        points: the same for answers that the verifier had a say in; None: not learnt.
    """

    space: str
    weights: tuple[float, ...]
    constant: float
    operating_point: float
    far: float
    usual: Mapping[int, float]
    usual_of_all: float
    report: Mapping[str, Any] = field(default_factory=dict)
    points: WithPoints | None = None

    @property
    def prototype_weight(self) -> float | None:
        """With which it was learnt, and is true; None where nobody noted it."""
        return self.report.get(WEIGHT)

    def confidence(self, evidence: Evidence) -> Floats:
        """Probability (m,) that each best answer is right; 0 where there is no answer."""
        columns = columns_of(evidence, self.usual, self.usual_of_all)
        chances = sigmoid(columns @ np.array(self.weights) + self.constant)
        return np.where(evidence.item >= 0, chances, 0.0)

    def confidence_with_points(self, evidence: Evidence, points: Floats) -> Floats:
        """Probability (m,) of answers that the verifier had a say in.

        Args:
            evidence: of the answers that it puts first.
            points: (m,) what their agreement is worth, less that of the best other item; 0 where
                nothing was compared.

        Raises:
            ValueError: it was not learnt with the verifier.
        """
        if self.points is None:
            raise ValueError("this calibration knows nothing of points")
        columns = np.column_stack([columns_of(evidence, self.usual, self.usual_of_all), points])
        chances = sigmoid(columns @ np.array(self.points.weights) + self.points.constant)
        return np.where(evidence.item >= 0, chances, 0.0)

    def of_neighbours(
        self,
        scores: Floats,
        items: npt.NDArray[np.int64],
        closeness: npt.NDArray[np.floating[Any]] | None = None,
    ) -> Floats:
        """Probability (m,) from the nearest references; see `evidence_of`."""
        return self.confidence(evidence_of(scores, items, closeness))

    def accepts(self, confidence: Floats) -> npt.NDArray[np.bool_]:
        """Whether answers (m,) of this confidence are given."""
        return np.asarray(confidence >= self.operating_point)

    def to_json(self) -> dict[str, Any]:
        """All of it, as `json.dumps` takes it."""
        usual = {str(item): round(score, 6) for item, score in self.usual.items()}
        values = {**asdict(self), "weights": list(self.weights), "usual": usual}
        if self.points is None:
            del values["points"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """Read what `to_json` made.

        Raises:
            ValueError: it is no calibration.
        """
        names = {each.name for each in fields(cls)}
        # Before there were points, nothing was said of them.
        if not isinstance(values, Mapping) or {*values, "points"} != names:
            raise ValueError("not a calibration")
        usual = {int(item): float(score) for item, score in values["usual"].items()}
        weights = _weights(values["weights"])
        given = values.get("points")
        points = None if given is None else WithPoints.from_json(given)
        return cls(**{**values, "usual": usual, "weights": weights, "points": points})


def _weights(values: Sequence[float]) -> tuple[float, ...]:
    """Those of `COLUMNS`; before prototypes had a say, they had no weight."""
    weights = (*map(float, values), *([0.0] if len(values) == len(COLUMNS) - 1 else []))
    if len(weights) != len(COLUMNS):
        raise ValueError(f"a calibration has {len(COLUMNS)} weights")
    return weights


def columns_of(evidence: Evidence, usual: Mapping[int, float], usual_of_all: float) -> Floats:
    """The numbers (m, 5) that the probability is made of, each one better when it is higher.

    Closeness is the score beside what is usual for the item: so one that is seen in many ways has
    another threshold than a carton that always looks the same.
    """
    expected = np.array([usual.get(int(item), usual_of_all) for item in evidence.item])
    closeness = evidence.score - expected
    columns = (evidence.score, evidence.margin, closeness, evidence.agreement, evidence.prototype)
    return np.column_stack(columns)
