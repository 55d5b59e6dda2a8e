"""What products stand on and in front of: paper sweeps, wood, marble, cloth, concrete, tiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from PIL import ImageColor

from .art import Color, Pixels, mix
from .shapes import Array

TILE = 1024


def linear(color: Color) -> Array:
    return (np.array(ImageColor.getrgb(color)[:3]) / 255.0) ** 2.2


def noise(seed: int, across: float, down: float, octaves: int = 4) -> Array:
    """(TILE, TILE) tileable noise of unit variance, stretched by its two grain sizes in pixels."""
    white = np.fft.rfft2(np.random.default_rng(seed).normal(size=(TILE, TILE)))
    fy, fx = np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]
    total = np.zeros((TILE, TILE))
    for k in range(octaves):
        a, b = across / 2**k, down / 2**k
        layer = np.fft.irfft2(white * np.exp(-((fx * a) ** 2 + (fy * b) ** 2) * 8), (TILE, TILE))
        total += layer / (layer.std() + 1e-9) / 2**k
    return total / total.std()


def _paint(value: Array, dark: Color, light: Color) -> Array:
    t = np.clip(0.5 + 0.25 * value, 0, 1)[..., None]
    a, b = (np.array(ImageColor.getrgb(c)[:3], np.float64) for c in (dark, light))
    return a * (1 - t) + b * t


@lru_cache(maxsize=16)
def pattern(kind: str, color: Color, seed: int) -> Pixels:
    """A tileable picture of a material, (TILE, TILE, 3) uint8."""
    dark, light = mix(color, "#000000", 0.35), mix(color, "#ffffff", 0.2)
    y, x = np.mgrid[:TILE, :TILE]
    if kind == "wood":
        bend = noise(seed, 500, 60, 2) * 5
        rings = np.sin((y + bend * 4) / TILE * 2 * np.pi * 14 + noise(seed + 1, 700, 25, 2) * 1.5)
        picture = _paint(0.55 * rings + 0.7 * noise(seed + 2, 220, 3, 3), dark, light)
        board = y * 4 // TILE
        picture *= (0.9 + 0.06 * np.sin(board * 2.4 + seed))[..., None]
        picture[(y % (TILE // 4)) < 4] *= 0.55
    elif kind == "marble":
        veins = np.abs(noise(seed, 260, 200, 4) + 0.4 * noise(seed + 1, 60, 60, 3))
        picture = _paint(
            np.clip(veins * 5, 0, 2.4) - 1.2 + 0.3 * noise(seed + 2, 90, 90), dark, light
        )
    elif kind == "cloth":
        weave = np.sin(x * 2 * np.pi / 8) * np.sin(y * 2 * np.pi / 8)
        picture = _paint(
            0.55 * weave + 0.5 * noise(seed, 40, 3) + 0.5 * noise(seed + 1, 3, 40), dark, light
        )
    elif kind == "check":
        a, b = (x * 8 // TILE) % 2, (y * 8 // TILE) % 2
        picture = _paint((a + b - 1) * 1.5 + 0.35 * noise(seed, 3, 3, 1), color, "#f4efe4")
    elif kind == "tiles":
        picture = _paint(0.35 * noise(seed, 90, 90), mix(color, "#000000", 0.1), light)
        shift = np.where((y * 8 // TILE) % 2 == 0, 0, TILE // 8)
        joint = (y % (TILE // 8) < 6) | ((x + shift) % (TILE // 4) < 6)
        picture[joint] = picture[joint] * 0.35 + 120
    elif kind == "concrete":
        picture = _paint(
            0.6 * noise(seed, 200, 200, 6) + 0.25 * noise(seed + 1, 3, 3, 1), dark, light
        )
    else:  # paper, painted wall
        picture = _paint(
            0.08 * noise(seed, 4, 4, 2), mix(color, "#000000", 0.06), mix(color, "#ffffff", 0.06)
        )
    return np.clip(picture, 0, 255).astype(np.uint8)


@lru_cache(maxsize=16)
def _soft_pattern(kind: str, color: Color, seed: int) -> Pixels:
    """The far part is read from this copy, which hides aliasing and looks out of focus."""
    blurred: Pixels = cv2.GaussianBlur(
        pattern(kind, color, seed), (0, 0), 7, borderType=cv2.BORDER_REFLECT
    )
    return blurred


@dataclass(frozen=True)
class Stage:
    """A floor at y = 0 that bends up into a wall at z = -depth. Colours are sRGB names."""

    floor: tuple[str, Color] = ("paper", "#f2f1ee")
    wall: tuple[str, Color] = ("paper", "#f2f1ee")
    depth: float = 30.0  # cm behind the products
    bend: float = 14.0  # radius of the bend, cm; 0 is a table against a wall
    scale: float = 45.0  # cm of one repeat of the pattern
    gloss: float = 0.12
    roughness: float = 0.6
    seed: int = 0
    turn: float = field(default=0.0)  # of the floor's pattern, radians

    def bounce(self) -> Array:
        return linear(self.floor[1])

    def behind(
        self, eye: Array, rays: Array, distance: Array, normal: Array, product: np.ndarray
    ) -> tuple[Array, Array, Array]:
        """Fills the pixels without a product: distance, normal and linear albedo (h, w, 3)."""
        down, back = rays[..., 1], rays[..., 2]
        with np.errstate(divide="ignore"):
            floor = np.where(down < -1e-6, -eye[1] / down, 1e9)
            wall = np.where(back < -1e-6, (-self.depth - eye[2]) / back, 1e9)
        on_floor = floor < wall
        reach = np.minimum(np.minimum(floor, wall), 900.0)
        points = eye + rays * reach[..., None]
        height, away = points[..., 1], points[..., 2] + self.depth
        if self.bend:
            lean = np.where(
                on_floor,
                np.clip(1 - away / self.bend, 0, 1) / 2,
                1 - np.clip(1 - height / self.bend, 0, 1) / 2,
            )
        else:
            lean = np.where(on_floor, 0.0, 1.0)
        tilt = lean * np.pi / 2
        ground = np.stack((np.zeros_like(tilt), np.cos(tilt), np.sin(tilt)), -1)
        c, s = np.cos(self.turn), np.sin(self.turn)
        fx, fz = points[..., 0], points[..., 2]
        floor_at = (c * fx - s * fz, s * fx + c * fz)
        albedo = np.where(
            on_floor[..., None],
            self._look(self.floor, *floor_at, reach),
            self._look(self.wall, points[..., 0], -height, reach),
        )
        distance = np.where(product, distance, reach)
        return distance, np.where(product[..., None], normal, ground), albedo

    def _look(self, what: tuple[str, Color], x: Array, y: Array, reach: Array) -> Array:
        tile, soft = pattern(*what, self.seed), _soft_pattern(*what, self.seed)
        at = np.stack((y, x), -1) / self.scale * TILE
        index = np.floor(at).astype(np.int64) % TILE
        sharp, blurred = tile[index[..., 0], index[..., 1]], soft[index[..., 0], index[..., 1]]
        far = np.clip((reach - 60) / 80, 0, 1)[..., None]
        return ((sharp * (1 - far) + blurred * far) / 255.0) ** 2.2
