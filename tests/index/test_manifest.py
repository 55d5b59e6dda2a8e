"""The files of an index: what the manifest says, and every way in which they can be wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import stat
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu.errors import IndexFileError, IndexNotSaved
from shitu.index import manifest as manifest_module
from shitu.index.faiss_index import FlatIndex
from shitu.index.manifest import MANIFEST, load_index, read_manifest, save_index
from shitu.index.vector_index import VECTORS

Damage = Callable[[Path], object]


def index_of(count: int, dim: int = 8) -> FlatIndex:
    index = FlatIndex(dim)
    vectors = np.eye(dim, dtype=np.float32)[np.arange(count) % dim]
    index.add(np.arange(1, count + 1, dtype=np.int64), vectors)
    return index


def save(folder: Path, count: int = 5, generation: int = 3) -> None:
    index = index_of(count)
    save_index(folder, index, space="space-a", generation=generation, token="t")  # noqa: S106


def load(folder: Path) -> FlatIndex:
    manifest = read_manifest(folder)
    assert manifest is not None
    index = FlatIndex(8)
    load_index(folder, manifest, index)
    return index


def test_the_manifest_says_what_the_vectors_are(tmp_path: Path) -> None:
    save(tmp_path)
    data = (tmp_path / VECTORS).read_bytes()
    file = {"name": VECTORS, "size": len(data), "checksum": hashlib.sha256(data).hexdigest()}
    assert json.loads((tmp_path / MANIFEST).read_text()) == {
        "format": 2,
        "space": "space-a",
        "dim": 8,
        "generation": 3,
        "token": "t",
        "count": 5,
        "kind": "flat",
        "files": [{**file, "head": 0, "blocks": []}],
        "audit": None,
    }


def test_a_manifest_of_the_first_format_is_still_read(tmp_path: Path) -> None:
    save(tmp_path)
    values = json.loads((tmp_path / MANIFEST).read_text())
    values.update(format=1, checksum=values.pop("files")[0]["checksum"])
    del values["audit"]
    (tmp_path / MANIFEST).write_text(json.dumps(values))
    assert load(tmp_path).count == 5
    flip(VECTORS, 0.5)(tmp_path)
    with pytest.raises(IndexFileError, match="damaged"):
        load(tmp_path)


def test_what_was_saved_can_be_loaded(tmp_path: Path) -> None:
    save(tmp_path / "new folder")
    assert load(tmp_path / "new folder").ids().tolist() == [1, 2, 3, 4, 5]
    save(tmp_path / "new folder", count=2)
    assert load(tmp_path / "new folder").ids().tolist() == [1, 2]


def test_no_manifest_is_no_error(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


def cut(name: str, keep: float) -> Damage:
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * keep))


def append(name: str) -> Damage:
    def damage(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b"\0")

    return damage


def flip(name: str, place: float) -> Damage:
    def damage(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[int(len(data) * place)] ^= 1
        (folder / name).write_bytes(data)

    return damage


def say(**values: Any) -> Damage:
    def damage(folder: Path) -> None:
        old = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps({**old, **values}))

    return damage


def say_of_the_file(**values: Any) -> Damage:
    def damage(folder: Path) -> None:
        old = json.loads((folder / MANIFEST).read_text())
        say(files=[{**old["files"][0], **values}])(folder)

    return damage


def write(name: str, data: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (cut(VECTORS, 0), "vectors: empty"),
        (cut(VECTORS, 0.5), "vectors: torn"),
        (cut(VECTORS, 0.99), "vectors: the last bytes are missing"),
        (append(VECTORS), "vectors: a byte too many"),
        (flip(VECTORS, 0), "vectors: a bit flipped in the head"),
        (flip(VECTORS, 0.5), "vectors: a bit flipped in a vector"),
        (flip(VECTORS, 0.99), "vectors: a bit flipped in an id"),
        (lambda folder: (folder / VECTORS).unlink(), "vectors: missing"),
        (cut(MANIFEST, 0), "manifest: empty"),
        (cut(MANIFEST, 0.5), "manifest: torn"),
        (write(MANIFEST, b"\xff\xfe"), "manifest: no text"),
        (write(MANIFEST, b"[]"), "manifest: not an object"),
        (write(MANIFEST, b"{}"), "manifest: says nothing"),
        (say(format=3), "manifest: of a later version"),
        (say(format="1"), "manifest: a number as text"),
        (say(generation=None), "manifest: a value missing"),
        (say(generation=True), "manifest: a truth value is no number"),
        (say(count=4), "manifest: another count"),
        (say(dim=9), "manifest: another dimension"),
        (say(kind="hnsw"), "manifest: another kind"),
        (say_of_the_file(checksum="0" * 64), "manifest: another checksum"),
        (say_of_the_file(size=1), "manifest: another size"),
        (say_of_the_file(size="1"), "manifest: a size as text"),
        (say_of_the_file(name="../vectors.faiss"), "manifest: a file from elsewhere"),
        (say_of_the_file(name="gallery.db"), "manifest: a file of another kind"),
        (say_of_the_file(blocks=None), "manifest: no list of blocks"),
        (say_of_the_file(more=1), "manifest: an unknown word"),
        (say(files=[]), "manifest: no file"),
        (say(files=None), "manifest: no list of files"),
        (say(audit={}), "manifest: an empty audit"),
    ],
)
def test_damage_is_found(tmp_path: Path, damage: Damage, why: str) -> None:
    folder = tmp_path / "index"
    save(folder)
    damage(folder)
    with pytest.raises(IndexFileError):
        pytest.fail(f"{why}, and {load(folder).count} vectors were loaded")


def test_every_single_bit_of_the_vectors_counts(tmp_path: Path) -> None:
    save(tmp_path, count=2)
    whole = (tmp_path / VECTORS).read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        (tmp_path / VECTORS).write_bytes(data)
        with pytest.raises(IndexFileError, match="damaged"):
            load(tmp_path)


def test_every_single_bit_of_the_manifest_counts(tmp_path: Path) -> None:
    # A changed bit is refused, or changes what the manifest claims: the gallery knows neither
    # another generation nor another token, and no other space is in use.
    save(tmp_path, count=2)
    whole, claimed = (tmp_path / MANIFEST).read_bytes(), read_manifest(tmp_path)
    assert claimed is not None
    harmless = 0
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 7
        (tmp_path / MANIFEST).write_bytes(data)
        try:
            found = read_manifest(tmp_path)
            load(tmp_path)
        except IndexFileError:
            continue
        assert found is not None
        other = {key for key, value in asdict(found).items() if value != asdict(claimed)[key]}
        assert other <= {"generation", "token", "space", "files"}
        # How much of a file to read first matters only where there are blocks.
        assert [replace(f, head=0) for f in found.files] == [*claimed.files]
        harmless += not other
    assert harmless <= whole.count(b" ") + whole.count(b"\n")


def test_damaged_vectors_are_never_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path)
    flip(VECTORS, 0.5)(tmp_path)
    monkeypatch.setattr(FlatIndex, "read", lambda *_: pytest.fail("was parsed"))
    with pytest.raises(IndexFileError, match="damaged"):
        load(tmp_path)


def test_the_old_files_stay_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, count=5)
    before = sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(manifest_module.os, "fsync", full)
    with pytest.raises(IndexNotSaved, match=r"No space left.*the gallery itself is safe"):
        save(tmp_path, count=2)
    assert sorted((file.name, file.read_bytes()) for file in tmp_path.iterdir()) == before


def test_the_old_files_stay_when_the_disk_is_full(tmp_path: Path) -> None:
    # The error comes out of Faiss here, which wraps what writing raised.
    save(tmp_path, count=5)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(IndexFileError, match="could not be saved"):
            save(tmp_path, count=5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load(tmp_path).count == 5
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", MANIFEST, VECTORS]


def test_each_file_is_synced_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        steps.append(f"sync {kind}")
        fsync(handle)

    def note_replace(path: Path, target: Path) -> Path:
        steps.append(f"replace {target.name}")
        return replace(path, target)

    monkeypatch.setattr(manifest_module.os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    save(tmp_path)
    assert steps == [
        *("sync file", f"replace {VECTORS}", "sync folder"),
        *("sync file", f"replace {MANIFEST}", "sync folder"),
    ]


@pytest.mark.usefixtures("no_folder_sync")
def test_on_a_disk_that_cannot_sync_folders_or_set_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", forbidden)
    save(tmp_path, count=5)
    assert load(tmp_path).count == 5


def test_on_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    save(tmp_path, count=5)
    assert load(tmp_path).count == 5


def test_what_a_killed_process_left_is_swept_up(tmp_path: Path) -> None:
    (tmp_path / ".shitu-half").write_bytes(b"half")
    save(tmp_path)
    assert not (tmp_path / ".shitu-half").exists()


def test_the_files_have_the_usual_permissions(tmp_path: Path) -> None:
    # Temporary files are private; another user's service must be able to read the result.
    old = os.umask(0o027)
    try:
        save(tmp_path)
    finally:
        os.umask(old)
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (VECTORS, MANIFEST)}
    assert modes == {0o640}


def test_two_savers_leave_a_pair_that_fits(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def save_often(count: int) -> None:
        try:
            for _ in range(20):
                save(tmp_path, count=count, generation=count)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=save_often, args=(count,)) for count in (3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = read_manifest(tmp_path)
    assert found is not None
    assert found.generation == load(tmp_path).count
