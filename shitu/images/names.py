"""File names in messages and in order."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from pathlib import Path


def display_path(path: Path | str | bytes) -> str:
    """Return a form of a file name that fits on one line of any message.

    Line breaks, control characters and undecodable bytes become escapes such as \\n and \\xff.
    """
    return "".join(map(_printable, os.fsdecode(path)))


def natural_key(path: Path | str) -> tuple[object, ...]:
    """Sort key by which numbers in names count as numbers and case does not matter."""
    parts = Path(path).parts
    return (*(_natural(part) for part in parts), ([(2, 0, "")], str(path)))


def reason(error: Exception) -> str:
    """Return what an exception says, on one short line."""
    text = " ".join(str(error).split())
    return "".join(map(_printable, text))[:120] or type(error).__name__


def cannot(done: str, called: str, error: OSError | ValueError) -> str:
    """Return the sentence for a file that cannot be `done` ("read", "written")."""
    return f"{called} cannot be {done}: {advice(error)}."


def advice(error: OSError | ValueError) -> str:
    """Return why a file cannot be used, and what to do."""
    return _ADVICE.get(getattr(error, "errno", None) or 0) or reason(error)


def _printable(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    if character in _JOINERS:  # of emoji, and of words in Persian and Hindi
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that is no text (surrogateescape)
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _natural(part: str) -> tuple[list[tuple[int, int, str]], str]:
    pieces = re.split(r"([0-9]+)", part.casefold())
    return [(1, 0, p) if i % 2 == 0 else (0, int(p), "") for i, p in enumerate(pieces) if p], part


_JOINERS = "\u200c\u200d"
_ADVICE = {
    errno.ENOENT: "it does not exist; check the name",
    errno.EACCES: "permission denied; allow it, or copy the file elsewhere",
    errno.EPERM: "permission denied; allow it, or copy the file elsewhere",
    errno.ENAMETOOLONG: "its name is too long; rename it",
    errno.ELOOP: "its links lead in a circle; name the file itself",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EROFS: "the file system is read-only; name another folder",
}
