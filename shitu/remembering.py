"""From a recognition to what the log keeps of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shitu.catalog.portraits import portrait
from shitu.gallery import Space
from shitu.gallery.recognitions import LoggedMatch, Seen
from shitu.images import Image, read_bytes
from shitu.recognition import Recognition, RecognizedObject


def seen_in(
    image: Image, source: Path | bytes | None, found: Recognition, space: Space
) -> list[Seen]:
    """Return the objects of a picture, with their crops, as the log takes them.

    Args:
        source: file or bytes of the picture; None where there were only pixels.
    """
    path = str(source.absolute()) if isinstance(source, Path) else None
    data = read_bytes(source) if isinstance(source, Path) else source
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    return [
        _seen(image, item, found, space, path, digest)
        for item in found.objects
        if item.embedding is not None
    ]


def with_ids(found: Recognition, ids: Sequence[int]) -> Recognition:
    """Return a recognition whose objects say under which id they are in the log."""
    numbers = iter(ids)
    objects = tuple(
        item if item.embedding is None else replace(item, recognition_id=next(numbers))
        for item in found.objects
    )
    return replace(found, objects=objects)


def _seen(
    image: Image,
    item: RecognizedObject,
    found: Recognition,
    space: Space,
    path: str | None,
    digest: str | None,
) -> Seen:
    assert item.embedding is not None  # noqa: S101 - the caller has looked
    crop = portrait(image, item.box)
    return Seen(
        path=path,
        sha256=digest,
        box=item.box,
        detection_score=item.detection_score,
        crop=crop,
        crop_sha256=hashlib.sha256(crop).hexdigest(),
        space=space.fingerprint,
        vector=item.embedding,
        label=item.label,
        matches=tuple(
            LoggedMatch(match.label, match.item_id, match.reference_id, match.score)
            for match in item.matches
        ),
        margin=item.margin,
        confidence=item.confidence,
        threshold=found.threshold,
        operating_point=found.operating_point,
        lead=item.lead,
        decided_by=item.decided_by,
    )
