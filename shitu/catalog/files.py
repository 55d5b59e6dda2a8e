"""The pictures on disk: what they hold, copying them in, putting them aside."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from shitu.errors import GalleryError, ImageError
from shitu.gallery import FileState
from shitu.gallery.room import may_make_files
from shitu.images import display_path, read_bytes

REMOVED = ".removed"  # hidden, so that no build walks into it
_NAME_BYTES = 200  # a name may have 255, and a number is added
_HALF = ".shitu-"  # how files that are being written are called
_HOUR = 3600
_LAST_NS = (1 << 63) - 1


def absolute(path: Path | str) -> Path:
    """Return the full path without `..`; links stay as the user sees them."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def known_folder(folder: Path, known: Sequence[Path]) -> Path:
    """Return the name by which a folder is known already, else the one given.

    A link leads to the same pictures, and so does another case where that does not matter: by
    another name each picture would be a copy of itself.
    """
    if folder in known:
        return folder
    return next((name for name in known if _same_folder(name, folder)), folder)


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False


def path_in(root: Path, path: Path) -> Path:
    """Return the name of a file below a root, if links lead there; else the one given."""
    if path.is_relative_to(root):
        return path
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # in a circle; not below it
        return root / path.parent.resolve().relative_to(root.resolve()) / path.name
    return path


def may_write(path: Path) -> bool:
    """Whether a file, and others beside it, may be written; true of what does not exist yet."""
    return not path.exists() or (os.access(path, os.W_OK) and may_make_files(path.parent))


def file_state(path: Path | str) -> FileState | None:
    """Return what is remembered of a file, None if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a hundred thousand times; Path costs double
    except (OSError, ValueError):
        return None
    # Some file systems go beyond the year 2262, databases do not.
    return FileState(status.st_size, max(-_LAST_NS, min(_LAST_NS, status.st_mtime_ns)))


def sha256(data: bytes) -> str:
    """Return the content's name."""
    return hashlib.sha256(data).hexdigest()


def holds(path: Path | str, digest: str) -> bool:
    """Whether a file is there and has this content."""
    return original(path, digest) is not None


def original(path: Path | str, digest: str) -> bytes | None:
    """Return what a file holds, None unless it is that content."""
    with contextlib.suppress(ImageError):
        data = read_bytes(path)
        if sha256(data) == digest:
            return data
    return None


def folder_name(label: str) -> str:
    """Return a name for the label's folder that every file system takes and builds walk into.

    It is in UTF-8 whatever the locale, as builds read it.
    """
    kept = [c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in label]
    name = "".join(kept).strip(" ").rstrip(".")
    if name.startswith(".") or not name:
        name = "_" + name
    return os.fsdecode(unicodedata.normalize("NFC", _cut(name)).encode())


def _cut(name: str) -> str:
    """Shorten a name by whole characters."""
    while len(name.encode("utf-8", "surrogateescape")) > _NAME_BYTES:
        name = name[:-1]
    return name


def copy_in(data: bytes, name: str, folder: Path) -> tuple[Path, bool]:
    """Keep a picture in a folder; returns where, and whether it had to be written.

    Nothing is ever overwritten: another picture of that name gets a number.

    Raises:
        GalleryError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        for target in free_names(folder, name):
            if target.exists() and target.read_bytes() == data:
                return target, False  # left over from a process that was killed in between
            if _place(data, target):
                return target, True
    except OSError as error:
        raise GalleryError(
            f"the picture cannot be copied to {display_path(folder)} ({error.strerror}): free "
            "space or allow writing there, and add it again"
        ) from error
    raise AssertionError  # names never run out


def free_names(folder: Path, name: str) -> Iterator[Path]:
    """Yield a name in a folder, and then the same with ever higher numbers."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    stem = _cut(stem).lstrip(".") or "picture"
    yield folder / f"{stem}{suffix}"
    number = 2
    while True:
        yield folder / f"{stem}-{number}{suffix}"
        number += 1


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half written, long enough ago to be sure of it."""
    for left in folder.glob(f"{_HALF}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _HOUR:
                left.unlink()


def _place(data: bytes, target: Path) -> bool:
    """Write a whole file under a name that is free; false if it is not."""
    temporary = target.with_name(f"{_HALF}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken; a rename would silently replace that file.
        return _link(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return False
    except OSError:  # a file system without links (FAT, some network shares)
        if target.exists():
            return False
        shutil.copyfile(source, target)
    return True


def put_aside(picture: Path, root: Path, move: Callable[[Path, Path], None]) -> Path | None:
    """Move a picture below the root to `.removed`; None if it is not there or cannot be moved."""
    try:
        target = root / REMOVED / picture.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        for free in free_names(target.parent, target.name):
            if not free.exists():
                move(picture, free)
                return free
    except (OSError, ValueError):
        pass
    return None


def was_removed(path: Path, root: Path) -> bool:
    """Whether a picture that is missing was put aside by a removal."""
    with contextlib.suppress(OSError, ValueError):
        return (root / REMOVED / path.relative_to(root)).exists()
    return False
