"""Keeps the gallery equal to a folder: a build that prunes, tells what it does, and is careful."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from shitu._cached import cached_property
from shitu.catalog.build import Build, find_news
from shitu.catalog.describing import Describer
from shitu.catalog.entries import Entry, entries_from_folder
from shitu.catalog.files import absolute, known_folder
from shitu.catalog.ledger import Ledger
from shitu.catalog.summaries import Moved, Relabelled, Skipped, SyncReport
from shitu.errors import GalleryError
from shitu.gallery.gallery import Gallery
from shitu.images import display_path

_MOST = 0.5  # of what the gallery has from the folder may vanish without a question


@dataclass(frozen=True)
class Sync:
    """A folder that a gallery shall equal; see `Catalog.sync`.

    Args:
        force: go on even if most of what came from the folder is gone.
        progress: told the number of pictures dealt with so far, and the total.
    """

    gallery: Gallery
    folder: Path
    force: bool = False
    progress: Callable[[int, int], None] | None = None

    def plan(self) -> SyncReport:
        """Say what would be done; reads pictures, but describes and writes nothing."""
        start = time.perf_counter()
        entries = self._entries()
        ledger, new = self._look(entries)
        gone = tuple(Path(file.path) for file in ledger.vanished())
        generation = self.gallery.head().generation
        report = _report(ledger, new, gone, generation, time.perf_counter() - start)
        return replace(report, dry_run=True, refusal=self._refusal(ledger))

    def run(self, describer: Describer, followed: Callable[[], object]) -> SyncReport:
        """Do it; `followed` is called after each commit, so that the index can follow."""
        entries = self._entries()
        if self._much_is_missing(entries):
            # Before the first commit: has it moved, or is it gone?
            refusal = self._refusal(self._look(entries)[0])
            if refusal:
                raise GalleryError(refusal)
        build = Build(self.gallery, describer, self._root, followed, batch_size=32)
        progress = self._towards(len(entries))
        # Asked again once all was seen: a disk may have gone since its pictures were listed.
        done = build.run(entries, prune=True, progress=progress, refusal=self._refusal)
        ledger = build.ledger
        return _report(ledger, ledger.added, done.removed, done.generation, done.seconds)

    @cached_property
    def _root(self) -> Path:
        return known_folder(absolute(self.folder), self.gallery.folders())

    def _entries(self) -> list[Entry]:
        if not self._root.is_dir():
            raise GalleryError(
                f"{display_path(self.folder)} is no folder: name the one that holds a folder of "
                "pictures per label, and see that its disk is there; nothing was changed"
            )
        return entries_from_folder(self._root)

    def _look(self, entries: list[Entry]) -> tuple[Ledger, list[Path]]:
        ledger = Ledger(self._root, self.gallery.known_files(self._root))
        news = find_news(ledger, entries, self._towards(len(entries)))
        return ledger, [entry.path for entry, _, _ in news]

    def _much_is_missing(self, entries: list[Entry]) -> bool:
        """Whether most names are gone, and that matters; no picture is read for it."""
        if self.force:
            return False
        ledger = Ledger(self._root, self.gallery.known_files(self._root))
        listed = {str(entry.path) for entry in entries}
        mine = ledger.of_root()
        return sum(file.path not in listed for file in mine) > _MOST * len(mine)

    def _refusal(self, ledger: Ledger) -> str:
        gone, mine = len(ledger.vanished()), len(ledger.of_root())
        if self.force or gone <= _MOST * mine:
            return ""
        return (
            f"{gone} of the {mine} pictures that the gallery has from "
            f"{display_path(self.folder)} are gone: see that every disk is there, or say "
            "--force to remove them from the gallery; nothing was removed"
        )

    def _towards(self, total: int) -> Callable[[int], None] | None:
        tell = self.progress
        return None if tell is None else lambda done: tell(done, total)


def _report(
    ledger: Ledger,
    new: list[Path],
    removed: tuple[Path, ...],
    generation: int,
    seconds: float,
) -> SyncReport:
    changed = set(ledger.replaced)
    known = {file.reference_id: file for file in ledger.known}
    now = {number: file.path for number, file in known.items()}
    now.update((number, to.path) for number, to in ledger.moves.items())
    return SyncReport(
        new=tuple(path for path in new if path not in changed),
        changed=tuple(path for path in new if path in changed),
        moved=tuple(Moved(Path(to.path), Path(known[i].path)) for i, to in ledger.moves.items()),
        relabelled=tuple(
            Relabelled(Path(now[i]), label, known[i].label) for i, label in ledger.labels.items()
        ),
        removed=removed,
        duplicates=tuple(ledger.duplicates),
        skipped=_once(ledger.skipped),
        unchanged=ledger.unchanged,
        generation=generation,
        seconds=seconds,
    )


def _once(skipped: list[Skipped]) -> tuple[Skipped, ...]:
    return tuple(dict.fromkeys(skipped))
