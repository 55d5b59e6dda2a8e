"""A gallery that recognises, for programs; every command is one call of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shitu.arguments import list_of, path_of
from shitu.gallery import Item
from shitu.geometry import Box
from shitu.workspace.judging import Judging
from shitu.workspace.learning import Learning
from shitu.workspace.wiring import Progress, towards

if TYPE_CHECKING:
    from shitu.catalog import (
        AddSummary,
        BuildSummary,
        CompactSummary,
        MergeSummary,
        RemoveSummary,
        SyncReport,
        UndoSummary,
    )
    from shitu.catalog.as_of import Named


class Workspace(Judging, Learning):
    """A gallery, its index, and the networks that look things up in it.

    Everything is opened when it is first used, so that listing items loads no network. Threads may
    share it. Another process, forked or given a pickled copy, opens all of it anew.

    Example:
        >>> with Workspace("index") as shop:
        ...     shop.build("photos")
        ...     print(shop.recognize("shelf.jpg").objects)

    Args:
        index: folder of the gallery database and its vector index.
        settings: any field of `Config`.

    Raises:
        ConfigError: a setting is unknown or out of range.
    """

    def build(
        self,
        gallery: str | Path,
        *,
        prune: bool = False,
        progress: Progress | None = None,
    ) -> BuildSummary:
        """Make the gallery equal to a folder (one per label) or a label file, incrementally.

        Args:
            gallery: folder, or file of `path<TAB>label` lines, CSV, JSON Lines or PaddleX' form.
            prune: also remove references whose pictures are gone.
            progress: called with the number of pictures done so far and the total.
        """
        from shitu.catalog import list_entries

        source = path_of("gallery", gallery)
        entries = list_entries(source)
        catalog = self.catalog_for_writing()
        if catalog.take_back_unfinished():
            entries = list_entries(source)
        return catalog.build(
            entries,
            root=source if source.is_dir() else source.parent,
            prune=prune,
            progress=towards(len(entries), progress),
        )

    def sync(
        self,
        folder: str | Path,
        *,
        dry_run: bool = False,
        force: bool = False,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Make the gallery equal to a folder (one per label); see `Catalog.sync`."""
        folder = path_of("folder", folder)
        catalog = self.catalog_for_writing()
        return catalog.sync(folder, dry_run=dry_run, force=force, progress=progress)

    def add(
        self,
        pictures: Sequence[str | Path],
        label: str,
        *,
        box: Box | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> AddSummary:
        """Add pictures as references of an item, which is made if there is none of that label."""
        paths = [path_of("a picture", picture) for picture in list_of("pictures", pictures)]
        self._make_a_start(len(paths))
        return self.catalog_for_writing().add(paths, label, box=box, attributes=attributes)

    def remove(self, label: str | None = None, *, reference_id: int | None = None) -> RemoveSummary:
        """Remove an item with all its references, or one reference."""
        return self.catalog.remove(label=label, reference_id=reference_id)

    def relabel(self, label: str, new_label: str) -> Item:
        """Give an item another label; its id, pictures and vectors stay."""
        return self.catalog.relabel(label, new_label)

    def merge(self, labels: Sequence[str], into: str) -> MergeSummary:
        """Make the references of some items those of another; the emptied items go."""
        return self.catalog.merge(list_of("labels", labels), into)

    def set_attributes(
        self, label: str, attributes: Mapping[str, Any], *, unset: Sequence[str] = ()
    ) -> Item:
        """Set attributes of an item to anything JSON can hold, and remove those to `unset`."""
        return self.catalog.set_attributes(label, attributes, unset=list_of("unset", unset))

    def undo(self, generation: int | None = None, *, back_to: Named | None = None) -> UndoSummary:
        """Undo one change, by default the last; or all after the generation or date `back_to`."""
        if generation is not None and back_to is not None:
            raise TypeError("undo takes a generation or back_to, not both")
        return self.catalog.undo(generation) if back_to is None else self.catalog.go_back(back_to)

    def compact(self, before: Named | None = None) -> CompactSummary:
        """Forget for good what was removed before a generation or date; see `Catalog.compact`."""
        return self.catalog.compact(before)
