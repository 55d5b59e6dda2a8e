"""Removes items and references, and renames items."""

from __future__ import annotations

from pathlib import Path

from shitu.arguments import number_of
from shitu.catalog.files import holds, put_aside
from shitu.catalog.labels import clean_label, given_label
from shitu.catalog.moves import moving
from shitu.catalog.summaries import RemoveSummary
from shitu.errors import GalleryError, ItemNotFound
from shitu.gallery import Item, Reference
from shitu.gallery.gallery import Gallery
from shitu.images.files import is_gone


def remove_references(
    gallery: Gallery, *, label: str | None, item_id: int | None, reference_id: int | None
) -> RemoveSummary:
    """Remove one item or one reference; see `Catalog.remove`."""
    if sum(key is not None for key in (label, item_id, reference_id)) != 1:
        raise GalleryError("name exactly one of label, item id and reference id to remove")
    kept: list[Path] = []
    with moving(gallery, "remove") as (transaction, moves):
        # Chosen while nobody else writes: a moment ago they may have been another item's.
        going = _chosen(gallery, label, item_id, reference_id)
        numbers = [reference.reference_id for reference in going]
        root = transaction.root
        # Before the commit: the next build would add what was removed and still lies there.
        shared = transaction.on_shared_paths(numbers)
        for reference in going:
            if reference.reference_id in shared and not holds(reference.path, reference.sha256):
                continue  # what lies there is the picture of a reference that stays
            aside = None if root is None else put_aside(reference.path, root, moves.move)
            if aside is None and not is_gone(reference.path):
                kept.append(reference.path)
        transaction.remove(numbers)
        empty = transaction.drop_empty_items()
    return RemoveSummary(
        label=going[0].label,
        reference_ids=tuple(numbers),
        item_removed=going[0].item_id in empty,
        moved=tuple(moves.made.values()),
        kept=tuple(kept),
        generation=gallery.head().generation,
    )


def _chosen(
    gallery: Gallery, label: str | None, item_id: int | None, reference_id: int | None
) -> list[Reference]:
    if reference_id is None:
        wanted = None if label is None else clean_label(label)
        item = gallery.item(label=wanted, item_id=item_id)
        those = gallery.all_references(item.item_id)
        if not those:
            raise ItemNotFound(f"{item.label!r} has no picture: `shitu check` says what to do")
        return those
    found = gallery.references([number_of("reference_id", reference_id)])
    if not found:
        raise ItemNotFound(
            f"there is no reference {reference_id} in the gallery: `shitu list-items --json` shows "
            "what there is"
        )
    return list(found.values())


def relabel_item(gallery: Gallery, label: str, new_label: str) -> Item:
    """Give an item another label; see `Catalog.relabel`."""
    name = given_label(new_label, gallery)
    with gallery.write("relabel") as transaction:
        item = gallery.item(label=clean_label(label))
        if name != item.label:
            if transaction.has_label(name):
                raise GalleryError(
                    f"there is another item {name!r} already: choose another label, or make one "
                    "item of the two with `shitu merge-items`"
                )
            transaction.rename_item(item.item_id, name)
        return transaction.items_of([name])[name]
