"""Which item each reference belongs to, and what the items are: small enough to keep in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from shitu.gallery import history
from shitu.gallery.records import Change, Head
from shitu.gallery.tables import item_references, items

_FOLLOWED = 1000  # changes; reading everything anew is quicker than more of them

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tagged:
    """An item as far as a filter looks at it."""

    item_id: int
    label: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Membership:
    """All items and references of one state of the gallery.

    Attributes:
        items: by id.
        reference_ids: (n,) int64, ascending.
        item_ids: (n,) int64, the item of each.
    """

    head: Head
    items: Mapping[int, Tagged]
    reference_ids: Ids
    item_ids: Ids


def read_membership(connection: Connection, known: Membership | None = None) -> Membership:
    """Return what is there now; `known` itself if that is still true.

    What changed since is taken from the log, so that one added picture costs little.
    """
    head = history.head(connection)
    if known is None:
        return _read(connection, head)
    if known.head == head:
        return known
    if history.token_at(connection, known.head.generation) != known.head.token:
        return _read(connection, head)
    log = history.read_changes(connection, known.head.generation, _FOLLOWED + 1)
    if len(log) > _FOLLOWED:
        return _read(connection, head)
    return _followed(known, log, head)


def _read(connection: Connection, head: Head) -> Membership:
    r = item_references.c
    pairs = connection.execute(select(r.reference_id, r.item_id).order_by(r.reference_id)).all()
    flat = np.fromiter(chain.from_iterable(pairs), np.int64, 2 * len(pairs)).reshape(-1, 2)
    rows = connection.execute(select(items.c.item_id, items.c.label, items.c.attributes))
    tagged = {row[0]: Tagged(row[0], row[1], row[2]) for row in rows}
    return Membership(head, tagged, flat[:, 0].copy(), flat[:, 1].copy())


def _followed(known: Membership, log: Sequence[Change], head: Head) -> Membership:
    tagged = dict(known.items)
    item_of: dict[int, int | None] = {}
    for change in log:
        for row in change.before.get("items", ()):
            tagged.pop(row["item_id"], None)
        for row in change.after.get("items", ()):
            tagged[row["item_id"]] = Tagged(row["item_id"], row["label"], row["attributes"])
        item_of.update((row["reference_id"], None) for row in change.before.get("references", ()))
        for row in change.after.get("references", ()):
            item_of[row["reference_id"]] = row["item_id"]
    new = {number: item_id for number, item_id in item_of.items() if item_id is not None}
    stays = ~np.isin(known.reference_ids, np.array([*item_of], np.int64))
    numbers = np.concatenate([known.reference_ids[stays], np.array([*new], np.int64)])
    owners = np.concatenate([known.item_ids[stays], np.array([*new.values()], np.int64)])
    order = np.argsort(numbers, kind="stable")
    return Membership(head, tagged, numbers[order], owners[order])
