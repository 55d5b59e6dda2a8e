"""Queries whose truth is known, to calibrate by: references, strangers and photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    from shitu.calibration import Cases, Shelf
    from shitu.catalog.looking import Looking

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

Progress = Callable[[int, int], None]


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


def cases_of(
    shop: Shop, far: float, others: Others, looking: Looking | None, progress: Progress | None
) -> Cases:
    """Queries whose truth is known: the references, strangers, photos, and those that are lent."""
    from shitu.calibration import Shelf, ask_photos, cases_needed, gather

    asked: dict[str, int] = {}
    if looking is not None:
        from shitu.catalog.looking import LIMIT

        asked = {"depth": looking.depth, "limit": max(LIMIT, cases_needed(far))}
    view, vectors, items, weight = shop.view, shop.vectors, shop.items, shop.prototype_weight
    cases = gather(vectors, items, shop.recipe, prototype_weight=weight, progress=progress, **asked)
    shelf, depth = Shelf.of(view(vectors), items, weight), asked.get("depth", DEPTH)
    seen = looking is not None and len(looking.pictures) == len(others)
    strangers, photos, before = others.strangers, others.photos, 0
    if strangers is not None and len(strangers):
        before = len(strangers)
        found, near = shelf.ask(view(strangers), depth)
        cases = cases.with_strangers(found, near=near if seen else None)
    if photos is not None and len(photos.vectors):
        shown, first = _shown(shop, photos.labels), before if seen else None
        cases = ask_photos(cases, view(photos.vectors), shown, shelf, depth, first=first)
    return _lent(cases, shelf, view, far)


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


def _lent(cases: Cases, shelf: Shelf, view: View, far: float) -> Cases:
    """With the strangers that come with the model, where there are too few of the gallery's own."""
    from shitu.calibration import cases_needed

    few = np.count_nonzero(cases.stranger) < cases_needed(far)
    others = background(view.raw.fingerprint) if few else None
    if others is None:
        return cases
    found, _ = shelf.ask(view(others))
    return cases.with_strangers(found, lent=True)
