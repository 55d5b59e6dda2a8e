"""The folder of an export: all of it or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shitu.errors import ModelError
from shitu.telling import Told


@dataclass(frozen=True)
class ExportSummary(Told):
    """What was written.

    Attributes:
        folder: where.
        files: names of the files and their sizes in bytes.
        cosine: the lowest of all pictures between Paddle and the export.
        compared: pictures that were compared.
        text_cosine: the same for the text tower, on made-up texts; None where none was converted.
        notes: what is to be known about the export.
    """

    folder: Path
    format: str
    files: Mapping[str, int]
    cosine: float
    compared: int
    text_cosine: float | None = None
    notes: tuple[str, ...] = ()


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of each file of an export."""
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """Give a folder whose files become those of `folder` at the end, unless there is an error.

    Raises:
        ModelError: the folder exists and is not empty, or it cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ModelError(f"{folder} exists and is not empty: name a new folder.")
        # A folder that is there stays: it may be the current one, a link, or a disk of its own.
        home = folder if folder.exists() else folder.parent
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".export-") as scratch:
            made = Path(scratch) / "model"
            made.mkdir()
            yield made
            _move(made, folder)
    except OSError as error:
        raise ModelError(
            f"The folder {folder} cannot be written ({error.strerror or error}): name another one, "
            "or make room."
        ) from None


def _move(made: Path, folder: Path) -> None:
    if not folder.exists():
        made.rename(folder)
        return
    for path in made.iterdir():
        path.rename(folder / path.name)
