"""Cut the label fonts in shitu/drawing/fonts from their free originals (needs fonttools).

The originals are in these Debian packages, and the emoji in an npm one:

    fonts-dejavu-core                DejaVuSans.ttf
    fonts-droid-fallback             DroidSansFallback.ttf (not ...Full)
    fonts-noto-core                  NotoSansThai-Regular.ttf, NotoSansDevanagari-Regular.ttf
    @expo-google-fonts/noto-emoji    500Medium/NotoEmoji_500Medium.ttf

All five are named in one run:

    python scripts/make_fonts.py FILE... [--out shitu/drawing/fonts]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem

ALL = [range(0x110000)]
# Kept of each original. Hinting goes: labels are drawn antialiased, and it is a third of the size.
KEPT = {
    "DejaVuSans": [
        range(0x20, 0x250),  # Latin
        range(0x2B0, 0x588),  # modifiers, accents, Greek, Cyrillic, Armenian
        range(0x5B0, 0x5F5),  # Hebrew
        range(0x600, 0x700),  # Arabic
        range(0x10A0, 0x1100),  # Georgian
        range(0x1E00, 0x2000),  # Latin and Greek with accents
        range(0x2000, 0x2600),  # punctuation, currency, letter-like, arrows, mathematics, boxes
        range(0xFB1D, 0xFE00),  # Hebrew and Arabic forms
        range(0xFE20, 0xFE24),
        range(0xFE70, 0xFEFF),
        [0x2713, 0x2714, 0x2717, 0x2718, 0xFB01, 0xFB02, 0xFFFD],
    ],
    "DroidSansFallback": [
        range(0x2E80, 0x3400),  # radicals, punctuation, kana, bopomofo, jamo, squared
        range(0x4E00, 0x9FA6),  # all unified ideographs of Unicode 1.1
        range(0xAC00, 0xD7A4),  # all Hangul syllables
        range(0xF900, 0xFB00),  # compatibility ideographs
        range(0xFE30, 0xFE50),
        range(0xFF00, 0xFFF0),  # full and half width
    ],
    "NotoSansThai-Regular": ALL,
    "NotoSansDevanagari-Regular": ALL,
    "NotoEmoji_500Medium": ALL,
}
# Joined emoji (families, skin tones, flags) would double the emoji font; the parts are drawn.
# A grid of 256 to the em, as Droid has, is finer than any label is drawn and smaller.
COARSE = {"NotoEmoji_500Medium"}
FEATURES: dict[str, list[str]] = {"NotoEmoji_500Medium": [], "DroidSansFallback": []}


def cut(source: Path, folder: Path) -> list[list[int]]:
    """Write the part of one original that labels need; return the ranges of its characters."""
    options = subset.Options()
    options.hinting = False
    options.glyph_names = False
    options.notdef_outline = True
    options.name_IDs = [0, 1, 2, 5, 13, 14]  # copyright, family, style, version, licence
    options.drop_tables += ["FFTM", "MATH", "DSIG", "vhea", "vmtx", "kern", "STAT"]
    options.layout_features = FEATURES.get(source.stem, ["*"])
    font = TTFont(source, recalcTimestamp=False)  # the same bytes from the same original
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes={code for block in KEPT[source.stem] for code in block})
    cutter.subset(font)
    if source.stem in COARSE:
        scale_upem(font, 256)
    font.flavor = "woff"  # deflate, which every FreeType reads: half the size
    target = folder / f"{source.stem}.woff"
    font.save(target)
    print(f"{target}: {len(font.getBestCmap()):,} characters, {target.stat().st_size:,} bytes")
    return ranges(sorted(font.getBestCmap()))


def ranges(codes: list[int]) -> list[list[int]]:
    """Return first and last of each unbroken run."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("originals", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, default=Path("shitu/drawing/fonts"))
    options = parser.parse_args()
    sources = {source.stem: source for source in options.originals}
    if sources.keys() != KEPT.keys():
        parser.error(f"name these files, each once: {', '.join(KEPT)} (.ttf)")
    # In the order of KEPT: the first font that has a character draws it.
    coverage = {f"{name}.woff": cut(sources[name], options.out) for name in KEPT}
    text = json.dumps(coverage, separators=(",", ":")).replace('],"', '],\n"')
    (options.out / "coverage.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
