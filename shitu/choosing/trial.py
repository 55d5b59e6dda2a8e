"""Tries engines, each in a process of its own: one that crashes there harms nobody."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from threading import Timer
from typing import Any

from shitu.choosing.parity import Answers, Parity, compare
from shitu.runtime.engines import ENGINES, REFERENCE

_ROUNDS = 5
_PATIENCE = 60.0  # seconds for an engine to load and answer


@dataclass(frozen=True)
class Trial:
    """What came of trying an engine.

    Attributes:
        version: of its package.
        start: seconds from its import to the first answer.
        photo: seconds for a photo with three objects where each thread has one, the least of
            several.
        parity: its answers beside those of the reference; None where there are none.
        problem: why it is not to be used; empty where it may be.
    """

    engine: str
    version: str | None
    start: float | None = None
    photo: float | None = None
    parity: Parity | None = None
    problem: str = ""


@dataclass(frozen=True)
class Task:
    """What all engines are tried on: the models, as settings name them, and the threads."""

    feature: str
    detector: str
    threads: int


def try_engines(engines: Sequence[str], task: Task) -> list[Trial]:
    """Try engines, which take turns so that whatever else goes on disturbs them alike."""
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(_runner(name, task)) for name in engines}
        for runner in running.values():
            runner.load()
        for _ in range(_ROUNDS):
            for runner in running.values():
                runner.lap()
    reference = running[REFERENCE].answers if REFERENCE in running else None
    return [_judged(runner, reference) for runner in running.values()]


def _judged(runner: _Runner, reference: Answers | None) -> Trial:
    engine = ENGINES[runner.engine]
    if runner.problem or runner.answers is None:
        return Trial(engine.name, engine.version, problem=runner.problem or "it gave no answer")
    parity, problem = None, "there is no reference to compare it with"
    if reference is not None:
        parity = compare(reference, runner.answers)
        problem = parity.problem(engine.least_cosine)
    return Trial(engine.name, engine.version, runner.start, runner.photo, parity, problem)


@contextlib.contextmanager
def _runner(engine: str, task: Task) -> Iterator[_Runner]:
    # The package is found where this one was, from whatever folder it was started.
    found = os.pathsep.join(path or os.curdir for path in sys.path)
    environment = {**os.environ, "PYTHONPATH": found}
    process = subprocess.Popen(
        [sys.executable, "-m", "shitu.trial"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        yield _Runner(engine, task, process)
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


class _Runner:
    """One engine in its process, asked line by line."""

    def __init__(self, engine: str, task: Task, process: subprocess.Popen[bytes]) -> None:
        self.engine = engine
        self.problem = ""
        self.answers: Answers | None = None
        self.start = 0.0
        self.photo = float("inf")
        self._task = task
        self._process = process

    def load(self) -> None:
        said = self._ask({"engine": self.engine, **asdict(self._task)})
        if "answers" in said:
            self.answers = Answers.from_json(said["answers"])
            self.start = float(said["start"])

    def lap(self) -> None:
        if not self.problem:
            self.photo = min(self.photo, float(self._ask({}).get("photo", "inf")))

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        timer = Timer(_PATIENCE, self._process.kill)
        timer.start()
        try:
            said = self._exchange(json.dumps(question).encode() + b"\n")
        except (OSError, ValueError):
            said = {"problem": self._epitaph()}
        finally:
            timer.cancel()
        self.problem = self.problem or said.get("problem", "")
        return said

    def _exchange(self, line: bytes) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ValueError("no pipes")
        stdin.write(line)
        stdin.flush()
        said: dict[str, Any] = json.loads(stdout.readline())
        return said

    def _epitaph(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(2)
            return f"its process ended with {'signal' if code < 0 else 'code'} {abs(code)}"
        return "its process said something that is no answer"
