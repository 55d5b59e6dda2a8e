"""Parts of a picture around points, turned and scaled as each point is."""

from __future__ import annotations

import numpy as np

from shitu.verifier.blobs import Floats, Grey

_LEVELS = 7  # of the pyramid, each smaller than the one before by the root of two
_FINE = 1.2  # pixels of a level at least that samples lie apart
_LEAST_SIDE = 8


class Pyramid:
    """A picture in several sizes, to be sampled where and how coarsely one likes.

    Args:
        grey: uint8 (h, w).
    """

    def __init__(self, grey: Grey) -> None:
        import cv2

        height, width = grey.shape
        levels = [grey]
        for level in range(1, _LEVELS):
            scale = 2 ** (-level / 2)
            size = (max(_LEAST_SIDE, round(width * scale)), max(_LEAST_SIDE, round(height * scale)))
            levels.append(
                np.asarray(cv2.resize(levels[-1], size, interpolation=cv2.INTER_LINEAR), np.uint8)
            )
        self._size = np.array((width, height), np.float32)
        self._sizes = np.array([each.shape[::-1] for each in levels], np.float32)
        # All in one picture, below each other, so that all is sampled at once.
        heights = [len(each) for each in levels]
        self._tops = np.cumsum([0, *heights[:-1]]).astype(np.float32)
        self._all = np.zeros((sum(heights), max(width, _LEAST_SIDE)), np.float32)
        for each, top in zip(levels, self._tops.astype(int), strict=True):
            place = self._all[top : top + len(each), : each.shape[1]]
            place[:] = cv2.GaussianBlur(each.astype(np.float32), (5, 5), 1.0)

    def gradients(
        self, places: Floats, turns: Floats, steps: Floats, side: int
    ) -> tuple[Floats, Floats]:
        """Return how bright parts of the picture grow to their right, and downwards.

        Args:
            places: (n, 2) x and y of their centres in pixels.
            turns: (n,) by which each is turned, 0..1.
            steps: (n,) pixels between its samples.
            side: samples a side.

        Returns:
            Two arrays, float32 (n, side * side), along the axes of the part.
        """
        if not len(places):  # OpenCV refuses to make nothing
            return np.empty((0, side**2), np.float32), np.empty((0, side**2), np.float32)
        parts = self._parts(places, turns, steps, side + 2)
        right = parts[:, 1:-1, 2:] - parts[:, 1:-1, :-2]
        down = parts[:, 2:, 1:-1] - parts[:, :-2, 1:-1]
        return right.reshape(len(parts), -1), down.reshape(len(parts), -1)

    def _parts(self, places: Floats, turns: Floats, steps: Floats, side: int) -> Floats:
        """(n, side, side) grey levels; beyond the picture its border goes on."""
        import cv2

        level = np.floor(2 * np.log2(steps / _FINE)).clip(0, _LEVELS - 1).astype(np.int64)
        scales = self._sizes[level] / self._size
        centres = (places + np.float32(0.5)) * scales - np.float32(0.5)
        along = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
        angle = turns * np.float32(2 * np.pi)
        cos, sin = (steps[:, None] * way(angle)[:, None] * along for way in (np.cos, np.sin))
        wide, high = scales[:, :1], scales[:, 1:]
        x = (cos * wide + centres[:, :1])[:, None] - (sin * wide)[..., None]
        y = (sin * high + centres[:, 1:])[:, None] + (cos * high)[..., None]
        for at, last in ((x, self._sizes[level, 0] - 1), (y, self._sizes[level, 1] - 1)):
            np.minimum(at, last[:, None, None], out=at)
            np.maximum(at, 0, out=at)
        y += self._tops[level][:, None, None]
        found = cv2.remap(self._all, x.reshape(-1, side), y.reshape(-1, side), cv2.INTER_LINEAR)
        return np.asarray(found, np.float32).reshape(-1, side, side)
