"""When an answer is given, for those who have to foresee it; the recogniser does the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shitu.config import LEAD, PROTOTYPE_WEIGHT
from shitu.prototypes import SAME


@dataclass(frozen=True)
class Rejected:
    """An item that is no answer, because that was said of nearly the same picture.

    Attributes:
        score: of its nearest reference; None where it was too far away to matter.
        likeness: cosine of this picture and the rejected one.
        at: when it was rejected.
    """

    label: str
    item_id: int
    rejection_id: int
    score: float | None
    likeness: float
    at: str


@dataclass(frozen=True)
class Rule:
    """Decides what is unknown.

    Attributes:
        threshold: a best item whose score is lower is unknown.
        by_score: the threshold decides even where there is a calibration.
        prototype_weight: how much an item's prototype counts beside its nearest reference.
        lead: a best item that is nearer than the next one by less than this share is unknown where
            the score decides; see `shitu.prototypes.leads`.
    """

    threshold: float
    by_score: bool = False
    prototype_weight: float = PROTOTYPE_WEIGHT
    lead: float = LEAD

    def is_clear(self, score: Any, lead: Any) -> Any:
        """Whether a best item is far enough ahead, or the query a reference of it.

        Args:
            score: cosine to its nearest reference; of one query, or (m,) of many.
            lead: by which share it is nearer than the next one, likewise.
        """
        return (lead >= self.lead) | (score >= SAME)
