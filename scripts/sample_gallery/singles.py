"""Pictures of one product: the references of the gallery and the queries."""

from __future__ import annotations

import numpy as np

from .art import Pixels
from .light import Lighting
from .photo import Lens, expose, extent, frame, lamp
from .products import Product, shape_of
from .shapes import moved, turn_y
from .stage import Stage

# rotation, pitch of the camera and filled part of the frame of each reference
VIEWS = ((0, 7, 0.90), (-30, 15, 0.86), (31, 11, 0.88), (10, 34, 0.80), (-52, 19, 0.72))
STUDIOS = (
    Stage(("paper", "#f3f3f1"), ("paper", "#f3f3f1")),
    Stage(("paper", "#dfe2e6"), ("paper", "#dfe2e6")),
    Stage(("paper", "#efe6d6"), ("paper", "#efe6d6")),
    Stage(("paper", "#cfdde6"), ("paper", "#cfdde6")),
    Stage(("wood", "#d8b98c"), ("paper", "#eeeae2"), 24, 0, 60, 0.25, 0.4),
    Stage(("marble", "#dcdcdc"), ("paper", "#e6e6e6"), 26, 0, 55, 0.5, 0.2),
    Stage(("concrete", "#b9b7b2"), ("paper", "#d9d6d0"), 28, 0, 70, 0.1, 0.6),
)
ROOMS = (
    Stage(("wood", "#8a5a33"), ("paper", "#c9bda6"), 26, 0, 60, 0.3, 0.35),
    Stage(("cloth", "#6d84a8"), ("paper", "#8d9696"), 24, 0, 16, 0.02, 0.9),
    Stage(("check", "#b6423c"), ("tiles", "#e3e6e4"), 30, 0, 38, 0.05, 0.8),
    Stage(("wood", "#4b3a2c"), ("tiles", "#93b3ad"), 22, 0, 52, 0.35, 0.3),
    Stage(("marble", "#4a4d52"), ("concrete", "#a8a49b"), 34, 0, 60, 0.7, 0.12),
    Stage(("wood", "#b98a55"), ("wood", "#a9794a"), 16, 0, 64, 0.2, 0.5),
    Stage(("cloth", "#c9bb97"), ("paper", "#5d6b59"), 30, 0, 14, 0.02, 0.9),
    Stage(("concrete", "#86847f"), ("concrete", "#9b9890"), 26, 0, 70, 0.15, 0.5),
)


def _frame_size(product: Product) -> tuple[int, int]:
    low, high = extent(shape_of(product))
    width, height = (high - low)[:2]
    if height > 1.5 * width:
        return (300, 400)
    return (400, 320) if width > 1.2 * height else (380, 380)


def reference(product: Product, view: int, seed: int) -> Pixels:
    """A catalogue picture: the product fills the frame, before paper or on a plain table."""
    rng = np.random.default_rng([seed, 1, *product.label.encode(), view])
    turn, pitch, fill = VIEWS[view]
    shape = moved(shape_of(product), turn_y(turn + rng.uniform(-6, 6)), (0, 0, 0))
    camera = frame(
        shape,
        pitch + rng.uniform(-3, 3),
        rng.uniform(-4, 4),
        fill + rng.uniform(-0.04, 0.02),
        _frame_size(product),
    )
    light = Lighting(
        lamp(rng.choice((-1, 1)) * rng.uniform(25, 55), rng.uniform(38, 58)),
        rng.uniform(0.15, 0.35),
        rng.uniform(0.72, 0.88),
        rng.uniform(-0.15, 0.25),
        0.62,
    )
    # The first two pictures are taken before paper, as a shop's catalogue has them.
    stage = STUDIOS[rng.integers(4 if view < 2 else len(STUDIOS))]
    lens = Lens(rng.uniform(0.94, 1.06), rng.uniform(0, 0.35), 0.004, 0.06)
    return expose([shape], stage, light, camera, lens, seed + view, 0.22)[0]


def query(product: Product, seed: int) -> Pixels:
    """A customer's picture: another view, place and light, less sharp and noisier."""
    rng = np.random.default_rng([seed, 2, *product.label.encode()])
    shape = moved(shape_of(product), turn_y(rng.uniform(-42, 42)), (0, 0, 0))
    camera = frame(
        shape,
        rng.uniform(8, 30),
        rng.uniform(-8, 8),
        rng.uniform(0.62, 0.82),
        _frame_size(product),
        rng.uniform(26, 42),
    )
    light = Lighting(
        lamp(rng.uniform(-75, 75), rng.uniform(28, 60)),
        rng.uniform(0.06, 0.3),
        rng.uniform(0.6, 0.9),
        rng.uniform(-0.5, 0.9),
        rng.uniform(0.35, 0.6),
    )
    stage = ROOMS[rng.integers(len(ROOMS))]
    cast = (rng.uniform(0.93, 1.07), 1.0, rng.uniform(0.90, 1.07))
    lens = Lens(
        rng.uniform(0.85, 1.15), rng.uniform(0.5, 1.1), rng.uniform(0.010, 0.022), 0.16, cast
    )
    return expose([shape], stage, light, camera, lens, seed, 0.22)[0]
