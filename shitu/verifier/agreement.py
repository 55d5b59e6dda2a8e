"""How far the local features of two pictures agree, and how likely that is by chance."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shitu.verifier.features import Features, Points
from shitu.verifier.maps import TOLERANCE, Matrix, fit
from shitu.verifier.matching import in_step, match

_NONE = np.empty((0, 2), np.float32)
_SAMPLE = 4  # points that fix a homography


@dataclass(frozen=True)
class Agreement:
    """Of a query with a reference.

    Attributes:
        inliers: points that one map takes from the query to the reference.
        matches: points that look alike, inliers among them.
        significance: minus the decimal logarithm of how many such agreements are to be expected
            of points that match at random; below 0: none to speak of.
        cover: share of the reference that they span, 0..1; a word that many packages bear spans
            little of each.
        query_points: (inliers, 2) as shares of width and height of the query, 0..1.
        reference_points: (inliers, 2) the same of the reference.
        transform: (3, 3), those shares of the query to those of the reference; None: no map.
        milliseconds: what the comparison took.
    """

    inliers: int
    matches: int
    significance: float
    cover: float = 0.0
    query_points: Points = field(default_factory=lambda: _NONE, compare=False, repr=False)
    reference_points: Points = field(default_factory=lambda: _NONE, compare=False, repr=False)
    transform: Matrix | None = field(default=None, compare=False, repr=False)
    milliseconds: float = field(default=0.0, compare=False)

    @property
    def share(self) -> float:
        """Inliers among the matches, 0..1."""
        return self.inliers / self.matches if self.matches else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, without the points."""
        return {
            "inliers": self.inliers,
            "matches": self.matches,
            "share": self.share,
            "significance": self.significance,
            "cover": self.cover,
            "transform": None if self.transform is None else self.transform.tolist(),
            "milliseconds": self.milliseconds,
        }


def agree(query: Features, reference: Features) -> Agreement:
    """Compare the features of two pictures; the same pair always gives the same answer."""
    start = time.perf_counter()
    pairs = match(query, reference)
    some = in_step(pairs, query, reference)
    found = fit(query.pixels[some[:, 0]], reference.pixels[some[:, 1]])
    if found is None:
        return Agreement(0, len(pairs), 0.0, milliseconds=_since(start))
    matrix, mask = found
    inliers = some[mask]
    return Agreement(
        inliers=len(inliers),
        matches=len(pairs),
        significance=significance(len(inliers), len(pairs), _by_chance(reference)),
        cover=_span(reference.points[inliers[:, 1]]),
        query_points=query.points[inliers[:, 0]],
        reference_points=reference.points[inliers[:, 1]],
        transform=_of_shares(matrix, query.size, reference.size),
        milliseconds=_since(start),
    )


def without_points(found: Agreement) -> Agreement:
    """Return the same without the points, of which there may be many."""
    return Agreement(found.inliers, found.matches, found.significance, found.cover)


def significance(inliers: int, matches: int, chance: float) -> float:
    """Minus log10 of the number of false alarms (Moisan and Stival 2004).

    NFA = (m - 4) C(m, k) C(k, 4) p^(k - 4): of m matches that fall anywhere, how many choices of
    four, and of k that follow the map through those four, are to be expected.
    """
    if inliers <= _SAMPLE:
        return 0.0
    tests = math.log10(matches - _SAMPLE) + _choices(matches, inliers) + _choices(inliers, _SAMPLE)
    return max(0.0, -tests - (inliers - _SAMPLE) * math.log10(chance))


def _span(points: Points) -> float:
    """Area of the convex hull of points (n, 2) in the unit square."""
    import cv2

    return float(cv2.contourArea(cv2.convexHull(points)))


def _choices(n: int, k: int) -> float:
    return math.log10(math.comb(n, k))


def _by_chance(reference: Features) -> float:
    """The probability that a random point falls where the map wants it."""
    width, height = reference.size
    return min(0.5, math.pi * TOLERANCE**2 / (width * height))


def _of_shares(matrix: Matrix, query: tuple[int, int], reference: tuple[int, int]) -> Matrix:
    into, out_of = np.diag((*query, 1.0)), np.diag((1 / reference[0], 1 / reference[1], 1.0))
    whole = out_of @ matrix @ into
    return np.asarray(whole / whole[2, 2])


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
