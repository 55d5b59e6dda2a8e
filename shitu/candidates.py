"""Neighbours by item, and which of the items is the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shitu.calibration import evidence_of
from shitu.deciding import Rule
from shitu.gallery import Reference
from shitu.images import Image
from shitu.index import Neighbours
from shitu.prototypes import DEPTH, Floats, distances, leads, promoted, rivals, taken
from shitu.recognition import CONFIDENCE, GEOMETRY, LEAD, SCORE, Match, Near
from shitu.verifier.reranking import OFF, ON, Checked, Contender, Sight, Verifier

if TYPE_CHECKING:
    from shitu.calibration import Calibration, Evidence, WithPoints

_REFERENCES_PER_ITEM = 10  # neighbours asked for each item wanted
_TOLD = 3  # references of an item that a match tells of


@dataclass(frozen=True)
class Found:
    """What the embeddings say of a query.

    Attributes:
        contenders: the items that resemble it, the answer of the scores first.
        margin: how far its score is above that of the best other item.
        confidence: probability that it is right; None where the gallery is not calibrated.
        apart: how far it and the next item are; see `shitu.prototypes.distances`.
        rival: id of that next item; -1 where there is none, or nobody asks.
    """

    contenders: tuple[Contender, ...]
    margin: float
    confidence: float | None
    apart: tuple[float, float] = (0.0, math.inf)
    rival: int = -1

    def lead(self, points: float) -> float:
        """By which share it is nearer than the next item, with what points are worth."""
        return float(leads(np.array([self.apart]), points)[0])


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
        lead: share by which the first is nearer than the next one, by scores and points; None:
            there is no other, or geometry put it first.
        rival: label of that next one, or of the one that the scores put first.
    """

    matches: tuple[Match, ...]
    trusted: bool
    decided_by: str
    confidence: float | None
    margin: float | None
    proven: bool = False
    lead: float | None = None
    rival: str | None = None


