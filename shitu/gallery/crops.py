"""Boxes and thumbnails of spaces that are not in use.

Those of the space in use lie with the references. Where another space crops a picture differently,
its box and thumbnail wait in the table `meta`, a row for each reference.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from sqlalchemy import Connection, delete, insert, select, update

from shitu.gallery.tables import item_references, meta, spaces, thumbnails
from shitu.geometry import Box

_SOME = 500  # crops held in memory at a time
_SIDES = ("x0", "y0", "x1", "y1")

Logged: TypeAlias = list[list[float]]  # reference id and the four sides, if there is a box


@dataclass(frozen=True)
class Crop:
    """What a space sees of a picture.

    Attributes:
        box: xyxy pixels, None for the whole picture.
        thumbnail: JPEG of it; None where there was none, as in an imported index.
    """

    box: Box | None
    thumbnail: bytes | None


class CropShelf:
    """Keeps the crops of spaces that are not in use, as far as they differ."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, space_id: int, crops: Mapping[int, Crop]) -> None:
        """Keep crops by reference id; there must be none of these yet."""
        rows = [
            {"key": _key(space_id, number), "value": _text(crop)} for number, crop in crops.items()
        ]
        if rows:
            self._connection.execute(insert(meta), rows)

    def forget(self, space_id: int, numbers: Iterable[int]) -> None:
        """Forget the crops of some references."""
        for some in _chunks(_key(space_id, number) for number in numbers):
            self._connection.execute(delete(meta).where(meta.c.key.in_(some)))

    def forget_all(self, space_id: int) -> None:
        """Forget all crops of a space."""
        self._connection.execute(delete(meta).where(meta.c.key.startswith(_key(space_id, ""))))

    def swap(
        self, space_id: int, others: Collection[int], numbers: Iterable[int]
    ) -> tuple[Logged, Logged]:
        """Give references the boxes and thumbnails of a space.

        Those which they had are kept for the other spaces, as far as these have none of their own.
        Returns the boxes that changed, before and after.
        """
        before: Logged = []
        after: Logged = []
        for some in _chunks(numbers):
            crops = self._of(space_id, some)
            was = self._present(crops)
            for other in others:
                own = self._of(other, crops)
                self.keep(other, {i: crop for i, crop in was.items() if i not in own})
            self._apply(crops)
            self.forget(space_id, crops)
            before += [[number, *(was[number].box or ())] for number in crops]
            after += [[number, *(crop.box or ())] for number, crop in crops.items()]
        return before, after

    def _of(self, space_id: int, numbers: Collection[int]) -> dict[int, Crop]:
        names = {_key(space_id, number): number for number in numbers}
        rows = self._connection.execute(select(meta).where(meta.c.key.in_(names)))
        return {names[row.key]: _crop(row.value) for row in rows}

    def _present(self, numbers: Collection[int]) -> dict[int, Crop]:
        number = item_references.c.reference_id
        pictures = thumbnails.c.reference_id == number
        query = select(item_references, thumbnails.c.jpeg).outerjoin(thumbnails, pictures)
        return {
            row.reference_id: Crop(
                None if row.x0 is None else (row.x0, row.y0, row.x1, row.y1),
                None if row.jpeg is None else bytes(row.jpeg),
            )
            for row in self._connection.execute(query.where(number.in_(numbers)))
        }

    def _apply(self, crops: Mapping[int, Crop]) -> None:
        for number, crop in crops.items():
            sides: dict[str, Any] = dict(zip(_SIDES, crop.box or (None,) * 4, strict=True))
            here = item_references.c.reference_id == number
            self._connection.execute(update(item_references).where(here).values(sides))
        new = {number: crop.thumbnail for number, crop in crops.items() if crop.thumbnail}
        if new:
            old = delete(thumbnails).where(thumbnails.c.reference_id.in_(new))
            self._connection.execute(old)
            rows = [{"reference_id": number, "jpeg": jpeg} for number, jpeg in new.items()]
            self._connection.execute(insert(thumbnails), rows)


def forget_crops(connection: Connection, numbers: Iterable[int]) -> None:
    """Forget what all spaces see of some references, which will never come back."""
    space_ids = list(connection.execute(select(spaces.c.space_id)).scalars())
    for some in _chunks(numbers):
        for kind in ("crop", "makeshift"):
            keys = [f"{kind}.{space_id}.{number}" for space_id in space_ids for number in some]
            for part in _chunks(keys):
                connection.execute(delete(meta).where(meta.c.key.in_(part)))


def _key(space_id: int, number: int | str) -> str:
    return f"crop.{space_id}.{number}"


def _text(crop: Crop) -> str:
    jpeg = None if crop.thumbnail is None else base64.b64encode(crop.thumbnail).decode()
    return json.dumps({"box": crop.box, "jpeg": jpeg})


def _crop(text: str) -> Crop:
    values = json.loads(text)
    box, jpeg = values["box"], values["jpeg"]
    return Crop(
        None if box is None else tuple(box), None if jpeg is None else base64.b64decode(jpeg)
    )


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, _SOME)):
        yield some
