"""Finds the picture of a reference that comes back, and moves it to where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shitu.catalog.files import REMOVED, file_state, free_names, holds


@dataclass(frozen=True)
class Content:
    """What a picture is known by."""

    size: int
    mtime_ns: int
    sha256: str


def bring_back(
    path: Path,
    content: Content,
    roots: Iterable[Path],
    others: Iterable[Path],
    move: Callable[[Path, Path], None],
) -> tuple[Path | None, Path]:
    """Return where the picture was found, None if nowhere, and where it lies now.

    It is looked for at `path`, where a removal below one of the roots would have put it, and at
    `others`; nothing is overwritten, another picture in its place makes it get a number.
    """
    for found in (path, *_aside(path, roots), *others):
        state = file_state(found)
        # A rename keeps size and time; reading thousands of files would hold up other writers.
        same = state is not None and state.size == content.size
        if state is None or not same:
            continue
        if state.mtime_ns == content.mtime_ns or holds(found, content.sha256):
            return found, found if found == path else _to_its_place(found, path, move)
    return None, path


def _aside(path: Path, roots: Iterable[Path]) -> Iterator[Path]:
    for root in roots:
        if path.is_relative_to(root):
            place = root / REMOVED / path.relative_to(root)
            yield place
            # The second picture of a name got a number there.
            if place.parent.is_dir():
                numbered = f"{place.stem}-"
                yield from sorted(
                    file
                    for file in place.parent.iterdir()
                    if file.name.startswith(numbered) and file.suffix == place.suffix
                )


def _to_its_place(found: Path, path: Path, move: Callable[[Path, Path], None]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for free in free_names(path.parent, path.name):
            if not free.exists():
                move(found, free)
                return free
    except OSError:
        pass
    return found  # where it lies will do as well
