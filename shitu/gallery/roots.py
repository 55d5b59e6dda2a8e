"""Where pictures lie: paths below the gallery's root are kept relative, so that it can move."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from shitu.gallery.history import get_metas
from shitu.gallery.tables import item_references, meta, path_to_text, text_to_path


@dataclass(frozen=True)
class Roots:
    """The root folder of a gallery's pictures, if it has one yet.

    Attributes:
        recorded: where it was when it was written down.
        root: where it is; elsewhere if it was moved or copied together with the index.
        folder: of the index.
    """

    recorded: Path | None
    root: Path | None
    folder: Path

    @classmethod
    def read(cls, connection: Connection, folder: Path) -> Roots:
        """Find the root."""
        known = get_metas(connection, "root", "root_from_index")
        if "root" not in known:
            return cls(None, None, folder)
        recorded = Path(text_to_path(known["root"]))
        beside = text_to_path(known.get("root_from_index") or ".")
        # The index may be reached by a link that lies elsewhere than the pictures.
        for place in (folder.absolute(), os.path.realpath(folder)):
            near = Path(os.path.normpath(os.path.join(place, beside)))  # noqa: PTH118
            if near == recorded:
                break
            # The copy of a shop, pictures and all, must leave the first one's alone.
            if _exists(near) and (not _exists(recorded) or _lie_in(near, connection)):
                return cls(recorded, near, folder)
        return cls(recorded, recorded, folder)

    def at(self, root: Path) -> Roots:
        """Return the same with another root."""
        return Roots(root, root, self.folder)

    def moved_to(self, root: Path, stored: Iterable[str]) -> bool:
        """Whether `root` is the recorded root under a new name, judged by what lies in it."""
        if self.recorded is None or self.recorded == root:
            return False
        if self.root == root:
            return True
        if _exists(self.recorded):
            return False
        return any(not os.path.isabs(path) and _exists(root / path) for path in stored)  # noqa: PTH117

    def absolute(self, stored: str) -> str:
        """Return the full path of a stored one."""
        return stored if self.root is None else os.path.join(self.root, stored)  # noqa: PTH118

    def stored(self, path: str) -> str:
        """Return how an absolute path is kept."""
        if self.root is None:
            return path
        start = os.path.join(self.root, "")  # noqa: PTH118
        return path[len(start) :] if path.startswith(start) else path


def _exists(path: Path) -> bool:
    # Path.exists() raises where it may not look, as below the home of whoever made the gallery.
    return os.path.exists(path)  # noqa: PTH110


def _lie_in(root: Path, connection: Connection) -> bool:
    """Whether the gallery's pictures, judged by the first ones, lie below a folder."""
    path = item_references.c.path
    first = connection.execute(select(path).order_by(item_references.c.reference_id).limit(20))
    return any(not os.path.isabs(p) and _exists(root / p) for p in first.scalars())  # noqa: PTH117


def write_root(connection: Connection, root: Path, folder: Path) -> None:
    """Remember the root, both as it is and as seen from the index folder."""
    seen = os.path.relpath(root, folder.absolute())
    real = os.path.relpath(os.path.realpath(root), os.path.realpath(folder))
    # A link to either may lie anywhere; the shorter way is the one that a copy has, too.
    beside = min(seen, real, key=lambda way: way.count(os.sep))
    values = {"root": path_to_text(root), "root_from_index": path_to_text(beside)}
    for key, value in values.items():
        connection.execute(delete(meta).where(meta.c.key == key))
        connection.execute(insert(meta).values(key=key, value=value))
