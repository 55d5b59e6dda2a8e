"""The folder of pulled models: install, verify, remove; each whole or not there at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.models.catalogue import OFFICIAL, Official, Part
from shitu.models.exports import DESCRIPTIONS, read_export
from shitu.models.pdparams import read_pdparams
from shitu.models.spec import sha256_of

if TYPE_CHECKING:
    from shitu.models.download import Progress

RECORD = "installed.json"
_PINS = "first-seen.json"
_PATIENCE = 3600  # seconds that one pull waits for another one of the same model


@dataclass(frozen=True)
class Installed:
    """A pulled model.

    Attributes:
        origin: address, or file on this machine, that it came from.
        sha256: of what was downloaded.
        trust: `published`, where the checksum is its makers'; `first seen`, where the first pull
            on this machine decided what is right.
        files: sha256 of each file, by its name in the folder.
    """

    name: str
    part: Part
    folder: Path
    origin: str
    sha256: str
    trust: str
    at: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Pulled:
    """What a pull did: `outcome` is `installed` or `present`."""

    outcome: str
    model: Installed


def models_folder() -> Path:
    """Where pulled models are: SHITU_MODELS, else `shitu/models` in the user's cache."""
    named = os.environ.get("SHITU_MODELS")
    if named:
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "shitu" / "models"


