"""Keeps a vector index equal to the gallery: loads it, catches up, rebuilds it, saves it."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shitu.catalog.learning import View, read_view
from shitu.errors import IndexFileError
from shitu.gallery import Delta, Head, Space
from shitu.gallery.gallery import Gallery
from shitu.index import Neighbours, VectorIndex
from shitu.index.kinds import FLAT, IndexChoice, gather_index, new_index
from shitu.index.manifest import Manifest, load_index, read_manifest, save_index

_ALWAYS_SAVE = 20_000  # up to so many vectors; saving those takes some hundredths of a second
_LAG = 50  # beyond that the file may lag behind by one in so many; opening catches up
_ATTEMPTS = 3

_log = logging.getLogger(__name__)


class IndexCache:
    """One space of one gallery as a vector index.

    Args:
        choice: the kind of index to make when one is made; whatever is there is used.
        read_only: nothing will be saved, so what would take long to make is not made.

    Attributes:
        space: of the vectors in the database.
        view: how they are mapped into the index.
        index: what is searched.
        state: how it came to be when it was opened: "loaded", "caught up" or "rebuilt: why".
    """

    def __init__(
        self,
        folder: Path,
        gallery: Gallery,
        space: Space,
        choice: IndexChoice,
        *,
        read_only: bool = False,
    ) -> None:
        self._folder = folder
        self._gallery = gallery
        self.space = space
        self.view = read_view(gallery, space)
        self._choice = IndexChoice(FLAT) if read_only else choice
        self._lock = threading.RLock()
        self._saving = threading.RLock()
        self._head = Head(-1, "")
        self._made = Head(-1, "")  # the state of which a sealed index was made
        self._saved: Head | None = None
        self._unsaved = 0
        self.index: VectorIndex = new_index(FLAT, self.view.space.dim)
        self._serving = self.view, self.index
        self.state = self._open()

    def _open(self) -> str:
        try:
            self._load()
        except IndexFileError as error:
            self._rebuild()
            return f"rebuilt: {error}"
        return {None: "loaded", True: "caught up"}.get(self.refresh(), "rebuilt: another history")

    def _load(self) -> None:
        """Take the index that lies in the folder.

        Raises:
            IndexFileError: there is none, or not one of this space, or it is damaged.
        """
        index, manifest = self._read()
        with self._lock:
            self._serve(self.view, index)
            self._head = self._made = Head(manifest.generation, manifest.token)
            self._saved, self._unsaved = self._head, 0

    def _read(self) -> tuple[VectorIndex, Manifest]:
        for _ in range(_ATTEMPTS):
            manifest = read_manifest(self._folder)
            if manifest is None:
                raise IndexFileError("there is no manifest")
            if manifest.space != self.view.space.fingerprint:
                raise IndexFileError("the vectors on disk are of another space")
            try:
                index = new_index(manifest.kind, self.view.space.dim)
                load_index(self._folder, manifest, index)
            except IndexFileError as error:
                problem = error
                if read_manifest(self._folder) == manifest:
                    break
                # Another process replaced the files while they were being read.
            else:
                return index, manifest
        raise problem

    @property
    def head(self) -> Head:
        """The state of the gallery that the index equals."""
        return self._head

    def _serve(self, view: View, index: VectorIndex) -> None:
        # Together, and at once: whoever searches must not map a query for another index.
        self._serving = view, index
        self.view, self.index = view, index

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        allowed: npt.NDArray[np.int64] | None = None,
    ) -> Neighbours:
        """Return the k nearest references of each query (m, dim), as the network made it."""
        view, index = self._serving
        return index.search(view(queries), k, allowed)

    def remake(self) -> None:
        """Make the index anew from the gallery's vectors, and save it, whatever it was."""
        with self._saving:
            self._rebuild()
            self.refresh()
            with self._lock:
                self._write(lazily=False)

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
            if self.index.worn:
                self._follow()
            return True

    def _apply(self, delta: Delta) -> None:
        # A process interrupted in here applies the same once more, so both steps may repeat.
        self.index.remove(delta.removed)
        new = ~self.index.holds(delta.ids)
        self.index.add(delta.ids[new], self.view(delta.vectors[new]))
        self._unsaved += len(delta.removed) + int(new.sum())
        self._head = delta.head

    def _follow(self) -> None:
        """Change to the new base that another process has made, if one has."""
        with contextlib.suppress(IndexFileError):
            manifest = read_manifest(self._folder)
            if manifest is not None and manifest.generation > self._made.generation:
                self._load()
                self.refresh()

    def _rebuild(self, *, strictly: bool = False) -> None:
        with self._gallery.all_vectors(self.space) as all_:
            head = all_.head
            # Should a later map be read here than was in use at that state, the log has it, too:
            # the next refresh comes to it, and makes all anew.
            view = read_view(self._gallery, self.space)
            blocks = ((ids, view(vectors)) for ids, vectors in all_.blocks)
            make = gather_index(self._choice, view.space.dim, all_.count, blocks)
        index = make(strictly)  # the database is let go of by now
        with self._lock:
            self._serve(view, index)
            self._head = self._made = head
            self._saved = None

    def save(self, *, lazily: bool = False) -> None:
        """Write the index files, unless they are up to date (lazily: or not far behind).

        A worn index is made anew first, and (not lazily) one of another kind than was chosen.

        Raises:
            IndexFileError: they cannot be written.
            RecallNotReached: the kind that was chosen misses too much; the old files stay.
        """
        with self._saving:
            if self.index.worn or not (lazily or self._choice.suits(self.index)):
                # Without the lock: others go on searching and following meanwhile.
                self._rebuild(strictly=not lazily)
                self.refresh()
            with self._lock:
                self._write(lazily=lazily)

    def _write(self, *, lazily: bool) -> None:
        index = self.index
        head = self._made if index.sealed else self._head
        if self._saved == head or (lazily and self._near()):
            return
        if self._someone_saved_later(head):
            return
        save_index(
            self._folder,
            index,
            space=self.view.space.fingerprint,
            generation=head.generation,
            token=head.token,
        )
        self._saved, self._unsaved = head, 0
        if index.sealed:  # map the files, in place of what was made in memory
            with contextlib.suppress(IndexFileError):
                self._load()
                self.refresh()

    def _near(self) -> bool:
        count = self.index.count
        return self._saved is not None and count > _ALWAYS_SAVE and self._unsaved * _LAG < count

    def _someone_saved_later(self, head: Head) -> bool:
        with contextlib.suppress(IndexFileError):
            manifest = read_manifest(self._folder)
            return (
                self._saved is not None
                and manifest is not None
                and manifest.space == self.view.space.fingerprint
                and manifest.generation > head.generation
            )
        return False
