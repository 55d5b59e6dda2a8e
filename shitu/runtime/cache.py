"""The user's cache folder: what can be made again, and is not missed where it cannot be kept."""

from __future__ import annotations

import os
from pathlib import Path

from shitu.images.writing import write_whole


def cache_folder(*names: str) -> Path | None:
    """Return a folder below the user's cache, made if it is not there; None where that fails."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(home).expanduser().joinpath("shitu", *names)
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    return folder if os.access(folder, os.W_OK) else None


def replace_file(path: Path, data: bytes) -> bool:
    """Write a file that a reader never sees half of; False where it cannot be written."""
    try:
        write_whole(path, data, follow=False)
    except OSError:
        return False
    return True
