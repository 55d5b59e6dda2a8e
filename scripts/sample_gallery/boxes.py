"""Folding boxes and drink cartons."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from . import pictograms as draw
from .art import Art, Color, mix
from .shapes import Material, Shape, box, gable_carton, moved, plain, screw_cap


def card(art: Art, gloss: float = 0.35, roughness: float = 0.45) -> Material:
    return Material(art.pixels(), gloss, roughness)


def _carton(front: Art, side: Art, roof: Art, depth: float, cap: Color | None) -> Shape:
    ground = card(side)
    faces = {
        "front": card(front),
        "side": ground,
        "roof": card(roof),
        "gusset": plain(mix("#ffffff", "#d8d8d4", 0.5), 0.2),
        "fin": card(roof),
    }
    lid = plain(cap, 0.5, 0.35) if cap else None
    return gable_carton(front.width, front.height, depth, faces, lid)


def _milk(taste: str, main: Color, dark: Color, motif: Callable[[Art], None]) -> Shape:
    w, h, d = 8.0, 14.0, 7.0
    front = Art(w, h, "#ffffff")
    front.gradient(["#ffffff", mix(main, "#ffffff", 0.75)])
    motif(front)
    front.wave(11.2, 0.35, 8.0, main)
    front.wave(11.9, 0.35, 8.0, dark, 0.25)
    front.text("晨牧", w / 2, 2.4, 6.6, 3.2, "hei", dark)
    front.text(taste, w / 2, 5.3, 6.4, 1.5, "song", main)
    front.text("CHENMU 950 ml", w / 2, 13.2, 4.0, 0.55, "sans", "#ffffff")
    side = Art(d, h, "#ffffff")
    side.wave(11.2, 0.35, 8.0, main)
    side.wave(11.9, 0.35, 8.0, dark, 0.25)
    side.column(taste, d / 2 - 1.3, 1.0, min(2.0, 8.4 / len(taste)), "hei", dark)
    side.facts(3.6, 1.2, 2.9, 6.5)
    side.barcode(3.7, 8.3, 2.6, 1.8)
    roof = Art(w, 5.0, main)
    roof.text("晨牧", w / 2, 1.4, 3.2, 1.5, "hei", "#ffffff")
    return _carton(front, side, roof, d, None)


def milk() -> Shape:
    def pasture(art: Art) -> None:
        art.ellipse(4, 11.6, 5.5, 2.6, "#8cc152")
        draw.cow(art, 4.0, 9.0, 1.6)

    return _milk("纯牛奶", "#1f7fd0", "#0d3f8f", pasture)


def strawberry_milk() -> Shape:
    def berries(art: Art) -> None:
        draw.strawberry(art, 2.5, 9.0, 1.55)
        draw.strawberry(art, 5.4, 9.3, 1.75)

    return _milk("草莓牛奶", "#ef5f8c", "#b01e4d", berries)


def orange_juice() -> Shape:
    w, h, d = 7.5, 15.0, 7.5
    front = Art(w, h, "#f7941d")
    front.gradient(["#ffd34d", "#ff9a1f", "#f26a11"])
    front.sunburst(w / 2, 9.6, 22, "#ffb53a")
    front.rect(0, 1.2, w, 4.4, "#1e6b3a")
    front.text("grovely", w / 2, 2.75, 6.6, 2.3, "round", "#ffffff")
    front.text("ORANGE JUICE", w / 2, 5.4, 6.4, 1.0, "geometric", "#ffffff", "#b84a00", 0.07)
    draw.fruit(front, 5.0, 9.3, 2.2, "#ff8c12")
    draw.slice_of_citrus(front, 2.6, 10.6, 2.1, "#f07d0c", "#ffa726")
    front.text("100% pressed", w / 2, 13.8, 5.0, 0.9, "brush", "#ffffff")
    side = Art(d, h, "#f7941d")
    side.gradient(["#ffd34d", "#ff9a1f", "#f26a11"])
    side.rect(0, 1.2, d, 4.4, "#1e6b3a")
    side.small_print(0.8, 5.4, 2.8, 4, "#7a3a00")
    side.facts(4.0, 5.4, 2.8, 6.5)
    side.barcode(0.8, 11.4, 2.8, 2)
    roof = Art(w, 5.0, "#1e6b3a")
    return _carton(front, side, roof, d, "#f26a11")


def apple_juice() -> Shape:
    w, h, d = 7.0, 17.0, 5.5
    front = Art(w, h, "#cfe8a0")
    front.gradient(["#eaf6cf", "#b9dd77"])
    front.rect(0, 0, w, 5.4, "#c8102e")
    front.text("Pip", 2.0, 1.7, 2.6, 1.9, "lobster", "#ffffff", angle=5)
    front.text("&", 4.1, 1.9, 1.2, 1.3, "lobster", "#ffd9a0")
    front.text("Peel", 4.3, 3.9, 3.6, 2.0, "lobster", "#ffffff", angle=5)
    draw.fruit(front, 2.6, 10.4, 2.0, "#8cc63f")
    draw.fruit(front, 4.6, 11.4, 1.9, "#d8262e")
    front.text("APPLE JUICE", w / 2, 7.0, 5.8, 1.1, "tall", "#3d6b12")
    front.text("1 litre, never from concentrate", w / 2, 15.6, 5.6, 0.6, "sans", "#3d6b12")
    side = Art(d, h, "#b9dd77")
    side.rect(0, 0, d, 5.4, "#c8102e")
    side.facts(0.8, 6.3, 3.8, 6)
    side.barcode(0.9, 13.4, 3.6, 2.2)
    top = Art(w, d, "#c8102e")
    top.rect(w * 0.3, 0, w * 0.32, d, "#a50d26")
    cap = moved(screw_cap(1.3, 1.2, plain("#3f8d2f", 0.5, 0.35)), np.eye(3), (1.2, h, 0))
    return (
        *box(
            w,
            h,
            d,
            {"front": card(front, 0.5, 0.35), "side": card(side, 0.5, 0.35), "top": card(top)},
        ),
        *cap,
    )


def _flakes(kind: str, ground: Color, dark: Color, flake: Color) -> Shape:
    w, h, d = 19.0, 28.0, 6.5
    front = Art(w, h, ground)
    front.gradient([mix(ground, "#ffffff", 0.25), ground])
    front.glow(w / 2, 9, 13, "#fff7d0")
    front.sunburst(w / 2, 13, 26, mix(ground, "#ffffff", 0.18))
    front.ellipse(w / 2, 6.3, 8.6, 4.6, "#ffffff")
    front.ellipse(w / 2, 6.3, 8.2, 4.2, dark)
    front.text("Sunny Acre", w / 2, 6.2, 14.6, 4.0, "lobster", "#ffffff")
    front.text(
        kind, w / 2, 13.0, 16.6, 3.0, "geometric", "#ffffff", dark, 0.28, mix(dark, "#000000", 0.4)
    )
    draw.bowl(front, w / 2, 19.8, 6.6, flake, "#2d6fb8")
    front.text("500 g", 16.2, 26.4, 3.4, 1.1, "black", dark)
    draw.star(front, 3.2, 24.8, 2.4, 14, 0.8, "#e2231a")
    front.text("NEW", 3.2, 24.8, 2.8, 1.1, "black", "#ffffff", angle=12)
    side = Art(d, h, ground)
    side.text("Sunny", d / 2, 2.4, 5.0, 2.0, "lobster", dark)
    side.text("Acre", d / 2, 4.6, 4.4, 1.8, "lobster", dark)
    side.facts(0.8, 7, 4.9, 12)
    side.barcode(1, 21, 4.5, 4)
    top = Art(w, d, ground)
    top.text("Sunny Acre", w / 2, d / 2, 12, 3.2, "lobster", dark)
    return box(w, h, d, {"front": card(front), "side": card(side), "top": card(top)})


def corn_flakes() -> Shape:
    return _flakes("CORN FLAKES", "#ffc629", "#c2410c", "#e8a127")


def choco_flakes() -> Shape:
    return _flakes("CHOCO FLAKES", "#8a4b24", "#3f1d0b", "#5a2c12")


def _tea(
    kind: str, ground: Color, gold: Color, motif: Callable[[Art, float, float], None]
) -> Shape:
    w, h, d = 13.0, 8.5, 7.0
    front = Art(w, h, ground)
    front.gradient([mix(ground, "#ffffff", 0.12), ground, mix(ground, "#000000", 0.25)])
    front.rect(0.4, 0.4, w - 0.4, h - 0.4, None, 0.3, gold, 0.1)
    front.rect(0.6, 0.6, w - 0.6, h - 0.6, None, 0.25, gold, 0.04)
    motif(front, 10.2, 4.6)
    front.text("Lady Wren's", 5.0, 2.2, 7.8, 2.0, "brush", gold)
    front.text(kind, 4.5, 4.8, 6.4, 1.5, "slab", "#ffffff")
    front.line([(1.4, 6.1), (8.3, 6.1)], gold, 0.06)
    front.text("20 BAGS", 4.8, 6.9, 2.8, 0.7, "sans", gold)
    side = Art(d, h, ground)
    side.rect(0.4, 0.4, d - 0.4, h - 0.4, None, 0.3, gold, 0.1)
    side.text("Lady Wren's", d / 2, 1.6, 5.2, 1.3, "brush", gold)
    side.small_print(1, 3, 5, 2.4, gold)
    side.barcode(1.6, 5.7, 3.8, 1.7)
    top = Art(w, d, ground)
    top.rect(0.4, 0.4, w - 0.4, d - 0.4, None, 0.3, gold, 0.1)
    top.text("Lady Wren's", w / 2, 2.7, 9, 2.4, "brush", gold)
    top.text(kind, w / 2, 5.0, 6, 1.1, "slab", "#ffffff")
    return box(w, h, d, {"front": card(front, 0.4), "side": card(side, 0.4), "top": card(top, 0.4)})


def earl_grey() -> Shape:
    def bergamot(art: Art, x: float, y: float) -> None:
        draw.fruit(art, x, y, 1.7, "#f2a71b")
        draw.slice_of_citrus(art, x - 0.9, y + 1.4, 1.1, "#e08e0b", "#ffd34d")
        for k in range(6):
            draw.flower(art, x - 1.6 + 0.7 * k, y + 2.7 - 0.2 * (k % 2), 0.35, "#6f8fe0")

    return _tea("EARL GREY", "#1c2a57", "#e0bd6a", bergamot)


def green_tea() -> Shape:
    def leaves(art: Art, x: float, y: float) -> None:
        art.ellipse(x, y, 2.0, 2.0, "#dff0b8")
        for turn in (-2.3, -1.57, -0.8):
            draw.leaf(art, x, y + 1.6, 3.0, turn, "#4f9d2f")

    return _tea("GREEN TEA", "#2d6b3c", "#f0dc9a", leaves)


def washing_powder() -> Shape:
    w, h, d = 14.0, 20.0, 6.5
    front = Art(w, h, "#1257c8")
    front.gradient(["#0a3fa8", "#1e86e6", "#e8f6ff"])
    front.sunburst(w / 2, 9.0, 30, "#2f95ee")
    front.glow(w / 2, 9, 8, "#ffffff", 1.0)
    draw.star(front, w / 2, 8.4, 6.6, 12, 0.72, "#e6007e")
    draw.star(front, w / 2, 8.4, 5.9, 12, 0.72, "#ffd400")
    front.text("Blizz", w / 2, 8.2, 12.6, 4.4, "plump", "#e6007e", "#ffffff", 0.32, "#0a2a6a", 8)
    front.text("WASHING POWDER", w / 2, 15.6, 12, 1.5, "geometric", "#0a3fa8")
    draw.drops(front, 60, 16.6, 19.6, "#bfe4ff")
    front.text("40 washes", w / 2, 18.2, 6, 1.4, "black", "#e6007e")
    side = Art(d, h, "#1e6fd8")
    side.gradient(["#0a3fa8", "#1e86e6", "#e8f6ff"])
    side.text("Blizz", d / 2, 3, 5.6, 2.4, "plump", "#ffd400", angle=8)
    side.small_print(0.9, 6, 4.6, 6, "#ffffff")
    side.barcode(1.1, 15, 4.2, 3)
    top = Art(w, d, "#0a3fa8")
    top.text("Blizz", w / 2, d / 2, 9, 3.6, "plump", "#ffd400")
    return box(
        w, h, d, {"front": card(front, 0.45), "side": card(side, 0.45), "top": card(top, 0.45)}
    )


def dates() -> Shape:
    w, h, d = 18.0, 11.0, 5.0
    front = Art(w, h, "#7a1f3d")
    front.gradient(["#8f2748", "#5e122c"])
    for k in range(19):
        draw.star(front, k, 0.6, 0.62, 8, 0.72, "#e0b04a")
        draw.star(front, k, h - 0.6, 0.62, 8, 0.72, "#e0b04a")
    front.ellipse(12.6, 5.4, 4.3, 3.6, "#f6e3b4")
    draw.palm(front, 13.4, 8.2, 5.2, "#3c8d3a")
    for x, y in ((10.6, 7.4), (11.8, 7.9), (13.1, 8.0), (14.4, 7.7), (11.2, 6.9)):
        front.ball(x, y, 0.85, 0.55, "#6b3413")
    front.text("تمور", 4.9, 3.6, 7.0, 3.0, "arabic", "#f3cf74")
    front.text("الواحة", 4.9, 7.4, 7.4, 3.2, "arabic", "#ffffff")
    side = Art(d, h, "#5e122c")
    side.text("الواحة", d / 2, 2.4, 4, 1.8, "arabic", "#f3cf74")
    side.facts(0.7, 4.2, 3.6, 4)
    side.barcode(0.9, 8.6, 3.2, 1.7)
    top = Art(w, d, "#7a1f3d")
    top.text("تمور الواحة", w / 2, d / 2, 12, 2.6, "arabic", "#f3cf74")
    return box(
        w, h, d, {"front": card(front, 0.5, 0.35), "side": card(side), "top": card(top, 0.5)}
    )


def pasta() -> Shape:
    w, h, d = 10.0, 19.0, 5.0
    front = Art(w, h, "#0f3d91")
    front.rect(0.8, 9.2, w - 0.8, 16.4, "#f7e7b0", 2.5)
    for k in range(26):
        x, y = 1.8 + (k * 2.63) % 6.6, 10 + (k * 1.37) % 5.6
        for t in range(4):
            turn = 0.8 + 0.5 * math.sin(k)
            front.polygon(draw.blob(x + 0.22 * t, y + 0.16 * t, 0.32, 0.14, turn), "#e0a52c")
    front.text("Rustica", w / 2, 3.2, 8.6, 2.6, "lobster", "#ffffff")
    front.text("FUSILLI", w / 2, 6.6, 7.0, 1.6, "tall", "#ffd34d")
    side = Art(d, h, "#0f3d91")
    side.facts(0.6, 5, 3.8, 8)
    top = Art(w, d, "#0b2f72")
    return box(w, h, d, {"front": card(front), "side": card(side), "top": card(top)})
