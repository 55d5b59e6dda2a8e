"""Makes the gallery equal to what a folder or label file lists, describing only what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from shitu.catalog.describing import Describer, describe
from shitu.catalog.entries import Entry
from shitu.catalog.ledger import Ledger
from shitu.catalog.reading import Picture, read_ahead
from shitu.catalog.summaries import BuildSummary
from shitu.describer import Description
from shitu.errors import GalleryError, GoldenBroken
from shitu.gallery import KnownFile, NewReference, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.transaction import Transaction
from shitu.geometry import Box
from shitu.images import Image, display_path, thumbnail

News: TypeAlias = tuple[Entry, Picture, Image]

BATCH_BYTES = 256 << 20  # of decoded pictures; phone photos fill it before 32 are together


def find_news(
    ledger: Ledger, entries: Iterable[Entry], progress: Callable[[int], None] | None = None
) -> Generator[News, None, None]:
    """Enter all that is listed into the ledger; yields the pictures that have to be described.

    Raises:
        GalleryError: nothing is listed.
    """
    listed = list(entries)
    if all(entry.problem for entry in listed):
        raise GalleryError(
            f"no picture found in {display_path(ledger.root)}: there is nothing to build from"
        )
    # What a file's size and time say is unchanged is not even opened.
    to_read = ledger.scan(listed)
    told = _Progress(progress, len(listed) - len(to_read))
    # The rest is read ahead in threads.
    with closing(read_ahead([entry.path for entry in to_read], ledger.wanted)) as pictures:
        for read, picture in zip(to_read, pictures, strict=True):
            entry = ledger.followed(read)
            if ledger.take(entry, picture) and picture.image is not None:
                yield entry, picture, picture.image
            told.one_more()


def _none(_: Ledger) -> str:
    return ""


class Build:
    """One build; see `Catalog.build`.

    Args:
        root: the folder, by the name that the gallery knows it by.
        followed: called after each commit, so that the index can follow.
    """

    def __init__(
        self,
        gallery: Gallery,
        describer: Describer,
        root: Path,
        followed: Callable[[], object],
        batch_size: int,
    ) -> None:
        self._gallery = gallery
        self._describer = describer
        self._root = root
        self._followed = followed
        self._batch_size = max(1, batch_size)
        self._batch: list[News] = []
        self._committed = 0  # new pictures, so far
        self._bearers: dict[str, int] = {}  # of each label a reference that had it when looked at
        self.ledger = Ledger(root, ())  # what the last run found out

    def run(
        self,
        entries: Iterable[Entry],
        *,
        prune: bool = False,
        progress: Callable[[int], None] | None = None,
        refusal: Callable[[Ledger], str] = _none,
    ) -> BuildSummary:
        """Build, and say what was done.

        Args:
            refusal: says why what vanished is not to be pruned; empty where it is.
        """
        start = time.perf_counter()
        self.ledger = ledger = Ledger(self._root, self._gallery.known_files(self._root))
        self._bearers = {file.label: file.reference_id for file in ledger.known}
        # What is new is described and committed in batches.
        with (
            self._said_what_stays(),
            closing(find_news(ledger, entries, progress)) as news,
        ):
            for entry, picture, image in news:
                self._batch.append((entry, picture, image))
                if self._full():
                    self._flush(ledger)
            self._flush(ledger)
            # What moved, changed its label or went is known only now that all was seen.
            removed, vanished = self._settle(ledger, refusal, prune=prune)
        self._refuse_nothing(ledger)
        return self._summary(ledger, removed, vanished, time.perf_counter() - start)

    @contextmanager
    def _said_what_stays(self) -> Iterator[None]:
        """Batches are commits of their own: one that breaks a golden query ends the build."""
        try:
            yield
        except GoldenBroken as error:
            if not self._committed:
                raise
            raise GoldenBroken(
                f"{error}; the {self._committed} new pictures committed before stay"
            ) from error

    def _full(self) -> bool:
        size = sum(image.nbytes for _, _, image in self._batch)
        return len(self._batch) >= self._batch_size or size >= BATCH_BYTES

    def _flush(self, ledger: Ledger) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        images = [image for _, _, image in batch]
        space = self._describer.space  # before: it may follow the gallery to other models meanwhile
        described = describe(self._describer, images, [None] * len(images))
        new = self._references(batch, described)
        with self._gallery.write("build") as transaction:
            transaction.set_root(self._root)
            self._add(transaction, new, space, ledger)
        self._committed = len(ledger.added)
        self._followed()

    def _references(
        self, batch: list[News], described: list[Description]
    ) -> list[tuple[Entry, NewReference]]:
        with ThreadPoolExecutor(2) as pool:
            small = list(pool.map(_thumbnail, (b[2] for b in batch), (d.box for d in described)))
        return [
            (
                entry,
                NewReference(
                    path=str(entry.path),
                    sha256=picture.sha256,
                    state=picture.state,
                    box=one.box,
                    box_given=False,
                    how="build",
                    source=str(self._root),
                    thumbnail=jpeg,
                    embedding=one.embedding,
                ),
            )
            for (entry, picture, _), one, jpeg in zip(batch, described, small, strict=True)
        ]

    def _add(
        self,
        transaction: Transaction,
        new: list[tuple[Entry, NewReference]],
        space: Space,
        ledger: Ledger,
    ) -> None:
        # Another process may have added some of these since the build looked.
        there = transaction.holders([one.sha256 for _, one in new])
        fresh = [(entry, one) for entry, one in new if one.sha256 not in there]
        labels = self._labels_now(transaction, [entry for entry, _ in fresh])
        item_ids = {label: transaction.ensure_item(label) for label in labels}
        rows = [(item_ids[label], one) for label, (_, one) in zip(labels, fresh, strict=True)]
        self._bearers.update(zip(labels, transaction.add(rows, space), strict=True))
        ledger.added += [entry.path for entry, _ in fresh]
        held = transaction.reference_rows(number for number, _ in there.values())
        for entry, one in new:
            if one.sha256 in there:
                number, label = there[one.sha256]
                ledger.met(entry, label, transaction.path_of(held[number]))

    def _labels_now(self, transaction: Transaction, entries: list[Entry]) -> list[str]:
        """Labels of entries; items may have got other ones since the build looked at them."""
        following = {entry.label for entry in entries if not entry.explicit} & {*self._bearers}
        rows = transaction.reference_rows(self._bearers[label] for label in following)
        now = {label: rows.get(self._bearers[label], {}).get("label", label) for label in following}
        return [
            entry.label if entry.explicit else now.get(entry.label, entry.label)
            for entry in entries
        ]

    def _settle(
        self, ledger: Ledger, refusal: Callable[[Ledger], str], *, prune: bool
    ) -> tuple[list[KnownFile], list[KnownFile]]:
        """Commit what is left; returns what was removed and what vanished but stays."""
        outdated, vanished = ledger.outdated(), ledger.vanished()
        removed = vanished if prune else []
        if removed and not ledger.any_used():  # a wrong list, or a disk that is not there
            raise GalleryError(f"{_none_usable(ledger).rstrip('.')}; nothing was removed")
        if removed and (why := refusal(ledger)):
            raise GalleryError(why)
        work = (outdated, removed, ledger.moves, ledger.labels, ledger.states)
        if any(work) or (ledger.known and self._gallery.root() != self._root):
            with self._gallery.write("build") as transaction:
                transaction.set_root(self._root)
                transaction.remember_states(ledger.states)
                self._move(transaction, ledger)
                self._relabel(transaction, ledger)
                gone = _unmoved(transaction, (*outdated, *removed))
                transaction.remove(gone)
                transaction.drop_empty_items()
                removed = [file for file in removed if file.reference_id in gone]
            self._followed()
        return removed, [] if prune else vanished

    def _move(self, transaction: Transaction, ledger: Ledger) -> None:
        for number, to in ledger.moves.items():
            transaction.move(number, to.path, to.state, str(self._root))

    def _relabel(self, transaction: Transaction, ledger: Ledger) -> None:
        renamed = ledger.renamed_items()
        for item_id, label in renamed.items():
            if not transaction.has_label(label):
                transaction.rename_item(item_id, label)
        item_of = {file.reference_id: file.item_id for file in ledger.known}
        for number in transaction.present(ledger.labels):
            label = ledger.labels[number]
            item_id = transaction.ensure_item(label)
            if item_of[number] != item_id:
                transaction.assign(number, item_id)

    def _refuse_nothing(self, ledger: Ledger) -> None:
        if ledger.added or ledger.known or self._gallery.count():
            return
        raise GalleryError(_none_usable(ledger))

    def _summary(
        self,
        ledger: Ledger,
        removed: list[KnownFile],
        vanished: list[KnownFile],
        seconds: float,
    ) -> BuildSummary:
        path_of = {file.reference_id: Path(file.path) for file in ledger.known}
        path_of.update((number, Path(to.path)) for number, to in ledger.moves.items())
        return BuildSummary(
            added=len(ledger.added),
            unchanged=ledger.unchanged,
            moved=tuple(Path(to.path) for to in ledger.moves.values()),
            relabelled=tuple(path_of[number] for number in ledger.labels),
            replaced=tuple(ledger.replaced),
            duplicates=tuple(ledger.duplicates),
            removed=tuple(Path(file.path) for file in removed),
            vanished=tuple(Path(file.path) for file in vanished),
            skipped=tuple(ledger.skipped),
            generation=self._gallery.head().generation,
            seconds=seconds,
        )


class _Progress:
    """Tells how many are done, not more often than anybody can see."""

    def __init__(self, tell: Callable[[int], None] | None, done: int) -> None:
        self._tell = tell
        self._done = done
        self._say()

    def one_more(self) -> None:
        self._done += 1
        self._say()

    def _say(self) -> None:
        if self._tell is not None:
            self._tell(self._done)


def _unmoved(transaction: Transaction, files: Iterable[KnownFile]) -> set[int]:
    """Return the references of files but those that another process has found elsewhere since."""
    places = {file.reference_id: file.path for file in files}
    there = transaction.reference_rows(places)
    return {i for i, row in there.items() if str(transaction.path_of(row)) == places[i]}


def _none_usable(ledger: Ledger) -> str:
    first = ledger.skipped[0]
    name = display_path(first.path)
    said = first.reason if first.reason.startswith(name) else f"{name}: {first.reason}"
    return f"no picture listed can be used ({len(ledger.skipped)} tried). The first: {said}"


def _thumbnail(image: Image, box: Box | None) -> bytes:
    return thumbnail(image, box=box)
