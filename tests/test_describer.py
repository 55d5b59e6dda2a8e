"""Picture -> main body -> embedding, for references and for queries of one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fakes import FakeDetector, FakeSession, Floats, plain

from shitu.cropper import Cropper, CropPolicy
from shitu.describer import Describer
from shitu.embedder import Embedder
from shitu.gallery import Space
from shitu.geometry import Box, crop

SPACE = Space("fingerprint", 3)
BOX: Box = (10.0, 10.0, 40.0, 40.0)
OTHER: Box = (0.0, 0.0, 20.0, 30.0)


def mean_colour(batch: Floats) -> list[Floats]:
    return [batch.mean(axis=(2, 3)) + np.float32(0.01)]


def describer(detector: FakeDetector | None) -> Describer:
    cropper = Cropper(detector, CropPolicy(main_body_threshold=0.5, threshold=0.5))  # type: ignore[arg-type]
    return Describer(cropper, Embedder(FakeSession(mean_colour), plain(8), 3), SPACE)


def embedding(image: Any) -> Any:
    return Embedder(FakeSession(mean_colour), plain(8), 3).embed([image])[0]


@pytest.mark.parametrize(
    ("detector", "boxes", "wanted", "asked", "why"),
    [
        (None, None, [None, None], 0, "no detector: the whole picture"),
        (FakeDetector([BOX], [0.9]), None, [BOX, BOX], 2, "the main body"),
        (FakeDetector([BOX], [0.1]), None, [None, None], 2, "no main body: the whole picture"),
        (FakeDetector([BOX], [0.9]), [OTHER, None], [OTHER, BOX], 1, "a given box is not doubted"),
        (FakeDetector([BOX], [0.9]), [OTHER, OTHER], [OTHER, OTHER], 0, "no need to look"),
        (None, [OTHER, None], [OTHER, None], 0, "a given box needs no detector"),
    ],
)
def test_what_is_embedded(
    make_picture: Callable[..., Any],
    detector: FakeDetector | None,
    boxes: list[Box | None] | None,
    wanted: list[Box | None],
    asked: int,
    why: str,
) -> None:
    images = [make_picture(seed) for seed in range(2)]
    before = detector.asked if detector else 0
    found = describer(detector).describe(images, boxes)
    assert [each.box for each in found] == wanted, why
    assert (detector.asked if detector else 0) - before == asked, why
    for image, box, each in zip(images, wanted, found, strict=True):
        part = image if box is None else crop(image, box)
        np.testing.assert_allclose(each.embedding, embedding(part), atol=1e-6)


def test_nothing_is_described_as_nothing() -> None:
    assert describer(FakeDetector([BOX], [0.9])).describe([]) == []


def test_it_knows_its_space() -> None:
    assert describer(None).space == SPACE


def test_the_boxes_of_the_caller_stay_as_they_are(make_picture: Callable[..., Any]) -> None:
    boxes: list[Box | None] = [None]
    describer(FakeDetector([BOX], [0.9])).describe([make_picture(0)], boxes)
    assert boxes == [None]
