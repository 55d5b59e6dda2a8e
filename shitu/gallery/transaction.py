"""One change of a gallery: rows, vectors and the log entry, committed together or not at all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from shitu.errors import GalleryError, SpaceMismatch
from shitu.gallery.compaction import Forgotten, first_kept, forget
from shitu.gallery.history import now, read_changes
from shitu.gallery.journal import Journal
from shitu.gallery.known_queries import KnownQueriesWriter
from shitu.gallery.moments import Moment
from shitu.gallery.past import Row
from shitu.gallery.pending import Pending
from shitu.gallery.reading import VARIABLES, read_items
from shitu.gallery.records import Change, FileState, Item, NewReference, Space, same_json
from shitu.gallery.roots import Roots, write_root
from shitu.gallery.rows import put_rows, read_item_rows, read_reference_rows
from shitu.gallery.spaces import SpaceWriter
from shitu.gallery.tables import (
    changes,
    embeddings,
    item_references,
    items,
    meta,
    path_to_text,
    spaces,
    text_to_path,
    thumbnails,
)


class Transaction:
    """What may be done to a gallery inside `Gallery.write`; the log is kept by itself."""

    def __init__(self, connection: Connection, operation: str, roots: Roots) -> None:
        self._connection = connection
        self._operation = operation
        self._roots = roots
        self._journal = Journal(connection)
        self.token = uuid.uuid4().hex  # of the state that it leads to
        # Writers take turns from here on, in databases without BEGIN IMMEDIATE too.
        held = select(meta.c.value).where(meta.c.key == "generation").with_for_update()
        self.generation = int(connection.execute(held).scalar_one())

    # --- what is there -----------------------------------------------------------------

    def holders(self, hashes: Collection[str]) -> dict[str, tuple[int, str]]:
        """Return reference and label of these contents, by sha256, as far as there are any."""
        found: dict[str, tuple[int, str]] = {}
        columns = select(item_references.c.sha256, item_references.c.reference_id, items.c.label)
        for some in _chunks(hashes):
            query = columns.join(items).where(item_references.c.sha256.in_(some))
            found.update((r[0], (r[1], r[2])) for r in self._connection.execute(query))
        return found

    def present(self, reference_ids: Collection[int]) -> set[int]:
        """Return those of the references which (still) exist."""
        found: set[int] = set()
        number = item_references.c.reference_id
        for some in _chunks(reference_ids):
            found.update(self._connection.execute(select(number).where(number.in_(some))).scalars())
        return found

    def on_shared_paths(self, reference_ids: Collection[int]) -> set[int]:
        """Return those of the references at whose path a reference lies that is none of them."""
        these, found = set(reference_ids), set[int]()
        mine, other = item_references.alias(), item_references.alias()
        pairs = select(mine.c.reference_id, other.c.reference_id).join(
            other, (mine.c.path == other.c.path) & (mine.c.reference_id != other.c.reference_id)
        )
        for some in _chunks(these):
            rows = self._connection.execute(pairs.where(mine.c.reference_id.in_(some)))
            found.update(number for number, by in rows if by not in these)
        return found

    def ensure_space(self, space: Space) -> int:
        """Return the row of the space in use, which becomes this one if there is none.

        Raises:
            SpaceMismatch: another process filled the gallery with vectors of another model.
        """
        row = self._connection.execute(select(spaces).where(spaces.c.active)).first()
        if row is not None and row.fingerprint != space.fingerprint:
            raise SpaceMismatch(
                "another process has filled the gallery with vectors of another model meanwhile, "
                f"{Space(row.fingerprint, row.dim, row.description).called}: open it with that "
                "model, or use another index folder"
            )
        if row is not None:
            if "models" in space.description and "models" not in row.description:
                self._describe_space(row.space_id, space)
            return int(row.space_id)
        values = {
            "fingerprint": space.fingerprint,
            "description": dict(space.description),
            "dim": space.dim,
            "active": True,
        }
        return self._insert(insert(spaces).values(values))

    def _describe_space(self, space_id: int, space: Space) -> None:
        # The first galleries did not note what their models were called.
        where = spaces.c.space_id == space_id
        values = {"description": dict(space.description)}
        self._connection.execute(update(spaces).where(where).values(**values))

    def spaces(self) -> SpaceWriter:
        """Change the vectors of spaces that are not in use, and which one is."""
        return SpaceWriter(self._connection, self._journal)

    def known(self) -> KnownQueriesWriter:
        """Change rejections and golden queries."""
        return KnownQueriesWriter(self._connection, self._journal)

    def pending(self) -> Pending:
        """Return the gallery as it will be."""
        return Pending(self._connection, self._journal, self._roots)

    # --- items -------------------------------------------------------------------------

    def ensure_item(self, label: str, attributes: Mapping[str, Any] | None = None) -> int:
        """Return the item with this label, made if there is none; attributes are merged in.

        Raises:
            GalleryError: an attribute is nothing that JSON can hold.
        """
        _check_json(label, attributes)
        row = self._connection.execute(select(items).where(items.c.label == label)).first()
        if row is None:
            values = {"label": label, "attributes": dict(attributes or {}), "created_at": now()}
            item_id = self._insert(insert(items).values(values))
            self._journal.items_after([item_id])
            return item_id
        merged = {**row.attributes, **(attributes or {})}
        if not same_json(merged, row.attributes):
            self._update_item(row.item_id, attributes=merged)
        return int(row.item_id)

    def items_of(self, labels: Collection[str]) -> dict[str, Item]:
        """Return the items with these labels, as far as there are any."""
        found: dict[str, Item] = {}
        for some in _chunks(labels):
            found.update(
                (i.label, i) for i in read_items(self._connection, items.c.label.in_(some))
            )
        return found

    def has_label(self, label: str) -> bool:
        """Whether an item has this label."""
        query = select(items.c.item_id).where(items.c.label == label)
        return self._connection.execute(query).first() is not None

    def rename_item(self, item_id: int, label: str) -> None:
        """Give an item another label, which no other item may have."""
        self._update_item(item_id, label=label)

    def set_attributes(self, item_id: int, attributes: Mapping[str, Any]) -> None:
        """Replace all attributes of an item.

        Raises:
            GalleryError: one is nothing that JSON can hold.
        """
        named = select(items.c.label).where(items.c.item_id == item_id)
        _check_json(self._connection.execute(named).scalar_one(), attributes)
        self._update_item(item_id, attributes=dict(attributes))

    def drop_empty_items(self) -> list[int]:
        """Remove the items that have no reference left: nothing can be recognised as them.

        What is known of queries is said of the item that their references went to, if any.
        """
        mine = item_references.c.item_id == items.c.item_id
        used = select(item_references.c.reference_id).where(mine).exists()
        empty = list(self._connection.execute(select(items.c.item_id).where(~used)).scalars())
        self._journal.items_before(empty)
        self.known().follow(self._journal.heirs(empty))
        for some in _chunks(empty):
            self._connection.execute(delete(items).where(items.c.item_id.in_(some)))
        return empty

    def _update_item(self, item_id: int, **values: Any) -> None:
        self._journal.items_before([item_id])
        self._connection.execute(update(items).where(items.c.item_id == item_id).values(**values))
        self._journal.items_after([item_id])

    # --- references --------------------------------------------------------------------

    def add(self, new: Sequence[tuple[int, NewReference]], space: Space) -> list[int]:
        """Add pictures, each to the item of that id, with their vectors; returns their ids."""
        if not new:
            return []
        space_id = self.ensure_space(space)
        number = item_references.c.reference_id
        numbers = list(
            self._connection.execute(
                insert(item_references).returning(number, sort_by_parameter_order=True),
                [self._row(item_id, picture) for item_id, picture in new],
            ).scalars()
        )
        pictures = [picture for _, picture in new]
        self._connection.execute(
            insert(thumbnails),
            [
                {"reference_id": i, "jpeg": picture.thumbnail}
                for i, picture in zip(numbers, pictures, strict=True)
            ],
        )
        self._connection.execute(
            insert(embeddings),
            [
                {
                    "space_id": space_id,
                    "reference_id": i,
                    "vector": np.asarray(picture.embedding, "<f4").tobytes(),
                }
                for i, picture in zip(numbers, pictures, strict=True)
            ],
        )
        self._journal.references_after(numbers)
        return numbers

    def _row(self, item_id: int, new: NewReference) -> dict[str, Any]:
        box = new.box or (None, None, None, None)
        return {
            "item_id": item_id,
            "path": self._roots.stored(new.path),
            "sha256": new.sha256,
            "size": new.state.size,
            "mtime_ns": new.state.mtime_ns,
            **dict(zip(("x0", "y0", "x1", "y1"), box, strict=True)),
            "box_given": new.box_given,
            "added_at": now(),
            "how": new.how,
            "source": new.source,
        }

    def remove(self, reference_ids: Collection[int]) -> None:
        """Remove references; the log keeps what they were, and vectors and thumbnails stay."""
        self._journal.references_before(reference_ids)
        number = item_references.c.reference_id
        for some in _chunks(reference_ids):
            self._connection.execute(delete(item_references).where(number.in_(some)))

    def move(self, reference_id: int, path: str, state: FileState, source: str | None) -> None:
        """Note that a picture lies elsewhere now."""
        self._update_reference(
            reference_id,
            path=self._roots.stored(path),
            size=state.size,
            mtime_ns=state.mtime_ns,
            source=source,
        )

    def assign(self, reference_id: int, item_id: int) -> None:
        """Make a reference one of another item; its vector stays."""
        self._update_reference(reference_id, item_id=item_id)

    def assign_all(self, from_items: Collection[int], item_id: int) -> list[int]:
        """Make all references of some items those of another; returns their ids."""
        number, owner = item_references.c.reference_id, item_references.c.item_id
        query = select(number).where(owner.in_(list(from_items))).order_by(number)
        moving = list(self._connection.execute(query).scalars())
        self._journal.references_before(moving)
        for some in _chunks(moving):
            new = update(item_references).where(number.in_(some)).values(item_id=item_id)
            self._connection.execute(new)
        self._journal.references_after(moving)
        return moving

    def _update_reference(self, reference_id: int, **values: Any) -> None:
        self._journal.references_before([reference_id])
        where = item_references.c.reference_id == reference_id
        self._connection.execute(update(item_references).where(where).values(**values))
        self._journal.references_after([reference_id])

    def remember_states(self, states: Mapping[int, FileState]) -> None:
        """Note new times of unchanged files; no change of the gallery, so not in the log."""
        self._update_many(
            [
                {"number": number, "size": state.size, "mtime_ns": state.mtime_ns}
                for number, state in states.items()
            ]
        )

    def _update_many(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            where = item_references.c.reference_id == bindparam("number")
            self._connection.execute(update(item_references).where(where), rows)

    # --- the folder of the pictures ----------------------------------------------------

    def set_root(self, root: Path) -> None:
        """Make a folder the root; stored paths follow, unless the old root itself moved there.

        To be called before anything else is changed: paths in the log are of the new root.
        """
        old = self._roots
        if old.recorded == root:
            return
        query = select(item_references.c.reference_id, item_references.c.path)
        rows = self._connection.execute(query).all()
        self._roots = new = old.at(root)
        moved = old.moved_to(root, (path for _, path in rows))
        if moved:
            self._connection.execute(
                update(item_references)
                .where(item_references.c.source == str(old.recorded))
                .values(source=str(root))
            )
        else:
            again = ((number, path, new.stored(old.absolute(path))) for number, path in rows)
            self._update_many([{"number": i, "path": to} for i, was, to in again if to != was])
        write_root(self._connection, root, old.folder)
        was = None if old.recorded is None else path_to_text(old.recorded)
        self._journal.root(was, path_to_text(root), moved=moved)

    def forget(self, moment: Moment) -> Forgotten:
        """Delete vectors and thumbnails of references that were removed before a moment.

        Raises:
            GalleryError: there is no such generation.
        """
        done = forget(self._connection, first_kept(self._connection, moment))
        if done.references or done.queries:
            told = {
                "before": done.before,
                "forgotten": done.references,
                "queries": done.queries,
                "bytes": done.size,
            }
            self._journal.note("compact", [], [told])
        return done

    # --- the past ----------------------------------------------------------------------

    def changes(self, since: int) -> list[Change]:
        """Return the changes after a generation, oldest first."""
        return read_changes(self._connection, since)

    def was_committed(self, token: str) -> bool:
        """Whether the gallery has been in the state of this token."""
        query = select(changes.c.generation).where(changes.c.token == token)
        return self._connection.execute(query).first() is not None

    def item_rows(self, item_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return items as they stand in the log, by id."""
        return read_item_rows(self._connection, item_ids)

    def reference_rows(self, reference_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return references as they stand in the log, by id."""
        return read_reference_rows(self._connection, reference_ids)

    def known_rows(self, kind: str, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return rejections or golden queries as they stand in the log, by id."""
        return self.known().rows(kind, numbers)

    def owned(self, item_id: int) -> set[int]:
        """Return the references of an item."""
        number, owner = item_references.c.reference_id, item_references.c.item_id
        return set(self._connection.execute(select(number).where(owner == item_id)).scalars())

    def with_vector(self, reference_ids: Collection[int]) -> set[int]:
        """Return those that have a vector in the space in use, whether they are alive or not."""
        found: set[int] = set()
        number = embeddings.c.reference_id
        query = select(number).join(spaces).where(spaces.c.active)
        for some in _chunks(reference_ids):
            found.update(self._connection.execute(query.where(number.in_(some))).scalars())
        return found

    def restore(
        self, item_rows: Mapping[int, Row | None], reference_rows: Mapping[int, Row | None]
    ) -> None:
        """Make rows what they were, under the ids that they had; None removes them.

        An item may only go, or be missing, where none of its references is left.
        """
        self._journal.items_before(item_rows)
        self._journal.references_before(reference_rows)
        put_rows(self._connection, item_rows, reference_rows)
        self.spaces().settle(number for number, row in reference_rows.items() if row is not None)
        self._journal.items_after(item_rows)
        self._journal.references_after(reference_rows)

    def set_setting(self, key: str, value: str | None, told: str | None) -> None:
        """Keep something that was learnt from the gallery, or (None) forget it.

        Args:
            key: one of few; the log bears it as the kind of the change.
            value: any text.
            told: what the log says of it, short.
        """
        there = meta.c.key == key
        before = self._connection.execute(select(meta.c.value).where(there)).scalar()
        if before == value:
            return
        self._connection.execute(delete(meta).where(there))
        if value is not None:
            self._connection.execute(insert(meta).values(key=key, value=value))
        self._journal.note(key, [{"there": before is not None}], [{"name": told, "at": now()}])

    @property
    def root(self) -> Path | None:
        """The folder in which the pictures live, None before the first build."""
        return self._roots.root

    def path_of(self, row: Row) -> Path:
        """Return where the picture of a row of the log lies, or should."""
        return Path(self._roots.absolute(text_to_path(row["path"])))

    def row_at(self, row: Row, path: Path) -> Row:
        """Return a row of the log with the picture at another place."""
        return {**row, "path": path_to_text(self._roots.stored(str(path)))}

    # --- the log -----------------------------------------------------------------------

    def note(self, kind: str, values: Mapping[str, Any]) -> None:
        """Put something into the log entry that its rows do not say."""
        self._journal.notes[kind] = [dict(values)]

    def finish(self) -> bool:
        """Write the log entry and count the generation, if anything changed; returns whether."""
        before, after = self._journal.sides()
        if same_json(before, after):
            return False
        after = {**after, **self._journal.notes}
        self.generation += 1
        self._connection.execute(
            insert(changes).values(
                generation=self.generation,
                token=self.token,
                operation=self._operation,
                before=before,
                after=after,
                at=now(),
            )
        )
        count = update(meta).where(meta.c.key == "generation")
        self._connection.execute(count.values(value=str(self.generation)))
        return True

    def _insert(self, statement: Any) -> int:
        key = self._connection.execute(statement).inserted_primary_key
        return int(key[0]) if key else 0


def _check_json(label: str, attributes: Mapping[str, Any] | None) -> None:
    try:
        json.dumps(dict(attributes or {}), allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise GalleryError(
            f"the attributes of {label!r} cannot be kept (there are bytes in them that are no "
            "text): write them in UTF-8"
        ) from None
    except (TypeError, ValueError) as error:
        raise GalleryError(
            f"the attributes of {label!r} cannot be kept ({error}): use text, numbers, lists and "
            "mappings of them"
        ) from error


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, VARIABLES)):
        yield some