@dataclass(frozen=True)
class Weighed:
    """The items in order, after the verifier has had its say.

    Attributes:
        matches: best first.
        places: of each among the contenders as the scores had them.
        proven: whether points prove the first, whatever its score.
        bonus: cosine that the agreement of each is worth.
    """

    matches: tuple[Match, ...]
    places: tuple[int, ...] = ()
    proven: bool = False
    bonus: tuple[float, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether another item is first than by the scores."""
        return bool(self.places) and self.places[0] != 0

    @property
    def compared(self) -> bool:
        """Whether the query was compared with pictures."""
        return any(match.agreement is not None for match in self.matches)

    def points(self, place: int) -> float:
        """What the agreement of a contender is worth, less that of the best other one."""
        if not self.places:
            return 0.0
        at = self.places.index(place)
        return self.bonus[at] - max((*self.bonus[:at], *self.bonus[at + 1 :]), default=0.0)

    def by_scores(self) -> Weighed:
        """The same with the item first that the scores put there."""
        at = self.places.index(0)
        order = [at, *(i for i in range(len(self.places)) if i != at)]
        return Weighed(
            tuple(self.matches[i] for i in order),
            tuple(self.places[i] for i in order),
            bonus=tuple(self.bonus[i] for i in order),
        )


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
        return None if self._looking is None else self._looking.see(picture)

    def decide(self, found: Found, sight: Sight | None) -> Verdict:
        """Weigh the scores and, where that is asked and has a say, geometry.

        Args:
            found: what the scores say.
            sight: the query; needed where there is a verifier.
        """
        if not found.contenders:
            return Verdict((), trusted=False, decided_by=SCORE, confidence=None, margin=None)
        seen, sure = self._likelier(found, self.look(found, sight))
        first = seen.matches[0].score
        lead = math.inf if seen.changed else found.lead(seen.points(0))
        trusted, by = self._trusted(first, lead, sure)
        proven = seen.proven and self._proofs_count
        if seen.changed or (proven and not trusted):
            trusted, by = trusted or proven, GEOMETRY
        margin = found.margin
        if seen.changed:
            others = (each.score for i, each in enumerate(found.contenders) if i != seen.places[0])
            margin = first - max(others)
        told = lead if math.isfinite(lead) else None
        other = _item_of(found.contenders[0]) if seen.changed else found.rival
        rival = next((m.label for m in seen.matches if m.item_id == other), None)
        return Verdict(seen.matches, trusted, by, sure, margin, proven, told, rival)

    def look(self, found: Found, sight: Sight | None) -> Weighed:
        """Put the items in order, of which there must be some; see `decide`."""
        contenders, verifier = found.contenders, self._looking
        if verifier is None or sight is None:
            return Weighed(tuple(map(match_of, contenders)))
        doubtful = self.leaves_doubt(
            contenders[0].score, found.margin, found.confidence, found.lead(0.0)
        )
        checked = verifier.weigh(sight, contenders, doubtful=doubtful)
        bonus = [verifier.policy.bonus(each.agreement) for each in checked]
        return Weighed(
            tuple(_verified(contenders[each.place], each) for each in checked),
            tuple(each.place for each in checked),
            verifier.proves(checked),
            tuple(bonus),
        )

    def leaves_doubt(
        self, score: float, margin: float, confidence: float | None, lead: float = math.inf
    ) -> bool:
        """Whether the verifier may have a say where the scores say this of the best item."""
        if self.verifier is None:
            return False
        policy, known = self.verifier.policy, self._known
        if known is None or confidence is None:
            threshold = self.rule.threshold
            hardly = score >= threshold and not self.rule.is_clear(score, lead)
            return bool(hardly) or policy.by_score(score, margin, threshold)
        return policy.by_confidence(confidence, margin, known.operating_point)

    def asks(
        self, score: float, margin: float, confidence: float | None, lead: float = math.inf
    ) -> bool:
        """Whether the verifier is asked to look at the query at all."""
        if self._looking is None:
            return False
        return self._looking.mode == ON or self.leaves_doubt(score, margin, confidence, lead)

    def trusts(self, ordered: Ordered) -> npt.NDArray[np.bool_]:
        """Whether the best items of queries (m,) are the answers, where nobody looks at them."""
        evidence = ordered.evidence
        there, known, point = evidence.item >= 0, self._known, self.operating_point
        if known is None or point is None:
            clear = self.rule.is_clear(evidence.score, ordered.leads)
            return np.asarray(there & (evidence.score >= self.rule.threshold) & clear)
        if self._with_points is None:
            return np.asarray(there & (known.confidence(evidence) >= point))
        sure = known.confidence_with_points(evidence, np.zeros(len(evidence)))
        return np.asarray(there & (sure >= point))

    def decides(self, ordered: Ordered) -> list[str]:
        """Say by what that is decided of each query (m,); see `RecognizedObject`."""
        evidence = ordered.evidence
        if self.operating_point is not None:
            return [CONFIDENCE] * len(evidence)
        clear = self.rule.is_clear(evidence.score, ordered.leads)
        by_score = clear | (evidence.score < self.rule.threshold)
        return [SCORE if each else LEAD for each in by_score.tolist()]

    @property
    def operating_point(self) -> float | None:
        """Confidence from which an answer is one; None where the score decides."""
        if self._known is None:
            return None
        return (self._with_points or self._known).operating_point

    @property
    def note(self) -> str | None:
        """What is to be said of the calibration, if anything."""
        known, mode, weight = self._known, self._mode, self.rule.prototype_weight
        if known is None:
            return None
        if known.prototype_weight not in {None, weight}:
            return (
                f"calibrated with prototype_weight {known.prototype_weight:g}: with {weight:g} "
                "confidences are not true; calibrate again"
            )
        if known.points is None or known.points.verify == mode:
            return None
        return (
            f"calibrated with verify {known.points.verify}: with {mode} confidences are those of "
            "the scores alone"
        )

    @property
    def _known(self) -> Calibration | None:
        return None if self.rule.by_score else self.calibration

    @property
    def _mode(self) -> str:
        return OFF if self.verifier is None else self.verifier.mode

    @property
    def _with_points(self) -> WithPoints | None:
        """What is known of answers that this verifier has a say in."""
        points = None if self._known is None else self._known.points
        return points if points is not None and points.verify == self._mode else None

    @property
    def _looking(self) -> Verifier | None:
        """The verifier, if anything depends on what it sees."""
        return None if self._with_points and not self._with_points.count else self.verifier

    @property
    def _proofs_count(self) -> bool:
        return self._with_points is None or self._with_points.proof

    def _trusted(self, score: float, lead: float, confidence: float | None) -> tuple[bool, str]:
        point = self.operating_point
        if point is None:
            if score < self.rule.threshold:
                return False, SCORE
            return (True, SCORE) if self.rule.is_clear(score, lead) else (False, LEAD)
        return confidence is not None and confidence >= point, CONFIDENCE

    def _likelier(self, found: Found, seen: Weighed) -> tuple[Weighed, float | None]:
        """What is answered, and its probability; None where nothing is known of it."""
        known, points = self._known, self._with_points
        if points is None or known is None:
            # What the calibration says is about the item that the scores put first.
            return seen, None if seen.changed else found.confidence
        plain = self._chance(known, found, seen, 0)
        if not seen.changed:
            return seen, plain
        other = self._chance(known, found, seen, seen.places[0])
        if other > plain or (seen.proven and points.proof):
            return seen, other
        return seen.by_scores(), plain

    @staticmethod
    def _chance(known: Calibration, found: Found, seen: Weighed, place: int) -> float:
        evidence = evidence_for(found.contenders, place)
        return float(known.confidence_with_points(evidence, np.array([seen.points(place)]))[0])


def evidence_for(contenders: Sequence[Contender], place: int) -> Evidence:
    """Weigh the references of all contenders if the one at a place is the answer, (1,)."""
    close = contenders[place].closeness
    near = [
        (i != place or j > 0, -score, contender.references[0].item_id)
        for i, contender in enumerate(contenders)
        for j, score in enumerate(contender.scores)
    ]
    near.sort(key=lambda one: one[:2])  # the answer's nearest first, then by score
    scores = np.array([[-score for _, score, _ in near]])
    items = np.array([[item for _, _, item in near]], np.int64)
    return evidence_of(scores, items, None if close is None else np.full_like(scores, close))


def depth(top_k: int) -> int:
    """How many neighbours are asked for, so that there are as many items among them."""
    return max(top_k * _REFERENCES_PER_ITEM, DEPTH)


def by_item(
    ids: Sequence[int],
    scores: Sequence[float],
    known: Mapping[int, Reference],
    closeness: Sequence[float] | None = None,
) -> tuple[Contender, ...]:
    """The references of each item, in the order of the neighbours.

    Args:
        closeness: of the query with the prototype of each neighbour's item, if it is known.
    """
    close = [None] * len(ids) if closeness is None else np.asarray(closeness).tolist()
    near = zip(np.asarray(ids).tolist(), np.asarray(scores).tolist(), close, strict=True)
    items: dict[int, tuple[list[Reference], list[float], float | None]] = {}
    for number, score, prototype in near:
        reference = known.get(number)
        if reference is not None:
            references, theirs, _ = items.setdefault(reference.item_id, ([], [], prototype))
            references.append(reference)
            theirs.append(score)
    return tuple(Contender(tuple(r), tuple(s), prototype) for r, s, prototype in items.values())


@dataclass(frozen=True)
class Ordered:
    """The neighbours of m queries, the nearest reference of the answer first.

    Attributes:
        ids, scores: (m, k) of the references.
        closeness: (m, k) cosines to the prototypes of their items; None: they have no say.
        evidence: for the answers.
        apart: (m, 2) how far these and the next items are.
        rivals: (m,) ids of these next items; -1: there is none.
    """

    ids: npt.NDArray[np.int64]
    scores: Floats
    closeness: Floats | None
    evidence: Evidence
    apart: Floats
    rivals: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        ids: npt.NDArray[np.int64],
        scores: Floats,
        items: npt.NDArray[np.int64],
        closeness: Floats | None,
        weight: float,
    ) -> Ordered:
        """Weigh neighbours (m, k) that are in order; `items` are -1 where there is none."""
        evidence = evidence_of(scores, items, closeness)
        apart = distances(scores, items, closeness, weight)
        return cls(
            ids, scores, closeness, evidence, apart, rivals(scores, items, closeness, weight)
        )

    @property
    def leads(self) -> Floats:
        """(m,) By which share the answers are nearer than the next items."""
        return leads(self.apart)

    def found(self, row: int, known: Mapping[int, Reference], confidence: float | None) -> Found:
        """What the neighbours say of a query."""
        first, second = self.apart[row].tolist()
        margin = float(self.evidence.margin[row])
        rival = int(self.rivals[row])
        return Found(self.contenders(row, known), margin, confidence, (first, second), rival)

    def contenders(self, row: int, known: Mapping[int, Reference]) -> tuple[Contender, ...]:
        """The items of a query, the answer first."""
        close = None if self.closeness is None else self.closeness[row]
        return by_item(self.ids[row], self.scores[row], known, close)


def answers_first(
    found: Neighbours, items: npt.NDArray[np.int64], closeness: Floats | None, weight: float
) -> Ordered:
    """Put the nearest reference of the answer first; see `promoted`."""
    order = promoted(found.scores, items, closeness, weight)
    close = None if closeness is None else taken(closeness, order)
    scores, theirs = taken(found.scores, order), taken(items, order)
    return Ordered.of(taken(found.reference_ids, order), scores, theirs, close, weight)


def _item_of(contender: Contender) -> int:
    return contender.references[0].item_id


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
        prototype=contender.closeness,
    )


def _verified(contender: Contender, checked: Checked) -> Match:
    match = match_of(contender)
    if checked.agreement is None:
        return match
    agreed = checked.reference.reference_id
    return replace(match, agreement=checked.agreement, agreed_id=agreed)
