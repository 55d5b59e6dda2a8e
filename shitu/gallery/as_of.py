"""The gallery as it was at a generation: its rows now, with the log rolled back over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from shitu.errors import GalleryError
from shitu.gallery import history
from shitu.gallery.membership import Membership, Tagged
from shitu.gallery.moments import Moment
from shitu.gallery.past import Past, roll_back
from shitu.gallery.reading import as_item, as_reference
from shitu.gallery.records import Head, Item, Reference
from shitu.gallery.roots import Roots
from shitu.gallery.tables import changes, item_references, items, path_to_text, text_to_path


@dataclass(frozen=True)
class State:
    """What there was at a generation.

    Attributes:
        items: by label.
        references: by id, ascending; labels are those of that time, paths those of today.
    """

    generation: int
    items: tuple[Item, ...]
    references: Mapping[int, Reference]

    def membership(self) -> Membership:
        """Return what a filter looks at."""
        owners = [reference.item_id for reference in self.references.values()]
        return Membership(
            Head(self.generation, ""),
            {i.item_id: Tagged(i.item_id, i.label, i.attributes) for i in self.items},
            np.array(list(self.references), np.int64),
            np.array(owners, np.int64),
        )


def generation_at(connection: Connection, moment: Moment) -> int:
    """Return the generation that a moment means; of a date, the last one at or before its end.

    Raises:
        GalleryError: there was no gallery then.
    """
    last = history.head(connection).generation
    if moment.generation is not None:
        if moment.generation > last:
            raise GalleryError(
                f"there is no generation {moment.generation}: the last one is {last}, see "
                "`shitu history`"
            )
        return moment.generation
    # A clock may have been wrong for a while: the log is in the order of its generations.
    query = select(func.max(changes.c.generation)).where(changes.c.at <= moment.end)
    found = connection.execute(query).scalar()
    if found is None:
        first = connection.execute(select(func.min(changes.c.at))).scalar()
        since = "nothing was ever in it" if first is None else f"its first change was at {first}"
        raise GalleryError(f"there was no gallery at {moment.text}: {since}")
    return int(found)


def read_state(connection: Connection, roots: Roots, moment: Moment) -> State:
    """Return what there was at a moment."""
    generation = generation_at(connection, moment)
    past = roll_back(history.read_changes(connection, generation))
    item_rows = _item_rows(connection, past)
    references = {
        number: as_reference(
            {**row, "label": item_rows[row["item_id"]]["label"]},
            roots.absolute(text_to_path(row["path"])),
        )
        for number, row in sorted(_reference_rows(connection, past).items())
    }
    counts = Counter(reference.item_id for reference in references.values())
    found = [as_item(row, counts[number]) for number, row in item_rows.items()]
    return State(generation, tuple(sorted(found, key=lambda item: item.label)), references)


def _item_rows(connection: Connection, past: Past) -> dict[int, Mapping[str, Any]]:
    rows: dict[int, Any] = {r.item_id: dict(r._mapping) for r in connection.execute(select(items))}
    rows.update(past.items)
    return {number: row for number, row in rows.items() if row is not None}


def _reference_rows(connection: Connection, past: Past) -> dict[int, Mapping[str, Any]]:
    rows: dict[int, Any] = {}
    for row in connection.execute(select(item_references)):
        values = dict(row._mapping)
        rows[row.reference_id] = {**values, "path": path_to_text(values["path"])}
    rows.update(past.references)
    return {number: row for number, row in rows.items() if row is not None}
