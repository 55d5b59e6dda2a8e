"""Everything the checks look at, read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from shitu._cached import cached_property
from shitu.errors import ImageError
from shitu.gallery import Reference
from shitu.gallery.gallery import Gallery
from shitu.images import Image, load_image
from shitu.images.files import is_gone
from shitu.linting.findings import UNSEEABLE
from shitu.linting.likeness import Compared, Floats, Ids, Likeness, Search
from shitu.linting.pictures import Measures, measure

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Subject:
    """A gallery under inspection.

    Attributes:
        everything: all references, by id.
        described: ids of those with a vector.
        references: those with a vector and a thumbnail; the arrays are in their order.
        measures: of their thumbnails.
        likeness: of their vectors.
    """

    everything: tuple[Reference, ...]
    described: frozenset[int]
    references: tuple[Reference, ...]
    measures: Measures
    likeness: Likeness

    @cached_property
    def by_item(self) -> Mapping[int, Sequence[Reference]]:
        """All references of each item, by item id."""
        ordered = sorted(self.everything, key=lambda r: (r.item_id, r.reference_id))
        groups = groupby(ordered, key=lambda r: r.item_id)
        return {item_id: list(references) for item_id, references in groups}

    def label(self, item_id: int) -> str:
        """The label of an item that has references."""
        return self.by_item[int(item_id)][0].label


def read_subject(
    gallery: Gallery, search: Search, compared: Compared, progress: Progress | None
) -> Subject:
    """Read a gallery, measure its thumbnails, and compare its vectors."""
    everything = tuple(gallery.all_references())
    ids, vectors = _vectors(gallery)
    described = frozenset(ids.tolist())
    wanted = [r for r in everything if r.reference_id in described]
    told = _Told(progress, 2 * len(wanted))
    seen: list[int] = []
    measures = measure(_thumbnails(gallery, [r.reference_id for r in wanted], seen, told))
    kept = set(seen)
    references = tuple(r for r in wanted if r.reference_id in kept)
    numbers = np.array(seen, np.int64)
    owners = np.array([r.item_id for r in references], np.int64)
    places = np.searchsorted(ids, numbers)
    likeness = Likeness.of(numbers, owners, vectors[places], search, compared, told)
    return Subject(everything, described, references, measures, likeness)


def lack(subject: Subject, reference: Reference) -> str:
    """What a reference lacks that could not be looked at."""
    if reference.reference_id not in subject.described:
        return "no vector"
    if is_gone(reference.path):
        return UNSEEABLE
    return "no thumbnail that can be read"


def _vectors(gallery: Gallery) -> tuple[Ids, Floats]:
    space = gallery.active_space()
    delta = None if space is None else gallery.delta(space)
    if delta is None:
        return np.empty(0, np.int64), np.empty((0, 1), np.float32)
    return delta.ids, delta.vectors


def _thumbnails(
    gallery: Gallery, wanted: Sequence[int], seen: list[int], told: Callable[[int], None]
) -> Iterator[Image]:
    """The thumbnails that can be read; their ids are put into `seen`."""
    for number, jpeg in gallery.thumbnails(wanted):
        told(1)
        try:
            image = load_image(jpeg)
        except ImageError:
            continue
        seen.append(number)
        yield image


class _Told:
    """Adds up what is done."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, more: int) -> None:
        self._done += more
        if self._progress is not None:
            self._progress(self._done, self._total)
