"""From light to JPEG: exposure, tone curve, lens blur, grain; and single-product pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .art import Pixels
from .camera import Camera, Surface
from .light import Lighting, shade
from .shapes import Array, Shape, unit
from .stage import Stage


@dataclass(frozen=True)
class Lens:
    exposure: float = 1.0
    blur: float = 0.0  # pixels
    grain: float = 0.004
    vignette: float = 0.08
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)  # white balance


def develop(radiance: Array, lens: Lens, seed: int) -> Pixels:
    """Linear radiance of twice the size to a finished picture (h, w, 3) uint8 RGB."""
    h, w = radiance.shape[0] // 2, radiance.shape[1] // 2
    # Lamps mirrored in foil are clipped before shrinking, or their edges would stay jagged.
    light = np.clip(radiance * np.array(lens.cast) * lens.exposure, 0, 1.8).astype(np.float32)
    light = cv2.resize(light, (w, h), interpolation=cv2.INTER_AREA)
    glow = cv2.GaussianBlur(np.clip(light - 0.95, 0, None), (0, 0), 5)
    light = light + 0.25 * glow
    if lens.blur:
        light = cv2.GaussianBlur(light, (0, 0), lens.blur)
    y, x = np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    light *= (1 - lens.vignette * (x * x + y * y))[..., None]
    knee = 0.72  # above it the curve bends, so that white paper keeps some drawing
    over = np.clip(light - knee, 0, None)
    light = np.minimum(light, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    picture = np.clip(light, 0, 1) ** (1 / 2.2)
    rng = np.random.default_rng(seed)
    picture += rng.normal(0, lens.grain, (h, w, 1)) + rng.normal(0, lens.grain / 2, (h, w, 3))
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def extent(shape: Shape) -> tuple[Array, Array]:
    """The lowest and highest corner of a shape, (3,) each, cm."""
    points = np.concatenate([p.points.reshape(-1, 3) for p in shape])
    return points.min(0), points.max(0)


def frame(
    shape: Shape, pitch: float, side: float, fill: float, size: tuple[int, int], fov: float = 22.0
) -> Camera:
    """A camera that sees the shape fill that part of the frame, from pitch degrees above."""
    low, high = extent(shape)
    target = (low + high) / 2
    a, b = np.radians(pitch), np.radians(side)
    direction = np.array([np.sin(b) * np.cos(a), np.sin(a), np.cos(b) * np.cos(a)])
    corners = np.array(
        [
            [(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]]
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
    )
    distance = 40.0
    for _ in range(6):
        camera = Camera(target + direction * distance, target, fov, *size)
        seen = camera.project(corners)
        share = np.ptp(seen[:, :2], axis=0) / size
        distance *= float(max(share)) / fill
    camera = Camera(target + direction * distance, target, fov, *size)
    # Foreshortening shifts the picture of the box; aim again at its middle.
    seen = camera.project(corners)[:, :2]
    offset = (seen.min(0) + seen.max(0)) / 2 - np.array(size) / 2
    right, up, _ = camera.axes()
    unit_px = 2 * distance * np.tan(np.radians(fov) / 2) / size[1]
    target = target + (offset[0] * right - offset[1] * up) * unit_px
    return Camera(target + direction * distance, target, fov, *size)


def expose(
    objects: list[Shape],
    stage: Stage,
    light: Lighting,
    camera: Camera,
    lens: Lens,
    seed: int,
    cell: float,
) -> tuple[Pixels, Surface]:
    """The finished picture, and what each pixel of the doubled frame sees."""
    radiance, seen = shade(objects, stage, light, camera.scaled(2), seed, cell)
    return develop(radiance, lens, seed), seen


def lamp(side: float, height: float) -> Array:
    """The direction to a lamp `side` degrees to the right and `height` degrees up."""
    a, b = np.radians(height), np.radians(side)
    return unit(np.array([np.sin(b) * np.cos(a), np.sin(a), np.cos(b) * np.cos(a)]))
