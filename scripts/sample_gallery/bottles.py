"""Bottles, jars and tubs: things turned on a lathe."""

from __future__ import annotations

import math

from . import pictograms as draw
from .art import Art, mix
from .cans import around, twice, wall
from .shapes import Material, Ring, Shape, moved, plain, rounded, screw_cap, sweep, turn_x


def _round(profile: list[tuple[float, float]]) -> list[Ring]:
    return [(r, r, y) for r, y in profile]


def water() -> Shape:
    pet = plain("#a9d8f0", 1.0, 0.12)
    r = 3.2
    low = [(2.4, 0), (3.0, 0.1), (r, 0.9)]
    low += [(r - 0.17 * (k % 2), 1.3 + 0.55 * k) for k in range(10)] + [(r, 7.0)]
    high = [
        (r, 14.0),
        (r, 14.6),
        (r - 0.15, 15.0),
        (r, 15.4),
        (2.7, 17.6),
        (1.5, 19.4),
        (1.35, 20.2),
    ]
    art = around(r, 7.0, "#ffffff")
    art.gradient(["#d9f1fb", "#ffffff", "#8fd0ee"])
    draw.mountains(art, 5.0, 2.8, "#3b7fb8", "#ffffff", 4)
    art.wave(4.9, 0.15, 4.0, "#1f6fb2")
    art.wave(5.5, 0.15, 3.0, "#2b8fd0", 0.3)

    def face(cx: float) -> None:
        art.text("ALTA FONTE", cx, 1.6, 4.7, 1.3, "tall", "#0f4c81")
        art.text("Spring Water", cx, 6.3, 4.8, 0.9, "brush", "#ffffff")

    twice(art, face)
    return (
        sweep(rounded(_round(low), 1), pet),
        *wall(r + 0.05, 7.0, 14.0, Material(art.pixels(), 0.6, 0.3)),
        sweep(rounded(_round(high)), pet),
        *screw_cap(1.55, 1.6, plain("#1f5fae", 0.5, 0.4), 20.0),
    )


def ketchup() -> Shape:
    red = plain("#b5120e", 0.9, 0.18)
    rings: list[Ring] = [(3.2, 2.0, 0), (3.6, 2.3, 0.3), (3.7, 2.4, 1.2), (3.7, 2.4, 3)]
    body = [(3.7 - 0.25 * math.sin(k / 10 * math.pi), 2.4, 3 + 0.8 * k) for k in range(11)]
    neck: list[Ring] = [
        (3.7, 2.4, 11),
        (3.6, 2.35, 12.5),
        (2.9, 2.1, 14.4),
        (2.1, 1.9, 15.6),
        (2.0, 1.9, 16),
    ]
    perimeter = 2 * math.pi * math.sqrt((3.7**2 + 2.4**2) / 2)
    art = Art(perimeter, 8.0, "#b5120e")
    for cx in (0.0, art.width / 2, art.width):
        art.ellipse(cx, 4.0, 3.2, 3.6, "#fff7e0", "#1f6b35", 0.25)
        art.text("KETTLE LANE", cx, 2.3, 4.6, 0.8, "slab", "#1f6b35")
        art.text("Ketchup", cx, 4.0, 5.8, 1.7, "lobster", "#c4161c")
        draw.tomato(art, cx - 0.9, 6.0, 0.75)
        draw.tomato(art, cx + 0.8, 6.0, 0.75)
    cap: list[Ring] = [
        (2.1, 2.0, 16),
        (2.1, 2.0, 17.6),
        (1.9, 1.8, 18.0),
        (0.7, 0.7, 18.3),
        (0.6, 0.6, 19.2),
        (0, 0, 19.3),
    ]
    return (
        sweep(rounded(rings), red, 2.4),
        sweep(body, Material(art.pixels(), 0.8, 0.22), 2.4),
        sweep(rounded(neck), red, 2.4),
        sweep(rounded(cap), plain("#f4f1ea", 0.5, 0.4), 2.2),
    )


