"""What the verifier makes of the queries that a calibration is learnt from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shitu.candidates import Decider, Found, Weighed, by_item, evidence_for
from shitu.deciding import Rule
from shitu.gallery import Reference
from shitu.images import Image
from shitu.verifier import Agreement, agree
from shitu.verifier.agreement import without_points
from shitu.verifier.features import corners
from shitu.verifier.references import ReferenceFeatures
from shitu.verifier.reranking import Sight, Verifier

if TYPE_CHECKING:
    from shitu.calibration import Calibration, Cases, Evidence, SeenCases

LIMIT = 2000  # references asked; each is compared with those of 16 items, twice

Picture = Callable[[], Image]


@dataclass(frozen=True)
class Looking:
    """How the queries of a calibration are looked at.

    Attributes:
        source: features and pictures of references.
        mode: setting `verify`: auto or on.
        depth: neighbours whose items may be the answer.
        pictures: those that are no references: of strangers, then photos.
        progress: told the number of queries looked at so far, and of all.
    """

    source: ReferenceFeatures
    mode: str
    depth: int
    pictures: Sequence[Picture] = ()
    progress: Callable[[int, int], None] | None = None


def look_at(
    cases: Cases, known: Calibration, references: Sequence[Reference], looking: Looking
) -> SeenCases:
    """Ask the verifier about each case, as it is asked about queries.

    Cases without pictures (those that come as vectors) count as agreeing with nothing.

    Args:
        known: what the scores of the cases say.
        references: by row.
    """
    decider = Decider(Rule(0.0), known, Verifier(looking.source, looking.mode))
    room = _Room(cases, decider, references, looking)
    count = len(cases.right)
    for case in range(count):
        room.look(case)
        if looking.progress is not None:
            looking.progress(case + 1, count)
    return room.seen()


class _Room:
    """The cases and all that is needed to look at them."""

    def __init__(
        self, cases: Cases, decider: Decider, references: Sequence[Reference], looking: Looking
    ) -> None:
        self._near = cases.near
        self._decider = decider
        self._looking = looking
        self._references = references
        self._known = {reference.reference_id: reference for reference in references}
        self._sights: dict[int, Sight] = {}
        known, evidence = decider.calibration, cases.evidence
        self._scores, self._margins = evidence.score, evidence.margin
        self._sure = np.zeros(len(evidence)) if known is None else known.confidence(evidence)
        self._points = np.zeros(len(evidence))
        self._proven, self._compared = (np.zeros(len(evidence), bool) for _ in range(2))
        self._others: list[tuple[int, Evidence, float]] = []

    def seen(self) -> SeenCases:
        """Return what was found of the cases."""
        from shitu.calibration import Evidence, SeenCases

        none = Evidence(np.empty(0, np.int64), *(np.empty(0) for _ in range(4)))
        return SeenCases(
            points=self._points,
            others=Evidence.joined([none, *(evidence for _, evidence, _ in self._others)]),
            cases=np.array([case for case, _, _ in self._others], np.int64),
            their_points=np.array([points for _, _, points in self._others], np.float64),
            proven=self._proven,
            compared=self._compared,
        )

    def look(self, case: int) -> None:
        """Note what the verifier makes of a case."""
        there = self._near.rows[case] >= 0
        score, margin, sure = (
            float(each[case]) for each in (self._scores, self._margins, self._sure)
        )
        if not there.any() or not self._decider.asks(score, margin, sure):
            return
        ids = [self._references[row].reference_id for row in self._near.rows[case, there].tolist()]
        near = (each[case, there].tolist() for each in (self._near.scores, self._near.closeness))
        scores, closeness = near
        found = Found(by_item(ids, scores, self._known, closeness), margin, sure)
        self._note(case, found, self._decider.look(found, self._sight(case)))

    def _note(self, case: int, found: Found, look: Weighed) -> None:
        self._points[case] = look.points(0)
        self._proven[case], self._compared[case] = look.proven, look.compared
        if look.changed:
            place = look.places[0]
            answer = evidence_for(found.contenders, place)
            self._others.append((case, answer, look.points(place)))

    def _sight(self, case: int) -> Sight:
        row = int(self._near.query[case])
        if row < 0:
            return self._decider.verifier.see(self._looking.pictures[-1 - row])  # type: ignore[union-attr]
        if row not in self._sights:
            self._sights[row] = _ReferenceSight(self._references[row], self._looking.source)
        return self._sights[row]


class _ReferenceSight:
    """A reference that is a query itself; each pair is compared but once."""

    def __init__(self, reference: Reference, source: ReferenceFeatures) -> None:
        self._reference = reference
        self._source = source
        self._corners: int | None = None
        self._known: dict[int, Agreement] = {}

    def corners(self) -> int:
        """How much texture it has; none without a picture."""
        if self._corners is None:
            image = self._source.picture(self._reference)
            self._corners = 0 if image is None else corners(image)
        return self._corners

    def agreements(self, references: Sequence[Reference]) -> Mapping[int, Agreement]:
        """With references, by id; those of which there is no picture are missing."""
        own = self._reference.reference_id
        new = [r for r in references if r.reference_id not in self._known]
        features = self._source.of([self._reference, *new]) if new else {}
        if own in features:
            for number in (r.reference_id for r in new if r.reference_id in features):
                self._known[number] = without_points(agree(features[own], features[number]))
        wanted = {r.reference_id for r in references}
        return {number: found for number, found in self._known.items() if number in wanted}
