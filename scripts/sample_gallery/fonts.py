"""The freely licensed fonts that letter the packages, each with the Debian package that has it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

# role -> (file below /usr/share/fonts, index in a collection, Debian package)
FONTS: dict[str, tuple[str, int, str]] = {
    "black": ("truetype/lato/Lato-Black.ttf", 0, "fonts-lato"),
    "sans": ("truetype/lato/Lato-Bold.ttf", 0, "fonts-lato"),
    "geometric": ("opentype/league-spartan/LeagueSpartan-Black.otf", 0, "fonts-league-spartan"),
    "tall": ("opentype/bebas-neue/BebasNeue-Bold.otf", 0, "fonts-bebas-neue"),
    "narrow": (
        "opentype/yanone-kaffeesatz/YanoneKaffeesatz-Bold.otf",
        0,
        "fonts-yanone-kaffeesatz",
    ),
    "lobster": ("opentype/lobster/lobster.otf", 0, "fonts-lobster"),
    "brush": ("opentype/kaushanscript/KaushanScript-Regular.otf", 0, "fonts-kaushanscript"),
    "plump": ("truetype/leckerli-one/LeckerliOne-Regular.ttf", 0, "fonts-leckerli-one"),
    "round": ("truetype/comfortaa/Comfortaa-Bold.ttf", 0, "fonts-comfortaa"),
    "slab": ("opentype/roboto/slab/RobotoSlab-Bold.otf", 0, "fonts-roboto-slab"),
    "manga": ("truetype/reggae/ReggaeOne-Regular.ttf", 0, "fonts-reggae"),
    "arabic": ("opentype/fonts-hosny-amiri/Amiri-Bold.ttf", 0, "fonts-hosny-amiri"),
    "hei": ("opentype/noto/NotoSansCJK-Bold.ttc", 2, "fonts-noto-cjk"),
    "song": ("opentype/noto/NotoSerifCJK-Bold.ttc", 2, "fonts-noto-cjk"),
}
ROOT = Path("/usr/share/fonts")


class FontsMissingError(RuntimeError):
    """Raised when a font is not installed; the message names the packages to install."""


def require_fonts() -> None:
    """Raises FontsMissingError unless every font is there."""
    missing = sorted({deb for file, _, deb in FONTS.values() if not (ROOT / file).is_file()})
    if missing:
        raise FontsMissingError(
            f"fonts for the packages are missing in {ROOT}: apt-get install {' '.join(missing)}"
        )


@lru_cache(maxsize=512)
def font(role: str, size: int) -> ImageFont.FreeTypeFont:
    file, index, _ = FONTS[role]
    return ImageFont.truetype(str(ROOT / file), size, index=index)
