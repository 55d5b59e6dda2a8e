"""Flat packages made from pictures, and photos of them: turned, tilted, covered, badly lit.

Everything follows from a seed. A package is a cover picture with a printed band; a variant is the
same cover with another band, as makers print them. A photo shows one package among strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from shitu.drawing.text import draw_line
from shitu.geometry import Box
from shitu.images import Image, find_images, load_image

_WORDS = (
    *("Alba", "Brio", "Cleo", "Dune", "Elan", "Fern", "Gala", "Halo", "Iris", "Juno", "Kite"),
    *("Luma", "Mesa", "Nova", "Onda", "Pina", "Quil", "Rosa", "Sole", "Tino", "Ursa", "Vela"),
)
_KINDS = ("classic", "light", "extra", "mild", "family size", "original", "sport", "fresh")
_COVER = 480  # pixels of a cover's longer side
_CANVAS = 640  # pixels of a photo's sides
_VARIANTS = 4  # one package in so many is a variant of the one before

Rng = np.random.Generator
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Package:
    """A flat package: its name and its front, uint8 RGB (h, w, 3)."""

    label: str
    front: Image


@dataclass(frozen=True)
class Photo:
    """A photo of a package: uint8 RGB, the package's name, and the box around it.

    Attributes:
        turned: degrees that the package was turned by.
    """

    image: Image
    label: str
    box: Box
    turned: float


def make_packages(pictures: Sequence[Path], count: int, seed: int) -> list[Package]:
    """Print packages on pictures, each of which is used once."""
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(pictures))
    packages: list[Package] = []
    cover: Image | None = None
    for i in range(count):
        if cover is None or i % _VARIANTS != _VARIANTS - 1:
            cover = _cover(load_image(pictures[order[i % len(order)]]), rng)
        kind = f"{_WORDS[i % len(_WORDS)]} {_KINDS[int(rng.integers(len(_KINDS)))]}"
        packages.append(Package(f"{i:03d} {kind}", _print(cover, kind, rng)))
    return packages


def read_products(folder: Path) -> list[Package]:
    """The first picture of each label of a gallery folder, as a package."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    return [Package(each.name, _limit(load_image(find_images(each)[0]))) for each in folders]


def is_turned(photo: Photo) -> bool:
    """Whether it lies on its side or upside down."""
    return 45 < photo.turned < 315


def catalogue_picture(package: Package) -> Image:
    """A package as a shop shows it: on a light ground, with a margin."""
    height, width = package.front.shape[:2]
    margin = max(height, width) // 6
    return np.pad(
        package.front,
        ((margin, margin), (margin, margin), (0, 0)),
        constant_values=235,
    )


def make_things(count: int, seed: int) -> list[Image]:
    """Pictures of nothing: colours in blocks, some soft, some hard."""
    rng = np.random.default_rng([seed, 3])
    found = []
    for _ in range(count):
        cells = rng.integers(0, 256, (*rng.integers(3, 12, 2), 3), dtype=np.uint8)
        how = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(3))]
        found.append(np.asarray(cv2.resize(cells, (320, 240), interpolation=how), np.uint8))
    return found


def make_photo(package: Package, strangers: Sequence[Image], seed: int, number: int) -> Photo:
    """Take a photo of a package among things that no gallery has."""
    rng = np.random.default_rng([seed, 2, number])
    canvas = _background(strangers[int(rng.integers(len(strangers)))], rng)
    for _ in range(int(rng.integers(2, 6))):
        other = strangers[int(rng.integers(len(strangers)))]
        place = rng.uniform(0, _CANVAS, 2)
        canvas, _ = _lay(canvas, other, rng, rng.uniform(0.15, 0.3), place, rng.uniform(-180, 180))
    # One in three lies on its side or upside down; the others are held as people hold things.
    turned = float(rng.uniform(-20, 20) + (90 * rng.integers(1, 4) if rng.random() < 1 / 3 else 0))
    share = rng.uniform(0.45, 0.75)
    centre = _CANVAS / 2 + rng.uniform(-0.12, 0.12, 2) * _CANVAS
    canvas, corners = _lay(canvas, package.front, rng, share, centre, turned)
    canvas = _cover_up(canvas, corners, strangers, rng)
    low, high = corners.min(axis=0).clip(0, _CANVAS), corners.max(axis=0).clip(0, _CANVAS)
    image = _expose(canvas, rng)
    return Photo(image, package.label, (*map(float, low), *map(float, high)), turned % 360)  # type: ignore[arg-type]


