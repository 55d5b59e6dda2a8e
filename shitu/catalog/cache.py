"""Keeps a vector index equal to the gallery: loads it, catches up, rebuilds it, saves it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shitu.errors import IndexFileError
from shitu.gallery import Delta, Head, Space
from shitu.gallery.gallery import Gallery
from shitu.index import VectorIndex
from shitu.index.manifest import load_vectors, read_manifest, save_index

_ALWAYS_SAVE = 20_000  # up to so many vectors; saving those takes some hundredths of a second
_LAG = 50  # beyond that the file may lag behind by one in so many; opening catches up


class IndexCache:
    """One space of one gallery as a vector index.

    Attributes:
        space: of the vectors.
        index: what is searched.
        state: how it came to be when it was opened: "loaded", "caught up" or "rebuilt: why".
    """

    def __init__(
        self,
        folder: Path,
        gallery: Gallery,
        space: Space,
        make: Callable[[int], VectorIndex],
    ) -> None:
        self._folder = folder
        self._gallery = gallery
        self.space = space
        self._make = make
        self._lock = threading.RLock()
        self._head = Head(-1, "")
        self._saved: Head | None = None
        self._unsaved = 0
        self.index = make(space.dim)
        self.state = self._open()

    def _open(self) -> str:
        try:
            head = self._load()
        except IndexFileError as error:
            self._rebuild()
            return f"rebuilt: {error}"
        self._head = self._saved = head
        return {None: "loaded", True: "caught up"}.get(self.refresh(), "rebuilt: another history")

    def _load(self) -> Head:
        manifest = read_manifest(self._folder)
        if manifest is None:
            raise IndexFileError("there is no manifest")
        if manifest.space != self.space.fingerprint:
            raise IndexFileError("the vectors on disk are of another space")
        load_vectors(self._folder, manifest, self.index)
        return Head(manifest.generation, manifest.token)

    @property
    def head(self) -> Head:
        """The state of the gallery that the index equals."""
        return self._head

    def remake(self) -> None:
        """Make the index anew from the gallery's vectors, and save it, whatever it was."""
        with self._lock:
            self._rebuild()
            self.save()

    def refresh(self) -> bool | None:
        """Apply what was committed since; None: nothing, True: some, False: all made anew."""
        with self._lock:
            delta = self._gallery.delta(self.space, self._head)
            if delta is None:
                self._rebuild()
                return False
            if delta.head == self._head:
                return None
            self._apply(delta)
            return True

    def _apply(self, delta: Delta) -> None:
        # A process interrupted in here applies the same once more, so both steps may repeat.
        self.index.remove(delta.removed)
        new = ~np.isin(delta.ids, self.index.ids())
        self.index.add(delta.ids[new], delta.vectors[new])
        self._unsaved += len(delta.removed) + int(new.sum())
        self._head = delta.head

    def _rebuild(self) -> None:
        self._saved = None
        delta = self._gallery.delta(self.space)
        assert delta is not None  # noqa: S101 - only an unknown start has no delta
        index = self._make(self.space.dim)
        index.add(delta.ids, delta.vectors)
        self.index, self._head = index, delta.head

    def save(self, *, lazily: bool = False) -> None:
        """Write the index files, unless they are up to date (lazily: or not far behind).

        Raises:
            IndexFileError: they cannot be written.
        """
        with self._lock:
            if self._saved == self._head or (lazily and self._near()):
                return
            if self._someone_saved_later():
                return
            save_index(
                self._folder,
                self.index,
                space=self.space.fingerprint,
                generation=self._head.generation,
                token=self._head.token,
            )
            self._saved, self._unsaved = self._head, 0

    def _near(self) -> bool:
        count = self.index.count
        return self._saved is not None and count > _ALWAYS_SAVE and self._unsaved * _LAG < count

    def _someone_saved_later(self) -> bool:
        with contextlib.suppress(IndexFileError):
            manifest = read_manifest(self._folder)
            return (
                self._saved is not None
                and manifest is not None
                and manifest.space == self.space.fingerprint
                and manifest.generation > self._head.generation
            )
        return False
