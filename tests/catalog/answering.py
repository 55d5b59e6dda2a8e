"""Recognition over a catalog, with colours in place of networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fakes import Floats, colours, paint

from shitu.catalog import Catalog
from shitu.cropper import Cropper, CropPolicy
from shitu.gallery import Space
from shitu.images import Image
from shitu.recognition import Recognition
from shitu.recognizer import Recognizer
from shitu.remembering import seen_in, with_ids

THRESHOLD = 0.5


class Colours:
    """Embeds crops by their colours, as FakeDescriber does."""

    def embed(self, crops: Sequence[Image]) -> Floats:
        return np.stack([colours(crop) for crop in crops])


def ask(catalog: Catalog, image: Image, *, log: bool = False) -> Recognition:
    """Recognise a picture as a whole."""
    catalog.refresh()
    policy = CropPolicy(main_body_threshold=0.5, threshold=0.5)
    recognizer = Recognizer(
        Cropper(None, policy),
        Colours(),  # type: ignore[arg-type]
        catalog,
        THRESHOLD,
        calibration=catalog.calibration,
        screening=catalog.screened,
    )
    found = recognizer.recognize(image, whole_image=True)
    if not log:
        return found
    space = catalog.space
    assert isinstance(space, Space)
    return with_ids(found, catalog.log(seen_in(image, None, found, space)))


def answer(catalog: Catalog, image: Image) -> str | None:
    """The label of a picture, None for unknown."""
    return ask(catalog, image).objects[0].label


def logged(catalog: Catalog, image: Image) -> int:
    """Recognise and log a picture; returns the id."""
    number = ask(catalog, image, log=True).objects[0].recognition_id
    assert number is not None
    return number


def between(first: int, second: int, share: float, size: int = 64) -> Image:
    """A picture that is so much the second painting, and the rest the first."""
    mixed = paint(first, size) * (1 - share) + paint(second, size) * share
    return np.asarray(mixed, np.uint8)


def save(path: Path, image: Image) -> Path:
    """Write a picture file, with its folders."""
    from shitu.images import save_image

    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(path, image)
    return path
