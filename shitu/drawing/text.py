"""One line of text in any script, as a mask: a font for each run, right-to-left in order."""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw

from shitu.drawing.bidi import in_sight_order, levels
from shitu.drawing.fonts import can_shape, font_of, load_font

Mask: TypeAlias = npt.NDArray[np.uint8]
"""(height, width) uint8: 0 where there is no ink, 255 where it is full."""

DIGITS_FONT = "DejaVuSans.woff"
EMOJI_FONT = "NotoEmoji_500Medium.woff"
ELLIPSIS = "…"
_JOINERS = "\u200c\u200d"
_LINE = (0.80, 0.24)  # above and below the baseline, in em: room for any Latin letter


@dataclass(frozen=True)
class Run:
    """A stretch of text in one font and one direction; `font` is None where no font has it."""

    text: str
    font: str | None
    level: int = 0

    @property
    def rtl(self) -> bool:
        """Whether it runs right to left."""
        return self.level % 2 == 1


def split_runs(text: str) -> list[Run]:
    """Return the runs of a line from left to right as they are to be seen."""
    characters = [c for c in map(_visible, text) if c]
    runs: list[Run] = []
    for character, level in zip(characters, levels(characters), strict=True):
        last = runs[-1] if runs else None
        font = _font(character, last.font if last else None)
        if font is None and character in _JOINERS:
            continue
        if last is not None and font is not None and (last.font, last.level) == (font, level):
            runs[-1] = Run(last.text + character, font, level)
        else:
            runs.append(Run(character, font, level))
    return in_sight_order(runs, [run.level for run in runs])


def _font(character: str, last: str | None) -> str | None:
    if character in _JOINERS:  # a font need not have them for them to work in it
        return last
    category = unicodedata.category(character)
    if category == "Cc":  # some fonts have them, as nothing
        return None
    # Accents, blanks and signs stay with what they follow where they can; but the blanks and the
    # digits among the emoji are as wide as those.
    keep = not category.startswith("L") and last != EMOJI_FONT
    return font_of(character, last if keep else None)


def draw_line(text: str, size: int) -> Mask:
    """Draw text in one line, `size` pixels to the em; a character without a glyph is a box
    around its code point, so that nothing is ever left out.
    """
    pieces = [_draw_run(run, size) for run in split_runs(text)] or [_Piece.blank()]
    above = max([round(_LINE[0] * size), *(piece.above for piece in pieces)])
    below = max([round(_LINE[1] * size), *(piece.ink.shape[0] - piece.above for piece in pieces)])
    pens = list(itertools.accumulate((piece.advance for piece in pieces), initial=0))
    starts = [pen + piece.left for pen, piece in zip(pens, pieces, strict=False)]
    ends = [x + piece.ink.shape[1] for x, piece in zip(starts, pieces, strict=True)]
    # Ink may reach beyond the advance: the hook of an f does.
    left, right = min(0, *starts), max(1, pens[-1], *ends)
    line = np.zeros((above + below, right - left), np.uint8)
    for x, piece in zip(starts, pieces, strict=True):
        _blend(line, piece.ink, x - left, above - piece.above)
    return line


def fit_line(text: str, size: int, width: int, *, cut: bool = True) -> Mask | None:
    """Draw text no wider than `width`, cut short with an ellipsis if need be.

    None where not even the first character fits, or where it would have to be but may not be cut.
    """
    # No more than can be seen: a letter is at least size / 4 wide, and may have accents.
    most = 16 + 12 * width // size
    if len(text) <= most:
        line = draw_line(text, size)
        if line.shape[1] <= width:
            return line
    if not cut:
        return None
    low, high = 0, min(len(text) - 1, most)
    best = None
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        line = draw_line(text[:middle].rstrip() + ELLIPSIS, size)
        if line.shape[1] <= width:
            low, best = middle, line
        else:
            high = middle - 1
    return best


@dataclass(frozen=True)
class _Piece:
    """The ink of a run: `left` of the pen it starts, `above` of its rows are over the baseline."""

    ink: Mask
    left: int
    above: int
    advance: int

    @staticmethod
    def blank() -> _Piece:
        return _Piece(np.zeros((0, 0), np.uint8), 0, 0, 0)


def _draw_run(run: Run, size: int) -> _Piece:
    if run.font is None:
        return _code_point_box(run.text, size)
    font = load_font(run.font, size)
    text, direction = run.text, None
    if can_shape():
        direction = "rtl" if run.rtl else "ltr"
    elif run.rtl:
        text = text[::-1]
    left, top, right, bottom = font.getbbox(text, anchor="ls", direction=direction)
    advance = round(font.getlength(text, direction=direction))
    # One pixel around, because the box of antialiased ink is sometimes short by one.
    box = (int(left) - 1, int(top) - 1, int(right) + 2, int(bottom) + 2)
    canvas = Pillow.new("L", (max(1, box[2] - box[0]), max(1, box[3] - box[1])))
    ImageDraw.Draw(canvas).text(
        (-box[0], -box[1]), text, fill=255, font=font, anchor="ls", direction=direction
    )
    return _trim(_Piece(np.asarray(canvas), box[0], -box[1], advance))


def _trim(piece: _Piece) -> _Piece:
    rows, columns = np.flatnonzero(piece.ink.any(axis=1)), np.flatnonzero(piece.ink.any(axis=0))
    if not rows.size:
        return _Piece(np.zeros((0, 0), np.uint8), 0, 0, piece.advance)
    ink = piece.ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _Piece(ink, piece.left + int(columns[0]), piece.above - int(rows[0]), piece.advance)


def _code_point_box(character: str, size: int) -> _Piece:
    """Draw a frame with the number of the character in two rows, as browsers do."""
    number = f"{ord(character):04X}"
    number = number if len(number) == 4 else number.zfill(6)
    half = len(number) // 2
    font = load_font(DIGITS_FONT, max(5, round(size * 0.42)))
    cell = max(4, round(size * 0.30))
    height, width = max(10, round(size * 0.95)), cell * half + max(4, size // 4)
    canvas = Pillow.new("L", (width, height))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((0, 0, width - 1, height - 1), outline=255, width=max(1, size // 20))
    for i, digit in enumerate(number):
        x = (width - cell * half) / 2 + cell * (i % half + 0.5)
        y = height * (0.29 if i < half else 0.71)
        pen.text((x, y), digit, fill=255, font=font, anchor="mm")
    gap = max(1, size // 12)
    return _Piece(np.asarray(canvas), gap, round(size * 0.80), width + 2 * gap)


def _blend(line: Mask, ink: Mask, x: int, y: int) -> None:
    height, width = ink.shape
    part = line[y : y + height, x : x + width]
    np.maximum(part, ink, out=part)


def _visible(character: str) -> str:
    """Blanks of all kinds become a blank; what only steers how others look goes."""
    if character in _JOINERS:
        return character
    if character.isspace() and character != "\u3000":
        return " "
    category = unicodedata.category(character)
    steers = category == "Cf" or "\ufe00" <= character <= "\ufe0f"
    return "" if steers else character
