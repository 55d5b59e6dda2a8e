"""What the catalog says about what it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shitu.gallery import Item
from shitu.telling import Told


@dataclass(frozen=True)
class Skipped:
    """A picture that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class BuildSummary(Told):
    """What a build did, in pictures.

    Attributes:
        added: new, described and kept.
        unchanged: known and the same.
        moved: known by their content under a new name; nothing was described again.
        relabelled: known, now of another item.
        replaced: their files have other content; they are new references now.
        duplicates: the same content once more in the same item.
        removed: gone from the gallery.
        vanished: no longer there or no longer listed, but kept: build with prune to remove them.
        skipped: left out, each with its reason.
        generation: of the gallery afterwards.
    """

    added: int
    unchanged: int
    moved: tuple[Path, ...]
    relabelled: tuple[Path, ...]
    replaced: tuple[Path, ...]
    duplicates: tuple[Skipped, ...]
    removed: tuple[Path, ...]
    vanished: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    generation: int
    seconds: float


@dataclass(frozen=True)
class Moved:
    """A picture found under a new name."""

    path: Path
    was: Path


@dataclass(frozen=True)
class Relabelled:
    """A picture whose folder bears another name now."""

    path: Path
    label: str
    was: str


@dataclass(frozen=True)
class SyncReport(Told):
    """What a sync did, or would do, in pictures.

    Attributes:
        new: described and kept.
        changed: their files hold something else now; described anew.
        moved, relabelled: known by their content; nothing was described again.
        removed: gone from the folder, so gone from the gallery.
        duplicates: the same content once more in the same item.
        skipped: left out, each with its reason.
        unchanged: how many are as they were.
        dry_run: only planned; nothing was written.
        refusal: why doing what was planned would be refused; empty if it would not.
    """

    new: tuple[Path, ...]
    changed: tuple[Path, ...]
    moved: tuple[Moved, ...]
    relabelled: tuple[Relabelled, ...]
    removed: tuple[Path, ...]
    duplicates: tuple[Skipped, ...]
    skipped: tuple[Skipped, ...]
    unchanged: int
    generation: int
    seconds: float
    dry_run: bool = False
    refusal: str = ""

    @property
    def changes(self) -> int:
        """How many pictures differ from what the gallery had; 0 where it was equal already."""
        touched = {one.path for one in self.moved} | {one.path for one in self.relabelled}
        return len(self.new) + len(self.changed) + len(touched) + len(self.removed)


@dataclass(frozen=True)
class AddSummary(Told):
    """What an addition did.

    Attributes:
        item_id, label: the item.
        reference_ids: of the pictures added.
        copied: where originals from elsewhere were copied to.
        duplicates: pictures that the item had already.
    """

    item_id: int
    label: str
    reference_ids: tuple[int, ...]
    copied: tuple[Path, ...]
    duplicates: tuple[Skipped, ...]
    generation: int

    @property
    def added(self) -> int:
        """Number of pictures added."""
        return len(self.reference_ids)


@dataclass(frozen=True)
class RemoveSummary(Told):
    """What a removal did.

    Attributes:
        label: of the item.
        reference_ids: of the references removed.
        item_removed: whether the item is gone, too.
        moved: pictures put aside in the gallery's folder `.removed`, which builds do not enter.
        kept: pictures that lie elsewhere, or may not be moved; a build that lists them adds them.
    """

    label: str
    reference_ids: tuple[int, ...]
    item_removed: bool
    moved: tuple[Path, ...]
    kept: tuple[Path, ...]
    generation: int

    @property
    def removed(self) -> int:
        """Number of references removed."""
        return len(self.reference_ids)


@dataclass(frozen=True)
class Conflict:
    """An attribute that two merged items had with different values; `kept` won."""

    key: str
    kept: Any
    kept_of: str
    lost: Any
    lost_of: str


@dataclass(frozen=True)
class MergeSummary(Told):
    """What a merge did.

    Attributes:
        item: the one that all references belong to now.
        merged: labels of the items that are gone.
        reference_ids: of the references that moved; they keep their ids.
        conflicts: attributes that could not be kept.
    """

    item: Item
    merged: tuple[str, ...]
    reference_ids: tuple[int, ...]
    conflicts: tuple[Conflict, ...]
    generation: int


@dataclass(frozen=True)
class UndoSummary(Told):
    """What an undo did.

    Attributes:
        undone: the generation that was undone; None after going back.
        back_to: the generation whose items and pictures the gallery has again; None after undoing
            one.
        what: what was undone, in words.
        items: ids of the items that came back, went or were changed.
        restored, removed: ids of the references that came back, and of those that went.
        put_back: pictures moved to their place again.
        put_aside: pictures put aside in the gallery's folder `.removed`.
        missing: where pictures of restored references should be; recognition does not need them.
        kept: pictures of removed references that a build listed; the next one adds them again.
        stays: what has changed since, too, and is left as it is: "models", "map", "calibration".
        changed: whether there was anything to do.
    """

    undone: int | None
    back_to: int | None
    what: str
    items: tuple[int, ...]
    restored: tuple[int, ...]
    removed: tuple[int, ...]
    put_back: tuple[Path, ...]
    put_aside: tuple[Path, ...]
    missing: tuple[Path, ...]
    kept: tuple[Path, ...]
    stays: tuple[str, ...]
    changed: bool
    generation: int
