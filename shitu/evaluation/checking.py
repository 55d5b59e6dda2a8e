"""What recognition makes of rankings: whether an answer is given, and where geometry has a say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shitu.candidates import Decider, Ordered, Verdict
from shitu.evaluation.answers import Ranking
from shitu.evaluation.metrics import Floats
from shitu.gallery import Reference
from shitu.images import Image
from shitu.verifier.reranking import OFF

Picture = Callable[[], Image]


@dataclass(frozen=True)
class Ruling:
    """What recognition makes of the ranking of a query.

    Attributes:
        named: whether its answer is given; else the query is unknown.
        confidence: probability that the answer is right; None where nobody knows it.
        proven: whether geometry proves the answer, whatever its score.
        compared: whether the query was compared with pictures at all.
    """

    named: bool
    confidence: float | None
    proven: bool
    compared: bool


@dataclass(frozen=True)
class Check:
    """Asks the decider that `recognize` asks.

    Attributes:
        depth: nearest references whose items may be the answer.
    """

    decider: Decider
    depth: int

    @property
    def mode(self) -> str:
        """The setting `verify`: auto, on or off."""
        return OFF if self.decider.verifier is None else self.decider.verifier.mode

    @property
    def operating_point(self) -> float | None:
        """Confidence from which an answer is given; None where the score decides."""
        return self.decider.operating_point

    def rule(
        self,
        ranking: Ranking,
        known: Mapping[int, Reference],
        pictures: Sequence[Picture],
        confidence: Floats | None,
        closeness: NDArray[np.floating[Any]] | None = None,
    ) -> tuple[Ranking, list[Ruling]]:
        """Put n rankings in the order that geometry gives them, and say what is answered.

        Args:
            ranking: of n queries, the answer of the scores first.
            known: the references by id.
            pictures: (n,) what was embedded of each; only fetched where it is compared.
            confidence: (n,) calibrated probability of the answer of the scores, if there is one.
            closeness: (n, k) cosines to the prototypes of the first items, if they have a say.
        """
        ordered = self._ordered(ranking, closeness)
        sure = [None] * len(pictures) if confidence is None else confidence.tolist()
        verdicts = [
            self.decider.decide(ordered.found(row, known, sure[row]), self.decider.see(picture))
            for row, picture in enumerate(pictures)
        ]
        order = np.stack([self._order(ranking, *each) for each in enumerate(verdicts)])
        return ranking.reordered(order), [_ruling(verdict) for verdict in verdicts]

    def _ordered(self, ranking: Ranking, closeness: NDArray[np.floating[Any]] | None) -> Ordered:
        near = slice(None, self.depth)
        items, scores = ranking.items[:, near], ranking.scores[:, near]
        # The query's own file is in the ranking, but of no item.
        ids = np.where(items >= 0, ranking.ids[:, near], -1)
        close = None if closeness is None else closeness[:, near]
        return Ordered.of(ids, scores, items, close, self.decider.rule.prototype_weight)

    def _order(self, ranking: Ranking, row: int, verdict: Verdict) -> NDArray[np.int64]:
        """The references of items whose points agree rise by what that is worth."""
        worth = self._worth(verdict)
        if not worth:
            return np.arange(ranking.scores.shape[1])
        scores = ranking.scores[row].astype(np.float64)
        scores[0] = scores.max()  # prototypes put it first
        for item_id, bonus in worth.items():
            scores[ranking.items[row] == item_id] += bonus
        # Of two answers the calibration may take that of the scores for the likelier one.
        scores[(ranking.items[row] == verdict.matches[0].item_id).argmax()] = np.inf
        return np.argsort(-scores, kind="stable")

    def _worth(self, verdict: Verdict) -> dict[int, float]:
        if self.decider.verifier is None:
            return {}
        policy = self.decider.verifier.policy
        worth = {match.item_id: policy.bonus(match.agreement) for match in verdict.matches}
        return {item_id: bonus for item_id, bonus in worth.items() if bonus > 0}


def _ruling(verdict: Verdict) -> Ruling:
    compared = any(match.agreement is not None for match in verdict.matches)
    return Ruling(verdict.trusted, verdict.confidence, verdict.proven, compared)
