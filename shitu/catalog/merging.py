"""Makes one item of several, and sets attributes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shitu.arguments import named_of
from shitu.catalog.labels import clean_label
from shitu.catalog.summaries import Conflict, MergeSummary
from shitu.errors import GalleryError, ItemNotFound
from shitu.gallery import Item
from shitu.gallery.gallery import Gallery
from shitu.gallery.records import same_json


def merge_items(gallery: Gallery, labels: Sequence[str], into: str) -> MergeSummary:
    """Move the references of some items to another; see `Catalog.merge`."""
    target = clean_label(into)
    sources = [name for name in dict.fromkeys(map(clean_label, labels)) if name != target]
    if not sources:
        raise GalleryError(f"no item other than {target!r} was named to be merged into it")
    with gallery.write("merge") as transaction:
        found = transaction.items_of([*sources, target])
        _refuse_missing([*sources, target], found)
        merged = [found[name] for name in sources]
        attributes, conflicts = _merged(found[target], merged)
        item_id = found[target].item_id
        moved = transaction.assign_all([item.item_id for item in merged], item_id)
        if not same_json(attributes, found[target].attributes):
            transaction.set_attributes(item_id, attributes)
        transaction.drop_empty_items()
        item = transaction.items_of([target])[target]
    return MergeSummary(
        item=item,
        merged=tuple(sources),
        reference_ids=tuple(moved),
        conflicts=tuple(conflicts),
        generation=gallery.head().generation,
    )


def _refuse_missing(labels: Collection[str], found: Mapping[str, Item]) -> None:
    for name in labels:
        if name not in found:
            raise ItemNotFound(
                f"no item has the label {name!r}: `shitu list-items` shows what there is; nothing "
                "was merged"
            )


def _merged(target: Item, sources: Sequence[Item]) -> tuple[dict[str, Any], list[Conflict]]:
    """All attributes; the target's win, then those of the first named."""
    attributes, owner = dict(target.attributes), dict.fromkeys(target.attributes, target.label)
    conflicts = []
    for item in sources:
        for key, value in item.attributes.items():
            if key not in attributes:
                attributes[key], owner[key] = value, item.label
            elif not same_json(attributes[key], value):
                kept = attributes[key]
                conflicts.append(Conflict(key, kept, owner[key], value, item.label))
    return attributes, conflicts


def set_attributes(
    gallery: Gallery, label: str, attributes: Mapping[str, Any], unset: Collection[str]
) -> Item:
    """Set and remove attributes of an item; see `Catalog.set_attributes`."""
    name = clean_label(label)
    attributes = named_of("attributes", attributes)
    both = sorted(set(attributes) & set(unset))
    if both:
        raise GalleryError(f"the attribute {both[0]!r} is to be set and unset: decide for one")
    with gallery.write("set-attr") as transaction:
        item = transaction.items_of([name]).get(name) or gallery.item(label=name)
        missing = sorted(set(unset) - set(item.attributes))
        if missing:
            raise GalleryError(
                f"{name!r} has no attribute {missing[0]!r} to unset: `shitu list-items` shows "
                "what it has; nothing was changed"
            )
        kept = {key: value for key, value in item.attributes.items() if key not in unset}
        transaction.set_attributes(item.item_id, {**kept, **attributes})
        return transaction.items_of([name])[name]
