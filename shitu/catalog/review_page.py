"""Recognitions that wait for an answer, as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import PurePath

from shitu.figures import many
from shitu.gallery.recognitions import LoggedRecognition
from shitu.images import load_image, thumbnail
from shitu.pages import head, picture, printable, with_commands

ITEMS = 3  # matches shown of each recognition


def wanted_pictures(found: Iterable[LoggedRecognition]) -> list[int]:
    """The references whose thumbnails the page shows, each but once."""
    matches = (match for one in found for match in one.seen.matches[:ITEMS])
    return list(dict.fromkeys(match.reference_id for match in matches))


def page(found: Sequence[LoggedRecognition], thumbnails: Mapping[int, bytes]) -> str:
    """Return the page.

    Args:
        found: in the order in which they are shown.
        thumbnails: JPEG by reference id; see `wanted_pictures`.
    """
    title = f"<h1>{many(len(found), 'recognition')} to be answered</h1>"
    cards = (_card(one, thumbnails) for one in found)
    return "\n".join((head("Review"), title, *cards, "</html>\n"))


def _card(one: LoggedRecognition, thumbnails: Mapping[int, bytes]) -> str:
    seen, number = one.seen, one.recognition_id
    name = "a picture" if seen.path is None else printable(PurePath(seen.path).name)
    small = thumbnail(load_image(seen.crop))
    columns = [f"<section><h3>looked up</h3>{_figure(small, name)}</section>"]
    columns += [
        f"<section><h3 dir='auto'>{escape(match.label)}</h3>"
        f"{_figure(thumbnails.get(match.reference_id), f'score {match.score:.2f}')}</section>"
        for match in seen.matches[:ITEMS]
    ]
    answer = "unknown" if seen.label is None else seen.label
    sure = "" if seen.confidence is None else f", confidence {seen.confidence:.2f}"
    told = (
        f"`shitu confirm {number}` if it is {seen.matches[0].label!r}, `shitu reject {number}` if "
        f"not, `shitu confirm {number} --label ...` if it is something else"
        if seen.matches
        else f"`shitu confirm {number} --label ...` says what it is"
    )
    return (
        f"<article class='{'warning' if seen.label is None else 'info'}'><h2>{number}: "
        f"<bdi>{escape(answer)}</bdi> "
        f"<small>ambiguity {one.ambiguity:.2f}{sure}, {one.at[:16]}</small></h2>"
        f"<p>{with_commands(told)}</p><div class='items'>{''.join(columns)}</div></article>"
    )


def _figure(jpeg: bytes | None, caption: str) -> str:
    return f"<figure>{picture(jpeg)}<figcaption>{escape(caption)}</figcaption></figure>"
