"""The fonts in the package: which one has a character, and which one at which size."""

from __future__ import annotations

import bisect
import functools
import json
import logging
from importlib import resources
from pathlib import Path

from PIL import ImageFont, features

_logger = logging.getLogger(__name__)
_FOLDER = Path(str(resources.files("shitu.drawing"))) / "fonts"


@functools.cache
def can_shape() -> bool:
    """Whether Pillow has Raqm, which joins Arabic letters and places Indic vowels.

    Without it right-to-left text is still in order, but letters stand unjoined.
    """
    if features.check("raqm"):
        return True
    _logger.warning(
        "this Pillow has no Raqm: Arabic, Thai and Devanagari labels are drawn without shaping; "
        "install Pillow from its own wheel to have it"
    )
    return False


def font_of(character: str, preferred: str | None = None) -> str | None:
    """Return the preferred font if it has the character, else the first that does, or None."""
    if preferred is not None and _has(preferred, character):
        return preferred
    return next((name for name in _coverage() if _has(name, character)), None)


@functools.lru_cache(maxsize=32)  # a picture needs one size, and seldom more than two fonts
def load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Open one of the fonts at a size in pixels to the em."""
    engine = ImageFont.Layout.RAQM if can_shape() else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(_FOLDER / name), size, layout_engine=engine)


@functools.cache
def _coverage() -> dict[str, tuple[list[int], list[int]]]:
    table = json.loads((_FOLDER / "coverage.json").read_text(encoding="ascii"))
    return {
        name: ([first for first, _ in blocks], [last for _, last in blocks])
        for name, blocks in table.items()
    }


def _has(name: str, character: str) -> bool:
    firsts, lasts = _coverage()[name]
    block = bisect.bisect_right(firsts, ord(character)) - 1
    return block >= 0 and ord(character) <= lasts[block]
