"""Packages as grids of points: sweeps (cans, bottles, block bags), boxes, cartons, pillows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .art import Color, Pixels

Array = NDArray[np.float64]
Ring = tuple[float, float, float]  # half width, half depth, height above the table, in cm


@dataclass(frozen=True)
class Material:
    """A print and how it shines: gloss 0..1, roughness 0..1, metal 0..1."""

    texture: Pixels  # (h, w, 3) uint8 RGB
    gloss: float = 0.3
    roughness: float = 0.5
    metal: float = 0.0


@dataclass(frozen=True)
class Patch:
    """A bent sheet: points and normals (r, c, 3) in cm, uv (r, c, 2) in 0..1, v downwards."""

    points: Array
    normals: Array
    uv: Array
    material: Material


Shape = tuple[Patch, ...]


def plain(color: Color, gloss: float = 0.3, roughness: float = 0.5, metal: float = 0.0) -> Material:
    from PIL import ImageColor

    texture = np.full((4, 4, 3), ImageColor.getrgb(color)[:3], np.uint8)
    return Material(texture, gloss, roughness, metal)


ALUMINIUM = plain("#c9ccd0", 0.9, 0.25, 1.0)


def unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _between(a: Ring, b: Ring, t: float) -> Ring:
    """The ring a fraction t of the way from a to b."""
    x, z, y = (p + (q - p) * t for p, q in zip(a, b, strict=True))
    return x, z, y


def rounded(rings: Sequence[Ring], times: int = 2) -> list[Ring]:
    """Chaikin's corner cutting; both ends stay."""
    for _ in range(times):
        cut = [rings[0]]
        for a, b in pairwise(rings):
            cut.extend(_between(a, b, t) for t in (0.25, 0.75))
        rings = [*cut, rings[-1]]
    return list(rings)


def sweep(
    rings: Sequence[Ring], material: Material, squareness: float = 2.0, steps: int = 96
) -> Patch:
    """A wall through rings, bottom to top; squareness 2 is an ellipse, 8 a rounded rectangle."""
    size = np.array(rings, np.float64)
    # Dense, evenly spaced directions would starve the flat sides of a squarish ring of points,
    # so the ring is first traced finely and then resampled by its arc length.
    t = np.linspace(0, 2 * math.pi, 2049)
    x, z = -np.sin(t), -np.cos(t)  # starts at the back, so that u = 0.5 faces the viewer
    big = size[np.argmax(size[:, 0] * size[:, 1])]
    x = np.sign(x) * np.abs(x) ** (2 / squareness)
    z = np.sign(z) * np.abs(z) ** (2 / squareness)
    arc = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(x * big[0]), np.diff(z * big[1])))))
    u = np.linspace(0, 1, steps + 1)
    x, z = np.interp(u * arc[-1], arc, x), np.interp(u * arc[-1], arc, z)
    points = np.empty((len(size), steps + 1, 3))
    points[..., 0] = size[:, :1] * x
    points[..., 1] = size[:, 2:]
    points[..., 2] = size[:, 1:2] * z
    along = np.gradient(points, axis=0)
    around = np.roll(points[:, :-1], -1, 1) - np.roll(points[:, :-1], 1, 1)
    around = np.concatenate((around, around[:, :1]), 1)
    # A ring shrunk to a point has no direction around; the nearest ring lends its own.
    thin = np.linalg.norm(around, axis=-1).max(1) < 1e-6
    wide = np.flatnonzero(~thin)
    for row in np.flatnonzero(thin):
        around[row] = around[wide[np.argmin(abs(wide - row))]]
    length = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(size, axis=0), axis=1))))
    v = 1 - length / length[-1]
    uv = np.stack(np.broadcast_arrays(u[None], v[:, None]), -1)
    return Patch(points, unit(np.cross(around, along)), uv, material)


def sheet(corners: Sequence[Sequence[float]], material: Material, cells: int = 8) -> Patch:
    """A flat panel; corners run top left, top right, bottom right, bottom left as seen outside."""
    tl, tr, br, bl = (np.array(c, np.float64) for c in corners)
    edge = 0.25 / max(1.0, float(np.linalg.norm(tr - tl)))
    s = np.unique(np.concatenate((np.linspace(0, 1, cells + 1), [edge, 1 - edge])))
    t, w = s[:, None, None], s[None, :, None]
    points = (tl * (1 - w) + tr * w) * (1 - t) + (bl * (1 - w) + br * w) * t
    right, down = unit(tr - tl + br - bl), unit(bl - tl + br - tr)
    normal = unit(np.cross(down, right))
    normals = np.broadcast_to(normal, points.shape).copy()
    # Cardboard folds have a radius: the outermost normals lean over the edge.
    for index, lean in ((np.s_[0], -down), (np.s_[-1], down)):
        normals[index] += 0.55 * lean
    normals[:, 0] -= 0.55 * right
    normals[:, -1] += 0.55 * right
    uv = np.stack(np.broadcast_arrays(s[None, :], s[:, None]), -1)
    return Patch(points, unit(normals), uv, material)


