"""Local features of references: from memory, from the database, else from their pictures."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from shitu.errors import GalleryError, ImageError
from shitu.gallery import Reference
from shitu.gallery.gallery import Gallery
from shitu.gallery.local_features import keep_features, read_features, read_thumbnails
from shitu.geometry import crop
from shitu.images import Image, load_image, read_bytes
from shitu.verifier.features import Extractor, Features

_IN_MEMORY = 1000  # references; 48 MB at most

_log = logging.getLogger(__name__)


class ReferenceFeatures:
    """Gives the features of references, each computed once. May be shared between threads.

    Those of a picture that can be read are kept in the database, where that can be written; those
    of a mere thumbnail only in memory, for the picture may come back.

    Args:
        keeping: whether they may be kept in the database.
    """

    def __init__(
        self, gallery: Gallery, extractor: Extractor | None = None, *, keeping: bool = True
    ) -> None:
        self.extractor = extractor or Extractor()
        self._gallery = gallery
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._memory: OrderedDict[tuple[int, str, bool], Features] = OrderedDict()
        self._writable = keeping

    def of(self, references: Iterable[Reference]) -> dict[int, Features]:
        """Return the features of references by id; without any picture of one, it is missing."""
        wanted = {r.reference_id: r for r in references}
        marks = {number: self.mark(r) for number, r in wanted.items()}
        found = self._remembered(marks, small=True)
        found |= self.of_pictures(r for i, r in wanted.items() if i not in found)
        rest = {i: mark for i, mark in marks.items() if i not in found}
        small = self._of_thumbnails(rest)
        self._remember(rest, small, small=True)
        return found | small

    def of_pictures(self, references: Iterable[Reference]) -> dict[int, Features]:
        """Return the features of references by id; without the picture itself, it is missing."""
        wanted = {r.reference_id: r for r in references}
        marks = {number: self.mark(r) for number, r in wanted.items()}
        found = self._remembered(marks, small=False)
        if len(found) < len(wanted):
            with self._making:  # who comes later finds them in memory
                found = self._remembered(marks, small=False)
                found |= self._made({i: r for i, r in wanted.items() if i not in found}, marks)
                self._remember(marks, found, small=False)
        return found

    def _made(
        self, wanted: Mapping[int, Reference], marks: Mapping[int, str]
    ) -> dict[int, Features]:
        """Read what is kept of references, compute the rest, and keep that."""
        found = self._kept({i: marks[i] for i in wanted})
        new = self._computed([r for i, r in wanted.items() if i not in found])
        self._keep({i: (marks[i], features) for i, features in new.items()})
        return found | new

    def mark(self, reference: Reference) -> str:
        """Name what features depend on beside the bytes of the picture."""
        # A box changes when the gallery goes over to another detector; the bytes never do.
        return self.extractor.fingerprint(reference.box)

    def _remembered(self, marks: Mapping[int, str], *, small: bool) -> dict[int, Features]:
        with self._lock:
            found = {}
            for number, mark in marks.items():
                key = number, mark, small
                if key in self._memory:
                    self._memory.move_to_end(key)  # what is asked for is kept the longest
                    found[number] = self._memory[key]
            return found

    def _remember(
        self, marks: Mapping[int, str], found: Mapping[int, Features], *, small: bool
    ) -> None:
        """Keep features in memory; `small`: those of thumbnails."""
        with self._lock:
            for number, features in found.items():
                self._memory[number, marks[number], small] = features
            while len(self._memory) > _IN_MEMORY:
                self._memory.popitem(last=False)

    def _kept(self, marks: dict[int, str]) -> dict[int, Features]:
        rows = read_features(self._gallery, marks) if marks else {}
        unpacked = ((i, Features.from_bytes(data)) for i, data in rows.items())
        return {i: features for i, features in unpacked if features is not None}

    def picture(self, reference: Reference) -> Image | None:
        """Return what is compared of a reference, or its thumbnail; None without either."""
        image = original(reference)
        if image is None:
            jpeg = read_thumbnails(self._gallery, [reference.reference_id])
            with contextlib.suppress(ImageError):  # a damaged one, which `check` names
                image = next(map(load_image, jpeg.values()), None)
        return image

    def _computed(self, references: Sequence[Reference]) -> dict[int, Features]:
        images = ((reference.reference_id, original(reference)) for reference in references)
        return {i: self.extractor.extract(image) for i, image in images if image is not None}

    def _keep(self, new: dict[int, tuple[str, Features]]) -> None:
        if not new or not self._writable:
            return
        rows = {i: (mark, features.to_bytes()) for i, (mark, features) in new.items()}
        try:
            keep_features(self._gallery, rows)
        except GalleryError as error:
            _log.debug("local features are not kept: %s", error)
            self._writable = "locked" in str(error)  # a reader need not try again

    def _of_thumbnails(self, numbers: Iterable[int]) -> dict[int, Features]:
        wanted = list(numbers)
        jpegs = read_thumbnails(self._gallery, wanted) if wanted else {}
        found = {}
        for number, jpeg in jpegs.items():
            try:
                found[number] = self.extractor.extract(load_image(jpeg))
            except ImageError:
                continue
        return found


def original(reference: Reference) -> Image | None:
    """Return what is compared of a reference; None where its picture is gone, or another one."""
    try:
        data = read_bytes(reference.path)
        if hashlib.sha256(data).hexdigest() != reference.sha256:
            return None
        image = load_image(data)
    except ImageError:
        return None
    return image if reference.box is None else crop(image, reference.box)
