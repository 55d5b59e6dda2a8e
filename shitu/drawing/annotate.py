"""Boxes and labels in a picture, readable at any size of it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from shitu.drawing.text import Mask, fit_line
from shitu.geometry import Box, clip, intersection
from shitu.images import Image

Colour: TypeAlias = tuple[int, int, int]

UNKNOWN: Colour = (128, 128, 128)
PALETTE: tuple[Colour, ...] = (
    (230, 60, 50),
    (0, 130, 200),
    (60, 165, 65),
    (245, 150, 30),
    (145, 70, 190),
    (0, 150, 150),
    (225, 70, 165),
    (160, 110, 45),
    (255, 205, 20),
    (70, 90, 215),
)
_SMALLEST_TEXT = 9


@dataclass(frozen=True)
class Mark:
    """One object to be drawn: where it is, what it is called, whether it was recognised.

    `colour` is RGB; by default the same text has the same colour in every picture. Objects that
    are not `known` are grey and dashed. No text, no tag.
    """

    box: Box
    text: str = ""
    colour: Colour | None = None
    known: bool = True

    @property
    def paint(self) -> Colour:
        """The colour that it is drawn in."""
        if self.colour is not None:
            return self.colour
        if not self.known:
            return UNKNOWN
        return PALETTE[zlib.crc32(self.text.encode("utf-8", "replace")) % len(PALETTE)]


@dataclass(frozen=True)
class _Tag:
    left: int
    top: int
    line: Mask
    paint: Colour
    margin: int

    @property
    def box(self) -> Box:
        height, width = _padded(self.line, self.margin)
        return (self.left, self.top, self.left + width, self.top + height)


def annotate(image: Image, marks: Sequence[Mark]) -> Image:
    """Return a copy of the picture with a box and a tag for each mark.

    Tags stay inside the picture, grow with it, and keep off one another where there is room; a
    text that is too long is shrunk, then cut with an ellipsis. In a picture with no room for a
    line of text (about 12 pixels high) there are boxes only.
    """
    height, width = image.shape[:2]
    size = max(12, round(math.sqrt(width * height) / 45))
    canvas = Pillow.fromarray(np.array(image))
    pen = ImageDraw.Draw(canvas)
    boxes = [_inside(mark.box, width, height) for mark in marks]
    stroke = max(1, round(size / 7))
    for mark, box in zip(marks, boxes, strict=True):
        _draw_box(pen, box, mark, stroke)
    tags: list[_Tag] = []
    for mark, box in zip(marks, boxes, strict=True):
        tag = _place(mark, box, tags, size, (height, width))
        if tag is not None:
            tags.append(tag)
    for tag in tags:
        _draw_tag(canvas, pen, tag)
    return np.array(canvas)


def _inside(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = clip([box], width, height)[0].tolist()
    left, top = min(int(left), width - 1), min(int(top), height - 1)
    return left, top, max(left + 1, math.ceil(right)), max(top + 1, math.ceil(bottom))


def _draw_box(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], mark: Mark, stroke: int
) -> None:
    left, top, right, bottom = box
    rim = max(1, stroke // 3)
    for bar in _bars(left, top, right, bottom, stroke, dash=0 if mark.known else 4 * stroke):
        x0, y0, x1, y1 = bar
        # A thin rim of the opposite lightness shows the line on any background.
        pen.rectangle((x0 - rim, y0 - rim, x1 + rim - 1, y1 + rim - 1), fill=_ink(mark.paint))
    for x0, y0, x1, y1 in _bars(left, top, right, bottom, stroke, 0 if mark.known else 4 * stroke):
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), fill=mark.paint)


def _bars(
    left: int, top: int, right: int, bottom: int, stroke: int, dash: int
) -> list[tuple[int, int, int, int]]:
    """Filled rectangles (right and bottom exclusive) that make up a frame, dashed if `dash`."""
    stroke = max(1, min(stroke, (right - left + 1) // 2, (bottom - top + 1) // 2))
    bars = []
    for x0, x1 in _dashes(left, right, dash):
        bars += [(x0, top, x1, top + stroke), (x0, bottom - stroke, x1, bottom)]
    for y0, y1 in _dashes(top, bottom, dash):
        bars += [(left, y0, left + stroke, y1), (right - stroke, y0, right, y1)]
    return bars


def _dashes(low: int, high: int, dash: int) -> list[tuple[int, int]]:
    """Cut low..high in dashes with gaps between; a dash at both ends, so that corners show."""
    if dash <= 0:
        return [(low, high)]
    gaps = max(0, round(((high - low) / dash - 1) / 2))
    step = (high - low) / (2 * gaps + 1)
    return [(low + round(2 * i * step), low + round((2 * i + 1) * step)) for i in range(gaps + 1)]


def _place(
    mark: Mark,
    box: tuple[int, int, int, int],
    taken: Sequence[_Tag],
    size: int,
    picture: tuple[int, int],
) -> _Tag | None:
    if not mark.text.strip():
        return None
    height, width = picture
    fitted = _fit(mark.text, size, width, height)
    if fitted is None:
        return None
    line, margin = fitted
    spots = _spots(box, _padded(line, margin), picture)
    if taken:
        # (spots, tags): the first spot that is free, else the one that covers least.
        covered = intersection(spots, [tag.box for tag in taken]).sum(axis=1)
        best = int(np.argmin(covered))
    else:
        best = 0
    left, top = (int(corner) for corner in spots[best][:2])
    return _Tag(left, top, line, mark.paint, margin)


def _fit(text: str, size: int, width: int, height: int) -> tuple[Mask, int] | None:
    """Return the line and its margin: shrunk by up to a quarter for it all to fit, else cut."""
    least = max(_SMALLEST_TEXT, size - size // 4)
    for smaller in (*range(size, least, -1), *range(least, _SMALLEST_TEXT - 1, -1)):
        margin = max(1, min(smaller // 4, (smaller - 6) // 3))
        line = fit_line(text, smaller, width - 2 * margin, cut=smaller <= least)
        if line is not None and _padded(line, margin)[0] <= height:
            return line, margin
    return None


def _spots(
    box: tuple[int, int, int, int], tag: tuple[int, int], picture: tuple[int, int]
) -> list[Box]:
    """Where a tag may go, best first: above its box, in its top, then all along its sides."""
    (height, width), (tag_height, tag_width) = picture, tag
    left, top, right, bottom = box
    columns = (left, right - tag_width, (left + right - tag_width) // 2)
    rows = [top - tag_height, top, bottom, bottom - tag_height]
    rows += range(top + tag_height, bottom - tag_height, max(1, tag_height // 2))
    rows += [top - tag_height * n for n in (2, 3)] + [bottom + tag_height * n for n in (1, 2)]
    spots = []
    # A row above that had to be pushed into the picture is the row in the top.
    for y in rows:
        for x in columns:
            x0 = max(0, min(x, width - tag_width))
            y0 = max(0, min(y, height - tag_height))
            spots.append((float(x0), float(y0), float(x0 + tag_width), float(y0 + tag_height)))
    return spots


def _draw_tag(canvas: Pillow.Image, pen: ImageDraw.ImageDraw, tag: _Tag) -> None:
    left, top, right, bottom = tag.box
    pen.rectangle((left, top, right - 1, bottom - 1), fill=tag.paint)
    corner = (tag.left + tag.margin, tag.top + tag.margin // 2)
    canvas.paste(_ink(tag.paint), corner, Pillow.fromarray(tag.line))


def _padded(line: Mask, margin: int) -> tuple[int, int]:
    return line.shape[0] + 2 * (margin // 2), line.shape[1] + 2 * margin


def _ink(paper: Colour) -> Colour:
    """Black or white, whichever has the greater contrast (WCAG relative luminance)."""
    linear = [(channel / 255) ** 2.2 for channel in paper]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)
