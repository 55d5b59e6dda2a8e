"""All that tells why networks run as fast as they do here."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shitu import __version__
from shitu.choosing.choice import Choice
from shitu.choosing.trial import Trial
from shitu.errors import ModelError
from shitu.images import display_path
from shitu.models.spec import ModelSpec
from shitu.runtime.cache import cache_folder
from shitu.runtime.cpu import this_cpu
from shitu.runtime.engines import ENGINES, installed_version, required

_PACKAGES = ("numpy", "faiss-cpu", "opencv-python-headless", "pillow", "SQLAlchemy")
_TELLING = ("avx", "amx", "f16c", "fma", "sse4", "neon", "asimd", "bf16", "i8mm", "sve")


@dataclass(frozen=True)
class Diagnosis:
    """What `shitu doctor` prints.

    Attributes:
        engine: that `auto`, or the setting, stands for in a process that goes on.
        features: instruction sets that matter to networks.
        packages: name and version; None where it is not installed.
        models, caches: name and what is to be said of it.
        problems: that stand in the way of recognition or speed.
    """

    engine: str
    reason: str
    trials: tuple[Trial, ...]
    shitu: str
    python: str
    cpu: str
    features: tuple[str, ...]
    cores: int
    threads: int
    packages: tuple[tuple[str, str | None], ...]
    models: tuple[tuple[str, str], ...]
    caches: tuple[tuple[str, str], ...]
    problems: tuple[str, ...] = ()


def diagnose(choice: Choice, setting: str, specs: Sequence[ModelSpec], threads: int) -> Diagnosis:
    """Put together what is known after a choice; `setting` is the engine of the settings."""
    cpu = this_cpu()
    auto = setting not in ENGINES
    models, problems = [], [] if auto else _of_the_setting(setting, choice, specs)
    for spec in specs:
        try:
            for file in spec.files.values():
                file.verified()
            models.append((spec.name, f"whole, sha256 {spec.weights_sha256[:16]}"))
        except ModelError as error:
            models.append((spec.name, "damaged"))
            problems.append(str(error))
    caches = tuple(map(_cache, ("engines", "openvino", "paddle")))
    if any(place == _NOWHERE for _, place in caches):
        problems.append("The cache folder cannot be written: set XDG_CACHE_HOME to one that can.")
    return Diagnosis(
        engine=choice.engine() if auto else setting,
        reason=choice.reason if auto else "The setting `engine` says so.",
        trials=choice.trials,
        shitu=__version__,
        python=platform.python_version(),
        cpu=cpu.name,
        features=tuple(f for f in cpu.features if f.startswith(_TELLING) or f.endswith("bf16")),
        cores=cpu.cores,
        threads=threads,
        packages=(*((name, installed_version(name)) for name in _PACKAGES), *_engines()),
        models=tuple(models),
        caches=caches,
        problems=tuple(problems),
    )


def _of_the_setting(engine: str, choice: Choice, specs: Sequence[ModelSpec]) -> list[str]:
    """Why the engine of the settings cannot be used; empty where it can."""
    tried = [trial for trial in choice.trials if trial.engine == engine]
    try:
        for spec in specs:
            required(engine, spec)
    except ModelError as error:
        return [str(error)]
    return [
        f"The engine {engine} of the settings cannot be used here: {trial.problem}"
        for trial in tried
        if trial.start is None
    ]


_NOWHERE = "none: it cannot be written"


def _cache(name: str) -> tuple[str, str]:
    folder = cache_folder(name)
    if folder is None:
        return name, _NOWHERE
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    return name, f"{display_path(Path(folder))}: {len(files)} files, {size:.1f} MB"


def _engines() -> tuple[tuple[str, str | None], ...]:
    found = {engine.packages[0]: engine.version for engine in ENGINES.values()}
    return tuple(found.items())
