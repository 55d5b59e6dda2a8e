"""Where annotated pictures go, and what they never replace."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from shitu.cli._common import say, show_path
from shitu.errors import ImageError

if TYPE_CHECKING:
    from shitu.workspace import Workspace


DRAWN = "drawn by shitu recognize --save"
"""Remark in the pictures that are written, by which they are told from those of others."""

_HEAD = 1024  # bytes of a file in which the remark is


def without_drawn(pictures: list[Path], folder: Path) -> list[Path]:
    """Leave out what was drawn into a folder before: of those it is no use to draw anything."""
    kept = [path for path in pictures if not (_is_same(folder, path.parent) and _is_drawn(path))]
    if len(kept) < len(pictures):
        count = f"{len(pictures) - len(kept)} annotated pictures"
        say(f"note: {count} that --save drew into {show_path(folder)} before are left out")
    return kept


def _is_drawn(picture: Path) -> bool:
    try:
        with picture.open("rb") as file:
            return DRAWN.encode() in file.read(_HEAD)
    except OSError:  # whoever reads it says why
        return False


def refuse_their_folder(folder: Path, pictures: Iterable[Path]) -> None:
    """Refuse to draw into a folder that holds one of the pictures themselves.

    Raises:
        ImageError: it does, by whatever name or link.
    """
    # In order, each but once: a folder of pictures is asked for a single time.
    homes = {home: picture for picture in pictures for home in _homes(picture)}
    for home, picture in homes.items():
        if _is_same(folder, home):
            raise ImageError(
                f"{show_path(folder)} is the folder of {show_path(picture)}, which an annotated "
                "picture could replace: name another folder with --save."
            )


def _homes(picture: Path) -> tuple[Path, ...]:
    """The folder of a picture, and that of the file that it links to."""
    if not os.path.islink(picture):  # noqa: PTH114 - no error where it may not be looked at
        return (picture.parent,)
    return picture.parent, Path(os.path.realpath(picture)).parent


def _is_same(folder: Path, other: Path) -> bool:
    try:
        return folder.samefile(other)
    except OSError:  # one of them is not there
        return False


def refuse_references(workspace: Workspace, targets: Iterable[Path]) -> None:
    """Refuse to draw over pictures that the gallery knows, wherever they lie.

    Raises:
        ImageError: one of the files holds what a reference was made from.
    """
    from shitu.catalog.files import sha256
    from shitu.images import read_bytes

    # Asked last: where nothing is there yet, the gallery is opened beside the networks.
    there = {sha256(read_bytes(target)): target for target in targets if target.is_file()}
    known = workspace.catalog.gallery.by_sha256(there) if there else {}
    for digest, reference in known.items():
        raise ImageError(
            f"{show_path(there[digest])} is a picture of {reference.label!r} in the gallery, which "
            "an annotated picture would replace: name another folder with --save."
        )
