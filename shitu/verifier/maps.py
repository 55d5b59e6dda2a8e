"""Maps from one picture to another: fitted robustly, and refused where no camera makes them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shitu.verifier.features import Points

Matrix: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

TOLERANCE = 4.5  # pixels by which a point may miss its place; packages bulge
LEAST_POINTS = 6  # of which two are more than a homography needs
_LARGEST_SCALE = 8.0  # of lengths, either way
_LARGEST_STRETCH = 5.0  # of one direction against the other
_LARGEST_BEND = 16.0  # how often the area around one corner may hold that around another


def fit(source: Points, target: Points) -> tuple[Matrix, Mask] | None:
    """Fit a map of points (m, 2) onto points (m, 2), all in pixels; None if there is none.

    A homography where one is credible; else an affine map, which needs fewer points.

    Args:
        source: points of the query.
        target: points of the reference.

    Returns:
        The map (3, 3) and which points follow it (m,).
    """
    if len(source) < LEAST_POINTS:
        return None
    found = [
        (matrix, mask)
        for matrix, mask in (_homography(source, target), _affine(source, target))
        if matrix is not None and mask.sum() >= LEAST_POINTS and credible(matrix, source[mask])
    ]
    # Of equals the first: a map with more freedom must explain more to be preferred the less.
    return max(found, key=lambda pair: int(pair[1].sum()), default=None)


def _homography(source: Points, target: Points) -> tuple[Matrix | None, Mask]:
    import cv2

    matrix, mask = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, TOLERANCE, maxIters=1000, confidence=0.999
    )
    return _found(matrix, mask, len(source))


def _affine(source: Points, target: Points) -> tuple[Matrix | None, Mask]:
    import cv2

    matrix, mask = cv2.estimateAffine2D(
        source,
        target,
        method=cv2.USAC_MAGSAC,
        ransacReprojThreshold=TOLERANCE,
        maxIters=1000,
        confidence=0.999,
    )
    return _found(None if matrix is None else np.vstack([matrix, (0, 0, 1)]), mask, len(source))


def _found(matrix: Matrix | None, mask: Mask | None, n: int) -> tuple[Matrix | None, Mask]:
    if matrix is None or mask is None or not np.isfinite(matrix).all():
        return None, np.zeros(n, np.bool_)
    return np.asarray(matrix, np.float64), np.asarray(mask, np.bool_).ravel()


def credible(matrix: Matrix, points: Points) -> bool:
    """Whether a camera could have seen a flat thing so, where its points (n, 2) lie.

    No mirror, no fold, no point at infinity, neither huge nor tiny nor a mere line.
    """
    x0, y0 = points.min(axis=0)
    x1, y1 = points.max(axis=0)
    places = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), points.mean(axis=0)]
    areas = []
    for x, y in places:
        jacobian = _jacobian(matrix, float(x), float(y))
        if jacobian is None:
            return False
        large, small = np.linalg.svd(jacobian, compute_uv=False)
        turned = np.linalg.det(jacobian) <= 0  # a mirror image, or seen from behind
        if turned or large > _LARGEST_STRETCH * small:
            return False
        if large > _LARGEST_SCALE or small < 1 / _LARGEST_SCALE:
            return False
        areas.append(large * small)
    return bool(max(areas) <= _LARGEST_BEND * min(areas))


def _jacobian(matrix: Matrix, x: float, y: float) -> Matrix | None:
    """(2, 2) how the map changes around a point; None beyond its horizon."""
    u, v, w = matrix @ (x, y, 1.0)
    if w * matrix[2, 2] <= 1e-9:
        return None
    top = matrix[:2, :2] * w - np.outer((u, v), matrix[2, :2])
    return np.asarray(top / w**2)


def transform(matrix: Matrix, points: Points) -> Points:
    """Map points (n, 2)."""
    raised = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(raised[:, :2] / raised[:, 2:], np.float32)
