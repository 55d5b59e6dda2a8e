"""Whether files can be made in a folder."""

from __future__ import annotations

import os
from pathlib import Path

_LEAST = 1 << 16  # bytes; SQLite needs half of it to share a database at all, and a log beside


def may_make_files(folder: Path) -> bool:
    """Whether whoever runs this may make files in a folder, and its disk has room for them."""
    return os.access(folder, os.W_OK) and _has_room(folder)


def _has_room(folder: Path) -> bool:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return True
    free = disk.f_bavail if os.geteuid() else disk.f_bfree  # some is kept for root
    return disk.f_blocks == 0 or free * disk.f_frsize >= _LEAST  # 0: it does not tell
