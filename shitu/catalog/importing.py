"""Brings an exported gallery in: all of it in one generation, or nothing."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from shitu.catalog.differing import (
    Choice,
    Comparison,
    GalleryDiff,
    ItemHere,
    chunks,
)
from shitu.catalog.differing_known import KnownComparison, compare_known
from shitu.catalog.files import copy_in, file_state, folder_name, sha256
from shitu.catalog.importing_known import KnownCame, foresee_known, import_known
from shitu.catalog.labels import clean_label
from shitu.errors import GalleryError, SpaceMismatch
from shitu.gallery import FileState, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.insertion import Insertion, WholeItem, WholeReference
from shitu.gallery.portable import PortableFile, opened
from shitu.gallery.tables import text_to_path
from shitu.gallery.transaction import Transaction
from shitu.images import display_path
from shitu.telling import Told

_UNIT = 1e-3
_COMPARED, _TAKEN = 1, 4  # how often a reference is met: taking one in takes the longest


@dataclass(frozen=True)
class ImportSummary(Told):
    """What an import did, or would do.

    Attributes:
        diff: the gallery as it was, against the file.
        added: references that came.
        reassigned: references that went to the item which the file says.
        known: rejections and golden queries that came.
        pictures: originals written.
        space: what the vectors were made with.
    """

    diff: GalleryDiff
    added: int
    reassigned: int
    known: KnownCame
    pictures: tuple[Path, ...]
    generation: int
    space: str
    dry_run: bool = False


def compare_gallery(
    gallery: Gallery,
    path: Path,
    on_conflict: Choice | None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportSummary:
    """Say what an import would do; writes nothing."""
    with opened(path, _COMPARED, progress) as file:
        space = _space(file, gallery, path)
        here = _items_here(gallery)
        with gallery.known() as queries:
            known = compare_known(file, queries, here, space)
        diff = _with(known, Comparison(file, here, _holders_of(gallery)).run())
    return ImportSummary(
        diff=diff,
        added=diff.total("new"),
        reassigned=len(diff.labels) if on_conflict == "take" else 0,
        known=foresee_known(known, diff, on_conflict or "keep"),
        pictures=(),
        generation=gallery.head().generation,
        space=_called(space),
        dry_run=True,
    )


def import_gallery(
    gallery: Gallery,
    path: Path,
    home: Path,
    on_conflict: Choice | None,
    progress: Callable[[int, int], None] | None,
) -> ImportSummary:
    """See `Catalog.import_gallery`; `home` becomes the root for pictures if there is none."""
    with opened(path, _COMPARED + _TAKEN, progress) as file:
        space = _space(file, gallery, path)
        root = _root(file, gallery.root(), home)
        written: list[Path] = []
        with _undone_on_error(written), gallery.write("import") as transaction:
            here = _items_here(gallery)
            known = compare_known(file, transaction.known(), here, space)
            diff = _with(known, Comparison(file, here, transaction.holders).run())
            if diff.conflicts and on_conflict is None:
                raise GalleryError(_told(diff, path))
            if root.folder is not None:
                transaction.set_root(root.folder)
            work = _Import(file, transaction, here, root, on_conflict or "keep", written)
            work.run(space)
            came = import_known(file, transaction, space, known, on_conflict or "keep")
    return ImportSummary(
        diff=diff,
        added=work.added,
        reassigned=work.reassigned,
        known=came,
        pictures=tuple(written),
        generation=gallery.head().generation,
        space=_called(space),
    )


def _space(file: PortableFile, gallery: Gallery, path: Path) -> Space | None:
    """Return the space of the file, which must be that of the gallery."""
    rows = list(file.rows("SELECT fingerprint, dim, description FROM spaces"))
    if not rows:
        return None
    space = Space(rows[0][0], rows[0][1], json.loads(rows[0][2]))
    active = gallery.active_space()
    if active is not None and active.fingerprint != space.fingerprint:
        raise SpaceMismatch(
            f"{display_path(path)} holds vectors of {space.called_beside(active)}, the gallery "
            f"those of {active.called_beside(space)}: bring one of them over with `shitu migrate` "
            "first; nothing was imported"
        )
    return space


def _called(space: Space | None) -> str:
    return "nothing" if space is None else space.called


def _with(known: KnownComparison, diff: GalleryDiff) -> GalleryDiff:
    return replace(
        diff,
        rejections=known.rejections,
        golden=known.golden,
        golden_conflicts=known.conflicts,
    )


def _items_here(gallery: Gallery) -> dict[str, ItemHere]:
    return {i.label: ItemHere(i.item_id, i.attributes, i.references) for i in gallery.items()}


def _holders_of(gallery: Gallery) -> Callable[[Any], Mapping[str, tuple[int, str]]]:
    return lambda hashes: {
        content: (one.reference_id, one.label) for content, one in gallery.by_sha256(hashes).items()
    }


def _told(diff: GalleryDiff, path: Path) -> str:
    if diff.labels:
        one = diff.labels[0]
        what = f"{display_path(one.path)} is {one.here!r} here and {one.there!r} there"
    elif diff.attributes:
        other = diff.attributes[0]
        what = f"{other.name} of {other.label!r} is {other.here!r} here and {other.there!r} there"
    else:
        golden = diff.golden_conflicts[0]
        what = (
            f"{display_path(golden.path)} is to be {golden.here!r} here and {golden.there!r} there"
        )
    return (
        f"{display_path(path)} contradicts the gallery in {diff.conflicts} place(s), the first: "
        f"{what}; see all with --dry-run, then choose --on-conflict keep or take; nothing was "
        "imported"
    )


@dataclass(frozen=True)
class _Root:
    """Where the pictures of the import lie.

    Attributes:
        there: root of the exported gallery; its paths start there.
        folder: root of the gallery from now on; None where there is none.
        pictures: where originals in the file are written.
    """

    there: str
    folder: Path | None
    pictures: Path


def _root(file: PortableFile, root: Path | None, home: Path) -> _Root:
    told = file.meta.get("root")
    there = text_to_path(told) if isinstance(told, str) else ""
    if root is None and file.count("pictures"):
        root = home
    elif root is None and there and Path(there).is_dir():
        root = Path(there)  # a backup comes back to where it was made
    return _Root(there, root, root or home)


@dataclass
class _Import:
    """One import under way."""

    file: PortableFile
    transaction: Transaction
    here: Mapping[str, ItemHere]
    root: _Root
    on_conflict: Choice
    written: list[Path]
    added: int = 0
    reassigned: int = 0
    _made: dict[str, int] = field(default_factory=dict)  # label -> item

    def run(self, space: Space | None) -> None:
        """Bring in what is new, then settle what differs."""
        if space is not None:
            into = Insertion(self.transaction, space, keep_ids=True)
            for chunk in chunks(self.file.rows(_REFERENCES)):
                self._take(chunk, into, space)
                self.file.passes.met(_TAKEN * len(chunk))
            into.finish()
        self._merge_attributes()
        if self.reassigned:
            self.transaction.drop_empty_items()

    def _take(self, chunk: list[tuple[Any, ...]], into: Insertion, space: Space) -> None:
        held = self.transaction.holders([row[2] for row in chunk])
        new = []
        for row in chunk:
            number, label = held.get(row[2], (0, None))
            if label is None:
                new.append(row)
            elif label != row[-1] and self.on_conflict == "take":
                self.transaction.assign(number, self._item(row[-1], row[1], into))
                self.reassigned += 1
        self._make_items([(row[-1], row[1]) for row in new], into)
        into.references([self._reference(row, space) for row in new])
        self.added += len(new)

    def _item(self, label: str, number: int, into: Insertion) -> int:
        self._make_items([(label, number)], into)
        return self._number_of(label)

    def _number_of(self, label: str) -> int:
        return self.here[label].item_id if label in self.here else self._made[label]

    def _make_items(self, wanted: list[tuple[str, int]], into: Insertion) -> None:
        missing = {
            label: number
            for label, number in wanted
            if label not in self.here and label not in self._made
        }
        new = [self._whole_item(number) for number in missing.values()]
        for item, number in zip(new, into.items(new), strict=True):
            self._made[item.label] = number

    def _whole_item(self, number: int) -> WholeItem:
        query = "SELECT label, attributes, created_at FROM items WHERE item_id = ?"
        label, attributes, created_at = next(self.file.rows(query, number))
        if clean_label(label) != label:
            raise GalleryError(f"the file is damaged (no export writes the label {label!r})")
        return WholeItem(number, label, json.loads(attributes), created_at)

    def _reference(self, row: tuple[Any, ...], space: Space) -> WholeReference:
        number, _, digest, stored, source, size, mtime_ns, *box = row[:11]
        box_given, added_at, how, jpeg, vector, label = row[11:]
        path, state = self._place(number, digest, text_to_path(stored), label)
        return WholeReference(
            reference_id=number,
            item_id=self._number_of(label),
            path=path,
            sha256=digest,
            state=state or FileState(size, mtime_ns),
            box=None if box[0] is None else (box[0], box[1], box[2], box[3]),
            box_given=bool(box_given),
            added_at=added_at,
            how=how if state is None else "add",  # an undo puts aside what was brought here
            source=text_to_path(source) if source and self._same_root else None,
            thumbnail=jpeg,
            vector=_unit(vector, space.dim),
        )

    def _place(
        self, number: int, digest: str, stored: str, label: str
    ) -> tuple[str, FileState | None]:
        """Return where a picture lies: where it was, unless the file brings it along."""
        path = os.path.normpath(os.path.join(self.root.there, stored))  # noqa: PTH118
        found = list(self.file.rows("SELECT data FROM pictures WHERE reference_id = ?", number))
        if not found:
            return path, None
        if sha256(found[0][0]) != digest:
            raise GalleryError(
                f"the file is damaged (another picture poses as {display_path(stored)}): export "
                "the gallery again; nothing was imported"
            )
        folder = self.root.pictures / folder_name(label)
        placed, fresh = copy_in(found[0][0], folder_name(os.path.basename(path)), folder)  # noqa: PTH119
        if fresh:
            self.written.append(placed)
        return str(placed), file_state(placed)

    @property
    def _same_root(self) -> bool:
        return self.root.folder == Path(self.root.there)

    def _merge_attributes(self) -> None:
        for label, text in self.file.rows("SELECT label, attributes FROM items"):
            if label in self.here:
                mine = self.here[label].attributes
                values = json.loads(text)
                if self.on_conflict == "keep":
                    values = {name: v for name, v in values.items() if name not in mine}
                self.transaction.ensure_item(label, values)


_REFERENCES = (
    "SELECT refs.*, jpeg, vector, label FROM refs JOIN items USING (item_id) "
    "JOIN vectors USING (reference_id) LEFT JOIN thumbnails USING (reference_id) "
    "ORDER BY reference_id"
)


def _unit(data: bytes, dim: int) -> Any:
    vector = np.frombuffer(data, "<f4")
    if not abs(float(np.linalg.norm(vector)) - 1.0) <= _UNIT:
        raise GalleryError(
            f"the file is damaged (a vector of {dim} is not of length 1): export the gallery "
            "again; nothing was imported"
        )
    return vector


@contextlib.contextmanager
def _undone_on_error(written: list[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