def box(w: float, h: float, d: float, faces: Mapping[str, Material], base: float = 0.0) -> Shape:
    """A box on the table with the materials front, side and top."""
    x, z, y0, y1 = w / 2, d / 2, base, base + h
    around = [
        ("front", (-x, z), (x, z)),
        ("side", (x, z), (x, -z)),
        ("front", (x, -z), (-x, -z)),
        ("side", (-x, -z), (-x, z)),
    ]
    walls = [
        sheet([(a[0], y1, a[1]), (b[0], y1, b[1]), (b[0], y0, b[1]), (a[0], y0, a[1])], faces[name])
        for name, a, b in around
    ]
    lid = sheet([(-x, y1, -z), (x, y1, -z), (x, y1, z), (-x, y1, z)], faces["top"])
    floor = sheet([(-x, y0, z), (x, y0, z), (x, y0, -z), (-x, y0, -z)], faces["side"])
    return (*walls, lid, floor)


def moved(shape: Shape, matrix: Array, shift: Sequence[float]) -> Shape:
    """The shape turned by a 3x3 rotation, then shifted."""
    return tuple(
        replace(p, points=p.points @ matrix.T + np.array(shift), normals=p.normals @ matrix.T)
        for p in shape
    )


def turn_y(degrees: float) -> Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turn_x(degrees: float) -> Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def gable_carton(
    w: float, h: float, d: float, faces: Mapping[str, Material], cap: Material | None
) -> Shape:
    """A milk carton: box, sloping roof with tucked sides, fin, and perhaps a screw cap."""
    rise, fin, thick = 0.55 * d, 1.5, 0.18
    x, z, top = w / 2, d / 2, h + rise
    walls = box(w, h, d, {**faces, "top": faces["roof"]})[:4]
    front = sheet([(-x, top, thick), (x, top, thick), (x, h, z), (-x, h, z)], faces["roof"])
    back = moved((front,), turn_y(180), (0, 0, 0))[0]
    tuck = x - 0.42 * d
    right = sheet([(tuck, top, 0.05), (tuck, top, -0.05), (x, h, -z), (x, h, z)], faces["gusset"])
    left = moved((right,), turn_y(180), (0, 0, 0))[0]
    ridge = box(w, fin, 2 * thick, dict.fromkeys(("front", "side", "top"), faces["fin"]), base=top)
    shape = (*walls, front, back, right, left, *ridge)
    if cap is None:
        return shape
    slope = math.degrees(math.atan2(rise, z))
    cap_shape = moved(
        screw_cap(1.35, 1.5, cap), turn_x(90 - slope), (0, h + rise / 2, z / 2 + 0.05)
    )
    return (*shape, *cap_shape)


def screw_cap(r: float, h: float, material: Material, base: float = 0.0) -> Shape:
    """A ridged plastic cap."""
    wall = sweep(
        [(r, r, base), (r, r, base + h - 0.15), (r - 0.15, r - 0.15, base + h)], material, steps=120
    )
    ridges = np.where(np.arange(121) % 4 < 2, 1.0, 0.975)[None, :, None]
    wall = replace(
        wall, points=wall.points * np.concatenate(np.broadcast_arrays(ridges, 1.0, ridges), axis=-1)
    )
    lid = sweep(
        rounded(
            [
                (r - 0.14, r - 0.14, base + h),
                (0.5 * r, 0.5 * r, base + h + 0.02),
                (0.0, 0.0, base + h + 0.02),
            ]
        ),
        material,
    )
    return (wall, lid)


def pillow(w: float, h: float, t: float, front: Material, back: Material, seed: int) -> Shape:
    """A heat-sealed bag of crisps with wrinkles running from the seams."""
    rng = np.random.default_rng(seed)
    u, v = np.meshgrid(np.linspace(0, 1, 61), np.linspace(0, 1, 81))
    seal = 0.055
    inner = np.clip((v - seal) / (1 - 2 * seal), 0, 1)
    puff = (1 - np.abs(2 * inner - 1) ** 3.2) ** 0.62 * (1 - np.abs(2 * u - 1) ** 2.6) ** 0.75
    near = np.exp(-np.minimum(inner, 1 - inner) / 0.10) * (inner > 0) * (inner < 1)
    folds = np.zeros_like(u)
    for _ in range(9):
        k, phase, lean = rng.uniform(3, 11), rng.uniform(0, 6.3), rng.normal(0, 2.5)
        folds += rng.uniform(0.4, 1) * np.sin(2 * math.pi * k * u + phase + lean * v)
    dents = sum(
        rng.normal() * np.exp(-(((u - a) / 0.16) ** 2 + ((v - b) / 0.1) ** 2))
        for a, b in rng.uniform(0.1, 0.9, (10, 2))
    )
    edge = (1 - np.abs(2 * u - 1) ** 2.6) ** 0.5
    z = 0.5 * t * puff + (0.07 * folds * near + 0.14 * dents * puff) * edge
    z += 0.02 * t * np.sin(2 * math.pi * 1.3 * u + seed) * (v - 0.5)
    z += 0.03 * np.sin(2 * math.pi * 44 * u) * (np.abs(v - 0.5) > 0.5 - seal)
    narrow = 1 - 0.10 * (1 - np.abs(2 * inner - 1) ** 2.5)
    x = (u - 0.5) * w * narrow
    patches = []
    for side, material in ((1.0, front), (-1.0, back)):
        points = np.stack((side * x, (1 - v) * h, side * (z + 0.03)), -1)
        normals = unit(np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1)))
        patches.append(Patch(points, normals, np.stack((u, v), -1), material))
    return tuple(patches)
