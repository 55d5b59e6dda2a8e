"""Naming a state of the past: by its generation or by a date."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timezone

from shitu.errors import GalleryError

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Moment:
    """A generation, or a stretch of time: a day, or a single point.

    Attributes:
        text: as it was named.
        generation: None where it was named by a date.
        start, end: first and last time of it, written as the log writes times.
    """

    text: str
    generation: int | None = None
    start: str = ""
    end: str = ""


def parse_moment(named: int | str | date | Moment) -> Moment:
    """Read a generation, or a date with or without time; UTC where no zone is named.

    Raises:
        GalleryError: it is neither.
    """
    if isinstance(named, Moment):
        return named
    text = str(named).strip()
    if re.fullmatch(r"\d{1,18}", text):
        return Moment(text, int(text))
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            start, end = (datetime.combine(day, at) for at in (time.min, time.max))
        else:
            start = end = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
        return Moment(text, None, _spelt(start), _spelt(end))
    except (ValueError, OverflowError):
        raise GalleryError(
            f"{text!r} is neither a generation nor a date: give a number from `shitu history`, or "
            "a date such as 2026-11-24 or 2026-11-24T18:30"
        ) from None


def _spelt(moment: datetime) -> str:
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
    utc = zoned.astimezone(timezone.utc)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
