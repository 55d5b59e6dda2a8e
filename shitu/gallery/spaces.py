"""Spaces beside the one in use: their vectors, and the switch from one to another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, delete, insert, select, update

from shitu.errors import SpaceMismatch
from shitu.gallery.crops import Crop, CropShelf, Logged
from shitu.gallery.journal import Journal
from shitu.gallery.records import Space
from shitu.gallery.tables import changes, embeddings, item_references, meta, spaces

MIGRATE = "migrate"  # the operation of a switch in the log

_SOME = 500  # in one IN (...)


@dataclass(frozen=True)
class Embedded:
    """A reference in a space that is not in use.

    Attributes:
        vector: unit float32 (dim,).
        crop: None where it is that of the space in use.
        makeshift: made from the thumbnail, because the picture was missing.
    """

    reference_id: int
    vector: npt.NDArray[np.float32]
    crop: Crop | None = None
    makeshift: bool = False


class SpaceReader:
    """Reads vectors of any space; all that it returns is of one state of the gallery."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[tuple[Space, bool]]:
        """Return all spaces, oldest first, each with whether it is the one in use."""
        rows = self._connection.execute(select(spaces).order_by(spaces.c.space_id))
        return [(_space(row), bool(row.active)) for row in rows]

    def number(self, space: Space) -> int | None:
        """Return the row of a space, None if there is none."""
        query = select(spaces.c.space_id).where(spaces.c.fingerprint == space.fingerprint)
        return self._connection.execute(query).scalar()

    def previous(self) -> Space | None:
        """Return the space that was in use before the last switch, None if there was none.

        Its vectors may have been dropped since: then it has no number.
        """
        query = select(changes.c.before).where(changes.c.operation == MIGRATE)
        last = query.order_by(changes.c.generation.desc()).limit(1)
        before = self._connection.execute(last).scalar()
        if before is None:
            return None
        told = before["space"][0]
        known = {space.fingerprint: space for space, _ in self.all()}
        name = {"name": told["called"]}
        return known.get(told["fingerprint"], Space(told["fingerprint"], told["dim"], name))

    def lacking(self, space: Space) -> list[int]:
        """Return the references without a vector in that space, ascending."""
        number = item_references.c.reference_id
        there = select(embeddings.c.reference_id).where(
            embeddings.c.space_id == self.number(space), embeddings.c.reference_id == number
        )
        query = select(number).where(~there.exists()).order_by(number)
        return list(self._connection.execute(query).scalars())

    def makeshift(self, space: Space) -> set[int]:
        """Return the references whose vectors in that space come from thumbnails."""
        keys = select(meta.c.key).where(meta.c.key.startswith(f"makeshift.{self.number(space)}."))
        numbers = {int(key.rsplit(".", 1)[1]) for key in self._connection.execute(keys).scalars()}
        return numbers & set(
            self._connection.execute(select(item_references.c.reference_id)).scalars()
        )

    def vectors(
        self, space: Space
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return reference ids (n,), ascending, item ids (n,) and vectors (n, dim)."""
        number = item_references.c.reference_id
        query = (
            select(number, item_references.c.item_id, embeddings.c.vector)
            .join(embeddings, embeddings.c.reference_id == number)
            .where(embeddings.c.space_id == self.number(space))
            .order_by(number)
        )
        rows = self._connection.execute(query).all()
        flat = np.frombuffer(b"".join(row[2] for row in rows), "<f4")
        return (
            np.fromiter((row[0] for row in rows), np.int64, len(rows)),
            np.fromiter((row[1] for row in rows), np.int64, len(rows)),
            flat.reshape(len(rows), space.dim).astype(np.float32, copy=False),
        )


class SpaceWriter(SpaceReader):
    """Fills spaces that are not in use, which is no change of the gallery, and switches."""

    def __init__(self, connection: Connection, journal: Journal) -> None:
        super().__init__(connection)
        self._journal = journal
        self._crops = CropShelf(connection)

    def ensure(self, space: Space) -> int:
        """Return the row of a space, made, not in use, if there is none."""
        found = self.number(space)
        if found is not None:
            return found
        values = {
            "fingerprint": space.fingerprint,
            "description": dict(space.description),
            "dim": space.dim,
            "active": False,
        }
        key = self._connection.execute(insert(spaces).values(values)).inserted_primary_key
        return int(key[0]) if key else 0

    def put(self, space: Space, new: Sequence[Embedded]) -> int:
        """Keep vectors, in place of older ones; of references that are gone, none is kept.

        Returns how many were.
        """
        space_id = self.ensure(space)
        if self._in_use(space_id):
            return 0  # another process was faster
        alive = self._alive([one.reference_id for one in new])
        kept = [one for one in new if one.reference_id in alive]
        self._forget(space_id, alive)
        rows = [(one.reference_id, one.vector) for one in kept]
        if rows:
            self._connection.execute(
                insert(embeddings),
                [
                    {"space_id": space_id, "reference_id": i, "vector": _bytes(vector)}
                    for i, vector in rows
                ],
            )
        crops = {one.reference_id: one.crop for one in kept if one.crop is not None}
        self._crops.keep(space_id, crops)
        marks = [f"makeshift.{space_id}.{one.reference_id}" for one in kept if one.makeshift]
        if marks:
            self._connection.execute(insert(meta), [{"key": key, "value": ""} for key in marks])
        return len(kept)

    def switch(self, before: Space, space: Space) -> bool:
        """Put a space into use, with its crops; the one before keeps its own for the way back.

        Returns whether it is in use now: not so if references lack vectors in it.

        Raises:
            SpaceMismatch: neither of the two is in use.
        """
        if self.lacking(space):
            return False
        old = self._connection.execute(select(spaces).where(spaces.c.active)).one()
        new = self._connection.execute(
            select(spaces).where(spaces.c.fingerprint == space.fingerprint)
        ).one()
        if old.space_id == new.space_id:
            return True  # another process was faster
        refuse_other_space(self._connection, before, "the gallery")
        for row, active in ((old, False), (new, True)):
            where = spaces.c.space_id == row.space_id
            self._connection.execute(update(spaces).where(where).values(active=active))
        self._journal.note("space", [_told(before)], [_told(space)])
        alive = self._connection.execute(select(item_references.c.reference_id)).scalars().all()
        self._journal.note("boxes", *self._swap_crops(new.space_id, alive))
        return True

    def settle(self, reference_ids: Iterable[int]) -> None:
        """Give references that came back the crops of the space in use: it may be another now."""
        query = select(spaces.c.space_id).where(spaces.c.active)
        space_id = self._connection.execute(query).scalar()
        if space_id is not None:
            self._swap_crops(space_id, reference_ids)

    def _swap_crops(self, space_id: int, numbers: Iterable[int]) -> tuple[Logged, Logged]:
        others = select(spaces.c.space_id).where(spaces.c.space_id != space_id)
        ids = list(self._connection.execute(others).scalars())
        return self._crops.swap(space_id, ids, numbers)

    def drop_unused(self) -> list[Space]:
        """Forget the vectors and crops of all spaces that are not in use; returns those."""
        rows = self._connection.execute(select(spaces).where(~spaces.c.active)).all()
        for row in rows:
            self._connection.execute(
                delete(embeddings).where(embeddings.c.space_id == row.space_id)
            )
            self._crops.forget_all(row.space_id)
            marks = meta.c.key.startswith(f"makeshift.{row.space_id}.")
            self._connection.execute(delete(meta).where(marks))
            self._connection.execute(delete(spaces).where(spaces.c.space_id == row.space_id))
        return [_space(row) for row in rows]

    def _forget(self, space_id: int, numbers: Collection[int]) -> None:
        self._crops.forget(space_id, numbers)
        for some in _chunks(numbers):
            marks = [f"makeshift.{space_id}.{number}" for number in some]
            self._connection.execute(delete(meta).where(meta.c.key.in_(marks)))
            mine = embeddings.c.reference_id.in_(some)
            old = delete(embeddings).where(embeddings.c.space_id == space_id, mine)
            self._connection.execute(old)

    def _in_use(self, space_id: int) -> bool:
        query = select(spaces.c.active).where(spaces.c.space_id == space_id)
        return bool(self._connection.execute(query).scalar_one())

    def _alive(self, numbers: Collection[int]) -> set[int]:
        found: set[int] = set()
        number = item_references.c.reference_id
        for some in _chunks(numbers):
            found.update(self._connection.execute(select(number).where(number.in_(some))).scalars())
        return found


def refuse_other_space(connection: Connection, space: Space, where: str) -> None:
    """Make sure that a space is the one in use.

    Raises:
        SpaceMismatch: it is not.
    """
    row = connection.execute(select(spaces).where(spaces.c.active)).first()
    if row is not None and row.fingerprint != space.fingerprint:
        now = _space(row)
        raise SpaceMismatch(
            f"{where} has been migrated from {space.called_beside(now)} to "
            f"{now.called_beside(space)}: restart with the new model"
        )


def _space(row: Row[Any]) -> Space:
    return Space(row.fingerprint, row.dim, row.description)


def _told(space: Space) -> dict[str, Any]:
    return {"fingerprint": space.fingerprint, "dim": space.dim, "called": space.called}


def _bytes(vector: npt.NDArray[np.float32]) -> bytes:
    return np.asarray(vector, "<f4").tobytes()


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, _SOME)):
        yield some
