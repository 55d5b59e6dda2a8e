"""Closed forms: statistics of labelled embeddings -> a map.

Whitening (S + s t I)^(-1/2), where S is the covariance within labels and t its mean eigenvalue,
makes what varies between pictures of one item count less. After it, directions in which the items
themselves differ may be made to count more: all of them by a power of that variance, or none but
the discriminant ones (linear discriminant analysis). The more of that, the better it fits the items
there are, and the worse those which come later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from shitu.adapter.adapter import Adapter
from shitu.adapter.statistics import Floats, Statistics


@dataclass(frozen=True)
class Recipe:
    """How a map is fitted.

    Attributes:
        shrinkage: of the covariance towards a sphere, in units of its mean eigenvalue.
        power: of the variance between items, relative to its mean; 0 is whitening alone.
        discriminant: keep no more directions than tell the labels apart.
    """

    name: str
    shrinkage: float
    power: float = 0.0
    discriminant: bool = False


# Chosen on photos of things, boxes on shelf photos, tools and emoji, of other networks than ours.
RECIPES = (
    Recipe("whitening 0.1", 0.1),
    Recipe("whitening 0.3", 0.3),
    Recipe("whitening 1", 1.0),
    Recipe("whitening 3", 3.0),
    Recipe("whitening 0.3, weighted 0.1", 0.3, 0.1),
    Recipe("whitening 0.3, weighted 0.2", 0.3, 0.2),
    Recipe("whitening 1, weighted 0.1", 1.0, 0.1),
    Recipe("discriminants 0.3", 0.3, 0.0, True),
)


def fit(statistics: Statistics, recipe: Recipe) -> Adapter:
    """Fit one map; deterministic."""
    return next(fit_all(statistics, [recipe]))


def fit_all(statistics: Statistics, recipes: Sequence[Recipe]) -> Iterator[Adapter]:
    """Fit one map for each recipe, in order; those of one shrinkage share their work."""
    mean = statistics.mean.astype(np.float32)
    values, vectors = np.linalg.eigh(statistics.within())
    values = np.maximum(values, 0.0)
    weighings: dict[float, _Weighing] = {}
    for recipe in recipes:
        shrunk = values + max(recipe.shrinkage * float(values.mean()), 1e-12)
        matrix = (vectors * shrunk**-0.5) @ vectors.T
        if recipe.power or recipe.discriminant:
            if recipe.shrinkage not in weighings:
                weighings[recipe.shrinkage] = _Weighing(matrix, statistics)
            matrix = weighings[recipe.shrinkage].weighted(recipe)
        yield Adapter(mean, _scaled(matrix), recipe.name)


class _Weighing:
    """Directions of the whitened space by how much the items differ along them."""

    def __init__(self, whitening: Floats, statistics: Statistics) -> None:
        values, vectors = np.linalg.eigh(whitening @ statistics.between() @ whitening)
        self._spread = np.maximum(values[::-1], 0.0)
        self._axes = whitening @ vectors[:, ::-1]
        self._rank = max(statistics.labels - 1, 1)

    def weighted(self, recipe: Recipe) -> Floats:
        mean = max(float(self._spread.mean()), 1e-12)
        weights = ((self._spread + mean) / (2 * mean)) ** recipe.power
        kept = self._rank if recipe.discriminant else len(weights)
        return np.asarray((self._axes * weights)[:, :kept])


def _scaled(matrix: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Cosines do not feel a factor; float32 feels one that is far from one."""
    return np.asarray(matrix / np.abs(matrix).max(), dtype=np.float32)
