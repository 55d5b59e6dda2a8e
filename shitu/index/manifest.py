"""The two files of an index: vectors.faiss, and manifest.json which says what is in it.

The vectors are replaced first and the manifest last. If the process dies in between, the old
manifest's checksum does not fit the new vectors, and whoever opens them next rebuilds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import BinaryIO

from shitu.errors import IndexFileError
from shitu.images import display_path
from shitu.index.vector_index import VectorIndex

FORMAT = 1
VECTORS = "vectors.faiss"
MANIFEST = "manifest.json"
_TEMPORARY = ".shitu-"


@dataclass(frozen=True)
class Manifest:
    """What vectors.faiss holds.

    Attributes:
        space: fingerprint of the embedding space.
        generation, token: the state of the gallery that it equals.
        checksum: sha256 of vectors.faiss.
    """

    space: str
    dim: int
    generation: int
    token: str
    count: int
    kind: str
    checksum: str
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
    wrong = IndexFileError(f"{display_path(file)} is not a manifest of format {FORMAT}")
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise wrong
    kinds = {"generation": int, "count": int, "dim": int, "format": int}
    names = [field.name for field in fields(Manifest)]
    if not all(type(values.get(name)) is kinds.get(name, str) for name in names):
        raise wrong
    return Manifest(**{name: values[name] for name in names})


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare what is on disk with its manifest, without parsing it.

    Raises:
        IndexFileError: a file is missing, or is not the one that the manifest describes.
    """
    file = folder / VECTORS
    called = display_path(file)
    try:
        with file.open("rb") as opened:
            checksum = _sha256(opened)
    except OSError as error:
        raise IndexFileError(f"{called} cannot be read ({error.strerror})") from error
    if checksum != manifest.checksum:
        raise IndexFileError(f"{called} is damaged or belongs to another manifest")


def load_vectors(folder: Path, manifest: Manifest, index: VectorIndex) -> None:
    """Fill an index from vectors.faiss.

    Raises:
        IndexFileError: the file is missing, or is not the one that the manifest describes.
    """
    # Before anything is parsed: damage could make Faiss do whatever it likes.
    check_files(folder, manifest)
    file = folder / VECTORS
    called = display_path(file)
    if (manifest.kind, manifest.dim) != (index.kind, index.dim):
        raise IndexFileError(f"{called} holds another kind of index")
    index.read(file)
    if index.count != manifest.count:
        raise IndexFileError(f"{called} holds {index.count} vectors, not {manifest.count}")


def save_index(
    folder: Path, index: VectorIndex, *, space: str, generation: int, token: str
) -> Manifest:
    """Replace both files; a crash at any point leaves a pair that is right or known to be wrong.

    Raises:
        IndexFileError: the disk is full or may not be written; the old files stay.
    """
    with _errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _errors(folder), _alone(folder):
        _sweep(folder)
        with _replacing(folder / VECTORS) as file:
            counter = _Checksum(file)
            index.write(counter)
        manifest = Manifest(
            space=space,
            dim=index.dim,
            generation=generation,
            token=token,
            count=index.count,
            kind=index.kind,
            checksum=counter.hexdigest(),
        )
        with _replacing(folder / MANIFEST) as file:
            file.write(json.dumps(asdict(manifest), indent=1).encode() + b"\n")
    return manifest


class _Checksum:
    """A file that sums up what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.hexdigest = self._sum.hexdigest

    def write(self, data: bytes) -> int:
        self._sum.update(data)
        return self._file.write(data)


def _sha256(file: BinaryIO) -> str:
    checksum = hashlib.sha256()
    while block := file.read(1 << 20):
        checksum.update(block)
    return checksum.hexdigest()


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
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _umask() -> int:
    # There is no way to ask without setting it; /proc would do, but only on Linux.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
        raise IndexFileError(
            f"the vector index in {display_path(folder)} could not be saved ({why}); the gallery "
            "itself is safe: free space or allow writing there, and run the command again"
        ) from error
