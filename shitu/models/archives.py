"""Unpack archives of models: plain files only, inside one folder, and no more than they may be."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from shitu.errors import WeightsCorrupt

_MOST_FILES = 1000
_MOST_BYTES = 8 << 30
_CHUNK = 1 << 20
_UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError, RuntimeError)


@dataclass(frozen=True)
class _Member:
    """A file of an archive; `open` gives its content."""

    name: str
    content: IO[bytes]


def unpack(archive: Path, folder: Path, most_bytes: int = _MOST_BYTES) -> list[Path]:
    """Unpack a `.tar`, `.tar.gz` or `.zip` into an empty folder; one folder around all is dropped.

    Returns:
        The files, relative to the folder.

    Raises:
        WeightsCorrupt: it is no such archive, damaged, or holds what no model has: links, devices,
            paths that lead out of it, too many files or bytes.
    """
    try:
        with _members(archive) as members:
            files = _write(archive, members, folder, most_bytes)
    except _UNREADABLE as error:
        why = str(error).partition("\n")[0].rstrip(":")  # then come all kinds that it is not
        raise _refused(archive, f"it is damaged or no archive ({why})") from None
    if not files:
        raise _refused(archive, "it is empty")
    return _without_common_folder(folder, files)


def _write(
    archive: Path, members: Iterator[_Member], folder: Path, most_bytes: int
) -> list[PurePosixPath]:
    files: list[PurePosixPath] = []
    left = most_bytes
    for member in members:
        path = _inside(archive, member.name)
        if len(files) == _MOST_FILES:
            raise _refused(archive, f"it holds more than {_MOST_FILES} files")
        if path in files:
            raise _refused(archive, f"it holds {path.as_posix()!r} twice")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            # What an archive says about sizes is not believed.
            while chunk := member.content.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise _refused(archive, f"it holds more than {most_bytes:,} bytes")
                file.write(chunk)
        files.append(path)
    return files


def _inside(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    odd = "\\" in name or "\0" in name or ":" in name
    if odd or path.is_absolute() or ".." in path.parts or not path.parts:
        raise _refused(archive, f"the path {name!r} leads out of it")
    return path


def _without_common_folder(folder: Path, files: list[PurePosixPath]) -> list[Path]:
    top = files[0].parts[0]
    if any(len(path.parts) == 1 or path.parts[0] != top for path in files):
        return [Path(path) for path in files]
    inner = (folder / top).rename(folder / ".inner")
    for path in inner.iterdir():
        shutil.move(str(path), folder / path.name)
    inner.rmdir()
    return [Path(*path.parts[1:]) for path in files]


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _of_zip(archive, opened)
    else:
        with tarfile.open(archive) as opened_tar:
            yield _of_tar(archive, opened_tar)


def _of_tar(archive: Path, opened: tarfile.TarFile) -> Iterator[_Member]:
    for entry in opened:
        if entry.isdir():
            continue
        if not entry.isreg():
            raise _refused(archive, f"{entry.name!r} is a link or no plain file")
        content = opened.extractfile(entry)
        if content is None:
            raise _refused(archive, f"{entry.name!r} cannot be read")
        yield _Member(entry.name, content)


def _of_zip(archive: Path, opened: zipfile.ZipFile) -> Iterator[_Member]:
    for entry in opened.infolist():
        kind = entry.external_attr >> 28
        if entry.is_dir():
            continue
        if kind not in (0, 8):  # where the type of a Unix file is told: regular
            raise _refused(archive, f"{entry.filename!r} is a link or no plain file")
        with opened.open(entry) as content:
            yield _Member(entry.filename, content)


def _refused(archive: Path, reason: Any) -> WeightsCorrupt:
    return WeightsCorrupt(
        f"The archive {archive.name} is refused: {reason}. Nothing of it was installed; fetch it "
        "again from its makers."
    )