def _cover(image: Image, rng: Rng) -> Image:
    """Cut a picture to the shape of a package."""
    image = _limit(image)
    height, width = image.shape[:2]
    aspect = rng.uniform(0.6, 1.5)  # width over height
    wide, high = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))
    return np.ascontiguousarray(image[top : top + high, left : left + wide])


def _print(cover: Image, name: str, rng: Rng) -> Image:
    """Put a coloured band with a name on it."""
    front = cover.copy()
    height, width = front.shape[:2]
    band = max(12, height // 6)
    top = int(rng.uniform(0.05, 0.8) * (height - band))
    paper = rng.integers(0, 256, 3)
    front[top : top + band] = paper
    ink = 0 if paper @ (0.3, 0.6, 0.1) > 128 else 255
    line = draw_line(name, max(9, band * 2 // 3))[:band, : width - 4]
    row, column = top + (band - line.shape[0]) // 2, max(0, (width - line.shape[1]) // 2)
    spot = front[row : row + line.shape[0], column : column + line.shape[1]]
    alpha = line[: spot.shape[0], : spot.shape[1], None] / 255
    spot[:] = (spot * (1 - alpha) + ink * alpha).astype(np.uint8)
    return front


def _limit(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = min(1.0, _COVER / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _background(image: Image, rng: Rng) -> Image:
    whole = cv2.resize(image, (_CANVAS, _CANVAS), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.GaussianBlur(whole, (0, 0), rng.uniform(1, 6)), np.uint8)


def _lay(
    canvas: Image, front: Image, rng: Rng, share: float, centre: Matrix, turned: float
) -> tuple[Image, Matrix]:
    """Lay a flat thing on a picture, tilted; returns the picture and the thing's corners (4, 2).

    Args:
        share: of the canvas's side that the longer side of the thing takes.
    """
    height, width = front.shape[:2]
    scale = share * _CANVAS / max(height, width)
    flat = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float) * (width, height) / 2 * scale
    angle = np.deg2rad(turned)
    spin = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    corners = flat @ spin.T
    tilt = rng.uniform(-0.35, 0.35, 2)  # of the sheet against the camera
    depth = 1 + (corners / (share * _CANVAS)) @ tilt
    corners = corners / depth[:, None] + centre
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    size = (_CANVAS, _CANVAS)
    laid = cv2.warpPerspective(front, matrix, size, flags=cv2.INTER_AREA)
    alpha = cv2.warpPerspective(np.ones(front.shape[:2], np.float32), matrix, size)[..., None]
    return (canvas * (1 - alpha) + laid * alpha).astype(np.uint8), corners


def _cover_up(canvas: Image, corners: Matrix, strangers: Sequence[Image], rng: Rng) -> Image:
    """Hide up to a third of the package: a stranger lies on one of its corners."""
    if rng.random() < 0.4:
        return canvas
    corner = corners[int(rng.integers(4))]
    toward = corner + (corners.mean(axis=0) - corner) * rng.uniform(0.0, 0.35)
    other = strangers[int(rng.integers(len(strangers)))]
    return _lay(canvas, other, rng, rng.uniform(0.15, 0.3), toward, rng.uniform(-180, 180))[0]


def _expose(canvas: Image, rng: Rng) -> Image:
    """Light from one side, a colour cast, a reflection, blur, noise, JPEG."""
    light = canvas.astype(np.float32) / 255
    rows, columns = np.mgrid[0:_CANVAS, 0:_CANVAS].astype(np.float32) / _CANVAS - 0.5
    angle, fall = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.8)
    light *= (1 + fall * (columns * np.cos(angle) + rows * np.sin(angle)))[..., None]
    light = np.clip(light, 0, 1) ** rng.uniform(0.7, 1.6) * rng.uniform(0.6, 1.2)
    light = light * rng.uniform(0.85, 1.15, 3)
    if rng.random() < 0.4:
        x, y, wide = *rng.uniform(-0.3, 0.3, 2), rng.uniform(0.05, 0.15)
        light += (
            rng.uniform(0.3, 0.8)
            * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * wide**2))[..., None]
        )
    light = cv2.GaussianBlur(light.astype(np.float32), (0, 0), rng.uniform(0.3, 1.8))
    light = light + rng.normal(0, rng.uniform(0.005, 0.03), light.shape)
    image = (np.clip(light, 0, 1) * 255).astype(np.uint8)
    _, data = cv2.imencode(
        ".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 92))]
    )
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)