def shampoo() -> Shape:
    green = "#7fb8a2"
    shell = plain(green, 0.85, 0.2)
    foot: list[Ring] = [(3.3, 1.9, 0), (3.6, 2.2, 0.3), (3.7, 2.3, 1.0), (3.7, 2.3, 1.6)]
    shoulder: list[Ring] = [
        (3.7, 2.3, 13.6),
        (3.7, 2.3, 14.6),
        (3.2, 2.1, 15.8),
        (1.6, 1.5, 16.5),
        (1.4, 1.4, 17.0),
    ]
    art = Art(2 * (3.7 + 2.3) * 1.72, 12.0, green)
    art.gradient([green, mix(green, "#ffffff", 0.25), green])
    for cx in (0.0, art.width / 2, art.width):
        draw.mountains_far(art, cx, 9.0, "#4f8f80")
        draw.flower(art, cx + 1.6, 9.6, 1.6, "#e8617f")
        draw.leaf(art, cx + 0.5, 10.4, 1.8, 2.7, "#2c6b55")
        art.column("山岚", cx - 0.9, 0.8, 2.7, "song", "#14473c")
        art.column("洗发水", cx + 1.5, 1.2, 1.35, "hei", "#ffffff")
        art.text("SHANLAN", cx - 0.9, 6.7, 2.4, 0.5, "sans", "#14473c")
    white = plain("#f5f5f2", 0.6, 0.3)
    stem: list[Ring] = [(0.45, 0.45, 18.2), (0.45, 0.45, 19.6)]
    head: list[Ring] = [(1.0, 1.0, 19.6), (1.05, 1.05, 20.3), (0.9, 0.9, 20.6), (0, 0, 20.7)]
    nozzle = sweep([(0.4, 0.32, 0), (0.34, 0.28, 2.6), (0, 0, 2.62)], white)
    beak = moved((nozzle,), turn_x(82), (0, 20.1, 0.3))
    return (
        sweep(rounded(foot), shell, 3.6),
        sweep([(3.7, 2.3, 1.6 + k) for k in range(13)], Material(art.pixels(), 0.8, 0.2), 3.6),
        sweep(rounded(shoulder), shell, 3.6),
        *screw_cap(1.6, 1.3, white, 17.0),
        sweep(stem, white),
        sweep(rounded(head), white),
        *beak,
    )


def olive_oil() -> Shape:
    glass = plain("#2c3a12", 1.0, 0.06)
    r = 3.1
    low = [(2.7, 0), (3.0, 0.1), (r, 0.5), (r, 5.0)]
    high = [
        (r, 13.0),
        (r, 15.5),
        (2.9, 16.8),
        (1.9, 18.6),
        (1.3, 20.0),
        (1.2, 24.0),
        (1.4, 24.2),
        (1.4, 24.8),
        (1.2, 25.0),
    ]
    art = around(r, 8.0, "#efe3c0")
    art.gradient(["#f4ead0", "#e9d9ab"])
    art.rect(0, 0, art.width, 0.5, "#b8902f")
    art.rect(0, 7.5, art.width, 8, "#b8902f")

    def face(cx: float) -> None:
        art.text("Casa Lumo", cx, 1.9, 4.6, 1.6, "brush", "#3c4a12")
        for k in range(5):
            x, y = cx - 1.6 + 0.75 * k, 4.9 - 0.28 * k
            draw.leaf(art, x, y, 1.3, -1.2, "#6e8b2b")
            draw.leaf(art, x, y, 1.3, 0.9, "#5c7a22")
        art.line([(cx - 2.0, 5.1), (cx + 2.0, 3.6)], "#5a4a1a", 0.1)
        art.ball(cx - 0.8, 5.3, 0.55, 0.7, "#4d6416")
        art.ball(cx + 0.6, 4.8, 0.55, 0.7, "#6b7f22")
        art.text("OLIVE OIL", cx, 6.8, 4.2, 0.8, "slab", "#3c4a12")

    twice(art, face)
    cap = plain("#b8902f", 0.9, 0.25, 0.8)
    return (
        sweep(rounded(_round(low)), glass),
        *wall(r + 0.05, 5.0, 13.0, Material(art.pixels(), 0.2, 0.6)),
        sweep(rounded(_round(high)), glass),
        *screw_cap(1.45, 2.4, cap, 24.6),
    )


