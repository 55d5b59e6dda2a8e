"""Compares the index files on disk with their manifest, and that with the gallery."""

from __future__ import annotations

import time
from pathlib import Path

from shitu.errors import GalleryError, IndexFileError, IndexNotFound
from shitu.gallery import Head, Space
from shitu.gallery.engine import no_gallery, shown, sqlite_file
from shitu.gallery.gallery import Gallery
from shitu.images import display_path
from shitu.index.manifest import MANIFEST, check_files, read_manifest

_TRIES = 5
_PAUSE = 0.1  # seconds in which whoever replaces the files gets from the first to the last

_MEND = "`shitu check --repair` writes it anew"


def refuse_missing(where: Path | str, folder: Path) -> None:
    """Refuse a gallery in a file that does not exist.

    Raises:
        IndexNotFound: there is no such file.
    """
    file = where if isinstance(where, Path) else sqlite_file(where)
    if file is None or file.exists():
        return
    if isinstance(where, Path):
        raise IndexNotFound(
            f"there is no index in {display_path(folder)}: make one with `shitu build-index`"
        )
    raise no_gallery(shown(where))


def refuse_emptied(database: Path, folder: Path) -> None:
    """An empty file is a gallery about to be made, unless there is an index of one already.

    Raises:
        GalleryError: there is.
    """
    if database.exists() and not database.stat().st_size and (folder / MANIFEST).exists():
        raise GalleryError(
            f"{display_path(database)} is empty, but there is an index of what was in it: restore "
            "a copy of it, or move it away and run `shitu build-index` again"
        )


def file_problems(
    folder: Path, gallery: Gallery, space: Space, head: Head
) -> tuple[list[str], list[str]]:
    """Return problems and notes about the files."""
    for remaining in reversed(range(_TRIES)):
        why = _damage(folder, gallery, space)
        if not why:
            break
        if remaining:
            time.sleep(_PAUSE)
    else:
        return [f"the index on disk does not fit ({why}); {_MEND}"], []
    return [], _behind(folder, head)


def _damage(folder: Path, gallery: Gallery, space: Space) -> str:
    try:
        manifest = read_manifest(folder)
        if manifest is None:
            return "there is no manifest"
        check_files(folder, manifest)
    except IndexFileError as error:
        return str(error)
    if manifest.space != space.fingerprint:
        return "its vectors are of another space"
    known = gallery.has_been_at(Head(manifest.generation, manifest.token))
    return "" if known else "it is of another history"


def _behind(folder: Path, head: Head) -> list[str]:
    manifest = read_manifest(folder)
    if manifest is None or manifest.generation >= head.generation:
        return []
    return [
        f"the index on disk is at generation {manifest.generation}, the gallery at "
        f"{head.generation}; whoever opens it catches up"
    ]
