"""Queries beside the references that they were compared with, equal points joined by lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw

from shitu.drawing.annotate import PALETTE, UNKNOWN, Colour
from shitu.drawing.text import Mask, draw_line, fit_line
from shitu.images import Image

Shares = npt.NDArray[np.float32]

_PANEL = 360  # pixels of a picture's longer side
_GAP = 72  # between the two, where lines are seen best
_EDGE = 24
_TEXT = 16
_LINE = 24  # from one line of text to the next
_MOST = 40  # lines drawn; more would hide the pictures
_FINE = 3  # drawn so many times larger, then made smaller: smooth lines
_PAPER: Colour = (250, 249, 246)
_INK: Colour = (40, 40, 40)
_PALE: Colour = (120, 118, 112)
_RULE: Colour = (222, 219, 212)
_NONE = np.empty((0, 2), np.float32)


@dataclass(frozen=True)
class Pair:
    """A query and its best reference.

    Attributes:
        query, reference: uint8 RGB (h, w, 3); no reference: nothing to show.
        title: the answer, over the pictures.
        captions: what is said below them, one paragraph each.
        query_points, reference_points: (n, 2) places of equal points, best first, as shares of
            width and height.
        outline: (4, 2) where the reference's corners lie in the query, if that is known.
        known: whether there is an answer; else the title is grey.
    """

    query: Image
    reference: Image | None
    title: str
    captions: Sequence[str] = ()
    query_points: Shares = field(default_factory=lambda: _NONE)
    reference_points: Shares = field(default_factory=lambda: _NONE)
    outline: Shares | None = None
    known: bool = True


@dataclass(frozen=True)
class _Panel:
    """A picture on the sheet: pixels of its corner, and itself."""

    left: int
    top: int
    image: Image

    def at(self, shares: Shares) -> npt.NDArray[np.float64]:
        """(n, 2) pixels on the sheet."""
        height, width = self.image.shape[:2]
        return np.asarray(shares * (width, height) + (self.left, self.top), np.float64)


def side_by_side(pairs: Sequence[Pair]) -> Image:
    """Draw one sheet, uint8 RGB, with a row for each pair."""
    width = 2 * _EDGE + 2 * _PANEL + _GAP
    rows = [_row(pair, width) for pair in pairs]
    if not rows:
        return np.full((_EDGE, width, 3), _PAPER, np.uint8)
    rule = np.full((1, width, 3), _RULE, np.uint8)
    return np.vstack([part for row in rows for part in (row, rule)][:-1])


def _row(pair: Pair, width: int) -> Image:
    query, reference = _outlined(_fitted(pair.query), pair.outline), None
    if pair.reference is not None:
        reference = _fitted(pair.reference)
    tall = max(part.shape[0] for part in (query, reference) if part is not None)
    texts = [line for caption in pair.captions for line in _wrapped(caption, width - 2 * _EDGE)]
    top = _EDGE + _LINE + 8
    height = top + tall + 12 + _LINE * len(texts) + _EDGE
    sheet = np.full((height, width, 3), _PAPER, np.uint8)
    title = fit_line(pair.title, _TEXT + 3, width - 2 * _EDGE)
    _write(sheet, title, _EDGE, _EDGE - 4, _INK if pair.known else UNKNOWN)
    left = _panel(sheet, query, _EDGE, top, tall)
    if reference is not None:
        right = _panel(sheet, reference, _EDGE + _PANEL + _GAP, top, tall)
        sheet = _joined(sheet, pair, left, right)
    for i, line in enumerate(texts):
        _write(sheet, line, _EDGE, top + tall + 12 + i * _LINE, _PALE)
    return sheet


def _fitted(image: Image) -> Image:
    """As large as its panel: enlarged, too, for thumbnails are small."""
    height, width = image.shape[:2]
    scale = _PANEL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = Pillow.Resampling.LANCZOS if scale < 1 else Pillow.Resampling.BICUBIC
    return np.asarray(Pillow.fromarray(np.ascontiguousarray(image)).resize(size, how))


def _outlined(image: Image, outline: Shares | None) -> Image:
    """Draw a quadrangle on a picture, as far as it lies in it."""
    if outline is None:
        return image
    height, width = image.shape[:2]
    corners = outline[[0, 1, 2, 3, 0]].astype(np.float64) * (width, height) * _FINE
    large = Pillow.fromarray(image).resize((width * _FINE, height * _FINE))
    pen = ImageDraw.Draw(large)
    for colour, wide in (((255, 255, 255), 5), (PALETTE[1], 2)):
        pen.line([tuple(corner) for corner in corners], colour, wide * _FINE, "curve")
    return np.asarray(large.resize((width, height), Pillow.Resampling.BOX))


def _panel(sheet: Image, image: Image, x: int, top: int, tall: int) -> _Panel:
    """Put a picture in the middle of its column."""
    height, width = image.shape[:2]
    left, y = x + (_PANEL - width) // 2, top + (tall - height) // 2
    sheet[y : y + height, left : left + width] = image
    return _Panel(left, y, image)


def _joined(sheet: Image, pair: Pair, left: _Panel, right: _Panel) -> Image:
    here, there = left.at(pair.query_points[:_MOST]), right.at(pair.reference_points[:_MOST])
    if not len(here):
        return sheet
    large = Pillow.fromarray(sheet).resize(
        (sheet.shape[1] * _FINE, sheet.shape[0] * _FINE), Pillow.Resampling.NEAREST
    )
    pen = ImageDraw.Draw(large)
    # From top to bottom, so that neighbouring lines differ in colour and rarely cross.
    for i, k in enumerate(np.argsort(here[:, 1], kind="stable")):
        colour = PALETTE[i % len(PALETTE)]
        ends = [tuple(end * _FINE) for end in (here[k], there[k])]
        pen.line(ends, colour, _FINE)
        for x, y in ends:
            pen.ellipse((x - 11, y - 11, x + 11, y + 11), (255, 255, 255))
            pen.ellipse((x - 8, y - 8, x + 8, y + 8), colour)
    return np.array(large.resize(sheet.shape[1::-1], Pillow.Resampling.BOX))


def _wrapped(text: str, width: int) -> Iterator[Mask]:
    """Lines of text, broken at blanks; a word that is too long is cut."""
    words, line = text.split(), ""
    for word in words:
        longer = f"{line} {word}".strip()
        if line and draw_line(longer, _TEXT).shape[1] > width:
            yield draw_line(line, _TEXT)
            longer = word
        line = longer
    found = fit_line(line, _TEXT, width) if line else None
    if found is not None:
        yield found


def _write(sheet: Image, line: Mask | None, x: int, y: int, ink: Colour) -> None:
    if line is None:
        return
    spot = sheet[y : y + line.shape[0], x : x + line.shape[1]]
    alpha = line[: spot.shape[0], : spot.shape[1], None] / 255
    spot[:] = (spot * (1 - alpha) + np.array(ink) * alpha).astype(np.uint8)