def barley_tea() -> Shape:
    tea = plain("#7a3d12", 1.0, 0.1)
    r = 3.2
    low = [(2.5, 0), (3.0, 0.1), (r, 0.8), (r - 0.15, 1.6), (r, 2.4), (r, 4.0)]
    high = [(r, 15.0), (r - 0.1, 15.5), (r, 16), (2.8, 17.6), (1.6, 19.0), (1.35, 19.6)]
    art = around(r, 11.0, "#f7efe0")
    art.gradient(["#f9f3e3", "#f3dcae"])

    def face(cx: float) -> None:
        art.ellipse(cx, 3.4, 2.4, 2.4, "#d94f2b")
        art.column("こはる", cx + 1.9, 0.4, 1.1, "hei", "#5a2d0c")
        art.column("麦茶", cx - 0.3, 1.0, 3.5, "song", "#3a1d08")
        for k in range(5):
            draw.wheat(art, cx - 2.2 + 0.9 * k, 11.2, 3.4, -math.pi / 2 + (k - 2) * 0.16, "#c58a2c")
        art.text("むぎちゃ", cx + 1.9, 5.0, 1.5, 0.5, "manga", "#5a2d0c")

    twice(art, face)
    return (
        sweep(rounded(_round(low)), tea),
        *wall(r + 0.05, 4.0, 15.0, Material(art.pixels(), 0.6, 0.3)),
        sweep(rounded(_round(high)), tea),
        *screw_cap(1.55, 1.6, plain("#f3f3ef", 0.5, 0.4), 19.4),
    )


def _jar(art: Art, r: float, glass: Material, lid: Material, label: Material) -> Shape:
    h = art.height
    low = [(r - 0.6, 0), (r - 0.2, 0.1), (r, 0.7), (r, 1.6)]
    high = [(r, 1.6 + h), (r, 2.2 + h), (r - 0.2, 3.0 + h), (r - 0.7, 3.5 + h)]
    return (
        sweep(rounded(_round(low)), glass),
        *wall(r + 0.06, 1.6, 1.6 + h, label),
        sweep(rounded(_round(high)), glass),
        *screw_cap(r - 0.35, 1.6, lid, 3.3 + h),
    )


def honey() -> Shape:
    art = around(3.6, 5.2, "#d98a10")
    draw.honeycomb(art, 0.75, "#f0b640", 0, 5.2)

    def face(cx: float) -> None:
        corners = [
            (cx + 3.1 * math.cos(k * math.pi / 3), 2.6 + 2.9 * math.sin(k * math.pi / 3))
            for k in range(6)
        ]
        art.polygon(corners, "#fff5d2")
        art.text("HONEYBROOK", cx, 1.7, 4.3, 0.8, "narrow", "#6b3a06")
        art.text("Honey", cx, 3.0, 4.3, 1.5, "lobster", "#b35c00")
        art.text("FARM", cx, 4.3, 1.6, 0.5, "narrow", "#6b3a06")

    twice(art, face)
    return _jar(
        art,
        3.6,
        plain("#c9780c", 1.0, 0.08),
        plain("#d9b24c", 0.9, 0.25, 0.9),
        Material(art.pixels(), 0.35, 0.45),
    )


def jam() -> Shape:
    art = around(3.5, 4.6, "#f7f2f7")
    for k in range(int(art.width)):
        art.line([(k, 0), (k, 4.6)], "#e3d3ea", 0.06)

    def face(cx: float) -> None:
        art.ellipse(cx, 2.3, 2.7, 2.0, "#ffffff", "#5b1a63", 0.14)
        art.text("Bramble", cx, 1.7, 4.2, 1.2, "brush", "#5b1a63")
        for k in range(3):
            art.ball(cx - 0.7 + 0.7 * k, 3.2, 0.42, 0.45, "#4a1046")

    twice(art, face)
    return _jar(
        art,
        3.5,
        plain("#3a0a2c", 1.0, 0.08),
        plain("#5b1a63", 0.6, 0.3),
        Material(art.pixels(), 0.25, 0.5),
    )


def yoghurt() -> Shape:
    art = around(4.6, 9.0, "#ffffff")
    art.gradient(["#ffffff", "#eaf6ff"])
    art.wave(5.6, 0.5, 7.2, "#29a8dd")
    art.wave(6.3, 0.5, 7.2, "#1479b8", 0.2)

    def face(cx: float) -> None:
        art.text("mio", cx, 2.9, 5.2, 3.4, "round", "#1479b8")
        art.text("natural yoghurt", cx, 7.6, 5.2, 0.9, "round", "#ffffff")

    twice(art, face)
    body = [(4.0 + 0.07 * k, 4.0 + 0.07 * k, 0.9 * k) for k in range(11)]
    lid = [(4.95, 8.9), (4.95, 9.5), (4.7, 9.6), (4.5, 9.4), (0, 9.4)]
    return (
        sweep(body, Material(art.pixels(), 0.5, 0.35)),
        sweep(_round(lid), plain("#f7f7f5", 0.5, 0.35)),
    )
