"""Forgets what was removed long ago, and gives its space back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from shitu.catalog.as_of import Named
from shitu.errors import GalleryError
from shitu.gallery.gallery import Gallery
from shitu.gallery.moments import parse_moment
from shitu.telling import Told

KEPT_DAYS = 90


@dataclass(frozen=True)
class CompactSummary(Told):
    """What a compaction did.

    Attributes:
        before: what was removed in this generation or a later one is kept.
        forgotten: how many references will never come back.
        bytes: of their vectors and thumbnails.
        freed_bytes: by which the database file shrank; None where the database has no file.
        problem: why the file could not be made smaller, None if it could.
    """

    before: int
    forgotten: int
    bytes: int
    freed_bytes: int | None
    problem: str | None
    generation: int


def compact(gallery: Gallery, before: Named | None) -> CompactSummary:
    """Forget what was removed before a moment; see `Catalog.compact`."""
    default = datetime.now(timezone.utc) - timedelta(days=KEPT_DAYS)
    moment = parse_moment(default if before is None else before)
    with gallery.write("compact") as transaction:
        done = transaction.forget(moment)
    freed, problem = None, None
    try:
        freed = gallery.shrink()
    except GalleryError as error:  # what was to be forgotten is, and the space is used again
        problem = str(error)
    return CompactSummary(
        before=done.before,
        forgotten=done.references,
        bytes=done.size,
        freed_bytes=freed,
        problem=problem,
        generation=gallery.head().generation,
    )
