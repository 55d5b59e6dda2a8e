"""The history of a gallery, or of one item, for people to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shitu.catalog.labels import clean_label
from shitu.catalog.sentences import sentence
from shitu.errors import ItemNotFound
from shitu.gallery import Change
from shitu.gallery.gallery import Gallery
from shitu.gallery.past import KNOWN_QUERIES


@dataclass(frozen=True)
class Event:
    """One change of the gallery.

    Attributes:
        at: when, in UTC by the clock of that moment; the order is that of the generations.
        sentence: what was changed, in words.
        item_ids, reference_ids: of all that was touched.
    """

    generation: int
    at: str
    operation: str
    sentence: str
    item_ids: tuple[int, ...]
    reference_ids: tuple[int, ...]


def events(gallery: Gallery, label: str | None = None, limit: int | None = None) -> list[Event]:
    """Return what happened, oldest first; see `Catalog.events`."""
    if label is None:
        return [_event(change) for change in gallery.history(limit=limit)]
    changes = gallery.history()
    wanted = _called(changes, clean_label(label))
    if not wanted:
        raise ItemNotFound(
            f"no item has, or ever had, the label {clean_label(label)!r}: `shitu list-items` "
            "shows what there is"
        )
    found = [_event(change) for change in changes if wanted & set(_items_of(change))]
    return found if limit is None else found[-limit:]


def _called(changes: Iterable[Change], label: str) -> set[int]:
    """The items that have this label, or had it at some time."""
    return {
        row["item_id"]
        for change in changes
        for side in (change.before, change.after)
        for row in side.get("items", ())
        if row["label"] == label
    }


def _event(change: Change) -> Event:
    return Event(
        generation=change.generation,
        at=change.at,
        operation=change.operation,
        sentence=sentence(change),
        item_ids=_items_of(change),
        reference_ids=_ids(change, "references", "reference_id"),
    )


def _items_of(change: Change) -> tuple[int, ...]:
    kinds = ("items", "references", *KNOWN_QUERIES)
    found = {number for kind in kinds for number in _ids(change, kind, "item_id")}
    return tuple(sorted(found))


def _ids(change: Change, kind: str, key: str) -> tuple[int, ...]:
    rows = (*change.before.get(kind, ()), *change.after.get(kind, ()))
    # The right answer to a golden query may be no item.
    return tuple(sorted({row[key] for row in rows if row[key] is not None}))
