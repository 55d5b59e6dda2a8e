"""Describes pictures with networks that are loaded when there is a picture to describe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shitu.describer import Description
from shitu.gallery import Space
from shitu.geometry import Box
from shitu.images import Image
from shitu.networks import Networks


class LazyDescriber:
    """Knows the space at once and loads the networks when there is a picture to describe.

    Args:
        networks: returns those in use, made ready for a number of pictures.
    """

    def __init__(self, networks: Callable[[int], Networks]) -> None:
        self._networks = networks

    @property
    def space(self) -> Space:
        """The embedding space, known without loading a network."""
        return self._networks(0).space

    def describe(self, images: Sequence[Image], boxes: Sequence[Box | None]) -> list[Description]:
        """Describe pictures; loads the networks at the first call."""
        return self._networks(len(images)).describer.describe(images, boxes)
