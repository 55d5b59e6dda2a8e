"""Cluttered pictures with several products, some of them strangers, on tables and shelves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .art import Pixels
from .camera import Camera, rasterise
from .light import Lighting
from .photo import Lens, expose, extent, frame, lamp
from .products import PRODUCTS, STRANGERS, Product, shape_of
from .shapes import Array, Material, Shape, box, moved, turn_y
from .singles import ROOMS
from .stage import Stage, pattern

SIZE = (900, 675)
LEAST_VISIBLE = 0.76
# products, strangers, boards (0 is a table)
PLANS = (
    (1, 0, 0),
    (2, 0, 0),
    (3, 1, 0),
    (4, 0, 0),
    (4, 1, 1),
    (5, 1, 0),
    (6, 0, 2),
    (5, 2, 0),
    (7, 1, 2),
    (6, 1, 0),
    (8, 1, 2),
    (8, 2, 2),
)


@dataclass(frozen=True)
class SceneObject:
    label: str | None  # None is a stranger
    box: tuple[int, int, int, int]  # x1, y1, x2, y2 of what is visible, pixels


@dataclass(frozen=True)
class Scene:
    picture: Pixels
    objects: tuple[SceneObject, ...]


def _scatter(
    shapes: list[Shape], width: float, depth: float, rng: np.random.Generator
) -> list[Shape] | None:
    """The shapes at random places of a width x depth cm surface, none inside another."""
    placed: list[tuple[Array, float]] = []
    result = []
    for shape in shapes:
        turned = moved(shape, turn_y(rng.uniform(-32, 32)), (0, 0, 0))
        low, high = extent(turned)
        radius = 0.5 * float(np.hypot(*(high - low)[[0, 2]])) * 0.86
        for _ in range(60):
            # Tall ones tend to the back, as anybody would put them.
            back = (float(high[1]) - 14) / 14 * 0.3 * depth
            spot = np.array((rng.uniform(-0.5, 0.5) * width, rng.uniform(-0.5, 0.5) * depth - back))
            spot[1] = np.clip(spot[1], -0.5 * depth, 0.5 * depth)
            if all(np.linalg.norm(spot - other) > radius + r for other, r in placed):
                break
        else:
            return None
        placed.append((spot, radius))
        result.append(moved((*turned,), np.eye(3), (float(spot[0]), 0.0, float(spot[1]))))
    return result


def _visible(shapes: list[Shape], furniture: list[Shape], camera: Camera) -> tuple[Array, bool]:
    """The visible part of each shape, and whether all are wholly inside the frame."""
    together = rasterise([*shapes, *furniture], camera).object
    parts, inside = [], True
    for number, shape in enumerate(shapes):
        alone = rasterise([shape], camera).object >= 0
        parts.append((together == number).sum() / max(1, alone.sum()))
        inside &= not (alone[0].any() or alone[-1].any() or alone[:, 0].any() or alone[:, -1].any())
    return np.array(parts), inside


def _shelf(
    boards: int, width: float, kind: str, color: str, seed: int
) -> tuple[list[Shape], list[float]]:
    """Boards and sides of a shelf, and the height of each board's upper face."""
    grain = pattern(kind, color, seed)
    flat = Material(grain[: len(grain) // 3], 0.25, 0.45)
    edge = Material(grain[20:60], 0.25, 0.45)
    upright = Material(np.ascontiguousarray(grain[: len(grain) // 4].transpose(1, 0, 2)), 0.2, 0.5)
    board = {"front": edge, "side": edge, "top": flat}
    cheek = {"front": upright, "side": upright, "top": edge}
    heights = [24.0 + 34.0 * k for k in range(boards)]
    parts = [moved(box(width, 1.8, 30, board), np.eye(3), (0, y - 1.8, -3)) for y in heights]
    tall = heights[-1] + 36
    parts += [
        moved(box(1.8, tall, 30, cheek), np.eye(3), (side * (width / 2 + 0.9), 0, -3))
        for side in (-1, 1)
    ]
    return parts, heights


def _arrange(
    chosen: list[Product], boards: int, seed: int, rng: np.random.Generator
) -> tuple[list[Shape], list[Shape], Stage, Camera]:
    """Tries places until every product can be seen well enough."""
    shapes = [shape_of(p) for p in chosen]
    crowd = len(chosen)
    for attempt in range(400):
        if boards:
            width = 66.0 if boards == 2 else 70.0
            kind, color = [("wood", "#c79a63"), ("paper", "#e9e7e2"), ("wood", "#6b472b")][seed % 3]
            furniture, heights = _shelf(boards, width, kind, color, seed)
            rows = [_scatter(shapes[k::boards], width - 14, 11, rng) for k in range(boards)]
            if any(row is None for row in rows):
                continue
            standing: list[Shape] = [()] * crowd
            for k, row in enumerate(rows):
                standing[k::boards] = [moved(s, np.eye(3), (0, heights[k], 0)) for s in row or []]
            stage = Stage(("wood", "#7a6a58"), ("paper", "#d8d2c4"), 14.5, 0, 60, 0.05, 0.7, seed)
            pitch = rng.uniform(1, 8)
        else:
            furniture = []
            placed = _scatter(shapes, 11 + 7.0 * crowd, 8 + 4.0 * crowd, rng)
            if placed is None:
                continue
            standing, pitch = placed, rng.uniform(14, 28)
            stage = ROOMS[seed % len(ROOMS)]
            stage = Stage(
                stage.floor,
                stage.wall,
                24 + 3.0 * crowd,
                0,
                stage.scale,
                stage.gloss,
                stage.roughness,
                seed,
                0.2 * (seed % 3 - 1),
            )
        whole = tuple(patch for shape in standing for patch in shape)
        fill = 0.55 if crowd == 1 else rng.uniform(0.84, 0.92)
        camera = frame(whole, pitch, rng.uniform(-12, 12), fill, SIZE, 30)
        small = Camera(camera.eye, camera.target, camera.fov, SIZE[0] // 4, SIZE[1] // 4)
        parts, inside = _visible(standing, furniture, small)
        overlap = crowd < 3 or parts.min() < 0.95 or attempt > 40
        if inside and parts.min() > LEAST_VISIBLE and overlap:
            return standing, furniture, stage, camera
    raise RuntimeError(f"no arrangement of {crowd} products on {boards} boards; take another seed")


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (int(cols[0]) // 2, int(rows[0]) // 2, int(cols[-1]) // 2 + 1, int(rows[-1]) // 2 + 1)


def scene(number: int, seed: int) -> Scene:
    """The scene PLANS[number]."""
    products, strangers, boards = PLANS[number]
    rng = np.random.default_rng([seed, 3, number])
    # Walking through one shuffled list shows every product at least once over all scenes.
    deals = [np.random.default_rng([seed, 4, k]).permutation(len(PRODUCTS)) for k in range(4)]
    deck = np.concatenate(deals)
    first = sum(plan[0] for plan in PLANS[:number])
    hand: list[int] = []
    for card in deck[first:]:
        if len(hand) < products and int(card) not in hand:
            hand.append(int(card))
    odd = rng.permutation(len(STRANGERS))[:strangers]
    chosen = [PRODUCTS[k] for k in hand] + [STRANGERS[k] for k in odd]
    chosen = [chosen[k] for k in rng.permutation(len(chosen))]
    standing, furniture, stage, camera = _arrange(chosen, boards, number, rng)
    side = rng.choice((-1, 1)) * rng.uniform(15, 55)
    light = Lighting(
        lamp(side, rng.uniform(30, 42) if boards else rng.uniform(36, 60)),
        rng.uniform(0.1, 0.25),
        rng.uniform(0.72, 0.95),
        rng.uniform(-0.2, 0.6),
        rng.uniform(0.45, 0.6),
    )
    lens = Lens(rng.uniform(0.95, 1.1), rng.uniform(0.4, 0.8), rng.uniform(0.006, 0.012), 0.16)
    picture, seen = expose([*standing, *furniture], stage, light, camera, lens, number, 0.27)
    known = {p.label for p in PRODUCTS}
    objects = [
        SceneObject(p.label if p.label in known else None, _box(seen.object == k))
        for k, p in enumerate(chosen)
    ]
    return Scene(picture, tuple(objects))
