"""How long one model takes for a picture, on the engine of the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shitu.choosing import remembered_engine
from shitu.config import AUTO, Config
from shitu.detector import exported_finder
from shitu.embedder import Embedder
from shitu.errors import ConfigError
from shitu.exporting.parity import pictures_of
from shitu.images import Image
from shitu.lineup import Lineup
from shitu.models.registry import read_model
from shitu.models.spec import ModelSpec
from shitu.networks import Networks
from shitu.runtime.cpu import this_cpu, threads_for
from shitu.runtime.engines import ENGINES
from shitu.runtime.session import Session
from shitu.timing import Stopwatch, Timing, measure


def bench(config: Config, model: str, pictures: Path | None, runs: int) -> Timing:
    """Time a model on one picture after the other; see `Workspace.bench`."""
    if runs < 1:
        raise ConfigError(f"runs is {runs}: a model is timed once at least")
    spec, watch = read_model(model), Stopwatch()
    if config.engine == AUTO:
        # Of what else is in a gallery's lineup it does not depend: here there is one model.
        threads = threads_for(config.threads)
        config = replace(config, engine=remembered_engine([spec], threads, float("inf")))
    networks = Networks(config, Lineup())
    images = pictures_of(pictures).images
    session = networks.open(spec)
    first, milliseconds = measure(watch, _timed(spec, session, watch), images, runs)
    cpu = this_cpu()
    version = next((e.version for e in ENGINES.values() if e.name == session.engine), None)
    return Timing(
        *(spec.name, spec.kind, session.engine, version, milliseconds, first),
        *(runs, len(images), cpu.name, cpu.cores, networks.threads),
    )


def _timed(spec: ModelSpec, opened: Session, watch: Stopwatch) -> Callable[[Image], object]:
    session = watch.session(opened)
    spec = replace(spec, preprocessing=watch.preprocessing(spec.preprocessing))
    if spec.kind == "feature":
        embedder = Embedder(session, spec.preprocessing, spec.dim)
        return lambda image: embedder.embed([image])
    finder = exported_finder(spec, session, spec.threshold)
    return lambda image: finder.detect([image])
