"""Moves of pictures that belong to a change: with it they stand, without it they are taken back.

Each move is noted in the index folder before it is made, under the token of the change. So those of
a process that was killed before its commit are known to the next one that changes anything.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from shitu.catalog.files import REMOVED
from shitu.gallery.gallery import Gallery
from shitu.gallery.transaction import Transaction

_NOTES = "moving-"


@dataclass
class Moves:
    """Moves made for one change, in their order: from -> to."""

    transaction: Transaction
    note: Path
    made: dict[Path, Path] = field(default_factory=dict)
    _file: TextIO | None = None

    def move(self, source: Path, target: Path) -> None:
        """Rename a picture; raises OSError."""
        self._write_down(source, target)
        source.rename(target)
        self.made[source] = target

    def _write_down(self, source: Path, target: Path) -> None:
        stored = [self.transaction.row_at({}, path)["path"] for path in (source, target)]
        # Without room for a note nothing but the safety of these few moments is missing.
        with contextlib.suppress(OSError):
            if self._file is None:
                self.note.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.note.open("x", encoding="utf-8")
            self._file.write(json.dumps(stored) + "\n")
            self._file.flush()

    def forget(self) -> None:
        """Let go of the note: the moves are taken back, or stand."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            self.note.unlink(missing_ok=True)


@contextmanager
def moving(gallery: Gallery, operation: str) -> Iterator[tuple[Transaction, Moves]]:
    """Change a gallery and move pictures, both or neither; see `Gallery.write`."""
    moves: Moves | None = None
    try:
        with gallery.write(operation) as transaction:
            moves = Moves(transaction, gallery.folder / f"{_NOTES}{transaction.token}.jsonl")
            yield transaction, moves
    except BaseException:
        if moves is not None:
            _take_back(list(moves.made.items()))
        raise
    else:
        for source in moves.made:
            with contextlib.suppress(OSError):
                _drop_empty(source.parent)
    finally:
        if moves is not None:
            moves.forget()


def take_back_unfinished(gallery: Gallery) -> bool:
    """Take back moves of processes that were killed before their commit; whether there were any."""
    notes: list[Path] = []
    with contextlib.suppress(OSError):
        notes = [path for path in gallery.folder.iterdir() if path.name.startswith(_NOTES)]
    if not notes:
        return False
    with gallery.write("take back") as transaction:  # nobody is in the middle of it now
        for note in notes:
            with contextlib.suppress(OSError):
                if not transaction.was_committed(note.stem.removeprefix(_NOTES)):
                    _take_back(_noted(note, transaction))
                note.unlink(missing_ok=True)
    return True


def _noted(note: Path, transaction: Transaction) -> list[tuple[Path, Path]]:
    """Read the moves of a note; the last line may be torn."""
    found = []
    for line in note.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            source, target = (transaction.path_of({"path": text}) for text in json.loads(line))
            found.append((source, target))
    return found


def _take_back(made: list[tuple[Path, Path]]) -> None:
    """Move pictures from where they were put to where they were; folders left empty then go."""
    for source, target in reversed(made):
        with contextlib.suppress(OSError):
            # A move may have been noted and not made; nothing is ever overwritten.
            if not source.exists():
                target.rename(source)
                _drop_empty(target.parent)


def _drop_empty(folder: Path) -> None:
    """Remove empty folders, from this one up to `.removed`; raises OSError where one is not."""
    if REMOVED in folder.parts:
        folder.rmdir()
        _drop_empty(folder.parent)
