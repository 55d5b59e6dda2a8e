"""Fruit, leaves, fish and other things printed on packages, painted with plain shapes."""

from __future__ import annotations

import math
import random

import numpy as np

from .art import Art, Color, Point, mix


def blob(cx: float, cy: float, rx: float, ry: float, turn: float = 0) -> list[Point]:
    """The outline of an ellipse turned by `turn` radians."""
    t = np.linspace(0, 2 * math.pi, 48)
    x, y = rx * np.cos(t), ry * np.sin(t)
    c, s = math.cos(turn), math.sin(turn)
    return [(cx + c * p - s * q, cy + s * p + c * q) for p, q in zip(x, y, strict=True)]


def leaf(art: Art, x: float, y: float, length: float, turn: float, color: Color) -> None:
    """A pointed leaf that starts at (x, y) and grows in the direction `turn`."""
    t = np.linspace(0, 1, 24)
    half = 0.22 * length * np.sin(math.pi * t**0.8)
    c, s = math.cos(turn), math.sin(turn)

    def side(sign: int) -> list[Point]:
        return [
            (x + length * a * c - sign * b * s, y + length * a * s + sign * b * c)
            for a, b in zip(t, half, strict=True)
        ]

    art.polygon(side(1) + side(-1)[::-1], color)
    art.polygon([*side(1), (x + length * c, y + length * s), (x, y)], mix(color, "#ffffff", 0.18))
    tip = (x + 0.92 * length * c, y + 0.92 * length * s)
    art.line([(x, y), tip], mix(color, "#000000", 0.3), 0.03 * length)


def slice_of_citrus(art: Art, cx: float, cy: float, r: float, peel: Color, flesh: Color) -> None:
    art.ellipse(cx, cy, r, r, peel)
    art.ellipse(cx, cy, 0.91 * r, 0.91 * r, "#fff8e6")
    for k in range(10):
        a = 2 * math.pi * k / 10
        wedge = [(cx + 0.07 * r * math.cos(a), cy + 0.07 * r * math.sin(a))]
        for d in np.linspace(-0.26, 0.26, 7):
            rim = 0.84 * r * (1 - 0.6 * abs(d) ** 2)
            wedge.append((cx + rim * math.cos(a + d), cy + rim * math.sin(a + d)))
        art.polygon(wedge, flesh)
        mid = [
            (cx + 0.6 * r * math.cos(a + d), cy + 0.6 * r * math.sin(a + d)) for d in (-0.1, 0.1)
        ]
        art.polygon(
            [(cx + 0.2 * r * math.cos(a), cy + 0.2 * r * math.sin(a)), *mid],
            mix(flesh, "#ffffff", 0.3),
        )


def fruit(art: Art, cx: float, cy: float, r: float, color: Color, leafy: bool = True) -> None:
    art.ball(cx, cy, r, 0.95 * r, color)
    if leafy:
        leaf(art, cx, cy - 0.85 * r, 0.9 * r, -0.5, "#3c8d2f")
        art.line([(cx, cy - 0.8 * r), (cx - 0.1 * r, cy - 1.25 * r)], "#5b3a1c", 0.09 * r)


def tomato(art: Art, cx: float, cy: float, r: float) -> None:
    art.ball(cx, cy, r, 0.86 * r, "#e0301e")
    for k in range(5):
        leaf(art, cx, cy - 0.62 * r, 0.62 * r, -math.pi / 2 + (k - 2) * 1.0, "#2f7d32")


def strawberry(art: Art, cx: float, cy: float, r: float) -> None:
    t = np.linspace(0, 2 * math.pi, 60)
    shape = [
        (
            cx + r * 0.85 * math.sin(a) * (1 - 0.22 * math.cos(a - math.pi)) ** 1.0,
            cy - r * math.cos(a) * (1.15 if math.cos(a) < 0 else 0.75),
        )
        for a in t
    ]
    art.polygon(shape, "#d8203a")
    art.ball(cx - 0.1 * r, cy - 0.05 * r, 0.72 * r, 0.72 * r, "#ee3a50")
    rng = random.Random(5)
    for _ in range(26):
        x, y = rng.uniform(-0.55, 0.55), rng.uniform(-0.5, 0.75)
        if abs(x) < 0.6 - 0.4 * max(0, y):
            art.ellipse(cx + x * r, cy + y * r, 0.045 * r, 0.065 * r, "#ffe08a")
    for k in range(5):
        leaf(art, cx, cy - 0.7 * r, 0.65 * r, math.pi / 2 + (k - 2) * 0.75, "#3c9a3a")


def wheat(art: Art, x: float, y: float, length: float, turn: float, color: Color) -> None:
    """An ear of wheat growing from (x, y)."""
    c, s = math.cos(turn), math.sin(turn)
    art.line([(x, y), (x + length * c, y + length * s)], color, 0.03 * length)
    for k in range(7):
        a = 0.45 + 0.08 * k
        for side in (-0.5, 0.5):
            leaf(art, x + a * length * c, y + a * length * s, 0.2 * length, turn + side, color)


