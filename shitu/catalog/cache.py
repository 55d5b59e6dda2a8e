"""Keeps a vector index equal to the gallery: loads it, catches up, rebuilds it, saves it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
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
from shitu.prototypes import Floats, PrototypesOfItems

_ALWAYS_SAVE = 20_000  # up to so many vectors; saving those takes some hundredths of a second
_LAG = 50  # beyond that the file may lag behind by one in so many; opening catches up
_ATTEMPTS = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Served:
    """What is searched; replaced as a whole, so that all of it fits together at any moment.

    Attributes:
        view: how vectors are mapped into the index.
        head: the state of the gallery that the index equals.
        made: that of which a sealed index was made.
        saved: that of which files were written or read; None: of no such index.
        unsaved: how many vectors came and went since.
    """

    view: View
    index: VectorIndex
    head: Head
    made: Head
    saved: Head | None = None
    unsaved: int = 0


class IndexCache:
    """One space of one gallery as a vector index.

    Args:
        choice: the kind of index to make when one is made; whatever is there is used.
        read_only: nothing will be saved, so what would take long to make is not made.

    Attributes:
        space: of the vectors in the database.
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
        self._choice = IndexChoice(FLAT) if read_only else choice
        self._lock = threading.RLock()
        self._saving = threading.RLock()
        # There is none while vectors come and go, nor after that was interrupted: what may have
        # been changed by half is neither searched nor saved, but opened anew.
        self._served: _Served | None = None
        self._prototypes: tuple[_Served, PrototypesOfItems] | None = None
        self.state = self._open()

    def _open(self) -> str:
        try:
            read = self._read()
        except IndexFileError as error:
            self._rebuild()
            return f"rebuilt: {error}"
        opened = self._caught_up(read)
        if opened is None:
            self._rebuild()
            return "rebuilt: another history"
        self._served = opened
        return "loaded" if opened.head == opened.saved else "caught up"

    def _caught_up(self, read: _Served) -> _Served | None:
        """Apply to it what was committed since; None: it is of another history."""
        delta = self._gallery.delta(self.space, read.head)
        return None if delta is None else _changed(read, delta)

    def _read(self) -> _Served:
        """Return the index that lies in the folder.

        Raises:
            IndexFileError: there is none, or not one of this space, or it is damaged.
        """
        view = read_view(self._gallery, self.space)
        for _ in range(_ATTEMPTS):
            manifest = read_manifest(self._folder)
            if manifest is None:
                raise IndexFileError("there is no manifest")
            if manifest.space != view.space.fingerprint:
                raise IndexFileError("the vectors on disk are of another space")
            try:
                index = new_index(manifest.kind, view.space.dim)
                load_index(self._folder, manifest, index)
            except IndexFileError as error:
                problem = error
                if read_manifest(self._folder) == manifest:
                    break
                # Another process replaced the files while they were being read.
            else:
                head = Head(manifest.generation, manifest.token)
                return _Served(view, index, head, made=head, saved=head)
        raise problem

    def _whole(self) -> _Served:
        served = self._served
        if served is not None:
            return served
        with self._lock:  # held by whoever changes it
            if self._served is None:
                self.state = self._open()
            return self._whole()

    @property
    def view(self) -> View:
        """How vectors are mapped into the index."""
        return self._whole().view

    @property
    def index(self) -> VectorIndex:
        """What is searched."""
        return self._whole().index

    @property
    def head(self) -> Head:
        """The state of the gallery that the index equals."""
        return self._whole().head

    def search(
        self,
        queries: npt.NDArray[np.float32],
        k: int,
        allowed: npt.NDArray[np.int64] | None = None,
    ) -> Neighbours:
        """Return the k nearest references of each query (m, dim), as the network made it."""
        served = self._whole()
        return served.index.search(served.view(queries), k, allowed)

    def closeness(
        self,
        queries: npt.NDArray[np.float32],
        items: npt.NDArray[np.int64],
        without: Sequence[Collection[int]] = (),
    ) -> Floats:
        """Cosines (m, k) of queries (m, dim) with the prototypes of items (m, k).

        Args:
            items: -1: none.
            without: for each query references that do not count.
        """
        served = self._whole()
        kept = self._prototypes
        if kept is None or kept[0] is not served:
            made = PrototypesOfItems(self._gallery.members_of, served.index.vectors)
            kept = self._prototypes = served, made
        return kept[1].closeness(served.view(queries), items, without)

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
            served = self._served
            delta = None if served is None else self._gallery.delta(self.space, served.head)
            # The change before was interrupted, or the gallery has another map, for which whoever
            # gave it may have saved the index.
            if served is None or delta is None:
                self.state = self._open()
                return False
            if delta.head == served.head:
                return None
            self._served = None
            self._served = _changed(served, delta)
            if served.index.worn:
                self._follow()
            return True

    def _follow(self) -> None:
        """Change to the new base that another process has made, if one has."""
        manifest = self._manifest()
        if manifest is not None and manifest.generation > self._whole().made.generation:
            self._take_files()

    def _take_files(self) -> None:
        """Serve what lies in the folder, once it is brought up to date."""
        with contextlib.suppress(IndexFileError):
            self._served = self._caught_up(self._read()) or self._served

    def _rebuild(self, *, strictly: bool = False) -> None:
        with self._gallery.all_vectors(self.space) as all_:
            head = all_.head
            # Should a later map be read here than was in use at that state, the log has it, too:
            # the next refresh comes to it, and makes all anew.
            view = read_view(self._gallery, self.space)
            blocks = ((ids, view(vectors)) for ids, vectors in all_.blocks)
            choice = self._choice if strictly else self._as_before()
            make = gather_index(choice, view.space.dim, all_.count, blocks)
        index = make(strictly)  # the database is let go of by now
        with self._lock:
            self._served = _Served(view, index, head, made=head)

    def _as_before(self) -> IndexChoice:
        """The kind that was chosen, else that of the index which is to be made anew."""
        served = self._served
        before = self._manifest() if served is None else served.index
        return self._choice if before is None else self._choice.like(before.kind, before.audit)

    def _manifest(self) -> Manifest | None:
        """What the files in the folder hold; None where there are none that can be read."""
        with contextlib.suppress(IndexFileError):
            return read_manifest(self._folder)
        return None

    def save(self, *, lazily: bool = False) -> None:
        """Write the index files, unless they are up to date (lazily: or not far behind).

        A worn index is made anew first, and (not lazily) one of another kind than was chosen.

        Raises:
            IndexNotSaved: they cannot be written.
            RecallNotReached: the kind that was chosen misses too much; the old files stay.
        """
        with self._saving:
            index = self.index
            if index.worn or not (lazily or self._choice.suits(index)):
                # Without the lock: others go on searching and following meanwhile.
                self._rebuild(strictly=not lazily)
                self.refresh()
            with self._lock:
                self._write(lazily=lazily)

    def _write(self, *, lazily: bool) -> None:
        served = self._whole()
        head = served.made if served.index.sealed else served.head
        if served.saved == head or (lazily and _near(served)):
            return
        if self._someone_saved_later(served, head):
            return
        save_index(
            self._folder,
            served.index,
            space=served.view.space.fingerprint,
            generation=head.generation,
            token=head.token,
        )
        self._served = replace(served, saved=head, unsaved=0)
        if served.index.sealed:  # map the files, in place of what was made in memory
            self._take_files()

    def _someone_saved_later(self, served: _Served, head: Head) -> bool:
        manifest = self._manifest()
        return (
            served.saved is not None
            and manifest is not None
            and manifest.space == served.view.space.fingerprint
            and manifest.generation > head.generation
        )


def _changed(served: _Served, delta: Delta) -> _Served:
    """Apply what was committed to the index, and return what is served then."""
    if delta.head == served.head:
        return served
    index = served.index
    index.remove(delta.removed)
    # What went and came back meanwhile is there already.
    new = ~index.holds(delta.ids)
    index.add(delta.ids[new], served.view(delta.vectors[new]))
    unsaved = served.unsaved + len(delta.removed) + int(new.sum())
    return replace(served, head=delta.head, unsaved=unsaved)


def _near(served: _Served) -> bool:
    count = served.index.count
    return served.saved is not None and count > _ALWAYS_SAVE and served.unsaved * _LAG < count
