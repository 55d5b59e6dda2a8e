"""All that an engine's speed and answers depend on: what a choice was made for."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shitu import __version__
from shitu.models.spec import ModelSpec
from shitu.runtime.engines import ENGINES

_MATTERS = ("model name", "flags", "Features", "CPU implementer", "CPU part")
_HEAD = 16384  # bytes that hold all about the first core


@dataclass(frozen=True)
class Cpu:
    """The processor.

    Attributes:
        name: as it calls itself.
        features: its instruction sets, as Linux names them; empty elsewhere.
        cores: that this process may use.
    """

    name: str
    features: tuple[str, ...]
    cores: int


def this_cpu() -> Cpu:
    """The processor of this machine; asks no engine."""
    facts = _cpuinfo()
    name = facts.get("model name") or facts.get("CPU part") or platform.processor()
    flags = facts.get("flags") or facts.get("Features") or ""
    return Cpu(name or platform.machine(), tuple(flags.split()), usable_cores())


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def circumstances(specs: Sequence[ModelSpec], threads: int) -> dict[str, Any]:
    """Models, versions, processor and threads, in JSON types."""
    cpu = this_cpu()
    return {
        "shitu": __version__,
        "models": [spec.weights_sha256 for spec in specs],
        "files": [{kind: file.sha256 for kind, file in spec.files.items()} for spec in specs],
        "engines": {name: engine.version for name, engine in ENGINES.items()},
        "cpu": [cpu.name, *cpu.features],
        "cores": cpu.cores,
        "threads": threads,
    }


def key_of(facts: dict[str, Any]) -> str:
    """Return a file name for them."""
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _cpuinfo() -> dict[str, str]:
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            text = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return {}
    first = text.split("\n\n", maxsplit=1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in _MATTERS}