def coffee_bean(art: Art, cx: float, cy: float, r: float, turn: float) -> None:
    art.polygon(blob(cx, cy, r, 0.68 * r, turn), "#4a2412")
    art.polygon(blob(cx - 0.08 * r, cy - 0.1 * r, 0.8 * r, 0.48 * r, turn), "#6e3a1e")
    t = np.linspace(-0.9, 0.9, 16)
    c, s = math.cos(turn), math.sin(turn)
    wavy = [(p * r, 0.13 * r * math.sin(3 * p)) for p in t]
    art.line([(cx + c * p - s * q, cy + s * p + c * q) for p, q in wavy], "#2a1208", 0.11 * r)


def fish(art: Art, cx: float, cy: float, length: float, color: Color) -> None:
    r = length / 2
    tail = [
        (cx + 0.62 * r, cy),
        (cx + r, cy - 0.4 * r),
        (cx + 0.86 * r, cy),
        (cx + r, cy + 0.4 * r),
    ]
    art.polygon(tail, mix(color, "#000000", 0.2))
    fin = [
        (cx - 0.2 * r, cy - 0.3 * r),
        (cx + 0.25 * r, cy - 0.55 * r),
        (cx + 0.3 * r, cy - 0.2 * r),
    ]
    art.polygon(fin, mix(color, "#000000", 0.2))
    art.polygon(blob(cx - 0.1 * r, cy, 0.85 * r, 0.34 * r), color)
    art.polygon(blob(cx - 0.1 * r, cy + 0.1 * r, 0.78 * r, 0.2 * r), mix(color, "#ffffff", 0.55))
    art.ellipse(cx - 0.66 * r, cy - 0.06 * r, 0.07 * r, 0.07 * r, "#ffffff")
    art.ellipse(cx - 0.66 * r, cy - 0.06 * r, 0.04 * r, 0.04 * r, "#101820")


def mountains(art: Art, y: float, height: float, color: Color, snow: Color, seed: int = 1) -> None:
    """A ridge with snow caps along the line y."""
    rng, x = random.Random(seed), -0.1 * art.width
    while x < art.width:
        w, h = art.width * rng.uniform(0.14, 0.26), height * rng.uniform(0.6, 1)
        peak = (x + w / 2, y - h)
        art.polygon([(x - 0.2 * w, y), peak, (x + 1.2 * w, y)], color)
        art.polygon([(x - 0.2 * w + 0.7 * w, y), peak, (x + 1.2 * w, y)], mix(color, "#000", 0.2))
        cap = [(-0.2, 0.3), (-0.08, 0.22), (0.02, 0.32), (0.1, 0.22), (0.2, 0.3)]
        art.polygon([peak, *((peak[0] + a * w, peak[1] + b * h) for a, b in cap)], snow)
        x += 0.7 * w


def cow_patches(art: Art, y0: float, y1: float, color: Color, seed: int = 3) -> None:
    rng = random.Random(seed)
    for _ in range(int(art.width * (y1 - y0) / 6)):
        cx, cy = rng.uniform(0, art.width), rng.uniform(y0, y1)
        for _ in range(3):
            shape = blob(
                cx + rng.gauss(0, 0.5),
                cy + rng.gauss(0, 0.4),
                rng.uniform(0.5, 1.1),
                rng.uniform(0.4, 0.8),
                rng.uniform(0, 3),
            )
            art.polygon(shape, color)


def bowl(art: Art, cx: float, cy: float, r: float, flake: Color, dish: Color) -> None:
    """A bowl heaped with flakes in milk."""
    art.ellipse(cx, cy, r, 0.34 * r, mix(dish, "#ffffff", 0.6))
    art.ellipse(cx, cy + 0.02 * r, 0.9 * r, 0.27 * r, "#fffdf5")
    rng = random.Random(11)
    for k in range(110):
        a, d = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.8) ** 0.6
        x, y = cx + d * r * math.cos(a) * 0.95, cy + 0.22 * d * r * math.sin(a) - 0.3 * r * (1 - d)
        tint = mix(flake, rng.choice(("#ffffff", "#000000")), rng.uniform(0, 0.28))
        art.polygon(blob(x, y + k * 0.0006 * r, 0.12 * r, 0.075 * r, rng.uniform(0, 3)), tint)
    under = [
        (cx + r * math.cos(t), cy + (0.34 if t < 0 else 0.9) * r * math.sin(t))
        for t in np.linspace(0, math.pi, 40)
    ]
    front = [
        (cx + r * math.cos(t), cy + 0.34 * r * math.sin(t)) for t in np.linspace(math.pi, 0, 40)
    ]
    art.polygon(under + front, dish)
    art.line(front, mix(dish, "#ffffff", 0.5), 0.04 * r)


