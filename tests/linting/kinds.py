"""Painted pictures of several kinds."""

from __future__ import annotations

from fakes import paint

from shitu.images import Image


def kind_of(kind: int, number: int) -> Image:
    """160 x 160 pixels of a kind, with a quarter of its own."""
    image = paint(kind, 160).copy()
    corner = paint(1000 * kind + number, 160)[:80, :80]
    image[:80, :80] = corner
    return image
