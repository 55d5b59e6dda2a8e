"""Crisp bags, coffee bags and pouches."""

from __future__ import annotations

import random

import numpy as np

from . import pictograms as draw
from .art import Art, Color, mix
from .shapes import Material, Ring, Shape, pillow, plain, sweep


def block_bag(art: Art, w: float, d: float, seam: Color, gloss: float, roughness: float) -> Shape:
    """A bag with a flat bottom whose sides run together into a folded top."""
    h = art.height
    rings: list[Ring] = []
    for y in np.linspace(0, h, 40):
        t = float(y / h)
        depth = d / 2 * (1 - max(0.0, (t - 0.45) / 0.55) ** 1.3 * 0.93)
        crumple = 0.05 * np.sin(9 * t + 1) + 0.04 * np.sin(23 * t)
        rings.append(
            (w / 2 + crumple - 0.25 * np.sin(np.pi * t), depth + crumple * (1 - t), float(y))
        )
    body = sweep(rings, Material(art.pixels(), gloss, roughness), 5.0, 160)
    # Paper and foil never lie flat: dents bend the points a little and the light on them a lot.
    rng, p = np.random.default_rng(7), body.points
    for _ in range(26):
        x, y, size = rng.uniform(-w / 2, w / 2), rng.uniform(0, h), rng.uniform(1.0, 2.6)
        near = np.exp(-((p[..., 0] - x) ** 2 + (p[..., 1] - y) ** 2) / size**2)
        p = p + body.normals * (near * rng.normal(0, 0.13))[..., None]
    bent = np.cross(np.gradient(p, axis=1), np.gradient(p, axis=0))
    bent /= np.linalg.norm(bent, axis=-1, keepdims=True) + 1e-9
    body = type(body)(p, bent, body.uv, body.material)
    top = sweep(
        [
            (w / 2, 0.35, h - 1.3),
            (w / 2 + 0.1, 0.5, h - 1.2),
            (w / 2 + 0.1, 0.5, h + 0.1),
            (w / 2, 0.25, h + 0.2),
            (0, 0, h + 0.2),
        ],
        plain(seam, gloss, roughness),
        5.0,
    )
    return (body, top)


def coffee() -> Shape:
    w, d, h = 9.0, 6.0, 19.0
    art = Art(2 * (w + d) * 0.97, h, "#15110f")
    art.gradient(["#221a16", "#0e0b0a"])
    for cx in (0.0, art.width / 2, art.width):
        art.rect(cx - 4.0, 5.0, cx + 4.0, 13.4, "#c9963b")
        art.rect(cx - 3.8, 5.2, cx + 3.8, 13.2, "#1c1512")
        art.text("KOPI", cx, 6.9, 6.2, 2.2, "tall", "#f3e3c3")
        art.text("Utara", cx, 9.3, 6.2, 2.2, "brush", "#e0a843")
        art.text("DARK ROAST", cx, 11.9, 5.6, 0.9, "slab", "#f3e3c3")
        rng = random.Random(4)
        for _ in range(46):
            x, y = rng.uniform(-4.4, 4.4), rng.uniform(14.4, 18.6)
            draw.coffee_bean(art, cx + x, y, 0.75, rng.uniform(0, 3))
        draw.mountains_far(art, cx, 1.9, "#6a3f1c")
    return block_bag(art, w, d, "#c9963b", 0.5, 0.35)


def puer() -> Shape:
    w, d, h = 9.0, 5.0, 14.0
    art = Art(2 * (w + d) * 0.97, h, "#c9a876")
    for cx in (0.0, art.width / 2, art.width):
        art.rect(cx - 2.6, 1.8, cx + 2.6, 12.6, "#f3ead6", outline="#7a2318", width=0.12)
        art.column("云岭", cx + 1.2, 2.3, 2.0, "song", "#7a2318")
        art.column("普洱茶", cx - 1.0, 3.2, 2.6, "song", "#2b1c12")
        art.rect(cx + 0.5, 9.6, cx + 1.9, 11.0, "#b3201a", 0.15)
    return block_bag(art, w, d, "#8a6a3c", 0.15, 0.7)


def _crisps(flavour: str, main: Color, dark: Color, accent: Color, seed: int) -> Shape:
    w, h = 17.0, 24.0
    art = Art(w, h, main)
    art.gradient([mix(main, "#ffffff", 0.15), main, dark])
    art.sunburst(w / 2, 10, 18, mix(main, "#ffffff", 0.13))
    art.polygon(draw.blob(w / 2, 8.0, 7.4, 4.6, -0.15), "#ffffff")
    art.polygon(draw.blob(w / 2, 8.0, 7.0, 4.25, -0.15), accent)
    art.text("KRUNCH", w / 2, 6.8, 11.6, 2.8, "plump", "#ffffff", dark, 0.18, angle=8)
    art.text("ALLEY", w / 2 + 0.4, 9.6, 8.6, 2.2, "plump", "#ffe14d", dark, 0.18, angle=8)
    rng = random.Random(seed)
    for _ in range(13):
        draw.crisp(
            art,
            rng.uniform(3, 14),
            rng.uniform(15.6, 19.2),
            rng.uniform(1.5, 2.1),
            rng.uniform(0, 3),
        )
    art.rect(2.2, 20.2, w - 2.2, 22.2, "#ffffff", 1.0)
    art.text(flavour, w / 2, 21.2, 11.0, 1.3, "geometric", dark)
    back = Art(w, h, main)
    back.small_print(3, 4, 11, 6, "#ffffff")
    back.facts(3, 11, 6, 8)
    back.barcode(10, 14, 4.5, 4)
    for side in (art, back):
        for k in range(int(w * 2.6)):
            for y0, y1 in ((0, 1.3), (h - 1.3, h)):
                side.line([(k / 2.6, y0), (k / 2.6, y1)], mix(dark, "#ffffff", 0.25), 0.1)
    foil = (Material(a.pixels(), 0.8, 0.22, 0.12) for a in (art, back))
    return pillow(w, h, 6.4, *foil, seed)


def salt_crisps() -> Shape:
    return _crisps("SEA SALT", "#2f9be0", "#0b3f86", "#e2231a", 3)


def paprika_crisps() -> Shape:
    return _crisps("PAPRIKA", "#f07a1a", "#9c1c0c", "#3a8d2f", 8)
