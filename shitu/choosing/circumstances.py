"""All that an engine's speed and answers depend on: what a choice was made for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from shitu import __version__
from shitu.models.spec import ModelSpec
from shitu.runtime.cpu import this_cpu
from shitu.runtime.engines import ENGINES


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
