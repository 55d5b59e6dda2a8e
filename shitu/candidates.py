"""Neighbours by item, and which of the items is the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shitu.deciding import Rule
from shitu.gallery import Reference
from shitu.images import Image
from shitu.recognition import CONFIDENCE, GEOMETRY, SCORE, Match, Near
from shitu.verifier.reranking import ON, Checked, Contender, Sight, Verifier
from shitu.voting import DEPTH

if TYPE_CHECKING:
    from shitu.calibration import Calibration

_REFERENCES_PER_ITEM = 10  # neighbours asked for each item wanted
_TOLD = 3  # references of an item that a match tells of


@dataclass(frozen=True)
class Found:
    """What the embeddings say of a query.

    Attributes:
        contenders: the items that resemble it, the answer of the scores first.
        margin: how far its score is above that of the best other item.
        confidence: probability that it is right; None where the gallery is not calibrated.
    """

    contenders: tuple[Contender, ...]
    margin: float
    confidence: float | None


@dataclass(frozen=True)
class Verdict:
    """What is made of it.

    Attributes:
        matches: items, best first.
        trusted: whether the first is the answer.
        decided_by: see `RecognizedObject`.
        confidence: of the first; None where nothing is known of it.
        margin: of the first.
        proven: whether geometry proves the first, whatever its score.
    """

    matches: tuple[Match, ...]
    trusted: bool
    decided_by: str
    confidence: float | None
    margin: float | None
    proven: bool = False


@dataclass(frozen=True)
class Decider:
    """Says which item is the answer, and whether it is one.

    Attributes:
        calibration: what is known of the scores at the moment, if anything.
        verifier: checks the nearest items by geometry, if anything does.
    """

    rule: Rule
    calibration: Calibration | None = None
    verifier: Verifier | None = None

    def see(self, picture: Callable[[], Image]) -> Sight | None:
        """Return a query as `decide` takes it; the picture is fetched where it is needed."""
        return None if self.verifier is None else self.verifier.see(picture)

    def decide(self, found: Found, sight: Sight | None) -> Verdict:
        """Weigh the scores and, where that is asked and has a say, geometry.

        Args:
            found: what the scores say.
            sight: the query; needed where there is a verifier.
        """
        if not found.contenders:
            return Verdict((), trusted=False, decided_by=SCORE, confidence=None, margin=None)
        matches, changed, proven = self._ranked(found, sight)
        first = matches[0].score
        # What the calibration says is about the item that the scores put first.
        sure = None if changed else found.confidence
        trusted, by = self._trusted(first, sure)
        if changed or (proven and not trusted):
            trusted, by = trusted or proven, GEOMETRY
        margin = first - found.contenders[0].score if changed else found.margin
        return Verdict(matches, trusted, by, sure, margin, proven)

    def leaves_doubt(self, score: float, margin: float, confidence: float | None) -> bool:
        """Whether the verifier may have a say where the scores say this of the best item."""
        if self.verifier is None:
            return False
        policy, known = self.verifier.policy, self._known
        if known is None or confidence is None:
            return policy.by_score(score, margin, self.rule.threshold)
        return policy.by_confidence(confidence, margin, known.operating_point)

    def asks(self, score: float, margin: float, confidence: float | None) -> bool:
        """Whether the verifier is asked to look at the query at all."""
        if self.verifier is None:
            return False
        return self.verifier.mode == ON or self.leaves_doubt(score, margin, confidence)

    @property
    def operating_point(self) -> float | None:
        """Confidence from which an answer is one; None where the score decides."""
        return None if self._known is None else self._known.operating_point

    @property
    def _known(self) -> Calibration | None:
        return None if self.rule.by_score else self.calibration

    def _trusted(self, score: float, confidence: float | None) -> tuple[bool, str]:
        if self._known is None:
            return score >= self.rule.threshold, SCORE
        return confidence is not None and confidence >= self._known.operating_point, CONFIDENCE

    def _ranked(self, found: Found, sight: Sight | None) -> tuple[tuple[Match, ...], bool, bool]:
        """The items in order, whether geometry has put another one first, or proves the first."""
        contenders = found.contenders
        if self.verifier is None or sight is None:
            return tuple(map(match_of, contenders)), False, False
        doubtful = self.leaves_doubt(contenders[0].score, found.margin, found.confidence)
        checked = self.verifier.weigh(sight, contenders, doubtful=doubtful)
        matches = tuple(_verified(contenders[each.place], each) for each in checked)
        return matches, checked[0].place != 0, self.verifier.proves(checked)


def depth(top_k: int) -> int:
    """How many neighbours are asked for, so that there are as many items among them."""
    return max(top_k * _REFERENCES_PER_ITEM, DEPTH)


def by_item(
    ids: Sequence[int], scores: Sequence[float], known: Mapping[int, Reference]
) -> tuple[Contender, ...]:
    """The references of each item, in the order of the neighbours."""
    items: dict[int, list[tuple[Reference, float]]] = {}
    for number, score in zip(ids, scores, strict=True):
        reference = known.get(int(number))
        if reference is not None:
            items.setdefault(reference.item_id, []).append((reference, float(score)))
    return tuple(
        Contender(tuple(r for r, _ in near), tuple(s for _, s in near)) for near in items.values()
    )


def match_of(contender: Contender) -> Match:
    """An item by its nearest reference."""
    first = contender.references[0]
    near = zip(contender.references[:_TOLD], contender.scores, strict=False)
    return Match(
        label=first.label,
        item_id=first.item_id,
        reference_id=first.reference_id,
        path=str(first.path),
        score=contender.score,
        references=tuple(Near(r.reference_id, str(r.path), s) for r, s in near),
    )


def _verified(contender: Contender, checked: Checked) -> Match:
    match = match_of(contender)
    if checked.agreement is None:
        return match
    agreed = checked.reference.reference_id
    return replace(match, agreement=checked.agreement, agreed_id=agreed)
