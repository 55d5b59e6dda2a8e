"""Drink cans and food tins."""

from __future__ import annotations

import math
from collections.abc import Callable

from . import pictograms as draw
from .art import Art, Color, mix
from .shapes import ALUMINIUM, Material, Ring, Shape, plain, rounded, sweep


def around(radius: float, height: float, ground: Color) -> Art:
    """The sleeve of a can; its middle faces the viewer."""
    return Art(2 * math.pi * radius, height, ground)


def twice(art: Art, design: Callable[[float], None]) -> None:
    """Draws a front and a back."""
    for cx in (0.0, art.width / 2, art.width):
        design(cx)


def wall(radius: float, y0: float, y1: float, material: Material) -> tuple:
    rings = [(radius, radius, y0 + (y1 - y0) * k / 12) for k in range(13)]
    return (sweep(rings, material),)


def drink_can(art: Art, radius: float, rim: Color = "#c9ccd0") -> Shape:
    r, h, metal = radius, art.height, plain(rim, 0.9, 0.25, 1.0)
    foot: list[Ring] = [(r - 0.8, r - 0.8, 0), (r - 0.5, r - 0.5, 0), (r, r, 0.8), (r, r, 0.9)]
    y = 0.9 + h
    neck: list[Ring] = [
        (r, r, y),
        (r, r, y + 0.15),
        (r - 0.55, r - 0.55, y + 1.0),
        (r - 0.6, r - 0.6, y + 1.15),
        (r - 0.5, r - 0.5, y + 1.2),
        (r - 0.5, r - 0.5, y + 1.4),
        (r - 0.65, r - 0.65, y + 1.42),
    ]
    lid: list[Ring] = [
        (r - 0.65, r - 0.65, y + 1.42),
        (r - 0.75, r - 0.75, y + 1.05),
        (r - 1.2, r - 1.2, y + 1.1),
        (0, 0, y + 1.1),
    ]
    tab: list[Ring] = [(0.75, 0.5, y + 1.12), (0.75, 0.5, y + 1.24), (0, 0, y + 1.26)]
    print_ = Material(art.pixels(), 0.95, 0.16, 0.12)
    return (
        sweep(rounded(foot), metal),
        *wall(r, 0.9, y, print_),
        sweep(rounded(neck), metal),
        sweep(rounded(lid), ALUMINIUM),
        sweep(tab, ALUMINIUM, 3),
    )


def food_tin(art: Art, radius: float, gloss: float = 0.35) -> Shape:
    """A tin with a paper sleeve between two seams."""
    r, h = radius, art.height
    base: list[Ring] = [
        (r - 0.1, r - 0.1, 0),
        (r + 0.12, r + 0.12, 0.05),
        (r + 0.12, r + 0.12, 0.3),
        (r, r, 0.4),
        (r, r, 0.6),
    ]
    y = 0.6 + h
    top: list[Ring] = [
        (r, r, y),
        (r, r, y + 0.2),
        (r + 0.12, r + 0.12, y + 0.3),
        (r + 0.12, r + 0.12, y + 0.55),
        (r - 0.1, r - 0.1, y + 0.58),
    ]
    lid: list[Ring] = [
        (r - 0.1, r - 0.1, y + 0.58),
        (r - 0.2, r - 0.2, y + 0.2),
        (r - 0.9, r - 0.9, y + 0.2),
        (r - 1.0, r - 1.0, y + 0.3),
        (0, 0, y + 0.3),
    ]
    ring: list[Ring] = [(0.9, 0.6, y + 0.32), (0.9, 0.6, y + 0.42), (0, 0, y + 0.43)]
    return (
        sweep(base, ALUMINIUM),
        *wall(r + 0.01, 0.6, y, Material(art.pixels(), gloss, 0.45)),
        sweep(top, ALUMINIUM),
        sweep(lid, ALUMINIUM),
        sweep(ring, ALUMINIUM),
    )


def _brizzo(
    flavour: str, top: Color, bottom: Color, dark: Color, peel: Color, flesh: Color
) -> Shape:
    art = around(3.3, 10.2, top)
    art.gradient([top, bottom])
    draw.drops(art, 60, 0.3, 10, mix(top, "#ffffff", 0.35))

    def face(cx: float) -> None:
        art.polygon(draw.blob(cx, 6.9, 3.3, 3.0, 0.3), mix(bottom, dark, 0.35))
        draw.slice_of_citrus(art, cx + 0.9, 7.5, 1.7, peel, flesh)
        draw.slice_of_citrus(art, cx - 1.1, 6.5, 1.9, peel, flesh)
        draw.leaf(art, cx + 0.5, 5.6, 1.5, -0.5, "#3f9b35")
        art.text(
            "Brizzo", cx, 2.7, 5.5, 2.8, "plump", "#ffffff", dark, 0.14, mix(dark, "#000", 0.5), 7
        )
        art.text(flavour, cx, 9.45, 4.6, 0.8, "geometric", "#ffffff", dark, 0.06)

    twice(art, face)
    art.facts(art.width * 0.25 - 1.1, 2.5, 2.2, 5)
    art.barcode(art.width * 0.75 - 1, 3, 2, 2.6)
    return drink_can(art, 3.3)


