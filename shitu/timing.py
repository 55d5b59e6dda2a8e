"""Where the time goes between a picture and what a model says of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu.images import Image
from shitu.preprocess import Preprocessing
from shitu.runtime.session import Float32Array, NamedSession

STAGES = ("pre-processing", "inference", "post-processing")


@dataclass(frozen=True)
class Timing:
    """What `shitu bench` prints.

    Attributes:
        milliseconds: median and 90th percentile of each stage and of all, for one picture.
        first: milliseconds of the first picture, which warms up.
        cpu: name of the processor.
        cores: that this process may use.
        threads: that the engine was given.
        pictures: how many there were; they are shown in turn.
    """

    model: str
    kind: str
    engine: str
    version: str | None
    milliseconds: Mapping[str, tuple[float, float]]
    first: float
    runs: int
    pictures: int
    cpu: str
    cores: int
    threads: int


class Stopwatch:
    """Sums up time by stage; a model runs through what it wraps."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def lap(self, stage: str) -> Iterator[None]:
        """Count the time inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.laps[stage] += time.perf_counter() - start

    def preprocessing(self, original: Preprocessing) -> Preprocessing:
        """The same preprocessing, timed."""
        watch = self

        class Timed(Preprocessing):
            def __call__(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
                with watch.lap("pre-processing"):
                    return original(images)

        return Timed(**{field.name: getattr(original, field.name) for field in fields(original)})

    def session(self, original: Any) -> NamedSession:
        """The same session, timed."""
        return _TimedSession(original, self)

    def measure(self, run: Callable[[Image], object], image: Image) -> dict[str, float]:
        """Milliseconds of one run by stage, and of all; what no stage claims is post-processing."""
        self.laps = dict.fromkeys(STAGES, 0.0)
        start = time.perf_counter()
        run(image)
        total = time.perf_counter() - start
        self.laps["post-processing"] = total - sum(self.laps.values())
        return {**{stage: 1000 * lap for stage, lap in self.laps.items()}, "all": 1000 * total}


class _TimedSession:
    def __init__(self, session: Any, watch: Stopwatch) -> None:
        self._session = session
        self._watch = watch
        self.engine: str = session.engine
        self.inputs: tuple[str, ...] = getattr(session, "inputs", ())

    def run(self, batch: Float32Array) -> list[Float32Array]:
        with self._watch.lap("inference"):
            found: list[Float32Array] = self._session.run(batch)
        return found

    def run_named(self, feeds: Mapping[str, Float32Array]) -> list[Float32Array]:
        with self._watch.lap("inference"):
            found: list[Float32Array] = self._session.run_named(feeds)
        return found


def measure(
    watch: Stopwatch, run: Callable[[Image], object], images: Sequence[Image], runs: int
) -> tuple[float, dict[str, tuple[float, float]]]:
    """Show pictures in turn, one at a time.

    Args:
        watch: that the model was wrapped in.
        run: what the model makes of a picture.
        images: uint8 RGB (h, w, 3) each.
        runs: after a first one, which is told apart.

    Returns:
        Milliseconds of the first run; median and 90th percentile of the others by stage.
    """
    first = watch.measure(run, images[0])["all"]
    laps = [watch.measure(run, images[i % len(images)]) for i in range(runs)]
    return first, {stage: _middle([lap[stage] for lap in laps]) for stage in laps[0]}


def _middle(values: Sequence[float]) -> tuple[float, float]:
    median, most = np.percentile(values, [50, 90])
    return float(median), float(most)
