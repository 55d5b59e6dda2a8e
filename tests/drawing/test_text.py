"""Lines of text as masks: every character shows, in its own font, in the order it is read."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import shitu.drawing
from shitu.drawing.fonts import can_shape, font_of, load_font
from shitu.drawing.text import EMOJI_FONT, draw_line, fit_line, split_runs

FONTS = Path(shitu.drawing.__file__).parent / "fonts"
COVERAGE: dict[str, list[list[int]]] = json.loads((FONTS / "coverage.json").read_text("ascii"))


def same(a: str, b: str, size: int = 24) -> bool:
    return np.array_equal(draw_line(a, size), draw_line(b, size))


def missing(font: ImageFont.FreeTypeFont) -> bytes:
    """What a font draws for a character it lacks (tofu)."""
    return bytes(font.getmask("\U0010fffd"))


@pytest.mark.parametrize("name", COVERAGE)
def test_every_character_that_a_font_claims_has_a_glyph(name: str) -> None:
    font = load_font(name, 16)
    tofu = missing(font)
    codes = [code for first, last in COVERAGE[name] for code in range(first, last + 1)]
    step = 1 + len(codes) // 3000  # one in eleven of the ideographs: they take seconds
    wrong = [
        f"U+{code:04X}"
        for code in codes[::step]
        if unicodedata.category(chr(code))[0] in "LNS" and bytes(font.getmask(chr(code))) == tofu
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "Crème brûlée",
        "Tiếng Việt",
        "Тёмный шоколад",
        "Ελληνικός",
        "可口可乐",
        "繁體中文",
        "日本語カタカナひらがな",
        "한국어라벨",
        "عصيربرتقال",
        "שוקולד",
        "ไทยน้ำปลา",
        "हिन्दीचाय",
        "ქართული",
        "հայերեն",
        "₹€£¥™®°½",
        "🥫🍅🧀🥤🍺👩🌾❤☕😀",
    ],
)
def test_no_character_of_these_is_missing(text: str) -> None:
    assert [c for c in text if font_of(c) is None] == []


@pytest.mark.parametrize(
    "text", ["可口可乐", "عصير", "🥫", "हिन्दी", "ไทย", "Ωm", "\U00013000", "\x00"]
)
def test_text_leaves_ink(text: str) -> None:
    assert draw_line(text, 24).max() > 200


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("𓀀", "a script without a font"),
        ("\udcff", "a byte that is no text"),
        ("\x00", "a zero byte, which some fonts draw as nothing"),
        ("\x1b", "a control character"),
        ("\U0010fffd", "private use"),
    ],
)
def test_a_character_without_a_glyph_shows_its_number(text: str, why: str) -> None:
    assert [run.font for run in split_runs(text)] == [None], why
    assert not same(text, "\U000e0fff" if text != "\U000e0fff" else "x"), why


def test_two_characters_without_a_glyph_look_different() -> None:
    assert not same("𓀀", "𓀁")


@pytest.mark.parametrize(
    ("text", "alike", "why"),
    [
        ("a\nb", "a b", "a line break is a blank"),
        ("a\tb", "a b", "so is a tab"),
        ("a\r\nb", "a  b", "two are two"),
        ("a\u2028b", "a b", "Unicode's own line break"),
        ("a\u00a0b", "a b", "a blank that does not break"),
        ("❤\ufe0f", "❤", "a variation selector only steers"),
        ("a\u202eb", "ab", "an override cannot turn the line"),
        ("\ufeffa", "a", "a byte order mark"),
        ("a\u200d", "a", "a joiner with nothing to join"),
    ],
)
def test_what_does_not_show(text: str, alike: str, why: str) -> None:
    assert same(text, alike), why


def test_one_line_break_does_not_make_a_second_line() -> None:
    assert draw_line("a\nb\nc", 24).shape[0] == draw_line("abc", 24).shape[0]


@pytest.mark.parametrize("text", ["", " ", "\u200d", "\ufe0f"])
def test_a_line_without_ink_is_still_a_line(text: str) -> None:
    line = draw_line(text, 20)
    assert line.shape[0] >= 20
    assert line.shape[1] >= 1
    assert line.max() == 0


@pytest.mark.parametrize("size", [5, 9, 12, 30, 100])
@pytest.mark.parametrize("text", ["Ågj", "f", "可", "🥫", "ไทยน้ำ"])
def test_no_ink_is_cut_off(text: str, size: int) -> None:
    name = font_of(text[0])
    assert name is not None
    roomy = Image.new("L", (12 * size, 5 * size))
    font = load_font(name, size)
    ImageDraw.Draw(roomy).text((3 * size, 3 * size), text, fill=255, font=font, anchor="ls")
    assert draw_line(text, size).sum(dtype=int) == np.asarray(roomy).sum(dtype=int)


# Right to left


def letters(text: str) -> str:
    """The characters of the runs in the order in which they are seen."""
    return "".join(run.text[::-1] if run.rtl else run.text for run in split_runs(text))


@pytest.mark.parametrize(
    ("text", "seen", "why"),
    [
        ("אבג", "גבא", "Hebrew runs from the right"),
        ("Cola אבג", "Cola גבא", "after Latin"),
        ("אבג Cola", "Cola גבא", "before Latin"),
        ("אבג 1.5", "1.5 גבא", "with a number"),
        ("Cola אבג 250 דה new", "Cola הד 250 גבא new", "around a number"),
    ],
)
def test_runs_are_in_the_order_they_are_seen(text: str, seen: str, why: str) -> None:
    assert letters(text) == seen, why


def test_arabic_letters_join() -> None:
    if not can_shape():
        pytest.skip("this Pillow has no Raqm: Arabic letters stand unjoined")
    # The first, middle and last form of beh; apart they are three times the same.
    apart = draw_line("ب\u200cب\u200cب", 40)
    assert draw_line("ببب", 40).shape[1] < 0.8 * apart.shape[1]


def test_arabic_letters_have_the_forms_of_their_places() -> None:
    if not can_shape():
        pytest.skip("this Pillow has no Raqm: Arabic letters stand unjoined")
    joined = draw_line("ببب", 40)
    # The same three letters, with their forms chosen by hand: first, middle, last.
    by_hand = draw_line("\ufe91\ufe92\ufe90", 40)
    assert np.array_equal(joined, by_hand)


def test_brackets_around_arabic_face_each_other() -> None:
    line = draw_line("(ب)", 40)
    left, right = line[:, : line.shape[1] // 4], line[:, -(line.shape[1] // 4) :]
    # The middle of an opening bracket bulges to the left, where its ends are not.
    middle = line.shape[0] // 2 - 3
    assert np.flatnonzero(left[middle]).min() <= np.flatnonzero(left[8:12].any(axis=0)).min()
    assert np.flatnonzero(right[middle]).max() >= np.flatnonzero(right[8:12].any(axis=0)).max()


# Emoji


def test_blanks_and_digits_after_emoji_are_those_of_text() -> None:
    runs = split_runs("🥫 330 ml")
    assert [(run.text, run.font == EMOJI_FONT) for run in runs] == [
        ("🥫", True),
        (" 330 ml", False),
    ]


def test_a_joined_emoji_shows_its_parts() -> None:
    assert "".join(run.text for run in split_runs("👩\u200d🌾")).replace("\u200d", "") == "👩🌾"


# Fitting


def test_what_fits_is_whole() -> None:
    line = draw_line("Red can", 20)
    fitted = fit_line("Red can", 20, line.shape[1])
    assert fitted is not None
    assert np.array_equal(fitted, line)


@pytest.mark.parametrize(
    "text",
    ["A very long label " * 9, "很长的标签" * 20, "ملصق طويل جدا " * 9, "🥫" * 40, "x" * 100_000],
    ids=["Latin", "Chinese", "Arabic", "emoji", "100,000 letters"],
)
@pytest.mark.parametrize("width", [60, 200])
def test_what_is_too_long_is_cut(text: str, width: int) -> None:
    line = fit_line(text, 20, width)
    assert line is not None
    assert width - 45 < line.shape[1] <= width


def test_a_cut_line_ends_in_an_ellipsis() -> None:
    wide = draw_line("Red…", 20).shape[1]
    fitted = fit_line("Red can", 20, wide)
    assert fitted is not None
    assert np.array_equal(fitted, draw_line("Red…", 20))


def test_where_nothing_fits_there_is_no_line() -> None:
    assert fit_line("Red", 20, 3) is None


def test_what_may_not_be_cut_is_not() -> None:
    assert fit_line("A very long label", 20, 60, cut=False) is None
