"""What a workspace says of pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from shitu.arguments import list_of, path_of, words_of
from shitu.cropper import Candidates
from shitu.detector import Detections
from shitu.errors import GalleryError, ImageError, SpaceMismatch
from shitu.gallery import Space
from shitu.head_start import HeadStart
from shitu.images import Image, as_image, load_image
from shitu.looking import Look, in_order
from shitu.networks import SEVERAL
from shitu.recognition import Recognition
from shitu.runtime.session import Float32Array
from shitu.workspace.wiring import Wiring

if TYPE_CHECKING:
    from shitu.catalog.as_of import Named
    from shitu.gallery.where import Where
    from shitu.wording import Wording

_AHEAD = 2  # pictures decoded before they are needed
_ATTEMPTS = 3  # to answer while the gallery goes over to other models or another map


class Recognising(Wiring):
    """Recognises pictures, and shows why."""

    def recognize(
        self,
        picture: str | Path | bytes | Image,
        *,
        whole_image: bool = False,
        where: str | Where | None = None,
        as_of: Named | None = None,
        log: bool | None = None,
    ) -> Recognition:
        """Name the objects in a picture: a file, its bytes, or uint8 RGB (h, w, 3).

        Args:
            whole_image: look up the picture as one object.
            where: only items that this filter allows are answers: `brand=acme and shelf in (3,4)`.
            as_of: answer from the gallery as it was at a generation or date; see `Catalog.as_of`.
            log: keep each object with its crop and answer, so that it can be confirmed or
                rejected; None: if the setting `log_recognitions` says so. Never of the past.

        Raises:
            ImageError: it is no picture, or cannot be read.
            ValueError: the path is empty.
            WhereError: the filter cannot be read.
            GalleryError: there was no such state, or its vectors have been forgotten.
        """
        source = path_of("a picture", picture) if isinstance(picture, str) else picture
        image = _image(source)
        self._use_streams(1)
        found, space = self._recognize(image, whole_image=whole_image, where=where, as_of=as_of)
        file = source if isinstance(source, (Path, bytes)) else None
        return self._noted(found, image, file, space, as_of=as_of, log=log)

    def recognize_many(
        self,
        pictures: Sequence[str | Path | bytes],
        *,
        whole_image: bool = False,
        where: str | Where | None = None,
        as_of: Named | None = None,
        log: bool | None = None,
    ) -> Iterator[Recognition | ImageError]:
        """Recognise pictures in order; one that cannot be read gives its error, not an end.

        The rest is as in `recognize`. Nothing is looked at before the first answer is asked for.

        Raises:
            TypeError: `pictures` is one picture, or no list at all.
            ValueError: a path is empty.
        """
        self._require_open()
        given = list_of("pictures", pictures)
        if where is not None:
            from shitu.gallery.where import parse_where

            where = parse_where(where)
        return self._recognize_many(
            [path_of("a picture", each) if isinstance(each, str) else each for each in given],
            whole_image=whole_image,
            where=where,
            as_of=as_of,
            log=log,
        )

    def _recognize_many(
        self,
        sources: Sequence[Path | bytes],
        *,
        whole_image: bool,
        where: Where | None,
        as_of: Named | None,
        log: bool | None,
    ) -> Iterator[Recognition | ImageError]:
        self._make_a_start(len(sources), *sources[:1], whole_image=whole_image)
        self._networks.expect(len(sources))
        with contextlib.closing(self._look_ahead(sources, whole_image=whole_image)) as looks:
            for source, look in zip(sources, looks, strict=True):
                if isinstance(look, ImageError):
                    yield look
                else:
                    found, space = self._recognize(
                        look.image, whole_image=whole_image, where=where, as_of=as_of, look=look
                    )
                    yield self._noted(found, look.image, source, space, as_of=as_of, log=log)

    def _look_ahead(
        self, sources: Sequence[Path | bytes], *, whole_image: bool
    ) -> Generator[Look | ImageError, None, None]:
        """Let the networks see the next pictures while the present one is looked up."""
        self._require_own_space()
        self._use_streams(self._networks.threads if len(sources) >= SEVERAL else 1)
        self._networks.open_both()
        started: HeadStart | None = self.__dict__.pop("_started", None)

        def look(source: Path | bytes) -> Look | ImageError:
            seen = None if started is None else started.look(source)
            return seen or self._networks.eyes.look(source, whole_image=whole_image)

        workers = self._networks.streams if len(sources) > 1 else 0
        return in_order(sources, look, self._networks.pool, workers + _AHEAD)

    def _noted(
        self,
        found: Recognition,
        image: Image,
        source: Path | bytes | None,
        space: Space,
        *,
        as_of: Named | None,
        log: bool | None,
    ) -> Recognition:
        if as_of is not None and log:
            raise GalleryError("answers of the past are not logged: leave out one of the two")
        if as_of is not None or not (self.config.log_recognitions if log is None else log):
            return found
        from shitu.remembering import seen_in, with_ids

        return with_ids(found, self.catalog.log(seen_in(image, source, found, space)))

    def _recognize(
        self,
        image: Image,
        *,
        whole_image: bool,
        where: str | Where | None,
        as_of: Named | None,
        look: Look | None = None,
    ) -> tuple[Recognition, Space]:
        """The answer, and the space that it was found in."""
        # What other processes committed meanwhile is found, too.
        if self.catalog.refresh():
            self._require_own_space()
        for attempt in range(_ATTEMPTS):
            space, before = self._networks.space, self.catalog.searched_spaces
            used = self.recognizer if as_of is None else self._recognizer_over(self.as_of(as_of))
            if look is not None and look.space != space:
                look = None  # seen before the gallery went over to other models
            try:
                found = used.recognize(image, whole_image=whole_image, where=where, look=look)
            except SpaceMismatch:
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                after = self.catalog.searched_spaces
                if after is None or (after == before and after[0] == space):
                    return found, space
            # The gallery went over to other models or another map while the picture was looked at,
            # and another thread has followed it: vectors of two spaces may have been compared, or
            # scores of one judged by what is known of the other.
            self._follow_the_gallery()
            self._require_own_space()
        raise SpaceMismatch("the gallery goes over to other models again and again: try later")

    def draw_explanation(
        self,
        picture: str | Path | bytes | Image,
        recognition: Recognition,
        *,
        as_of: Named | None = None,
    ) -> Image:
        """Draw what decided an answer: each object beside its best reference, equal points joined.

        Args:
            picture: what was recognised.
            recognition: the answer; as_of: the moment that it was asked of.
        """
        from shitu.explanation.pictures import draw_explanation, references_shown

        lookup = self.catalog if as_of is None else self.as_of(as_of)
        shown = lookup.references(references_shown(recognition))
        return draw_explanation(_image(picture), recognition, self.catalog.gallery, shown)

    def find_by_words(self, text: str, *, where: str | Where | None = None) -> Wording:
        """Find items by words; raises ModelError if the gallery's model cannot read."""
        from shitu.catalog.learning import read_view
        from shitu.wording import ADAPTED, find_by_words

        words = words_of("text", text)
        self.catalog.refresh()
        self._require_own_space()
        embedder = self._networks.text_embedder
        found = find_by_words(words, embedder, self.catalog, self.config.top_k, where)
        adapted = read_view(self.catalog.gallery, self._networks.space).adapter is not None
        return replace(found, notes=(*found.notes, *([ADAPTED] if adapted else [])))

    def candidates(self, image: Image, threshold: float | None = None) -> Candidates:
        """Boxes of a picture that would be looked up, by default from the detector's threshold."""
        cropper = self._networks.cropper
        seen = _image(image)
        return (cropper if threshold is None else cropper.at(threshold)).candidates(seen)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Return all that the detector finds in pictures, however weak; nothing without one."""
        seen = [_image(image) for image in list_of("images", images)]
        return self._networks.cropper.detect(seen)

    def embed(self, crops: Sequence[Image]) -> Float32Array:
        """Embeddings (n, dim) of crops, uint8 RGB (h, w, 3), each of length one."""
        seen = [_image(crop) for crop in list_of("crops", crops)]
        return self._networks.embedder.embed(seen)


def _image(picture: str | Path | bytes | Image) -> Image:
    source = path_of("a picture", picture) if isinstance(picture, str) else picture
    if isinstance(source, (Path, bytes)):
        return load_image(source)
    if isinstance(source, np.ndarray):
        return as_image(source)
    raise ImageError(
        f"{type(picture).__name__} is no picture: give a path, the bytes of a file, or a uint8 RGB "
        "array (height, width, 3)"
    )
