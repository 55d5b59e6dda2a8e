"""A pinhole camera and a rasteriser: which point of which product does each pixel see?"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .shapes import Array, Shape, unit

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Camera:
    eye: Array  # (3,) cm
    target: Array  # (3,) cm
    fov: float  # vertical field of view, degrees
    width: int
    height: int

    def axes(self) -> tuple[Array, Array, Array]:
        forward = unit(self.target - self.eye)
        right = unit(np.cross(forward, [0.0, 1.0, 0.0]))
        return right, np.cross(right, forward), forward

    def project(self, points: Array) -> Array:
        """(n, 3) world points to (n, 3) of column, row, depth."""
        right, up, forward = self.axes()
        rel = points - self.eye
        depth = np.maximum(rel @ forward, 1e-6)
        focal = 0.5 * self.height / np.tan(np.radians(self.fov) / 2)
        x = 0.5 * self.width + focal * (rel @ right) / depth
        y = 0.5 * self.height - focal * (rel @ up) / depth
        return np.stack((x, y, depth), -1)

    def rays(self) -> Array:
        """(height, width, 3) unit directions through the pixel centres."""
        right, up, forward = self.axes()
        half = np.tan(np.radians(self.fov) / 2)
        x = (np.arange(self.width) + 0.5 - 0.5 * self.width) / (0.5 * self.height) * half
        y = (0.5 * self.height - np.arange(self.height) - 0.5) / (0.5 * self.height) * half
        return unit(forward + x[None, :, None] * right + y[:, None, None] * up)

    def scaled(self, factor: int) -> Camera:
        return Camera(self.eye, self.target, self.fov, self.width * factor, self.height * factor)


@dataclass(frozen=True)
class Surface:
    """What each pixel sees; object -1 is nothing. All (height, width, ...)."""

    object: NDArray[np.int32]
    patch: NDArray[np.int32]
    depth: Array
    normal: Array
    uv: Array


def _triangles(rows: int, cols: int) -> Ints:
    i = np.arange(rows * cols).reshape(rows, cols)
    a, b, c, d = (i[:-1, :-1], i[:-1, 1:], i[1:, :-1], i[1:, 1:])
    return np.concatenate(
        (np.stack((a, b, c), -1).reshape(-1, 3), np.stack((b, d, c), -1).reshape(-1, 3))
    )


def _corners(objects: list[Shape]) -> tuple[Array, Array, Ints, Ints]:
    """All vertices (n, 3) and attributes normal + uv (n, 5), triangles, (object, patch) of each."""
    points, rest, faces, owner = [], [], [], []
    start = patch_index = 0
    for number, shape in enumerate(objects):
        for patch in shape:
            rows, cols = patch.points.shape[:2]
            points.append(patch.points.reshape(-1, 3))
            rest.append(np.concatenate((patch.normals, patch.uv), -1).reshape(-1, 5))
            faces.append(_triangles(rows, cols) + start)
            owner.append(np.tile((number, patch_index), (len(faces[-1]), 1)))
            start, patch_index = start + rows * cols, patch_index + 1
    return tuple(map(np.concatenate, (points, rest, faces, owner)))  # type: ignore[return-value]


def rasterise(objects: list[Shape], camera: Camera, chunk: int = 3_000_000) -> Surface:
    """Nearest surface of every pixel, with perspective-correct normals and texture coordinates."""
    points, rest, faces, owner = _corners(objects)
    seen = camera.project(points)
    facing = np.einsum("ij,ij->i", rest[:, :3], camera.eye - points)
    keep = (facing[faces] > -1e-3).any(1) & (seen[faces][..., 2] > 1).all(1)
    faces, owner = faces[keep], owner[keep]
    tri = seen[faces]  # (t, 3 corners, 3)
    limit = np.array((camera.width, camera.height))
    low = np.clip(np.ceil(tri[..., :2].min(1) - 0.5), 0, limit).astype(np.int64)
    high = np.clip(np.floor(tri[..., :2].max(1) - 0.5) + 1, 0, limit).astype(np.int64)
    span = np.maximum(high - low, 0)
    count = span.prod(1)
    pixels = camera.width * camera.height
    best_depth = np.full(pixels, np.inf)
    best_face = np.full(pixels, -1, np.int64)
    best_weight = np.zeros((pixels, 3))
    a, b, c = tri[:, 0, :2], tri[:, 1, :2], tri[:, 2, :2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    count[np.abs(area) < 1e-9] = 0
    cuts = np.searchsorted(np.cumsum(count), np.arange(0, count.sum() + chunk, chunk))
    for lo, hi in zip(cuts, [*cuts[1:], len(faces)], strict=True):
        n = count[lo:hi]
        if n.sum() == 0:
            continue
        f = np.repeat(np.arange(lo, hi), n)
        k = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        col = low[f, 0] + k % span[f, 0]
        row = low[f, 1] + k // span[f, 0]
        x, y = col + 0.5, row + 0.5
        w1 = ((x - a[f, 0]) * (c[f, 1] - a[f, 1]) - (y - a[f, 1]) * (c[f, 0] - a[f, 0])) / area[f]
        w2 = ((b[f, 0] - a[f, 0]) * (y - a[f, 1]) - (b[f, 1] - a[f, 1]) * (x - a[f, 0])) / area[f]
        weight = np.stack((1 - w1 - w2, w1, w2), -1)
        inside = (weight >= -1e-7).all(1)
        f, weight, at = f[inside], weight[inside], (row * camera.width + col)[inside]
        weight = weight / tri[f, :, 2]
        depth = 1 / weight.sum(1)
        order = np.argsort(-depth, kind="stable")  # nearest last, so that it stays
        f, weight, at, depth = f[order], weight[order], at[order], depth[order]
        nearest = np.full(pixels, -1, np.int64)
        nearest[at] = np.arange(len(at))
        hit = np.flatnonzero(nearest >= 0)
        pick = nearest[hit]
        closer = depth[pick] < best_depth[hit]
        hit, pick = hit[closer], pick[closer]
        best_depth[hit], best_face[hit] = depth[pick], f[pick]
        best_weight[hit] = weight[pick] * depth[pick, None]
    shape = (camera.height, camera.width)
    hit = np.flatnonzero(best_face >= 0)
    values = np.zeros((pixels, 5))
    values[hit] = np.einsum("ij,ijk->ik", best_weight[hit], rest[faces[best_face[hit]]])
    owners = np.full((pixels, 2), -1, np.int32)
    owners[hit] = owner[best_face[hit]]
    return Surface(
        owners[:, 0].reshape(shape),
        owners[:, 1].reshape(shape),
        best_depth.reshape(shape),
        unit(values[:, :3]).reshape(*shape, 3),
        values[:, 3:].reshape(*shape, 2),
    )


def dense_points(objects: list[Shape], spacing: float) -> Array:
    """(n, 3) points covering all surfaces about `spacing` cm apart; they cast the shadows."""
    clouds = []
    for shape in objects:
        for patch in shape:
            p = patch.points
            tall = np.linalg.norm(np.diff(p, axis=0), axis=-1).sum(0).max()
            wide = np.linalg.norm(np.diff(p, axis=1), axis=-1).sum(1).max()
            rows, cols = max(3, int(tall / spacing)), max(3, int(wide / spacing))
            i = np.linspace(0, p.shape[0] - 1, rows, dtype=np.float32)
            j = np.linspace(0, p.shape[1] - 1, cols, dtype=np.float32)
            grid = cv2.remap(p.astype(np.float32), *np.meshgrid(j, i), cv2.INTER_LINEAR)
            clouds.append(grid.reshape(-1, 3))
    return np.concatenate(clouds).astype(np.float64)