def brizzo_orange() -> Shape:
    return _brizzo("ORANGE SODA", "#ff9d1c", "#f0560f", "#a33300", "#ec6d06", "#ff9a17")


def brizzo_lemon() -> Shape:
    return _brizzo("LEMON SODA", "#ffe53a", "#9fce2c", "#2f7a1e", "#f2cf0c", "#ffe95e")


def ginger_ale() -> Shape:
    art = around(2.7, 13.0, "#0d4a3a")
    art.gradient(["#0b3b33", "#14604a", "#0b3b33"])

    def face(cx: float) -> None:
        art.rect(cx - 2.3, 1.0, cx + 2.3, 11.9, "#f0e4c4", 2.2)
        art.rect(cx - 2.1, 1.2, cx + 2.1, 11.7, None, 2.0, "#b5892f", 0.1)
        art.ellipse(cx, 3.6, 1.5, 1.5, "#0d4a3a")
        for k in range(7):
            draw.leaf(art, cx, 4.5, 1.7, -math.pi / 2 + (k - 3) * 0.42, "#d9b65a")
        art.text("MOSS RIVER", cx, 6.1, 3.9, 1.2, "tall", "#0d4a3a")
        art.line([(cx - 1.5, 6.9), (cx + 1.5, 6.9)], "#b5892f", 0.08)
        art.text("Ginger", cx, 8.0, 3.4, 1.7, "lobster", "#a5501b")
        art.text("Ale", cx, 9.5, 3.0, 1.4, "lobster", "#a5501b")
        art.text("EST. BY THE WATER", cx, 10.9, 2.4, 0.4, "sans", "#0d4a3a")

    twice(art, face)
    return drink_can(art, 2.7, "#d8b867")


def tuna() -> Shape:
    art = around(4.3, 3.6, "#123a7a")
    art.gradient(["#2b7ac4", "#0f3577"])
    art.wave(2.9, 0.12, 1.8, "#f4d35e")
    art.wave(3.1, 0.12, 1.8, "#0b2a5e", 0.4)

    def face(cx: float) -> None:
        art.text("HARBOUR CAT", cx - 0.2, 0.65, 5.6, 0.85, "geometric", "#ffffff", "#0b2a5e", 0.05)
        draw.fish(art, cx - 1.6, 1.85, 2.9, "#5c86a8")
        art.text("Tuna", cx + 1.7, 1.65, 2.7, 1.1, "lobster", "#ffe27a", "#0b2a5e", 0.06)
        art.text("in olive oil", cx + 1.7, 2.5, 2.5, 0.45, "sans", "#ffffff")

    twice(art, face)
    return food_tin(art, 4.3, 0.8)


def tomatoes() -> Shape:
    art = around(3.7, 9.6, "#f6ecd2")
    art.rect(0, 0, art.width, 1.0, "#1f6b35")
    art.rect(0, 8.7, art.width, 9.6, "#b3201a")
    for x in range(0, int(art.width * 2), 2):
        art.rect(x * 0.5, 1.0, x * 0.5 + 0.5, 1.25, "#b3201a")

    def face(cx: float) -> None:
        art.ellipse(cx, 3.0, 3.1, 1.55, "#b3201a", "#e9c46a", 0.12)
        art.text("Nonna Pia's", cx, 3.0, 5.0, 2.0, "lobster", "#fff6dc")
        draw.tomato(art, cx - 1.5, 6.5, 1.35)
        draw.tomato(art, cx + 1.4, 6.4, 1.45)
        draw.tomato(art, cx, 7.1, 1.4)
        draw.leaf(art, cx - 0.3, 5.5, 1.6, -2.5, "#2f8d3a")
        draw.leaf(art, cx + 0.2, 5.5, 1.6, -0.7, "#2f8d3a")
        art.text("POMODORI", cx, 9.15, 4.6, 0.6, "tall", "#fff6dc")

    twice(art, face)
    art.small_print(art.width * 0.25 - 1.3, 2.5, 2.6, 5, "#6a5a40")
    art.barcode(art.width * 0.75 - 1.2, 4, 2.4, 2.4)
    return food_tin(art, 3.7)


def energy() -> Shape:
    art = around(2.7, 13.0, "#2a1060")
    art.gradient(["#0d0b1e", "#5a1fb0", "#0d0b1e"])

    def face(cx: float) -> None:
        bolt = [
            (0.5, 1.2),
            (-1.5, 6.4),
            (-0.1, 6.4),
            (-0.9, 11.4),
            (1.7, 5.2),
            (0.3, 5.2),
            (1.3, 1.2),
        ]
        art.polygon([(cx + x, y) for x, y in bolt], "#38f2d0")
        art.text("TIDAL", cx, 4.6, 4.6, 1.8, "geometric", "#ffffff", "#0d0b1e", 0.12, angle=9)
        art.text("ENERGY", cx, 8.4, 4.0, 1.0, "tall", "#38f2d0", "#0d0b1e", 0.08, angle=9)

    twice(art, face)
    return drink_can(art, 2.7)
