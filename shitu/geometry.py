"""Boxes: `xyxy` arrays in pixels of the picture, their areas, overlaps, suppression and crops."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shitu.images import Image

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture; right and bottom are exclusive."""

Boxes: TypeAlias = npt.NDArray[np.float32]
"""(n, 4) float32, each row a `Box`."""

Scores: TypeAlias = npt.NDArray[np.float32]

_AT_ONCE = 64  # boxes that are compared with each other, and then with all weaker ones


def as_boxes(xyxy: Sequence[Box] | npt.ArrayLike) -> Boxes:
    """Return (n, 4) float32; no box at all gives (0, 4).

    Raises:
        ValueError: the shape is another.
    """
    boxes = np.asarray(xyxy, dtype=np.float32)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes are (n, 4) left, top, right, bottom; got shape {boxes.shape}")
    return boxes


def clip(xyxy: npt.ArrayLike, width: float, height: float) -> Boxes:
    """Pull every corner into a picture of that size; a box outside it becomes an empty one."""
    limits = np.array([width, height, width, height], dtype=np.float32)
    clipped: Boxes = np.clip(as_boxes(xyxy), np.float32(0), limits)
    return clipped


def area(xyxy: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """(n,) square pixels; zero for a box whose corners are the wrong way round."""
    boxes = as_boxes(xyxy)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    product: npt.NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return product


def intersection(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """(n, m) square pixels that box i of `a` and box j of `b` share."""
    # By column, so that each step is an operation on numbers that lie together.
    first, second = (np.ascontiguousarray(as_boxes(boxes).T) for boxes in (a, b))
    left, top, right, bottom = first[..., None]
    width = np.minimum(right, second[2]) - np.maximum(left, second[0])
    height = np.minimum(bottom, second[3]) - np.maximum(top, second[1])
    shared: npt.NDArray[np.float32] = np.maximum(width, 0) * np.maximum(height, 0)
    return shared


def iou(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """(n, m) intersection over union in 0..1; empty boxes overlap nothing."""
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return _ratio(shared, union)


def overlap(a: npt.ArrayLike, b: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """(n, m) intersection over the smaller area: 1 where one box contains the other."""
    return _ratio(intersection(a, b), np.minimum(area(a)[:, None], area(b)[None, :]))


def nms(
    xyxy: npt.ArrayLike, scores: npt.ArrayLike, iou_threshold: float, keep: int
) -> npt.NDArray[np.int64]:
    """Greedy non-maximum suppression over all classes at once.

    A box goes when its IoU with a better one that stayed is above `iou_threshold`. Of equal
    scores the earlier row is the better one; rows with a number that is not finite never stay.

    Returns:
        Row numbers of the boxes that stay, best first, at most `keep`.

    Raises:
        ValueError: `scores` is not (n,) for n boxes.
    """
    boxes, marks = as_boxes(xyxy), np.asarray(scores, dtype=np.float32)
    if marks.shape != (len(boxes),):
        raise ValueError(f"{len(boxes)} boxes need ({len(boxes)},) scores; got {marks.shape}")
    order = np.argsort(-marks, kind="stable")
    order = order[np.isfinite(marks[order]) & np.isfinite(boxes[order]).all(axis=1)]
    boxes = boxes[order]
    alive = np.arange(len(order))
    kept: list[int] = []
    while len(alive) and len(kept) < keep:
        best, rest = alive[:_AT_ONCE], alive[_AT_ONCE:]
        stay = best[_unbeaten(_doubles(boxes[best], boxes[best], iou_threshold))]
        kept.extend(stay.tolist())
        alive = rest[~_doubles(boxes[stay], boxes[rest], iou_threshold).any(axis=0)]
    return np.asarray(order[kept[:keep]], dtype=np.int64)


def _doubles(a: Boxes, b: Boxes, threshold: float) -> npt.NDArray[np.bool_]:
    """(n, m) whether box i of `a` and box j of `b` have a higher IoU than that."""
    shared = intersection(a, b)
    # Without the division, so that empty boxes need no special case.
    limit = np.float32(threshold) * (area(a)[:, None] + area(b) - shared)
    return np.asarray(shared > limit)


def _unbeaten(doubles: npt.NDArray[np.bool_]) -> list[int]:
    """Rows, best first, that overlap none of the better rows that stay."""
    alive = np.ones(len(doubles), dtype=np.bool_)
    stay = []
    for i in range(len(doubles)):
        if alive[i]:
            stay.append(i)
            alive &= ~doubles[i]
    return stay


def crop(image: Image, box: Box) -> Image:
    """Return a view of the pixels in the box, corners truncated as PP-ShiTu does.

    The box is pulled into the picture, and at least one pixel is left.

    Raises:
        ValueError: a corner is not a finite number.
    """
    left, top, right, bottom = (_truncate(corner) for corner in box)
    height, width = image.shape[:2]
    left, right = _span(left, right, width)
    top, bottom = _span(top, bottom, height)
    return image[top:bottom, left:right]


def _truncate(corner: float) -> int:
    if not math.isfinite(corner):
        raise ValueError(f"a box has four finite numbers; got {corner}")
    return int(corner)


def _span(low: int, high: int, size: int) -> tuple[int, int]:
    low = min(max(low, 0), size - 1)
    return low, max(min(high, size), low + 1)


def _ratio(
    part: npt.NDArray[np.float32], whole: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
