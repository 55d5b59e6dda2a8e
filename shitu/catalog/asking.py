"""Queries whose truth is known, to calibrate by: references, strangers and photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from shitu.catalog.learning import View
from shitu.errors import GalleryError
from shitu.gallery import Reference
from shitu.gallery.gallery import Gallery
from shitu.models.background import background
from shitu.prototypes import DEPTH

if TYPE_CHECKING:
    from shitu.adapter import Recipe
    from shitu.calibration import Cases
    from shitu.catalog.looking import Looking

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Photos:
    """Pictures that are no references, as they will be asked.

    Attributes:
        vectors: unit float32 (n, dim), as the network makes them.
        labels: (n,) of what they show; strangers, where the gallery does not have it.
    """

    vectors: Vectors
    labels: Sequence[str]


@dataclass(frozen=True, eq=False)
class Shop:
    """What is learnt from: n references, and how they are compared."""

    gallery: Gallery
    ids: Ids
    items: Ids
    vectors: Vectors
    view: View
    recipe: Recipe | None
    prototype_weight: float

    def references(self) -> list[Reference]:
        """The references by row."""
        numbers = self.ids.tolist()
        known = self.gallery.references(numbers)
        if len(known) < len(numbers):
            raise GalleryError("the gallery was changed meanwhile: nothing was learnt; try again")
        return [known[number] for number in numbers]


@dataclass(frozen=True, eq=False)
class Others:
    """What is asked beside the references."""

    strangers: Vectors | None = None
    photos: Photos | None = None

    def __len__(self) -> int:
        strangers = 0 if self.strangers is None else len(self.strangers)
        return strangers + (0 if self.photos is None else len(self.photos.vectors))


def cases_of(shop: Shop, far: float, others: Others, looking: Looking | None) -> Cases:
    """Queries whose truth is known: the references, strangers, photos, and those that are lent."""
    from shitu.calibration import ask_photos, ask_pictures, cases_needed, gather

    asked: dict[str, int] = {}
    if looking is not None:
        from shitu.catalog.looking import LIMIT

        asked = {"depth": looking.depth, "limit": max(LIMIT, cases_needed(far))}
    view, vectors, items, weight = shop.view, shop.vectors, shop.items, shop.prototype_weight
    cases = gather(vectors, items, shop.recipe, prototype_weight=weight, **asked)
    everything, depth = view(vectors), asked.get("depth", DEPTH)
    seen = looking is not None and len(looking.pictures) == len(others)
    strangers, photos, before = others.strangers, others.photos, 0
    if strangers is not None and len(strangers):
        before = len(strangers)
        found, near = ask_pictures(view(strangers), everything, items, weight, depth)
        cases = cases.with_strangers(found, near=near if seen else None)
    if photos is not None and len(photos.vectors):
        first = before if seen else None
        shown = _shown(shop, photos.labels)
        asking = view(photos.vectors), shown, everything, items
        cases = ask_photos(cases, *asking, weight, depth, first=first)
    return _lent(cases, vectors, items, view, far, weight)


def _shown(shop: Shop, labels: Sequence[str]) -> Ids:
    """The item (n,) of each label; below 0 a number for each label without references."""
    ids = {item.label: item.item_id for item in shop.gallery.items()}
    there = set(shop.items.tolist())
    strange = {label: -1 - i for i, label in enumerate(dict.fromkeys(labels))}
    found = (ids.get(label, -1) for label in labels)
    shown = [
        item if item in there else strange[label] for item, label in zip(found, labels, strict=True)
    ]
    return np.array(shown, np.int64)


def _lent(
    cases: Cases,
    vectors: Vectors,
    items: npt.NDArray[np.int64],
    view: View,
    far: float,
    prototype_weight: float,
) -> Cases:
    """With the strangers that come with the model, where there are too few of the gallery's own."""
    from shitu.calibration import cases_needed, gather_strangers

    few = np.count_nonzero(cases.stranger) < cases_needed(far)
    others = background(view.raw.fingerprint) if few else None
    if others is None:
        return cases
    found = gather_strangers(view(others), view(vectors), items, prototype_weight)
    return cases.with_strangers(found, lent=True)
