"""The log of recognitions: what was answered, kept until somebody says whether it is so.

It is no part of the gallery: writing it makes no generation, and forgetting it leaves no trace.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select

from shitu.gallery.history import now
from shitu.gallery.tables import item_references, recognitions, rejections
from shitu.geometry import Box

_SLACK = 0.1  # of cosine: a label won or lost by this much is a third as ambiguous as a tie


@dataclass(frozen=True)
class LoggedMatch:
    """An item that resembled the query, best score first."""

    label: str
    item_id: int
    reference_id: int
    score: float


@dataclass(frozen=True, eq=False)
class Seen:
    """One object of a picture, and what was answered.

    Attributes:
        path: of the picture; None where it was no file.
        sha256: of the picture's file; None likewise.
        box: xyxy pixels of the picture; None for all of it.
        crop: JPEG of what was looked up.
        crop_sha256: of that JPEG.
        space: fingerprint of the space of the vector.
        vector: unit float32 (dim,), as the network made it.
        label: the answer, None for unknown.
        margin: how far the best item was ahead of the next.
        confidence: None where there was no calibration.
        operating_point: None where the score decided, by `threshold`.
        lead: share by which the best item was nearer than the next, by both its cosines and by
            the points that agree; None where there was no other, geometry put it first, or nobody
            noted it.
        decided_by: score, lead, confidence or geometry; None where nobody noted it.
    """

    path: str | None
    sha256: str | None
    box: Box | None
    detection_score: float | None
    crop: bytes
    crop_sha256: str
    space: str
    vector: npt.NDArray[np.float32]
    label: str | None
    matches: tuple[LoggedMatch, ...]
    margin: float | None
    confidence: float | None
    threshold: float
    operating_point: float | None
    lead: float | None = None
    decided_by: str | None = None

    @property
    def ambiguity(self) -> float:
        """How near another answer was, from 0 (far) to 1 (a tie).

        Of a calibrated answer it is how near the confidence is to the operating point, else how
        little of score decides: between the best item and the threshold or the next item.
        """
        if not self.matches:
            return 0.0
        if self.confidence is not None and self.operating_point is not None:
            point = self.operating_point
            return 1.0 - abs(self.confidence - point) / max(point, 1.0 - point)
        slack = self.matches[0].score - self.threshold
        if self.label is None and slack >= 0:
            return 1.0  # another item was as near
        if self.label is not None and self.margin is not None:
            slack = min(slack, max(self.margin, 0.0))  # below 0: a picture of another is nearer
        return math.exp(-abs(slack) / _SLACK)


@dataclass(frozen=True, eq=False)
class LoggedRecognition:
    """A row of the log; see `Seen`."""

    recognition_id: int
    at: str
    seen: Seen
    ambiguity: float


class RecognitionLog:
    """Reads and writes the log over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, seen: Sequence[Seen]) -> list[int]:
        """Note some objects; returns their ids, in their order."""
        if not seen:
            return []
        at, number = now(), recognitions.c.recognition_id
        adding = insert(recognitions).returning(number, sort_by_parameter_order=True)
        rows = [_row(one, at) for one in seen]
        return list(self._connection.execute(adding, rows).scalars())

    def get(self, recognition_id: int) -> LoggedRecognition | None:
        """Return one row, None if there is none of that id."""
        where = recognitions.c.recognition_id == recognition_id
        row = self._connection.execute(select(recognitions).where(where)).first()
        return None if row is None else _logged(row)

    def open(self, limit: int | None = None) -> list[LoggedRecognition]:
        """Return what nobody has answered, the most ambiguous first."""
        r = recognitions.c
        query = select(recognitions).where(~_answered())
        query = query.order_by(r.ambiguity.desc(), r.recognition_id.desc())
        rows = self._connection.execute(query if limit is None else query.limit(limit))
        return [_logged(row) for row in rows]

    def counts(self) -> tuple[int, int]:
        """Return how many are logged, and how many of these nobody has answered."""
        count = select(func.count()).select_from(recognitions)
        every = self._connection.execute(count).scalar_one()
        return int(every), int(self._connection.execute(count.where(~_answered())).scalar_one())

    def clear(self, before: str | None = None) -> int:
        """Forget all of it, or what was logged before a time; returns how much that was."""
        gone = delete(recognitions)
        if before is not None:
            gone = gone.where(recognitions.c.at < before)
        return int(self._connection.execute(gone).rowcount)


def _answered() -> ColumnElement[bool]:
    """Whether the crop is a picture of the gallery, or a match of it was rejected."""
    confirmed = select(item_references.c.reference_id).where(
        item_references.c.sha256 == recognitions.c.crop_sha256
    )
    rejected = select(rejections.c.rejection_id).where(
        rejections.c.recognition_id == recognitions.c.recognition_id
    )
    return or_(confirmed.exists(), rejected.exists())


def _row(one: Seen, at: str) -> dict[str, object]:
    box = one.box or (None, None, None, None)
    return {
        "at": at,
        "path": one.path,
        "sha256": one.sha256,
        **dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)),
        "detection_score": one.detection_score,
        "crop": one.crop,
        "crop_sha256": one.crop_sha256,
        "space": one.space,
        "vector": np.asarray(one.vector, "<f4").tobytes(),
        "label": one.label,
        "matches": [asdict(match) for match in one.matches],
        "margin": one.margin,
        "confidence": one.confidence,
        "threshold": one.threshold,
        "operating_point": one.operating_point,
        "ambiguity": one.ambiguity,
        "lead": one.lead,
        "decided_by": one.decided_by,
    }


def _logged(row: Row[tuple[object, ...]]) -> LoggedRecognition:
    r = row._mapping
    seen = Seen(
        path=r["path"],
        sha256=r["sha256"],
        box=None if r["x0"] is None else (r["x0"], r["y0"], r["x1"], r["y1"]),
        detection_score=r["detection_score"],
        crop=bytes(r["crop"]),
        crop_sha256=r["crop_sha256"],
        space=r["space"],
        vector=np.frombuffer(r["vector"], "<f4").astype(np.float32),
        label=r["label"],
        matches=tuple(LoggedMatch(**match) for match in r["matches"]),
        margin=r["margin"],
        confidence=r["confidence"],
        threshold=r["threshold"],
        operating_point=r["operating_point"],
        lead=r["lead"],
        decided_by=r["decided_by"],
    )
    return LoggedRecognition(r["recognition_id"], r["at"], seen, r["ambiguity"])
