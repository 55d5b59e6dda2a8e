"""Weighs what the embeddings say about the nearest items against what local features say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from shitu._cached import cached_property
from shitu.gallery import Reference
from shitu.images import Image
from shitu.verifier.agreement import Agreement, agree
from shitu.verifier.features import Extractor, Features, corners

AUTO, ON, OFF = "auto", "on", "off"


@dataclass(frozen=True)
class Contender:
    """An item that a query may show.

    Attributes:
        references: its nearest ones, best first.
        scores: their cosines.
        closeness: cosine to the prototype of the item, if it is known.
    """

    references: tuple[Reference, ...]
    scores: tuple[float, ...]
    closeness: float | None = None

    @property
    def score(self) -> float:
        """Cosine of the nearest reference."""
        return self.scores[0]


@dataclass(frozen=True)
class Checked:
    """A contender after the check, if it was checked.

    Attributes:
        place: among the contenders as they came, by score.
        reference: the one that the agreement is with.
        agreement: of all its references that were compared the best; None: none was.
    """

    place: int
    reference: Reference
    agreement: Agreement | None = None


@dataclass(frozen=True)
class Policy:
    """When to check, whom, and how much an agreement weighs.

    Attributes:
        items, references: how many of the nearest are compared ...
        first: ... unless one of so many nearest items is proven already.
        margin: a first item that is further ahead of the second needs no check (auto) ...
        sure: ... where its score is above the threshold by this, too.
        hopeless: nor does a best score below the threshold by more than this, ...
        hope: or a probability below this, where the gallery is calibrated.
        corners: a picture with fewer has no texture to be compared by.
        cover: share of the reference from which on an agreement counts in full.
        real: significance from which on an agreement is one; less changes nothing.
        full: significance from which on more of it makes no difference.
        weight: cosine that a full agreement is worth.
        proof: inliers that prove a name whatever its score, where no other item has as much
            evidence as `rival` of its.
    """

    items: int = 16
    first: int = 5
    references: int = 2
    margin: float = 0.1
    sure: float = 0.1
    hopeless: float = 0.25
    hope: float = 0.02
    corners: int = 30
    cover: float = 0.15
    real: float = 5.0
    full: float = 180.0
    weight: float = 1.5
    proof: int = 15
    rival: float = 0.5

    def bonus(self, agreement: Agreement | None) -> float:
        """Cosine that an agreement is worth: none below `real`, then in proportion."""
        evidence = self.evidence(agreement)
        return 0.0 if evidence < self.real else self.weight * min(1.0, evidence / self.full)

    def evidence(self, agreement: Agreement | None) -> float:
        """Significance, as far as it is of more than a narrow strip."""
        if agreement is None:
            return 0.0
        return agreement.significance * min(1.0, agreement.cover / self.cover)

    def by_score(self, score: float, margin: float, threshold: float) -> bool:
        """Whether a score leaves room for doubt and for hope."""
        doubtful = margin < self.margin or score < threshold + self.sure
        return doubtful and score > threshold - self.hopeless

    def by_confidence(self, confidence: float, margin: float, operating_point: float) -> bool:
        """Whether a probability leaves room for doubt and for hope."""
        doubtful = margin < self.margin or confidence < (1 + operating_point) / 2
        return doubtful and confidence > self.hope


class Source(Protocol):
    """Where the local features of references come from."""

    extractor: Extractor

    def of(self, references: Iterable[Reference]) -> Mapping[int, Features]:
        """Features by id; some may be missing."""


class Sight(Protocol):
    """A query as far as the check looks at it; nothing is computed before it is asked for."""

    def corners(self) -> int:
        """How much texture it has."""

    def agreements(self, references: Sequence[Reference]) -> Mapping[int, Agreement]:
        """With references, by id; those of which there is no picture are missing."""


class Seen:
    """A query whose picture is looked at.

    Args:
        picture: gives it, uint8 RGB (h, w, 3).
        source: features of references.
    """

    def __init__(self, picture: Callable[[], Image], source: Source) -> None:
        self._picture = picture
        self._source = source

    def corners(self) -> int:
        """How much texture it has."""
        return corners(self._image)

    def agreements(self, references: Sequence[Reference]) -> Mapping[int, Agreement]:
        """With references, by id; those of which there is no picture are missing."""
        found = self._source.of(references)
        return {number: agree(self._features, each) for number, each in found.items()}

    @cached_property
    def _image(self) -> Image:
        return self._picture()

    @cached_property
    def _features(self) -> Features:
        return self._source.extractor.extract(self._image)


@dataclass(frozen=True)
class Verifier:
    """Checks the nearest items of a query by geometry, and puts them in order.

    Attributes:
        source: features of references.
        mode: `on`: check every query; `auto`: only where it may pay.
    """

    source: Source
    mode: str = AUTO
    policy: Policy = field(default_factory=Policy)

    def check(
        self, image: Image, contenders: Sequence[Contender], *, doubtful: bool
    ) -> list[Checked]:
        """Put contenders in order, by the cosine that each is worth with its agreement.

        Without a real agreement that is the order in which they came. Nothing is computed where
        the mode does not ask for it.

        Args:
            image: what is looked up, uint8 RGB (h, w, 3).
            contenders: the one that the scores make the answer, then by score, best first.
            doubtful: whether the scores leave doubt; see `Policy`.
        """
        return self.weigh(self.see(lambda: image), contenders, doubtful=doubtful)

    def see(self, picture: Callable[[], Image]) -> Sight:
        """Return a query whose picture is fetched when it has to be looked at."""
        return Seen(picture, self.source)

    def weigh(
        self, sight: Sight, contenders: Sequence[Contender], *, doubtful: bool
    ) -> list[Checked]:
        """Put contenders in order, whatever the query is looked at by; see `check`."""
        plain = [Checked(i, each.references[0]) for i, each in enumerate(contenders)]
        if not contenders or not self._pays(sight, doubtful=doubtful):
            return plain
        checked = self._compare(sight, contenders[: self.policy.items])
        return self._in_order(contenders, [*checked, *plain[len(checked) :]])

    def _in_order(
        self, contenders: Sequence[Contender], checked: Sequence[Checked]
    ) -> list[Checked]:
        standing = _standing(contenders)

        def worth(one: Checked) -> float:
            return standing[one.place] + self.policy.bonus(one.agreement)

        return sorted(checked, key=worth, reverse=True)

    def proves(self, checked: Sequence[Checked]) -> bool:
        """Whether geometry alone proves the first of them: much agreement, and no rival's."""
        policy, first = self.policy, checked[0].agreement
        if first is None or first.inliers < policy.proof or first.cover < policy.cover:
            return False
        rivals = (policy.evidence(each.agreement) for each in checked[1:])
        return max(rivals, default=0.0) <= policy.rival * policy.evidence(first)

    def _pays(self, sight: Sight, *, doubtful: bool) -> bool:
        if self.mode != AUTO:
            return self.mode == ON
        # The cheapest question first; a picture is looked at only where it matters.
        return doubtful and sight.corners() >= self.policy.corners

    def _compare(self, sight: Sight, contenders: Sequence[Contender]) -> list[Checked]:
        near = [each.references[: self.policy.references] for each in contenders]
        checked: list[Checked] = []
        for some in (slice(self.policy.first), slice(self.policy.first, None)):
            found = sight.agreements([reference for part in near[some] for reference in part])
            checked += [
                _best(place, part, found) for place, part in enumerate(near[some], len(checked))
            ]
            if self.proves(self._in_order(contenders, checked)):
                break
        return checked


def _standing(contenders: Sequence[Contender]) -> list[float]:
    """Cosine that each counts with: its own, or a later one's where its prototype put it ahead."""
    scores = [each.score for each in reversed(contenders)]
    return list(accumulate(scores, max))[::-1]


def _best(
    place: int, references: Sequence[Reference], agreements: Mapping[int, Agreement]
) -> Checked:
    found = [
        (agreements[reference.reference_id], reference)
        for reference in references
        if reference.reference_id in agreements
    ]
    if not found:
        return Checked(place, references[0])
    agreement, reference = max(found, key=lambda pair: pair[0].significance)
    return Checked(place, reference, agreement)
