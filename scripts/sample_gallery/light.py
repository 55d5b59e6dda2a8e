"""Light: soft shadows of many small lamps, ambient occlusion by the sky, mirrored lamps."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera, Surface, dense_points, rasterise
from .shapes import Array, Shape, unit
from .stage import Stage


@dataclass(frozen=True)
class Lighting:
    key: Array  # (3,) direction to the main lamp, unit
    size: float  # radius of the lamp as seen from the product, radians; large is soft
    power: float = 1.0
    warmth: float = 0.0  # -1 blue .. 1 orange
    ambient: float = 0.75

    def color(self) -> Array:
        return self.power * np.array([1 + 0.22 * self.warmth, 1.0, 1 - 0.30 * self.warmth])

    def sky(self) -> Array:
        return self.ambient * np.array([0.97, 1.0, 1.03])


def _basis(direction: Array) -> tuple[Array, Array]:
    side = unit(np.cross(direction, [0.3, 0.1, 0.95]))
    return side, np.cross(direction, side)


def _spiral(count: int) -> Array:
    """(count, 2) points that fill the unit disc evenly."""
    k = np.arange(count) + 0.5
    r, a = np.sqrt(k / count), k * 2.399963
    return np.stack((r * np.cos(a), r * np.sin(a)), -1)


def _lit(spots: Array, blockers: Array, cell: float, jitter: Array) -> Array:
    """1 where no blocker stands between a point and the lamp, else 0.

    Both are (n, 3) in the lamp's own axes, the last one towards the lamp.
    """
    low = np.floor(blockers[:, :2].min(0) / cell) - 2
    at = np.round(blockers[:, :2] / cell - low).astype(np.int64)
    rows, cols = (int(n) for n in at.max(0) + 3)
    nearest = np.full((rows, cols), -1e9, np.float32)
    np.maximum.at(nearest.reshape(-1), at[:, 0] * cols + at[:, 1], blockers[:, 2])
    # Points seen at a slant leave gaps in the map, through which light would leak in specks.
    nearest = cv2.morphologyEx(nearest, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    spot = np.round(spots[:, :2] / cell - low + jitter)
    # What lies outside the map reads its rim, where nothing stands.
    row = np.clip(spot[:, 0], 0, rows - 1).astype(np.int32)
    col = np.clip(spot[:, 1], 0, cols - 1).astype(np.int32)
    lit = nearest.reshape(-1)[row * cols + col] < spots[:, 2] + 1.3 * cell
    return lit.astype(np.float32)


def visibility(
    points: Array,
    normals: Array,
    objects: list[Shape],
    light: Lighting,
    rng: np.random.Generator,
    cell: float,
    lamps: int = 14,
    skies: int = 16,
) -> tuple[Array, Array]:
    """Which part of the lamp, and of the sky, the points (n, 3) see: two (n,) of 0..1."""
    cloud = dense_points(objects, cell * 0.8).astype(np.float32)
    start = (points + normals * (0.6 * cell)).astype(np.float32)
    jitters = rng.uniform(-0.8, 0.8, (8, len(points), 2)).astype(np.float32)

    def seen_from(to: Array, number: int) -> Array:
        axes = np.stack((*_basis(to), to), 1).astype(np.float32)
        return _lit(start @ axes, cloud @ axes, cell, jitters[number % 8])

    side, up = _basis(light.key)
    lamp = np.zeros(len(points))
    for number, (x, y) in enumerate(_spiral(lamps) * light.size):
        lamp += seen_from(unit(light.key + x * side + y * up), number) / lamps
    open_sky, whole_sky = np.zeros(len(points)), np.full(len(points), 1e-6)
    for number, (x, z) in enumerate(_spiral(skies) * 0.995):
        to = unit(np.array([x, np.sqrt(1 - x * x - z * z) * 0.9 + 0.06, z]))
        # A room is brighter towards the camera than behind the products.
        weight = np.clip(normals @ to, 0, None) * (1 + 0.35 * to[2]) / max(to[1], 0.25)
        whole_sky += weight
        open_sky += weight * seen_from(to, number)
    return lamp, open_sky / whole_sky


def _smooth(values: Array, product: np.ndarray) -> Array:
    """Takes the grain out of the shadows, on the products and on the stage apart."""
    result = np.zeros_like(values)
    for where, sigma in ((product, 1.3), (~product, 1.8)):
        part = where[..., None].astype(np.float64)
        soft = cv2.GaussianBlur(values * part, (0, 0), sigma)
        share = cv2.GaussianBlur(part, (0, 0), sigma)
        result[where] = (soft / np.maximum(share[..., None], 1e-6))[where]
    return result


def _spread(values: Array, coarse_id: Array, fine_id: Array) -> Array:
    """Values of the coarse grid (h, w, 2) on the fine grid, never across an edge if avoidable."""
    rows, cols = fine_id.shape
    h, w = coarse_id.shape
    y, x = (part.ravel() for part in np.mgrid[:rows, :cols] // 2)
    wanted = fine_id.ravel()
    best = values[y, x]
    left = np.flatnonzero(coarse_id[y, x] != wanted)
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1)):
        near = np.clip(y[left] + dy, 0, h - 1), np.clip(x[left] + dx, 0, w - 1)
        fits = coarse_id[near] == wanted[left]
        best[left[fits]] = values[near][fits]
        left = left[~fits]
    return best.reshape(rows, cols, 2)


def irradiance(
    normals: Array, lamp: Array, openness: Array, light: Lighting, stage: Stage
) -> Array:
    """Light arriving at surfaces with normals (n, 3): rgb (n, 3)."""
    facing = np.clip((normals @ light.key + 0.12) / 1.12, 0, None)
    hemisphere = 0.5 + 0.5 * normals[:, 1]
    bounce = (1 - hemisphere)[:, None] * stage.bounce() * (0.35 + 0.65 * openness)[:, None] * 0.8
    sky = (0.45 + 0.55 * hemisphere) * openness
    direct = (facing * lamp)[:, None] * light.color()
    return direct + sky[:, None] * light.sky() + bounce * light.sky()


def reflection(direction: Array, roughness: Array, light: Lighting, stage: Stage) -> Array:
    """Radiance (n, 3) of the studio in a direction: floor, room and the windows of two lamps."""
    y = direction[:, 1:2]
    blur = roughness[:, None]
    room = 0.25 + 0.35 * np.clip(y, 0, 1) + 0.12 * direction[:, 2:3]
    floor = stage.bounce() * light.ambient * 0.55
    t = np.clip(y / (0.15 + blur) * 0.5 + 0.5, 0, 1)
    result = floor * (1 - t) + room * light.sky() * t
    fill = unit(np.array([-light.key[0] * 1.2, 0.35, 0.55]))
    for center, half, power in ((light.key, (0.26, 0.75), 10.0), (fill, (0.10, 0.85), 5.0)):
        side = unit(np.cross([0.0, 1.0, 0.0], center))
        up = np.cross(center, side)
        ahead = np.clip(direction @ center, 0.05, None)
        soft = 0.05 + 0.9 * roughness
        window = np.ones(len(direction))
        for axis, width in ((side, half[0]), (up, half[1])):
            d = np.abs(direction @ axis) / ahead
            edge = np.clip((width + soft - d) / (2 * soft), 0, 1)
            window *= edge * edge * (3 - 2 * edge)
        window *= (direction @ center) > 0.05
        gain = power * (0.3 / (0.3 + roughness))
        result += (window * gain)[:, None] * light.color()
    return result


def shade(
    objects: list[Shape], stage: Stage, light: Lighting, camera: Camera, seed: int, cell: float
) -> tuple[Array, Surface]:
    """Linear radiance (h, w, 3) of the scene, and what each pixel sees."""
    rng = np.random.default_rng(seed)
    seen = rasterise(objects, camera)
    rays = camera.rays()
    _, _, forward = camera.axes()
    distance = seen.depth / (rays @ forward)
    product = seen.object >= 0
    distance, normal, albedo = stage.behind(camera.eye, rays, distance, seen.normal, product)
    gloss, rough, metal = (np.zeros(product.shape) for _ in range(3))
    gloss[~product], rough[~product] = stage.gloss, stage.roughness
    patches = [p for shape in objects for p in shape]
    for index in np.unique(seen.patch[product]):
        where = seen.patch == index
        material = patches[index].material
        albedo[where] = _sample(material.texture, seen.uv[where], np.sum(where))
        gloss[where], rough[where] = material.gloss, material.roughness
        metal[where] = material.metal
    points = camera.eye + rays * distance[..., None]
    flat = points.reshape(-1, 3), normal.reshape(-1, 3)
    coarse = points[::2, ::2].reshape(-1, 3), normal[::2, ::2].reshape(-1, 3)
    coarse_id = seen.patch[::2, ::2]
    seeing = np.stack(visibility(*coarse, objects, light, rng, cell), -1)
    seeing = _smooth(seeing.reshape(*coarse_id.shape, 2), coarse_id >= 0)
    lamp, openness = _spread(seeing, coarse_id, seen.patch).reshape(-1, 2).T
    light_in = irradiance(flat[1], lamp, openness, light, stage)
    view = -rays.reshape(-1, 3)
    cosine = np.clip(np.einsum("ij,ij->i", flat[1], view), 0, 1)
    mirror = 2 * np.einsum("ij,ij->i", flat[1], view)[:, None] * flat[1] - view
    g, r, m = gloss.ravel(), rough.ravel(), metal.ravel()[:, None]
    base = albedo.reshape(-1, 3)
    fresnel = (0.045 + 0.955 * (1 - cosine) ** 5 * (1 - 0.6 * r))[:, None] * g[:, None]
    strength = fresnel * (1 - m) + m * base * 0.85
    shine = strength * reflection(mirror, r, light, stage) * (0.25 + 0.75 * openness)[:, None]
    radiance = base * light_in * (1 - 0.85 * m) + shine
    return radiance.reshape(*product.shape, 3), seen


def _sample(texture: np.ndarray, uv: Array, pixels: int) -> Array:
    """Linear albedo at uv (n, 2), from a copy of the texture no finer than the picture."""
    # Shrinking first is a poor man's mipmap: it keeps small print from sparkling.
    limit = 2.2 * np.sqrt(pixels / max(float(np.ptp(uv[:, 0]) * np.ptp(uv[:, 1])), 1e-3))
    h, w = texture.shape[:2]
    factor = min(1.0, limit / np.sqrt(h * w))
    if factor < 1 and h > 8:
        size = (max(2, round(w * factor)), max(2, round(h * factor)))
        texture = cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
    h, w = texture.shape[:2]
    x = (uv[:, 0] * w - 0.5).astype(np.float32)
    y = (uv[:, 1] * h - 0.5).astype(np.float32)
    chunk = 30_000  # cv2.remap refuses pictures longer than a short
    rows = [
        cv2.remap(
            texture,
            x[i : i + chunk, None],
            y[i : i + chunk, None],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for i in range(0, len(x), chunk)
    ]
    return (np.concatenate(rows)[:, 0] / 255.0) ** 2.2 * 0.92
