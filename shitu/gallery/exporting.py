"""Writes a gallery into one portable file, row by row: no size of it needs much memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, select

from shitu.gallery import history
from shitu.gallery.exporting_known import export_known
from shitu.gallery.gallery import Gallery
from shitu.gallery.passes import Passes
from shitu.gallery.portable import creating, put_meta
from shitu.gallery.portable_tables import OF_REFERENCES
from shitu.gallery.reading import count_references
from shitu.gallery.roots import Roots
from shitu.gallery.tables import (
    embeddings,
    item_references,
    items,
    path_to_text,
    spaces,
    thumbnails,
)
from shitu.telling import Told

_AT_A_TIME = 500

ReadPicture = Callable[[Path, str], bytes | None]  # path, sha256 -> content, if it is there


@dataclass(frozen=True)
class ExportSummary(Told):
    """What an export wrote.

    Attributes:
        pictures: originals in the file.
        missing: pictures that are not where they were, or hold something else now.
        rejections, golden: matches that were rejected, and queries whose answer is known.
        inert: of these, those without a vector of the model in use.
        left_behind: rejections and golden queries that are not in the file: their item is gone.
        generation: of the gallery, as exported.
    """

    file: Path
    items: int
    references: int
    rejections: int
    golden: int
    inert: int
    left_behind: int
    pictures: int
    missing: tuple[Path, ...]
    generation: int
    size: int


def export_gallery(
    gallery: Gallery,
    file: Path,
    read_picture: ReadPicture | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ExportSummary:
    """Write one state of a gallery.

    Args:
        read_picture: brings in the originals.
        progress: told the number of references done so far, and the total.

    Raises:
        GalleryError: the file cannot be written.
    """
    with gallery.snapshot() as (connection, roots):
        tables = len(OF_REFERENCES) if read_picture is not None else len(OF_REFERENCES) - 1
        times = 2 * tables  # written, and summed up
        passes = Passes(count_references(connection), times, progress)
        with creating(file, passes.met) as target:
            export = _Export(connection, target, roots, passes.met)
            head = history.head(connection)
            root = None if roots.root is None else path_to_text(roots.root)
            facts = {"generation": head.generation, "token": head.token}
            put_meta(target, {**facts, "exported_at": history.now(), "root": root})
            export.small_tables()
            export.references()
            missing = export.pictures(read_picture) if read_picture is not None else []
            known = export_known(connection, export.put)
            counts = {name: _count(target, name) for name in ("items", "refs", "pictures")}
        passes.end()
    return ExportSummary(
        file=file,
        items=counts["items"],
        references=counts["refs"],
        rejections=known.rejections,
        golden=known.golden,
        inert=known.inert,
        left_behind=known.left_behind,
        pictures=counts["pictures"],
        missing=tuple(missing),
        generation=head.generation,
        size=file.stat().st_size,
    )


@dataclass(frozen=True)
class _Export:
    source: Connection
    target: sqlite3.Connection
    roots: Roots
    met: Callable[[], None]  # called for each row of a reference

    def small_tables(self) -> None:
        """Items, and the space in use."""
        self.put("items", self._items())
        used = self._rows(select(spaces).where(spaces.c.active))
        self.put(
            "spaces",
            ((r.space_id, r.fingerprint, json.dumps(r.description), r.dim, 1) for r in used),
        )

    def references(self) -> None:
        """References with their vectors and thumbnails."""
        number = item_references.c.reference_id
        self.put("refs", self._references())
        alive = embeddings.c.reference_id == number
        vectors = select(number, embeddings.c.space_id, embeddings.c.vector)
        self.put(
            "vectors",
            self._rows(
                vectors.join(embeddings, alive)
                .join(spaces, spaces.c.space_id == embeddings.c.space_id)
                .where(spaces.c.active)
                .order_by(number)
            ),
        )
        small = select(number, thumbnails.c.jpeg)
        with_picture = small.join(thumbnails, thumbnails.c.reference_id == number)
        self.put("thumbnails", self._rows(with_picture.order_by(number)))

    def pictures(self, read: ReadPicture) -> list[Path]:
        """Originals; returns those that are not there."""
        missing: list[Path] = []

        def found() -> Iterator[tuple[int, bytes]]:
            r = item_references.c
            for row in self._rows(select(r.reference_id, r.path, r.sha256).order_by(r.path)):
                path = Path(self.roots.absolute(row.path))
                data = read(path, row.sha256)
                if data is None:
                    missing.append(path)
                else:
                    yield row.reference_id, data

        self.put("pictures", found())
        return missing

    def _items(self) -> Iterator[tuple[Any, ...]]:
        for row in self._rows(select(items).order_by(items.c.item_id)):
            yield row.item_id, row.label, json.dumps(row.attributes), row.created_at

    def _references(self) -> Iterator[tuple[Any, ...]]:
        for r in self._rows(select(item_references).order_by(item_references.c.reference_id)):
            path, source = path_to_text(r.path), r.source and path_to_text(r.source)
            file = (r.reference_id, r.item_id, r.sha256, path, source, r.size, r.mtime_ns)
            yield (*file, r.x0, r.y0, r.x1, r.y1, int(r.box_given), r.added_at, r.how)

    def _rows(self, query: Select[Any]) -> Iterator[Any]:
        return iter(self.source.execute(query.execution_options(yield_per=_AT_A_TIME)))

    def put(self, table: str, rows: Iterable[Any]) -> None:
        """Fill a table."""
        rows = self._counted(rows) if table in OF_REFERENCES else (tuple(row) for row in rows)
        first = next(rows, None)
        if first is None:
            return
        put = f"INSERT INTO {table} VALUES ({', '.join('?' * len(first))})"  # noqa: S608
        self.target.execute(put, first)
        self.target.executemany(put, rows)

    def _counted(self, rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        for row in rows:
            self.met()
            yield tuple(row)


def _count(target: sqlite3.Connection, table: str) -> int:
    return int(target.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