def crisp(art: Art, cx: float, cy: float, r: float, turn: float) -> None:
    art.polygon(blob(cx + 0.06 * r, cy + 0.1 * r, r, 0.74 * r, turn), "#a8690f")
    art.polygon(blob(cx, cy, r, 0.72 * r, turn), "#f0b93a")
    art.polygon(blob(cx - 0.1 * r, cy - 0.08 * r, 0.75 * r, 0.46 * r, turn + 0.2), "#f8d873")
    for k in (-0.4, 0.0, 0.4):
        art.polygon(blob(cx + k * r, cy + 0.25 * k * r, 0.08 * r, 0.05 * r, turn), "#c98a1e")


def flower(art: Art, cx: float, cy: float, r: float, color: Color) -> None:
    """A camellia with two rings of petals."""
    for count, far, size, tint in ((7, 0.6, 0.42, 0.0), (5, 0.3, 0.34, 0.25)):
        for k in range(count):
            a = 2 * math.pi * (k + 0.3) / count
            x, y = cx + far * r * math.cos(a), cy + far * r * math.sin(a)
            petal = mix(color, "#ffffff", tint)
            art.polygon(blob(x, y, size * r, size * r * 1.1, a), mix(petal, "#000000", 0.12))
            art.polygon(blob(x, y, 0.92 * size * r, size * r, a), petal)
    art.ellipse(cx, cy, 0.2 * r, 0.2 * r, "#f6c945")


def honeycomb(art: Art, size: float, line: Color, y0: float, y1: float) -> None:
    row, y = 0, y0
    while y < y1:
        x = (row % 2) * 0.87 * size
        while x < art.width + size:
            corners = [
                (x + size * math.sin(k * math.pi / 3), y + size * math.cos(k * math.pi / 3))
                for k in range(7)
            ]
            art.line(corners, line, 0.09 * size)
            x += 1.74 * size
        y, row = y + 1.5 * size, row + 1


def star(art: Art, cx: float, cy: float, r: float, points: int, inner: float, fill: Color) -> None:
    shape = [
        (
            cx + (r if k % 2 == 0 else inner * r) * math.sin(math.pi * k / points),
            cy - (r if k % 2 == 0 else inner * r) * math.cos(math.pi * k / points),
        )
        for k in range(2 * points)
    ]
    art.polygon(shape, fill)


def palm(art: Art, x: float, y: float, height: float, color: Color) -> None:
    art.polygon(
        [
            (x - 0.05 * height, y),
            (x + 0.05 * height, y),
            (x + 0.08 * height, y - 0.8 * height),
            (x + 0.03 * height, y - 0.8 * height),
        ],
        mix(color, "#5b3a1c", 0.7),
    )
    for turn in (-2.9, -2.3, -1.7, -1.2, -0.6, 0.0, 0.4, 2.8):
        leaf(art, x + 0.05 * height, y - 0.8 * height, 0.5 * height, turn, color)


def drops(art: Art, count: int, y0: float, y1: float, color: Color, seed: int = 2) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        x, y, r = rng.uniform(0, art.width), rng.uniform(y0, y1), rng.uniform(0.08, 0.3)
        art.ellipse(x, y, r, r, color)
        art.ellipse(x - 0.3 * r, y - 0.3 * r, 0.3 * r, 0.3 * r, "#ffffff")


def mountains_far(art: Art, cx: float, y: float, color: Color) -> None:
    """Misty hills, one behind the other."""
    for k, (dx, h) in enumerate(((-1.4, 2.2), (0.6, 2.9), (-0.3, 1.6))):
        hill = [
            (cx + dx + 2.6 * t, y + 2.6 - h * math.exp(-2.2 * t * t) - 0.2 * k)
            for t in np.linspace(-1.1, 1.1, 30)
        ]
        art.polygon(
            [*hill, (cx + dx + 2.9, y + 3), (cx + dx - 2.9, y + 3)],
            mix(color, "#ffffff", 0.45 - 0.2 * k),
        )


def cow(art: Art, cx: float, cy: float, r: float) -> None:
    """The head of a friendly cow."""
    for side in (-1, 1):
        art.polygon(
            blob(cx + side * 1.05 * r, cy - 0.35 * r, 0.5 * r, 0.24 * r, side * -0.35), "#3a2a22"
        )
        horn = [
            (cx + side * 0.4 * r, cy - 0.7 * r),
            (cx + side * 0.75 * r, cy - 1.25 * r),
            (cx + side * 0.62 * r, cy - 0.55 * r),
        ]
        art.polygon(horn, "#d9c79a")
    art.polygon(blob(cx, cy, 0.85 * r, 1.05 * r), "#ffffff")
    art.polygon(blob(cx - 0.45 * r, cy - 0.35 * r, 0.36 * r, 0.55 * r, 0.25), "#3a2a22")
    art.polygon(blob(cx, cy + 0.72 * r, 0.72 * r, 0.48 * r), "#f4b8ab")
    for side in (-1, 1):
        art.ellipse(cx + side * 0.36 * r, cy - 0.25 * r, 0.12 * r, 0.15 * r, "#ffffff")
        art.ellipse(cx + side * 0.36 * r, cy - 0.22 * r, 0.08 * r, 0.11 * r, "#101010")
        art.ellipse(cx + side * 0.25 * r, cy + 0.65 * r, 0.08 * r, 0.11 * r, "#a8604f")
