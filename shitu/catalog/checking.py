"""Checks a gallery, its index and its pictures, row by row; see `Catalog.check`."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shitu.catalog.cache import IndexCache
from shitu.catalog.check_report import CheckPart, CheckReport
from shitu.catalog.files import file_state, holds
from shitu.catalog.index_files import file_problems
from shitu.catalog.learning import ADAPTER, CALIBRATION, View, read_calibration, read_view
from shitu.errors import GalleryError, ImageError
from shitu.gallery.audit import Audit, StoredFile
from shitu.gallery.gallery import Gallery
from shitu.images import display_path, load_image
from shitu.images.files import is_gone
from shitu.index import VectorIndex

Progress = Callable[[int, int], None]

_SAME = 1e-6
_SAMPLE = 1000  # vectors compared with the index, and thumbnails decoded, unless it is to be all
_TRIES = 20  # to meet an index and a gallery at the same generation while others write


def check_catalog(
    gallery: Gallery,
    cache: IndexCache | None,
    folder: Path,
    *,
    full: bool = False,
    progress: Progress | None = None,
) -> CheckReport:
    """Check everything against everything, in one state of the gallery."""
    for _ in range(_TRIES):
        if cache is not None:
            cache.refresh()
        with gallery.audit() as audit:
            if cache is None or cache.head == audit.head:
                return _Check(gallery, audit, cache, folder, full=full, progress=progress).run()
    # Others write without a pause: what is in the index is compared the next time.
    with gallery.audit() as audit:
        return _Check(gallery, audit, None, folder, full=full, progress=progress).run()


class _Check:
    def __init__(
        self,
        gallery: Gallery,
        audit: Audit,
        cache: IndexCache | None,
        folder: Path,
        *,
        full: bool,
        progress: Progress | None,
    ) -> None:
        self._gallery = gallery
        self._audit = audit
        self._cache = cache
        self._folder = folder
        self._full = full
        self._ids = audit.ids
        self._told = _Steps(progress, 3 * len(self._ids) + 1)

    def run(self) -> CheckReport:
        database = CheckPart("database", 1, tuple(self._audit.database()))
        items, problems = self._audit.items()
        parts = [database, CheckPart("items", items, tuple(problems)), *self._vectors()]
        parts.append(self._thumbnails())
        length, problems = self._audit.log()
        parts.append(CheckPart("history", length, tuple(problems)))
        count, problems, notes = self._audit.queries()
        parts.append(CheckPart("queries", count, tuple(problems), tuple(notes)))
        view = None if self._audit.space is None else read_view(self._gallery, self._audit.space)
        parts.append(self._learnt(view))
        parts.append(self._files(view))
        parts.append(self._pictures())
        self._told.end()
        return CheckReport(len(self._ids), tuple(parts))

    def _vectors(self) -> list[CheckPart]:
        wrong = self._audit.spaces()
        index = None if self._cache is None else self._cache.index
        compared = self._sample(index)
        good: list[npt.NDArray[np.int64]] = []
        differ: list[int] = []
        for (ids, vectors), problems in self._audit.vectors():
            wrong += problems
            good.append(ids)
            if index is not None:
                some = np.isin(ids, compared)
                mapped = self._cache.view(vectors[some]) if self._cache is not None else vectors
                differ += _different(index, ids[some], mapped)
            self._told.forward(len(ids) + len(problems))
        described = np.concatenate([np.empty(0, np.int64), *good])
        parts = [CheckPart("vectors", len(described), tuple(wrong))]
        if index is not None:
            found = [*_other_ids(described, index.ids()), *map(_another, differ)]
            parts.append(CheckPart("index", index.count, tuple(found)))
        return parts

    def _sample(self, index: VectorIndex | None) -> npt.NDArray[np.int64]:
        if index is None:
            return np.empty(0, np.int64)
        both = np.intersect1d(self._ids, index.ids())
        return both if self._full else np.array(_some(both.tolist()), np.int64)

    def _thumbnails(self) -> CheckPart:
        again = "results show no picture of it: remove it and add its picture again"
        problems = [
            f"{self._audit.name(number)} has no thumbnail; {again}"
            for number in self._audit.without_thumbnail()
        ]
        wanted = self._ids.tolist() if self._full else _some(self._ids.tolist())
        checked = 0
        for number, jpeg in self._audit.thumbnails(wanted):
            checked += 1
            if not _decodes(jpeg):
                problems.append(f"{self._audit.name(number)} has a damaged thumbnail; {again}")
            self._told.forward(1)
        return CheckPart("thumbnails", checked, tuple(problems))

    def _learnt(self, view: View | None) -> CheckPart:
        kept = [kind for kind in (ADAPTER, CALIBRATION) if self._gallery.setting(kind) is not None]
        problems: list[str] = []
        if view is not None:
            try:
                read_calibration(self._gallery, view.space)
            except GalleryError as error:
                problems.append(str(error))
        return CheckPart("learnt", len(kept), tuple(problems))

    def _files(self, view: View | None) -> CheckPart:
        if view is None:
            return CheckPart("index files", 0)
        problems, notes = file_problems(self._folder, self._gallery, view.space, self._audit.head)
        return CheckPart("index files", 1, tuple(problems), tuple(notes))

    def _pictures(self) -> CheckPart:
        notes: list[str] = []
        count = 0
        for stored in self._audit.files():
            count += 1
            why = _change(stored, full=self._full)
            if why:
                notes.append(f"{display_path(stored.path)} {why}")
            self._told.forward(1)
        return CheckPart("pictures", count, (), tuple(notes))


def _some(values: Collection[int]) -> list[int]:
    # Others each time, so that in the long run all are.
    return sorted(random.sample(sorted(values), min(_SAMPLE, len(values))))


def _other_ids(described: npt.NDArray[np.int64], found: npt.NDArray[np.int64]) -> Iterable[str]:
    missing, extra = np.setdiff1d(described, found), np.setdiff1d(found, described)
    yield from (f"reference {i} is missing in the index" for i in missing)
    yield from (f"the index has a reference {i} too many" for i in extra)
    yield from (f"the index has reference {i} twice" for i in found[1:][np.diff(found) == 0])


def _different(
    index: VectorIndex, ids: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]
) -> list[int]:
    differs = np.abs(index.vectors(ids) - vectors) > _SAME
    return [int(i) for i in ids[differs.any(axis=1)]]


def _another(number: int) -> str:
    return f"reference {number} has another vector in the index"


def _decodes(jpeg: bytes) -> bool:
    try:
        load_image(jpeg)
    except ImageError:
        return False
    return True


def _change(stored: StoredFile, *, full: bool) -> str:
    """Say what happened to a picture file since it was described."""
    then, now = stored.state, file_state(stored.path)
    if now is None:
        if is_gone(stored.path):
            return "is no longer there; it is still recognised"
        return "cannot be looked at: check its permissions"
    if full:
        changed = not holds(stored.path, stored.sha256)
    else:
        changed = now != then and not (now.size == then.size and holds(stored.path, stored.sha256))
    return "has other content now; the next build describes it again" if changed else ""


@dataclass
class _Steps:
    tell: Progress | None
    total: int
    done: int = 0

    def forward(self, steps: int) -> None:
        self.done = min(self.done + steps, self.total)
        if self.tell is not None:
            self.tell(self.done, self.total)

    def end(self) -> None:
        self.forward(self.total)
