"""Flat printed things, tilted and lit from one side: packages as the detector meets them."""

from __future__ import annotations

import cv2
import numpy as np

Random = np.random.Generator
Image = np.ndarray  # (h, w, 3) uint8 RGB
LONGEST = 400


def random_piece(image: Image, random: Random) -> Image:
    """A window of any shape between 1:2 and 2:1, at most LONGEST pixels a side."""
    height, width = image.shape[:2]
    aspect = np.exp(random.uniform(-0.7, 0.7))  # width over height
    wide, high = min(width, round(height * aspect)), min(height, round(width / aspect))
    share = random.uniform(0.5, 1.0)
    wide, high = max(int(wide * share), 16), max(int(high * share), 16)
    x, y = (int(random.integers(0, max(free, 0) + 1)) for free in (width - wide, height - high))
    piece = image[y : y + high, x : x + wide]
    factor = min(1.0, LONGEST / max(piece.shape[:2]))
    size = [max(8, int(side * factor)) for side in piece.shape[1::-1]]
    return cv2.resize(piece, size, interpolation=cv2.INTER_AREA)


def printed(front: Image, random: Random) -> Image:
    """A sheet with fields of colour and lines of letters on it, with or without a border."""
    front = front.copy()
    height, width = front.shape[:2]
    for _ in range(int(random.integers(0, 4))):
        x1, x2 = sorted(int(v) for v in random.uniform(-0.3, 1.3, 2) * width)
        y1, y2 = sorted(int(v) for v in random.uniform(0, 1, 2) * height)
        if random.random() < 0.5:
            x1, x2 = 0, width  # a band
        y2 = min(y2, y1 + int(0.35 * height))
        field = front[max(y1, 0) : y2, max(x1, 0) : max(x2, 0)]
        field[:] = random.integers(0, 256, 3)
    for _ in range(int(random.integers(0, 4))):
        letters = "".join(chr(int(random.integers(65, 91))) for _ in range(random.integers(2, 12)))
        place = (int(random.uniform(0, 0.6) * width), int(random.uniform(0.1, 1) * height))
        ink = tuple(int(v) for v in random.integers(0, 256, 3))
        scale = random.uniform(0.3, 2.0) * width / 250
        font, thick = int(random.integers(0, 8)), max(1, int(scale * 2))
        front = cv2.putText(front, letters, place, font, scale, ink, thick, cv2.LINE_AA)
    if random.random() < 0.3:
        rim = max(2, int(random.uniform(0.01, 0.08) * min(front.shape[:2])))
        colour = tuple(int(v) for v in random.integers(0, 256, 3))
        front = cv2.copyMakeBorder(front, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=colour)
    return front


def tilted(thing: np.ndarray, side: float, place: np.ndarray, random: Random) -> np.ndarray:
    """(3, 3) from the thing's pixels to a picture where its longer side has `side` pixels."""
    height, width = thing.shape[:2]
    flat = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width, height)
    flat = flat * side / 2 / max(height, width)
    angle = np.deg2rad(random.normal(0, 10) if random.random() < 0.7 else random.uniform(-180, 180))
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    corners = flat @ turn.T
    corners = corners / (1 + corners / side @ random.normal(0, 0.2, 2).clip(-0.6, 0.6))[:, None]
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    return cv2.getPerspectiveTransform(source, (corners + place).astype(np.float32))


def lit(image: Image, random: Random) -> Image:
    """Light that falls off to one side, now and then a reflection."""
    height, width = image.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width) - 0.5
    angle, fall = random.uniform(0, 2 * np.pi), random.uniform(0, 0.7)
    light = 1 + fall * (columns * np.cos(angle) + rows * np.sin(angle))
    out = image.astype(np.float32) * light[..., None]
    if random.random() < 0.25:
        x, y, wide = *random.uniform(-0.4, 0.4, 2), random.uniform(0.03, 0.15)
        spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * wide**2))
        out += random.uniform(60, 200) * spot[..., None]
    return np.clip(out, 0, 255).astype(np.uint8)
