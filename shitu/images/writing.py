"""Write a file of which nobody ever sees half."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes, *, follow: bool = True) -> None:
    """Write a file beside its place, then put it there.

    A device or pipe (`/dev/stdout`) is written to: put in its place, a file would be its end.

    Args:
        follow: write to where a link leads; else the file takes the place of the link.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    target = Path(os.path.realpath(path)) if follow else path
    # A short random name: the target's own may be as long as a name can be.
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk for good, where its file system can do that."""
    with contextlib.suppress(OSError):  # some network shares cannot; the files themselves are there
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
