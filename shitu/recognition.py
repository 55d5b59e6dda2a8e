"""What recognition says: items that resemble a query, objects, a whole picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shitu.cropper import Dropped
from shitu.deciding import Rejected
from shitu.explanation.sentences import what_would_change
from shitu.geometry import Box, overlap
from shitu.runtime.session import Float32Array
from shitu.verifier import Agreement

_SAME_OBJECT = 0.7  # intersection over the smaller box

SCORE, LEAD, CONFIDENCE, GEOMETRY = "score", "lead", "confidence", "geometry"


@dataclass(frozen=True)
class Near:
    """A reference that resembles a query, by the cosine of their embeddings."""

    reference_id: int
    path: str
    score: float


@dataclass(frozen=True)
class Match:
    """An item that resembles a query, by its nearest reference.

    Attributes:
        score: cosine of the two embeddings, -1 to 1, higher is better.
        agreement: of local features with one of the item's references; None: not compared.
        agreed_id: that reference.
        references: the nearest ones of the item, best first.
        prototype: cosine to the mean of all its references, which counts beside the score; None
            where it had no say.
    """

    label: str
    item_id: int
    reference_id: int
    path: str
    score: float
    agreement: Agreement | None = None
    agreed_id: int | None = None
    references: tuple[Near, ...] = field(default=(), compare=False)
    prototype: float | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings."""
        told = self.agreement
        return {
            "label": self.label,
            "item_id": self.item_id,
            "reference_id": self.reference_id,
            "path": self.path,
            "score": self.score,
            "prototype": self.prototype,
            "references": [asdict(each) for each in self.references],
            "agreement": None if told is None else {**told.to_dict(), "with": self.agreed_id},
        }


@dataclass(frozen=True)
class RecognizedObject:
    """One object of a picture.

    Attributes:
        box: xyxy in pixels of the original picture; None for the whole picture.
        detection_score: of the detector; None where no detector chose the box.
        label: of the best match if that is to be believed, else None: unknown.
        matches: items, best first, at most `top_k`: in order of score, but for one that its
            prototype puts first, and those that geometry speaks for.
        confidence: probability that the best match is right; None where the gallery is not
            calibrated, or geometry has put another item first than the scores.
        margin: how far its score is above that of the best other item.
        decided_by: what made the best match the answer, or not: `score` against the threshold,
            `lead` where the next item is nearly as near, `confidence` against the operating
            point, or `geometry`.
        rejected: items that are no answer, because that was said of nearly the same picture.
        recognition_id: of the log, where it was noted.
        embedding: unit (dim,), as the network made it.
        lead: share by which the best match is nearer than the next item, by the mean of its two
            cosines and by the points that agree; None where there is no other, or geometry put it
            first.
        rival: label of that next item, which need not be among the matches; where geometry put
            another item first, of the one that the scores have there; None: there is none.
    """

    box: Box | None
    detection_score: float | None
    label: str | None
    matches: tuple[Match, ...]
    confidence: float | None = None
    margin: float | None = None
    decided_by: str = SCORE
    rejected: tuple[Rejected, ...] = ()
    recognition_id: int | None = None
    embedding: Float32Array | None = field(default=None, repr=False, compare=False)
    lead: float | None = None
    rival: str | None = None

    @property
    def score(self) -> float | None:
        """Score of the best match, whether it was trusted or not."""
        return self.matches[0].score if self.matches else None

    @property
    def agreement(self) -> Agreement | None:
        """Agreement of local features with the best match; None where none was looked for."""
        return self.matches[0].agreement if self.matches else None

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings."""
        return {
            "box": self.box,
            "detection_score": self.detection_score,
            "label": self.label,
            "matches": [match.to_dict() for match in self.matches],
            "confidence": self.confidence,
            "margin": self.margin,
            "lead": self.lead,
            "decided_by": self.decided_by,
            "rejected": [asdict(each) for each in self.rejected],
            "recognition_id": self.recognition_id,
            "score": self.score,
            "unknown": self.label is None,
        }


def same_object(first: Box, second: Box) -> bool:
    """Whether two boxes with the same answer are one object."""
    return float(overlap([first], [second])[0, 0]) > _SAME_OBJECT


@dataclass(frozen=True)
class Recognition:
    """What was recognised in one picture.

    Attributes:
        objects: best detection first.
        dropped: boxes without an answer, the stage that dropped them and why.
        threshold: score below which a label was not trusted.
        operating_point: confidence below which a label was not trusted; None where the score
            decided.
        milliseconds: time by stage: detect, embed, search, and verify if it may be done.
        notes: what is to be said about the filter, if there was one, and about rejected matches.
        lead: share by which a label had to be nearer than the next one, where the score decided.
        points: whether points that agree had a say.
        filtered: whether only items that a filter allows could be answers.
    """

    objects: tuple[RecognizedObject, ...]
    dropped: tuple[Dropped, ...]
    threshold: float
    milliseconds: Mapping[str, float]
    notes: tuple[str, ...] = ()
    operating_point: float | None = None
    lead: float = 0.0
    points: bool = False
    filtered: bool = False

    def what_would_change(self, item: RecognizedObject) -> str:
        """Say in a sentence what would make another answer of the one for an object."""
        return what_would_change(
            item,
            self.threshold,
            self.operating_point,
            self.lead,
            points=self.points,
            around=self._around(item),
            filtered=self.filtered,
        )

    def _around(self, item: RecognizedObject) -> Box | None:
        """The box that an object may be merged with, if it had a name."""
        if item.box is None:
            return None
        near = (each for each in self.objects if each.box and same_object(each.box, item.box))
        return next((each.box for each in near if self._outranks(each, item)), None)

    def _outranks(self, other: RecognizedObject, item: RecognizedObject) -> bool:
        """Whether what names an object gives another one that name, too, by a higher score."""
        if not item.matches or not other.matches:
            return False
        mine, its = item.matches[0], other.matches[0]
        needed = self.lead if item.lead is None else min(item.lead, self.lead)
        ahead = other.label is not None or other.lead is None or other.lead >= needed
        return its.item_id == mine.item_id and its.score > mine.score and ahead

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings, as `shitu recognize --json` prints them."""
        return {
            "objects": [
                {**item.to_dict(), "what_would_change": self.what_would_change(item)}
                for item in self.objects
            ],
            "dropped": [asdict(item) for item in self.dropped],
            "threshold": self.threshold,
            "lead": self.lead,
            "operating_point": self.operating_point,
            "milliseconds": dict(self.milliseconds),
            "notes": list(self.notes),
        }
