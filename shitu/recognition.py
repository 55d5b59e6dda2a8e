"""What recognition says: items that resemble a query, objects, a whole picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from shitu.cropper import Dropped
from shitu.deciding import Rejected
from shitu.geometry import Box
from shitu.runtime.session import Float32Array


@dataclass(frozen=True)
class Match:
    """An item that resembles a query, by its nearest reference.

    Attributes:
        score: cosine of the two embeddings, -1 to 1, higher is better.
    """

    label: str
    item_id: int
    reference_id: int
    path: str
    score: float


@dataclass(frozen=True)
class RecognizedObject:
    """One object of a picture.

    Attributes:
        box: xyxy in pixels of the original picture; None for the whole picture.
        detection_score: of the detector; None where no detector chose the box.
        label: of the best match if that is to be believed, else None: unknown.
        matches: items in order of score, at most `top_k`.
        confidence: probability that the best match is right; None where the gallery is not
            calibrated.
        margin: how far its score is above that of the next item.
        rejected: items that are no answer, because that was said of nearly the same picture.
        recognition_id: of the log, where it was noted.
        embedding: unit (dim,), as the network made it.
    """

    box: Box | None
    detection_score: float | None
    label: str | None
    matches: tuple[Match, ...]
    confidence: float | None = None
    margin: float | None = None
    rejected: tuple[Rejected, ...] = ()
    recognition_id: int | None = None
    embedding: Float32Array | None = field(default=None, repr=False, compare=False)

    @property
    def score(self) -> float | None:
        """Score of the best match, whether it was trusted or not."""
        return self.matches[0].score if self.matches else None


@dataclass(frozen=True)
class Recognition:
    """What was recognised in one picture.

    Attributes:
        objects: best detection first.
        dropped: boxes without an answer, the stage that dropped them and why.
        threshold: score below which a label was not trusted.
        operating_point: confidence below which a label was not trusted; None where the score
            decided.
        milliseconds: time by stage: detect, embed, search.
        notes: what is to be said about the filter, if there was one, and about rejected matches.
    """

    objects: tuple[RecognizedObject, ...]
    dropped: tuple[Dropped, ...]
    threshold: float
    milliseconds: Mapping[str, float]
    notes: tuple[str, ...] = ()
    operating_point: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings, as `shitu recognize --json` prints them."""
        return {
            "objects": [
                {**_plain(item), "score": item.score, "unknown": item.label is None}
                for item in self.objects
            ],
            "dropped": [asdict(item) for item in self.dropped],
            "threshold": self.threshold,
            "operating_point": self.operating_point,
            "milliseconds": dict(self.milliseconds),
            "notes": list(self.notes),
        }


def _plain(item: RecognizedObject) -> dict[str, Any]:
    """All but the embedding."""
    values = asdict(replace(item, embedding=None))
    del values["embedding"]
    return values