def official(name: str) -> Official:
    """Look a model up by name; raises ModelError where the name is not one that can be pulled."""
    if name not in OFFICIAL:
        from difflib import get_close_matches

        from shitu.models.registry import model_names

        if name in model_names():
            raise ModelError(
                f"{name} comes with the package, so there is nothing of it to pull, verify or "
                "remove: `shitu doctor` looks whether its files are whole."
            )
        close = get_close_matches(name, OFFICIAL, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "`shitu models list` lists them."
        raise ModelError(f"No official model is called {name!r}. {hint}")
    return OFFICIAL[name]


def installed(name: str, part: Part = "inference") -> Installed | None:
    """What was pulled under that name; None where nothing was.

    Raises:
        WeightsCorrupt: the record of it is damaged.
    """
    folder = _place(name, part)
    record = folder / RECORD
    try:
        fields = json.loads(record.read_text(encoding="utf-8"))
        return _of_record({**fields, "folder": folder})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise WeightsCorrupt(
            f"The record {record} of the pulled model {name} is damaged ({error}). "
            f"`shitu models pull {name}{_flag(part)}` mends it."
        ) from None


def _of_record(fields: Mapping[str, Any]) -> Installed:
    found = Installed(**fields)
    words = [found.origin, found.sha256, found.trust, found.at, *dict(found.files).values()]
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a field is no text")
    return found


def pull(
    name: str,
    part: Part = "inference",
    *,
    source: Path | None = None,
    mirrors: str | None = None,
    accept_change: bool = False,
    progress: Progress | None = None,
) -> Pulled:
    """Install an official model, unless it is there already.

    Args:
        name: of the catalogue.
        part: the exported graph, or the training weights.
        source: an archive (or `.pdparams`) that was brought here by other means; where the model
            is here already, what came from another one is not taken for it.
        mirrors: addresses of folders that hold the same files and are asked first; by default
            those in SHITU_MIRROR, separated by blanks.
        accept_change: trust what comes although an earlier pull saw another file.
        progress: called with the bytes received so far and all.

    Raises:
        ModelError: there is no such model, or it cannot be had.
        WeightsCorrupt: what came is damaged, or not what it was the first time.
    """
    model = official(name)
    if part not in model.urls:
        raise ModelError(f"{name} is not published as {part}.")
    root = models_folder()
    with _locked(root, name, part):
        present = _intact(name, part)
        if present is not None and (source is None or _is_of(present, source)):
            return Pulled("present", present)
        expected, trust = _expected(root, model, part, accept_change)
        archive, origin = _obtain(root, model, part, source, mirrors, expected, progress)
        try:
            digest = sha256_of(archive)
            _require_same(model, part, digest, expected, trust, origin)
            found = _install(root, model, part, archive, origin, digest, trust)
        finally:
            if source is None:
                archive.unlink(missing_ok=True)
        _pin(root, _key(name, part), digest)
        return Pulled("installed", found)


def _intact(name: str, part: Part) -> Installed | None:
    """What was pulled under that name; None where nothing was, or where it is damaged."""
    with suppress(WeightsCorrupt):
        found = installed(name, part)
        if found is not None and not _problems(found):
            return found
    return None


def _is_of(model: Installed, source: Path) -> bool:
    """Whether a model came from a file with the same content."""
    return source.is_file() and sha256_of(source) == model.sha256


def verify(name: str, part: Part = "inference") -> list[str]:
    """What is wrong with the files of a pulled model; empty where they are as they came.

    Raises:
        WeightsNotFound: it has not been pulled.
    """
    try:
        return _problems(required(name, part))
    except WeightsCorrupt as error:
        return [str(error)]


def remove(name: str, part: Part = "inference") -> Path:
    """Remove a pulled model; what it must look like is remembered.

    Raises:
        WeightsNotFound: it has not been pulled.
    """
    official(name)
    with _locked(models_folder(), name, part):
        folder = _place(name, part)
        if not folder.exists():
            required(name, part)
        with tempfile.TemporaryDirectory(dir=_work(models_folder())) as scratch:
            folder.rename(Path(scratch) / "gone")
        return folder


def required(name: str, part: Part = "inference") -> Installed:
    """Return what was pulled under that name; raises WeightsNotFound where nothing was."""
    found = installed(official(name).name, part)
    if found is None:
        raise WeightsNotFound(
            f"The model {name} has not been pulled: `shitu models pull {name}{_flag(part)}`."
        )
    return found


def _flag(part: Part) -> str:
    return " --weights" if part == "weights" else ""


def _problems(model: Installed) -> list[str]:
    problems = []
    for name, digest in model.files.items():
        path = model.folder / name
        if not path.is_file():
            problems.append(f"{path} is missing")
        elif sha256_of(path) != digest:
            problems.append(f"{path} is damaged")
    return problems


def _place(name: str, part: Part) -> Path:
    return models_folder() / _key(name, part)


def _key(name: str, part: Part) -> str:
    return name if part == "inference" else f"{name}.{part}"


def _work(root: Path) -> Path:
    folder = root / ".work"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _locked(root: Path, name: str, part: Part) -> Iterator[None]:
    """Let one process at a time change a model; others wait for what it installs."""
    from filelock import FileLock, Timeout

    try:
        lock = FileLock(_work(root) / f"{_key(name, part)}.lock", timeout=_PATIENCE)
        lock.acquire()
    except Timeout:
        raise ModelError(
            f"Another process has been pulling {name} for an hour. Look what it does, or try again."
        ) from None
    except OSError as error:
        raise ModelError(
            f"The folder of models {root} cannot be written ({error.strerror}). Name another one "
            "in SHITU_MODELS."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _obtain(
    root: Path,
    model: Official,
    part: Part,
    source: Path | None,
    mirrors: str | None,
    expected: str | None,
    progress: Progress | None,
) -> tuple[Path, str]:
    """The archive and where it came from."""
    from shitu.models.download import download

    if source is not None:
        if not source.is_file():
            raise WeightsNotFound(f"There is no file {source} to install {model.name} from.")
        return source, str(source.absolute())
    if os.environ.get("SHITU_OFFLINE", "") not in ("", "0"):
        raise ModelError(
            f"{model.name} is not on this machine, and SHITU_OFFLINE forbids to fetch it. Bring "
            f"{model.urls[part]} here and use `shitu models pull {model.name} --from FILE`."
        )
    official_url = model.urls[part]
    file = official_url.rpartition("/")[2]
    asked = (mirrors if mirrors is not None else os.environ.get("SHITU_MIRROR", "")).split()
    urls = [f"{mirror.rstrip('/')}/{file}" for mirror in asked] + [official_url]
    # A changed file is told by us, with what to do, rather than by the downloader.
    published = model.sha256.get(part)
    try:
        return download(urls, _work(root), published and expected, progress)
    except WeightsCorrupt:
        raise
    except ModelError as error:
        raise ModelError(
            f"{str(error).rstrip('.')}. What came is kept, and the next pull goes on there; an "
            f"archive brought here otherwise is installed by `shitu models pull {model.name} "
            "--from FILE`."
        ) from None


def _expected(
    root: Path, model: Official, part: Part, accept_change: bool
) -> tuple[str | None, str]:
    published = model.sha256.get(part)
    if published is not None:
        return published, "published"
    pinned = None if accept_change else _pins(root).get(_key(model.name, part))
    return pinned, "first seen"


def _require_same(
    model: Official, part: Part, digest: str, expected: str | None, trust: str, origin: str
) -> None:
    if expected is None or digest == expected:
        return
    if trust == "published":
        raise WeightsCorrupt(
            f"{origin} is not {model.name}: its sha256 is {digest[:12]}..., its makers publish "
            f"{expected[:12]}.... Fetch it again."
        )
    raise WeightsCorrupt(
        f"{origin} is not the {model.name} that was first pulled here (sha256 {digest[:12]}..., "
        f"then {expected[:12]}...). If its makers have published another one, pull it with "
        "--accept-change; galleries made with the old one need `shitu migrate`."
    )


def _install(
    root: Path, model: Official, part: Part, archive: Path, origin: str, digest: str, trust: str
) -> Installed:
    place = _place(model.name, part)
    with tempfile.TemporaryDirectory(dir=_work(root)) as scratch:
        fresh = Path(scratch) / "model"
        fresh.mkdir()
        try:
            if part == "weights":
                read_pdparams(archive)  # what is no weights must not be what is remembered
                shutil.copyfile(archive, fresh / f"{model.name}.pdparams")
                files = [Path(f"{model.name}.pdparams")]
            else:
                files = _unpacked(model, archive, fresh)
        except OSError as error:
            raise ModelError(
                f"Cannot install {model.name} in {root}: {error.strerror or error}. Make room, or "
                "name another folder in SHITU_MODELS."
            ) from None
        found = Installed(
            name=model.name,
            part=part,
            folder=place,
            origin=origin,
            sha256=digest,
            trust=trust,
            at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            files={path.as_posix(): sha256_of(fresh / path) for path in files},
        )
        fields = {name: value for name, value in asdict(found).items() if name != "folder"}
        _write_whole(fresh / RECORD, json.dumps(fields, indent=1))
        if place.exists():
            place.rename(Path(scratch) / "old")
        fresh.rename(place)
    return found


def _unpacked(model: Official, archive: Path, folder: Path) -> list[Path]:
    from shitu.models.archives import unpack

    files = unpack(archive, folder)
    if not any((folder / name).exists() for name in DESCRIPTIONS) and model.description:
        text = yaml.safe_dump(model.description, sort_keys=False)
        (folder / DESCRIPTIONS[0]).write_text(text, encoding="utf-8")
        files.append(Path(DESCRIPTIONS[0]))
    kind = read_export(folder).kind
    if kind != model.kind:
        raise WeightsCorrupt(
            f"The archive {archive.name} holds a {kind}, but {model.name} is a {model.kind}. "
            "Nothing of it was installed."
        )
    return files


def _pins(root: Path) -> dict[str, str]:
    try:
        pins: dict[str, str] = json.loads((root / _PINS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return pins


def _pin(root: Path, key: str, digest: str) -> None:
    from filelock import FileLock

    with FileLock(_work(root) / "first-seen.lock"):
        pins = _pins(root)
        if pins.get(key) != digest:
            _write_whole(root / _PINS, json.dumps({**pins, key: digest}, indent=1))


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


Found: TypeAlias = "Installed | WeightsCorrupt | None"


def known_models() -> Iterator[tuple[Official, dict[Part, Found]]]:
    """Official models, each with its parts on this machine, or what is wrong with their records."""
    for model in OFFICIAL.values():
        yield model, {part: look_for(model.name, part) for part in model.urls}


def look_for(name: str, part: Part = "inference") -> Found:
    """What was pulled under that name, or what is wrong with the record of it."""
    try:
        return installed(name, part)
    except WeightsCorrupt as error:
        return error
