"""The files of an index, and manifest.json which says what they are.

The manifest is replaced last. If the process dies before, the old one either still fits its files
or, where one of them was replaced, does not fit; then whoever opens them next rebuilds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from shitu.errors import IndexFileError, IndexNotSaved
from shitu.images import display_path
from shitu.images.writing import sync_folder
from shitu.index.audit import Audit
from shitu.index.checksums import Checksum as _Checksum
from shitu.index.checksums import StoredFile, verify
from shitu.index.vector_index import VECTORS, VectorIndex

FORMAT = 2
MANIFEST = "manifest.json"
_TEMPORARY = ".shitu-"
_NAME = re.compile(r"vectors\.faiss|base-[0-9a-f]{16}\.(faiss|ids\.npy|vectors\.npy)")
_TYPES = {"generation": int, "count": int, "dim": int, "format": int}


@dataclass(frozen=True)
class Manifest:
    """What the files of an index hold.

    Attributes:
        space: fingerprint of the embedding space.
        generation, token: the state of the gallery that they equal.
        audit: of an approximate index.
    """

    space: str
    dim: int
    generation: int
    token: str
    count: int
    kind: str
    files: tuple[StoredFile, ...]
    audit: Audit | None = None
    format: int = FORMAT


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest, None if there is none.

    Raises:
        IndexFileError: it is torn, or of another format.
    """
    file = folder / MANIFEST
    try:
        values = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IndexFileError(f"{display_path(file)} cannot be read ({error})") from error
    try:
        return _parse(values)
    except (ValueError, TypeError, KeyError) as error:
        raise IndexFileError(
            f"{display_path(file)} is not a manifest of format {FORMAT}"
        ) from error


def _parse(values: Any) -> Manifest:
    if values["format"] == 1:  # one file, without its size
        values = {**values, "files": [asdict(StoredFile(VECTORS, -1, values["checksum"]))]}
        values.update(format=FORMAT, audit=None)
    simple = {f.name: values[f.name] for f in fields(Manifest) if f.name not in {"files", "audit"}}
    if values["format"] != FORMAT or any(
        type(value) is not _TYPES.get(name, str) for name, value in simple.items()
    ):
        raise ValueError("another format")
    audit = values["audit"]
    return Manifest(
        **simple,
        files=tuple(_stored(file) for file in values["files"]),
        audit=None if audit is None else _audit(audit),
    )


def _stored(values: Mapping[str, Any]) -> StoredFile:
    stored = StoredFile(**{**values, "blocks": tuple(values["blocks"])})
    words, numbers = (stored.name, stored.checksum, *stored.blocks), (stored.size, stored.head)
    if {type(word) for word in words} != {str} or {type(n) for n in numbers} != {int}:
        raise TypeError("a file is described wrongly")
    # A name from elsewhere must not lead out of the folder.
    if not _NAME.fullmatch(stored.name):
        raise ValueError(f"no file of an index is called {stored.name!r}")
    return stored


def _audit(values: Mapping[str, Any]) -> Audit:
    audit = Audit(**values)
    shares = (audit.wanted, audit.recall_at_1, audit.recall_at_10)
    if not all(0 <= share <= 1 for share in shares) or type(audit.effort) is not int:
        raise ValueError("the audit makes no sense")
    if audit.effort < 1 or type(audit.queries) is not int:
        raise ValueError("the audit makes no sense")
    return audit


def load_index(folder: Path, manifest: Manifest, index: VectorIndex) -> None:
    """Fill an index from the files of a manifest.

    Raises:
        IndexFileError: one is missing, or is not the one that the manifest describes.
    """
    # Before anything is parsed: damage could make Faiss do whatever it likes.
    for stored in manifest.files:
        verify(folder, stored)
    where = display_path(folder)
    if (manifest.kind, manifest.dim) != (index.kind, index.dim):
        raise IndexFileError(f"{where} holds another kind of index")
    index.read({stored.name: folder / stored.name for stored in manifest.files}, manifest.audit)
    if index.count != manifest.count:
        raise IndexFileError(f"{where} holds {index.count} vectors, not {manifest.count}")


def check_files(folder: Path, manifest: Manifest) -> None:
    """Read every byte of the files that a manifest names, without parsing them.

    Raises:
        IndexFileError: a file is missing, or is not the one that the manifest describes.
    """
    for stored in manifest.files:
        verify(folder, stored, thoroughly=True)


def save_index(
    folder: Path, index: VectorIndex, *, space: str, generation: int, token: str
) -> Manifest:
    """Replace all files; a crash at any point leaves some that fit or are known not to fit.

    Raises:
        IndexNotSaved: the disk is full or may not be written; the old files stay.
    """
    with _errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _errors(folder), _alone(folder):
        _sweep(folder)
        manifest = Manifest(
            space=space,
            dim=index.dim,
            generation=generation,
            token=token,
            count=index.stored,
            kind=index.kind,
            files=_write_files(folder, index),
            audit=index.audit,
        )
        with _replacing(folder / MANIFEST) as file:
            file.write(json.dumps(asdict(manifest), indent=1).encode() + b"\n")
        _drop_others(folder, {stored.name for stored in manifest.files})
    return manifest


def _write_files(folder: Path, index: VectorIndex) -> tuple[StoredFile, ...]:
    stored: list[StoredFile] = []
    try:
        for name, part in index.files().items():
            with _replacing(folder / name) as file:
                counter = _Checksum(file)
                part.write(counter)
            stored.append(counter.stored(name, part.bulk))
    except BaseException:
        if index.sealed:  # its names are new, so nobody else has use for them
            _drop(folder, {file.name for file in stored})
        raise
    return tuple(stored)


def _drop_others(folder: Path, kept: set[str]) -> None:
    """Remove the files of former indexes; who has one of them mapped keeps it until the end."""
    _drop(folder, {path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)} - kept)


def _drop(folder: Path, names: set[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """Write a new file beside the target, then put it in its place, on the disk for good."""
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # a disk that is another's, or knows no permissions
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _umask() -> int:
    # There is no way to ask without setting it; /proc would do, but only on Linux.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sweep(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for left in folder.glob(f"{_TEMPORARY}*"):
        left.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from replacing the same two files; the lock goes with the process."""
    import fcntl

    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with contextlib.suppress(OSError):  # without locks files of two do not fit, which is seen
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as error:  # Faiss wraps what writing raises
        why = getattr(error, "strerror", None) or str(error)
        raise IndexNotSaved(
            f"the vector index in {display_path(folder)} could not be saved ({why}); the gallery "
            "itself is safe: free space or allow writing there, and the next command makes the "
            "index anew"
        ) from error
