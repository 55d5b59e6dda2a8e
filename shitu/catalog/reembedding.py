"""Embeds the references of a gallery in another space, beside the one in use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from shitu.catalog.build import BATCH_BYTES
from shitu.catalog.describing import Describer, describe
from shitu.catalog.files import holds
from shitu.catalog.reading import Picture, read_ahead
from shitu.catalog.summaries import Skipped
from shitu.describer import Description
from shitu.errors import ItemNotFound
from shitu.gallery import Reference
from shitu.gallery.crops import Crop
from shitu.gallery.gallery import Gallery
from shitu.gallery.spaces import MIGRATE, Embedded
from shitu.geometry import Box
from shitu.images import Image, load_image, thumbnail


@dataclass
class Progress:
    """What was done so far.

    Attributes:
        embedded: from their pictures, in this run.
        makeshift: from their thumbnails, in this run.
        missing: references without a vector, because their pictures are gone or changed.
    """

    embedded: int = 0
    makeshift: int = 0
    missing: list[Skipped] = field(default_factory=list)


class Reembedding:
    """Fills one space; what is committed stays when the process is interrupted or killed.

    Args:
        allow_missing: embed the thumbnail of a picture that is missing or was changed.
        batch_size: references embedded, and committed, at a time.
        progress: called with the number of references that have their vector, and of all.
    """

    def __init__(
        self,
        gallery: Gallery,
        describer: Describer,
        *,
        allow_missing: bool,
        batch_size: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.done = Progress()
        self._gallery = gallery
        self._describer = describer
        self._allow_missing = allow_missing
        self._batch_size = max(1, batch_size)
        self._progress = progress
        self._batch: list[tuple[Reference, Image]] = []
        self._left = 0

    def run(self) -> None:
        """Embed what has no vector in the space yet, and anew what has only a makeshift one."""
        self.done.missing = []
        numbers = {*self._lacking(), *self._mendable()}
        references = self._gallery.references(numbers)
        self._left = len(references)
        while references:
            problems = self._embed([references[number] for number in sorted(references)])
            # Meanwhile others may have removed those that were not found, or moved them.
            now = self._gallery.references(problems)
            still = {i for i, one in now.items() if one.path == references[i].path}
            self._do_without({now[i]: problems[i] for i in sorted(still)})
            references = {i: one for i, one in now.items() if i not in still}

    def _embed(self, references: list[Reference]) -> dict[int, str]:
        """Embed and commit in batches; returns what is wrong with the pictures that are not."""
        problems: dict[int, str] = {}
        hashes = {reference.sha256 for reference in references}
        paths = [reference.path for reference in references]
        with closing(read_ahead(paths, hashes.__contains__)) as pictures:
            for reference, picture in zip(references, pictures, strict=True):
                problem = _problem(reference, picture)
                if problem:
                    problems[reference.reference_id] = problem
                elif picture.image is not None:
                    self._batch.append((reference, picture.image))
                if self._full():
                    self._flush()
        self._flush()
        return problems

    def _do_without(self, problems: dict[Reference, str]) -> None:
        """Embed the thumbnails of references, as far as allowed and there."""
        rest = iter(problems if self._allow_missing else {})
        done: set[int] = set()
        while some := list(islice(rest, self._batch_size)):
            new = list(self._from_thumbnails(some))
            self._put(new)
            done.update(one.reference_id for one in new)
        self.done.makeshift += len(done)
        for reference, why in problems.items():
            if reference.reference_id not in done:
                if self._allow_missing:
                    why = f"{why.rstrip('.')}, and there is no thumbnail"
                self.done.missing.append(Skipped(reference.path, why))

    def _lacking(self) -> list[int]:
        with self._gallery.spaces() as reader:
            return reader.lacking(self._describer.space)

    def _mendable(self) -> list[int]:
        """Return the references with makeshift vectors whose pictures are back."""
        with self._gallery.spaces() as reader:
            numbers = reader.makeshift(self._describer.space)
        found = self._gallery.references(numbers).values()
        return [one.reference_id for one in found if holds(one.path, one.sha256)]

    def _full(self) -> bool:
        size = sum(image.nbytes for _, image in self._batch)
        return len(self._batch) >= self._batch_size or size >= BATCH_BYTES

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        self._put(list(self._from_pictures(batch)))
        self.done.embedded += len(batch)

    def _put(self, new: list[Embedded]) -> None:
        if not new:
            return
        with self._gallery.write(MIGRATE) as transaction:
            transaction.spaces().put(self._describer.space, new)
        self._left -= len(new)
        if self._progress is not None:
            total = self._gallery.count()
            self._progress(max(0, total - self._left), total)

    def _from_pictures(self, pictures: list[tuple[Reference, Image]]) -> Iterator[Embedded]:
        # A box that a person gave stays; all others are chosen anew.
        boxes = [reference.box if reference.box_given else None for reference, _ in pictures]
        described = self._describe([image for _, image in pictures], boxes)
        for (reference, image), one in zip(pictures, described, strict=True):
            same = one.box == reference.box
            crop = None if same else Crop(one.box, thumbnail(image, box=one.box))
            yield Embedded(reference.reference_id, one.embedding, crop)

    def _from_thumbnails(self, references: list[Reference]) -> Iterator[Embedded]:
        images: dict[int, Image] = {}
        for reference in references:
            with contextlib.suppress(ItemNotFound):
                number = reference.reference_id
                images[number] = load_image(self._gallery.thumbnail(number))
        # The thumbnail shows what was embedded, and no more: it is not cropped again.
        boxes: list[Box | None] = [_all_of(image) for image in images.values()]
        described = self._describe(list(images.values()), boxes)
        for number, one in zip(images, described, strict=True):
            yield Embedded(number, one.embedding, makeshift=True)

    def _describe(self, images: list[Image], boxes: list[Box | None]) -> list[Description]:
        return describe(self._describer, images, boxes) if images else []


def _problem(reference: Reference, picture: Picture) -> str:
    if picture.problem:
        return picture.problem
    return "" if picture.sha256 == reference.sha256 else "was changed since it was added"


def _all_of(image: Image) -> Box:
    height, width = image.shape[:2]
    return 0.0, 0.0, float(width), float(height)
