"""Opening a file that Faiss wrote, whatever its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss as _stubbed

from shitu.errors import IndexFileError
from shitu.images import display_path

faiss: Any = _stubbed  # its type stubs leave out half of it

MAPPED = getattr(faiss, "IO_FLAG_MMAP_IFC", 0)  # without it a file is read
_NUMBERED = Path("/dev/fd")
_BLOCK = 1 << 20


def open_index(path: Path, flags: int) -> Any:
    """Read an index, or map it: what is not looked at is not read, and processes share the rest.

    Args:
        path: of the file.
        flags: with which Faiss opens it; where files have no numbers, it is read.

    Raises:
        IndexFileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            # Not by its name, because Faiss cannot open every one that a file can have.
            if not _NUMBERED.exists():
                return faiss.read_index(faiss.PyCallbackIOReader(file.read, _BLOCK))
            return faiss.read_index(str(_NUMBERED / str(file.fileno())), flags)
    except (OSError, RuntimeError, MemoryError) as error:
        raise IndexFileError(f"{display_path(path)} cannot be read ({error})") from error
