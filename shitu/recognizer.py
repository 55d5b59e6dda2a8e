"""The story: picture -> boxes -> crops -> embeddings -> neighbours -> labels or `unknown`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.calibration import Calibration
from shitu.candidates import Decider, Found, Verdict, answers_first, depth
from shitu.config import LEAD, PROTOTYPE_WEIGHT
from shitu.cropper import WHOLE, Candidate, Candidates, Cropper, Dropped
from shitu.deciding import Rejected, Rule
from shitu.embedder import Embedder
from shitu.gallery import Reference
from shitu.geometry import area, crop, overlap
from shitu.images import Image
from shitu.index import Neighbours
from shitu.looking import Clock, Look
from shitu.prototypes import Floats, table
from shitu.recognition import Recognition, RecognizedObject, same_object
from shitu.runtime.session import Float32Array
from shitu.verifier.reranking import Sight, Verifier

if TYPE_CHECKING:
    from shitu.gallery.where import Selection, Where

Int64Array: TypeAlias = npt.NDArray[np.int64]

_PART = 0.9  # share of an unknown box that lies in a larger one with a name


Screened: TypeAlias = tuple[Neighbours, Sequence[tuple[Rejected, ...]]]
Screening: TypeAlias = Callable[[Float32Array, Neighbours, Int64Array | None], Screened]


def _nothing_rejected(
    embeddings: Float32Array, found: Neighbours, allowed: Int64Array | None
) -> Screened:
    return found, [()] * len(embeddings)


class SideBySide(Protocol):
    """Works on several things, one after the other or at once, as `map` does."""

    def __call__(
        self,
        work: Callable[[_Found, Image], Verdict],
        found: Iterable[_Found],
        crops: Iterable[Image],
        /,
    ) -> Iterable[Verdict]:
        """What becomes of each, in order."""


class Lookup(Protocol):
    """Where neighbours come from."""

    def search(
        self, queries: Float32Array, k: int, allowed: Int64Array | None = None
    ) -> Neighbours:
        """The k nearest references of each query (n, dim), among those allowed."""

    def select(self, where: str | Where) -> Selection:
        """The references that a filter allows; raises WhereError."""

    def closeness(self, queries: Float32Array, items: Int64Array) -> Floats:
        """Cosines (m, k) of queries (m, dim) with the prototypes of items (m, k); -1: none."""

    def references(self, reference_ids: Iterable[int]) -> Mapping[int, Reference]:
        """What the gallery knows of these references; those that are gone are missing."""


class Recognizer:
    """Names the objects in pictures.

    Args:
        cropper: chooses the boxes.
        embedder: turns crops into vectors.
        lookup: the gallery and its index.
        threshold: a label whose score is lower is `unknown`.
        top_k: items listed as matches of each object.
        calibration: what is known of the scores at the moment, if anything.
        by_score: the threshold decides what is unknown even where there is a calibration.
        screening: puts others in place of neighbours that were rejected for such queries.
        verifier: checks the nearest items by geometry, if anything does.
        prototype_weight: how much an item's prototype counts beside its nearest reference.
        lead: a label that is nearer than the next by less than this share is `unknown` where the
            score decides.
        side_by_side: how the objects of a picture are decided on; has no influence on the answers.
    """

    def __init__(
        self,
        cropper: Cropper,
        embedder: Embedder,
        lookup: Lookup,
        threshold: float,
        top_k: int = 5,
        calibration: Callable[[], Calibration | None] = lambda: None,
        *,
        by_score: bool = False,
        screening: Screening = _nothing_rejected,
        verifier: Verifier | None = None,
        prototype_weight: float = PROTOTYPE_WEIGHT,
        lead: float = LEAD,
        side_by_side: SideBySide = map,
    ) -> None:
        self._cropper = cropper
        self._embedder = embedder
        self._lookup = lookup
        self._rule = Rule(threshold, by_score, prototype_weight, lead)
        self._top_k = top_k
        self._calibration = calibration
        self._screening = screening
        self._verifier = verifier
        self._side_by_side = side_by_side

    def recognize(
        self,
        image: Image,
        *,
        whole_image: bool = False,
        where: str | Where | None = None,
        look: Look | None = None,
    ) -> Recognition:
        """Recognise the objects in one picture, uint8 RGB (h, w, 3), or take it as one object.

        Args:
            image: the picture.
            whole_image: take it as one object.
            where: a filter; only items that it allows are answers.
            look: what the networks made of the picture, if that is known already.

        Raises:
            WhereError: the filter cannot be read.
        """
        allowed, notes = self._allowed(where)
        clock = Clock()
        # Boxes first: the detector knows no product, only that something is an object.
        candidates = look.candidates if look else self._candidates(image, whole_image=whole_image)
        clock.lap("detect")
        # Each crop becomes one vector, in the space that the gallery's vectors live in.
        crops = [image if c.box is None else crop(image, c.box) for c in candidates.kept]
        embeddings = look.embeddings if look else self._embedder.embed(crops)
        clock.lap("embed")
        # The nearest reference and the mean of all of them decide which item it is.
        decider = Decider(self._rule, self._calibration(), self._verifier)
        found = self._look_up(embeddings, allowed, decider.calibration)
        clock.lap("search")
        # Where that leaves doubt, the items' pictures are laid over the crop, point by point.
        verdicts = self._side_by_side(
            lambda each, part: decider.decide(each.found, _sight(decider, part)), found, crops
        )
        objects = [
            self._object(candidate, verdict, each)
            for candidate, verdict, each in zip(candidates.kept, verdicts, found, strict=True)
        ]
        if self._verifier is not None:
            clock.lap("verify")
        notes += tuple(_said_of_rejected(objects))
        notes += () if decider.note is None else (decider.note,)
        # Two boxes around the same thing with the same answer are one object; so is its lid.
        objects, merged = _merge(objects)
        return Recognition(
            tuple(objects),
            (*merged, *candidates.dropped),
            self._rule.threshold,
            {**clock.laps, **(look.milliseconds if look else {})},
            notes,
            decider.operating_point,
            self._rule.lead,
            self._verifier is not None,
            where is not None,
        )

    def _candidates(self, image: Image, *, whole_image: bool) -> Candidates:
        return WHOLE if whole_image else self._cropper.candidates(image)

    def _allowed(self, where: str | Where | None) -> tuple[Int64Array | None, tuple[str, ...]]:
        if where is None:
            return None, ()
        selection = self._lookup.select(where)
        return selection.ids, selection.notes

    def _look_up(
        self,
        embeddings: Float32Array,
        allowed: Int64Array | None,
        calibration: Calibration | None,
    ) -> list[_Found]:
        neighbours = self._lookup.search(embeddings, depth(self._top_k), allowed)
        # What somebody said is not this, is not this in nearly the same picture either.
        neighbours, rejected = self._screening(embeddings, neighbours, allowed)
        known = self._lookup.references({int(i) for i in neighbours.reference_ids.flat if i >= 0})
        items = _items_of(neighbours.reference_ids, known)
        weight = self._rule.prototype_weight
        closeness = self._lookup.closeness(embeddings, items) if weight else None
        ordered = answers_first(neighbours, items, closeness, weight)
        sure = None if calibration is None else calibration.confidence(ordered.evidence)
        return [
            _Found(
                ordered.found(i, known, None if sure is None else float(sure[i])),
                rejected[i],
                embeddings[i],
            )
            for i in range(len(embeddings))
        ]

    def _object(self, candidate: Candidate, verdict: Verdict, found: _Found) -> RecognizedObject:
        return RecognizedObject(
            candidate.box,
            candidate.score,
            verdict.matches[0].label if verdict.trusted else None,
            verdict.matches[: self._top_k],
            verdict.confidence,
            verdict.margin,
            verdict.decided_by,
            found.rejected,
            embedding=found.embedding,
            lead=verdict.lead,
            rival=verdict.rival,
        )


@dataclass(frozen=True)
class _Found:
    """What the embeddings, and those who were asked before, say of a query."""

    found: Found
    rejected: tuple[Rejected, ...]
    embedding: Float32Array


def _sight(decider: Decider, image: Image) -> Sight | None:
    return decider.see(lambda: image)


def _items_of(reference_ids: Int64Array, known: Mapping[int, Reference]) -> Int64Array:
    """Item of each reference (m, k); -1 where there is none."""
    owners = {number: reference.item_id for number, reference in known.items()}
    return table(reference_ids, lambda _: owners, -1)


def _said_of_rejected(objects: Iterable[RecognizedObject]) -> Iterator[str]:
    for one in (one for item in objects for one in item.rejected):
        if one.score is not None:
            yield (
                f"{one.label!r} (score {one.score:.2f}) is no answer here: it was rejected on "
                f"{one.at[:10]} for nearly the same picture (rejection {one.rejection_id})"
            )


def _merge(
    objects: Sequence[RecognizedObject],
) -> tuple[list[RecognizedObject], list[Dropped]]:
    """Keep the best-scored of boxes around one thing: of one label, or a nameless part."""
    kept: list[RecognizedObject] = []
    dropped: list[Dropped] = []
    for item in sorted(objects, key=lambda o: (o.label is None, -(o.score or 0.0))):
        reason = next((why for k in kept if (why := _why_merged(k, item))), None)
        if reason is None or item.box is None:
            kept.append(item)
        else:
            dropped.append(Dropped(item.box, item.detection_score or 0.0, "merge", reason))
    return sorted(kept, key=lambda o: -(o.detection_score or 0.0)), dropped


def _why_merged(first: RecognizedObject, second: RecognizedObject) -> str | None:
    """Why the second is no object beside the first, if so."""
    if first.label is None or first.box is None or second.box is None:
        return None
    if second.label is None:
        mine, other = area([first.box, second.box])
        part = other < mine and overlap([first.box], [second.box])[0, 0] > _PART
        return f"unknown, and part of {first.label!r}" if part else None
    if first.label == second.label and same_object(first.box, second.box):
        return f"lies on another box with the same answer, {first.label!r}"
    return None
