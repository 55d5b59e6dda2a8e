"""What a product looks like in somebody's photo: one distorted view of a stored picture.

A view starts from a stored row (see feature_data.py) and the box of its object. Pictures on a plain
white ground, as in a catalogue, are sometimes cut out and set on another picture. Everything is
drawn from one generator, so that a seed gives the same view again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from feature_data import SIDE, resize
from numpy.random import Generator

WHITE = 232  # a border pixel at least this bright in all channels counts as white
SHOW_GROUND = 0.5  # of the catalogue pictures, how many are set on another ground
TURN = 0.2  # of all views, how many are turned by 90, 180 or 270 degrees


def on_plain_white(pixels: np.ndarray) -> bool:
    """Whether nearly all of the border is white."""
    border = np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    return bool((border.min(1) >= WHITE).mean() > 0.9)


def cut_out(pixels: np.ndarray) -> np.ndarray:
    """Mask (h, w) float32 in 0..1 of what is not the white that touches the border."""
    height, width = pixels.shape[:2]
    padded = cv2.copyMakeBorder(pixels, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    mask = np.zeros((height + 4, width + 4), np.uint8)
    spread = (255 - WHITE + 6,) * 3
    flags = 8 | (255 << 8) | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    cv2.floodFill(padded, mask, (0, 0), 0, spread, spread, flags)
    inside = (mask[2:-2, 2:-2] == 0).astype(np.uint8)
    eroded = cv2.erode(inside, np.ones((3, 3), np.uint8))
    return cv2.GaussianBlur(eroded.astype(np.float32), (0, 0), 0.8)


def set_on(pixels: np.ndarray, ground: np.ndarray, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """The cut-out object on this ground, and its box in 0..1 (xyxy)."""
    mask = cut_out(pixels)
    ys, xs = np.flatnonzero(mask.max(1) > 0.5), np.flatnonzero(mask.max(0) > 0.5)
    whole = np.array((0, 0, 1, 1), np.float32)
    if len(ys) < SIDE // 8 or len(xs) < SIDE // 8 or mask.mean() > 0.97:
        return pixels, whole
    shade = np.float32(rng.uniform(0.75, 1.1))
    mask = mask[..., None]
    made = pixels * (mask * shade) + ground * (1 - mask)
    box = np.array((xs[0], ys[0], xs[-1] + 1, ys[-1] + 1), np.float32) / SIDE
    return np.clip(made, 0, 255).astype(np.uint8), box


def _quad(box: np.ndarray, rng: Generator) -> np.ndarray:
    """Corners (4, 2) in the row, in pixels, of what becomes the view: a jittered, turned, tilted
    box."""
    x0, y0, x1, y1 = box * SIDE
    width, height = x1 - x0, y1 - y0
    if box[0] > 0.01 or box[1] > 0.01 or box[2] < 0.99 or box[3] < 0.99:
        grow = rng.uniform(-0.12, 0.14, 4) * (width, height, width, height)
        x0, y0, x1, y1 = x0 - grow[0], y0 - grow[1], x1 + grow[2], y1 + grow[3]
    else:
        area, aspect = rng.uniform(0.55, 1.0), math.exp(rng.uniform(-0.25, 0.25))
        wide = min(math.sqrt(area * aspect), 1.0) * SIDE
        high = min(math.sqrt(area / aspect), 1.0) * SIDE
        x0, y0 = rng.uniform(0, SIDE - wide), rng.uniform(0, SIDE - high)
        x1, y1 = x0 + wide, y0 + high
    centre = np.array(((x0 + x1) / 2, (y0 + y1) / 2))
    half = np.array(((x1 - x0) / 2, (y1 - y0) / 2))
    corners = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)), np.float64) * half
    if rng.random() < 0.6:
        angle = math.radians(rng.normal(0, 9))
        cos, sin = math.cos(angle), math.sin(angle)
        corners = corners @ np.array(((cos, sin), (-sin, cos)))
    if rng.random() < 0.4:
        corners *= 1 + rng.uniform(-0.14, 0.14, (4, 2))
    return (corners + centre).astype(np.float32)


def _warp(pixels: np.ndarray, quad: np.ndarray, side: int, rng: Generator) -> np.ndarray:
    goal = np.array(((0, 0), (side, 0), (side, side), (0, side)), np.float32)
    if rng.random() < 0.4:
        goal = goal[[1, 0, 3, 2]]
    if rng.random() < TURN:
        goal = np.roll(goal, int(rng.integers(1, 4)), 0)
    matrix = cv2.getPerspectiveTransform(quad, goal)
    edge = cv2.BORDER_REFLECT_101 if rng.random() < 0.7 else cv2.BORDER_REPLICATE
    return cv2.warpPerspective(
        pixels, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=edge
    )


def _hide(view: np.ndarray, other: np.ndarray, rng: Generator) -> None:
    """A hand or a neighbour in front, from one edge, over at most a quarter."""
    side = view.shape[0]
    mask = np.zeros((side, side), np.uint8)
    along, deep = rng.uniform(0, side), rng.uniform(0.05, 0.3) * side
    size = (int(rng.uniform(0.08, 0.3) * side), int(deep))
    centre = [(along, 0), (along, side), (0, along), (side, along)][int(rng.integers(4))]
    whole = (int(centre[0]), int(centre[1]))
    cv2.ellipse(mask, whole, size, rng.uniform(0, 180), 0, 360, 255, -1)
    if rng.random() < 0.5:
        skin = np.array((224, 172, 140)) * rng.uniform(0.35, 1.1) + rng.normal(0, 8, 3)
        view[mask > 0] = np.clip(skin, 0, 255).astype(np.uint8)
    else:
        np.copyto(view, resize(other, side), where=(mask > 0)[..., None])


def _light(view: np.ndarray, rng: Generator) -> np.ndarray:
    """Glare or light from one side."""
    side = view.shape[0]
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    if rng.random() < 0.5:
        x, y = rng.uniform(-0.9, 0.9, 2)
        wide, high = rng.uniform(0.1, 0.5, 2)
        spot = (
            np.exp(-(((ramp - x) / wide) ** 2))[None] * np.exp(-(((ramp - y) / high) ** 2))[:, None]
        )
        return np.clip(view + spot[..., None] * np.float32(rng.uniform(60, 220)), 0, 255).astype(
            np.uint8
        )
    slope = rng.uniform(-0.45, 0.45, 2).astype(np.float32)
    field = 1 + slope[0] * ramp[None] + slope[1] * ramp[:, None]
    return np.clip(view * field[..., None], 0, 255).astype(np.uint8)


def _spoil(view: np.ndarray, rng: Generator) -> np.ndarray:
    """Sometimes blurred, small, noisy or compressed."""
    side, kind = view.shape[0], rng.random()
    if kind < 0.10:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.5, 2.0))
    elif kind < 0.14:
        length = int(rng.integers(3, 9))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        view = cv2.filter2D(view, -1, kernel if rng.random() < 0.5 else kernel.T)
    elif kind < 0.26:
        view = resize(resize(view, int(side * rng.uniform(0.3, 0.9))), side)
    elif kind < 0.32:
        noise = rng.normal(0, rng.uniform(3, 14), view.shape).astype(np.float32)
        view = np.clip(view + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 80))]
        view = cv2.imdecode(cv2.imencode(".jpg", view, quality)[1], cv2.IMREAD_COLOR)
    return view


def photo(
    pixels: np.ndarray,
    box: np.ndarray,
    other: Callable[[], np.ndarray],
    side: int,
    rng: Generator,
) -> np.ndarray:
    """One (side, side, 3) uint8 view of the object in `box` (xyxy in 0..1) of a row; `other` gives
    a row to take grounds and obstacles from."""
    if rng.random() < SHOW_GROUND and on_plain_white(pixels):
        pixels, box = set_on(pixels, other(), rng)
    view = _warp(pixels, _quad(box, rng), side, rng)
    if rng.random() < 0.12:
        _hide(view, other(), rng)
    if rng.random() < 0.2:
        view = _light(view, rng)
    return colour(_spoil(view, rng), rng)


def colour(view: np.ndarray, rng: Generator) -> np.ndarray:
    """The view (h, w, 3) uint8 with brightness, white balance, saturation and contrast changed."""
    gain = np.exp(rng.normal(0, 0.24) + rng.normal(0, 0.05, 3))
    saturation, contrast = np.exp(rng.normal(0, 0.22)), np.exp(rng.normal(0, 0.17))
    grey = np.full((3, 3), (1 - saturation) / 3) + saturation * np.eye(3)
    mean = (np.array(cv2.mean(view)[:3]) * gain).mean()
    matrix = np.empty((3, 4))
    matrix[:, :3] = contrast * grey * gain
    matrix[:, 3] = (1 - contrast) * mean
    return cv2.transform(view, matrix)
