"""Golden queries in the eyes of the verifier, in a state of the gallery that is or is to come."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shitu._cached import cached_property
from shitu.candidates import depth
from shitu.catalog.foresight import State
from shitu.catalog.points_cache import Pair, PointsCache
from shitu.errors import GalleryError, ImageError
from shitu.gallery import Reference
from shitu.gallery.gallery import Gallery
from shitu.images import Image, load_image
from shitu.verifier import Agreement, Features, agree
from shitu.verifier.features import corners
from shitu.verifier.references import ReferenceFeatures
from shitu.verifier.reranking import Verifier


class GoldenPoints:
    """Lets the verifier have its say about golden queries; compares each pair but once.

    Args:
        gallery: of the queries and references.
        mode: setting `verify`: auto or on.
        top_k: items that recognition lists.
        folder: where to remember what was found; None: nowhere.
    """

    def __init__(self, gallery: Gallery, mode: str, top_k: int, folder: Path | None) -> None:
        # Whoever judges a change holds the write lock: features are not kept then.
        self.source = ReferenceFeatures(gallery, keeping=False)
        self.verifier = Verifier(self.source, mode)
        self.depth = depth(top_k)
        self._gallery = gallery
        self._folder = folder
        self._names: dict[int, str] = {}

    def sight(self, query_id: int, state: State) -> GoldenSight:
        """Return a golden query as the verifier looks at it in a state of the gallery."""
        return GoldenSight(self, query_id, state)

    @cached_property
    def cache(self) -> PointsCache:
        """What was found before."""
        return PointsCache(self._folder)

    def picture(self, query_id: int) -> bytes:
        """Return the JPEG of a query."""
        with self._gallery.known() as known:
            jpeg = known.picture(query_id)
        if jpeg is None:
            raise GalleryError(
                f"the picture of query {query_id} is missing in the database: `shitu check` it"
            )
        return jpeg

    def name(self, query_id: int) -> str:
        """Return what the contents of a query are known by."""
        if query_id not in self._names:
            self._names[query_id] = _name(self.picture(query_id))
        return self._names[query_id]

    def pair(self, query_id: int, reference: Reference) -> Pair:
        """Return what a query and a reference are known by."""
        what = f"{reference.sha256} {self.source.mark(reference)}"
        return self.name(query_id), _name(what.encode())


class GoldenSight:
    """A golden query as the verifier looks at it; nothing is computed that is known."""

    def __init__(self, points: GoldenPoints, query_id: int, state: State) -> None:
        self._points = points
        self._query_id = query_id
        self._state = state

    def corners(self) -> int:
        """How much texture it has."""
        cache, name = self._points.cache, self._points.name(self._query_id)
        count = cache.corners(name)
        if count is None:
            count = corners(self._image)
            cache.put_corners(name, count)
        return count

    def agreements(self, references: Sequence[Reference]) -> Mapping[int, Agreement]:
        """With references, by id; those of which there is no picture are missing."""
        cache = self._points.cache
        pairs = {r.reference_id: self._points.pair(self._query_id, r) for r in references}
        known = ((number, cache.agreement(pair)) for number, pair in pairs.items())
        found = {number: agreement for number, agreement in known if agreement is not None}
        for number, features, lasting in self._features_of(references, found):
            found[number] = agree(self._features, features)
            if lasting:
                cache.put_agreement(pairs[number], found[number])
        return found

    def _features_of(
        self, references: Sequence[Reference], known: Mapping[int, Agreement]
    ) -> Iterator[tuple[int, Features, bool]]:
        """Features of those not known, and whether they are of more than a thumbnail."""
        wanted = {r.reference_id: r for r in references if r.reference_id not in known}
        source = self._points.source
        for number, features in source.of_pictures(wanted.values()).items():
            del wanted[number]
            yield number, features, True
        for number, jpeg in self._state.thumbnails(wanted).items():
            with contextlib.suppress(ImageError):
                yield number, source.extractor.extract(load_image(jpeg)), False

    @cached_property
    def _image(self) -> Image:
        return load_image(self._points.picture(self._query_id))

    @cached_property
    def _features(self) -> Features:
        return self._points.source.extractor.extract(self._image)


def _name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]
