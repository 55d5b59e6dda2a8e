"""A drawing board in centimetres on which the printed side of a package is designed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter

from .fonts import font

Color = str
Point = tuple[float, float]
Pixels = NDArray[np.uint8]


def mix(a: Color, b: Color, t: float) -> Color:
    """The colour a fraction t of the way from a to b."""
    pair = zip(ImageColor.getrgb(a)[:3], ImageColor.getrgb(b)[:3], strict=True)
    return "#" + "".join(f"{round(p + (q - p) * t):02x}" for p, q in pair)


class Art:
    """Width x height centimetres, origin top left; `pixels()` gives the finished print."""

    def __init__(self, width: float, height: float, ground: Color, resolution: float = 0) -> None:
        self.width, self.height = width, height
        self.scale = 2 * (resolution or min(70.0, 900.0 / height))
        self.image = Image.new("RGB", (self._px(width), self._px(height)), ground)
        self.draw = ImageDraw.Draw(self.image)

    def _px(self, length: float) -> int:
        return round(length * self.scale)

    def _points(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def pixels(self) -> Pixels:
        """(h, w, 3) uint8 RGB, smoothed down from double size."""
        half = (self.image.width // 2, self.image.height // 2)
        return np.asarray(self.image.resize(half, Image.Resampling.LANCZOS))

    def rect(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        fill: Color | None,
        radius: float = 0,
        outline: Color | None = None,
        width: float = 0.1,
    ) -> None:
        box = [self._px(v) for v in (x0, y0, x1, y1)]
        line = max(1, self._px(width))
        self.draw.rounded_rectangle(box, self._px(radius), fill, outline, line)

    def ellipse(
        self,
        cx: float,
        cy: float,
        rx: float,
        ry: float,
        fill: Color | None,
        outline: Color | None = None,
        width: float = 0.1,
    ) -> None:
        box = [self._px(v) for v in (cx - rx, cy - ry, cx + rx, cy + ry)]
        self.draw.ellipse(box, fill, outline, max(1, self._px(width)))

    def polygon(self, points: Sequence[Point], fill: Color) -> None:
        self.draw.polygon(self._points(points), fill)

    def line(self, points: Sequence[Point], fill: Color, width: float) -> None:
        self.draw.line(self._points(points), fill, max(1, self._px(width)), joint="curve")

    def gradient(self, stops: Sequence[Color], y0: float = 0, y1: float | None = None) -> None:
        """Vertical gradient through the stops between the heights y0 and y1."""
        top, bottom = self._px(y0), self._px(self.height if y1 is None else y1)
        colors = np.array([ImageColor.getrgb(c)[:3] for c in stops], np.float64)
        t = np.linspace(0, len(stops) - 1, bottom - top)
        ramp = np.stack([np.interp(t, np.arange(len(stops)), colors[:, k]) for k in range(3)], 1)
        rows = np.repeat(ramp[:, None].astype(np.uint8), self.image.width, 1)
        self.image.paste(Image.fromarray(rows), (0, top))

    def ball(self, cx: float, cy: float, rx: float, ry: float, color: Color) -> None:
        """An ellipse shaded as a lit sphere, the base of painted fruit."""
        w, h = max(4, self._px(2 * rx)), max(4, self._px(2 * ry))
        y, x = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        z = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
        lit = np.clip(0.55 + 0.55 * (-0.45 * x - 0.5 * y + 0.6 * z), 0.25, 1.15)[..., None]
        shine = np.clip(-0.5 * x - 0.55 * y + 0.67 * z, 0, 1)[..., None] ** 24
        rgb = np.clip(np.array(ImageColor.getrgb(color)[:3]) * lit + 150 * shine, 0, 255)
        mask = Image.fromarray(np.uint8(np.clip((1 - np.hypot(x, y)) * min(w, h) / 3, 0, 1) * 255))
        at = (self._px(cx - rx), self._px(cy - ry))
        self.image.paste(Image.fromarray(rgb.astype(np.uint8)), at, mask)

    def glow(self, cx: float, cy: float, radius: float, color: Color, power: float = 1.5) -> None:
        """A soft spot of light behind the subject."""
        w, h = self.image.size
        y, x = np.ogrid[:h, :w]
        d = np.hypot(x - cx * self.scale, y - cy * self.scale) / (radius * self.scale)
        mask = Image.fromarray(np.uint8(np.clip(1 - d, 0, 1) ** power * 255))
        self.image.paste(Image.new("RGB", (w, h), color), (0, 0), mask)

    def text(
        self,
        words: str,
        cx: float,
        cy: float,
        width: float,
        height: float,
        role: str,
        fill: Color,
        stroke: Color | None = None,
        stroke_width: float = 0,
        shadow: Color | None = None,
        angle: float = 0,
    ) -> None:
        """One line, as large as fits width x height, its ink centred on (cx, cy)."""
        edge = self._px(stroke_width)
        probe = font(role, 200)
        x0, y0, x1, y1 = probe.getbbox(words)
        w, h = self._px(width) - 2 * edge, self._px(height) - 2 * edge
        size = max(6, int(200 * min(w / max(1, x1 - x0), h / max(1, y1 - y0))))
        face = font(role, size)
        x0, y0, x1, y1 = face.getbbox(words, stroke_width=edge)
        pad = edge + size // 6
        full = (int(x1 - x0) + 2 * pad, int(y1 - y0) + 2 * pad)
        outer, inner = Image.new("L", full), Image.new("L", full)
        at = (pad - x0, pad - y0)
        ImageDraw.Draw(outer).text(at, words, 255, face, stroke_width=edge)
        ImageDraw.Draw(inner).text(at, words, 255, face)
        if angle:
            turn = Image.Resampling.BICUBIC
            outer = outer.rotate(angle, turn, expand=True)
            inner = inner.rotate(angle, turn, expand=True)
        left = self._px(cx) - outer.width // 2
        top = self._px(cy) - outer.height // 2
        if shadow:
            soft = outer.filter(ImageFilter.GaussianBlur(size / 40))
            self.image.paste(shadow, (left + size // 18, top + size // 16), soft)
        if stroke and edge:
            self.image.paste(stroke, (left, top), outer)
        self.image.paste(fill, (left, top), inner)

    def column(self, words: str, cx: float, y0: float, size: float, role: str, fill: Color) -> None:
        """Characters one below the other, as Chinese and Japanese may be set."""
        for row, word in enumerate(words):
            self.text(word, cx, y0 + (row + 0.5) * size, size * 0.88, size * 0.88, role, fill)

    def sunburst(self, cx: float, cy: float, rays: int, fill: Color) -> None:
        reach = 2 * (self.width + self.height)
        for k in range(rays):
            a, b = (2 * math.pi * (k + d) / rays for d in (0.0, 0.5))
            tip = [(cx + reach * math.cos(t), cy + reach * math.sin(t)) for t in (a, b)]
            self.polygon([(cx, cy), *tip], fill)

    def wave(
        self, y: float, amplitude: float, length: float, fill: Color, phase: float = 0
    ) -> None:
        """Fills everything below a wavy line."""
        xs = np.linspace(0, self.width, 200)
        ys = y + amplitude * np.sin(2 * math.pi * (xs / length + phase))
        crest = [(float(p), float(q)) for p, q in zip(xs, ys, strict=True)]
        self.polygon([(0, self.height), *crest, (self.width, self.height)], fill)

    def ribbon(self, cx: float, cy: float, width: float, height: float, fill: Color) -> None:
        """A banner with swallow tails."""
        dark, w, h = mix(fill, "#000000", 0.35), width / 2, height / 2
        for side in (-1, 1):
            tail = [(w - 0.4 * h, -h * 0.6), (w + 1.3 * h, -h * 0.6), (w + 0.7 * h, 0.4 * h)]
            tail += [(w + 1.3 * h, 1.4 * h), (w - 0.4 * h, 1.4 * h)]
            self.polygon([(cx + side * x, cy + y) for x, y in tail], dark)
        self.rect(cx - w, cy - h, cx + w, cy + h, fill)

    def barcode(self, x: float, y: float, width: float, height: float) -> None:
        self.rect(x, y, x + width, y + height, "#ffffff")
        bars, at = random.Random(f"{x}{y}{width}"), x + 0.08 * width
        while at < x + 0.9 * width:
            bar = width / 90 * bars.choice((1, 1, 2, 3))
            self.rect(at, y + 0.08 * height, at + bar, y + 0.84 * height, "#101010")
            at += bar + width / 90 * bars.choice((1, 2, 2))

    def small_print(self, x: float, y: float, width: float, height: float, fill: Color) -> None:
        """Lines of unreadable words, as on the side of every package."""
        words, at = random.Random(f"{x}{y}{height}"), y
        while at < y + height:
            left, end = x, x + width * words.uniform(0.7, 1)
            while left < end:
                right = min(end, left + words.uniform(0.2, 0.7))
                self.rect(left, at, right, at + 0.13, fill)
                left = right + 0.12
            at += 0.32

    def facts(self, x: float, y: float, width: float, height: float) -> None:
        """A nutrition table."""
        self.rect(x, y, x + width, y + height, "#ffffff", outline="#111111", width=0.06)
        self.rect(x + 0.2, y + 0.2, x + 0.8 * width, y + 0.6, "#111111")
        at = y + 0.9
        while at < y + height - 0.3:
            self.rect(x + 0.2, at, x + 0.55 * width, at + 0.14, "#333333")
            self.rect(x + 0.75 * width, at, x + width - 0.2, at + 0.14, "#333333")
            at += 0.42
