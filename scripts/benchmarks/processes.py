"""Run commands and say how long they took; this process stays small and idle meanwhile."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shitu.errors import ShituError

SCRIPTS = Path(__file__).resolve().parents[1]
_KILO = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss


@dataclass(frozen=True)
class Spent:
    """What one command took.

    Attributes:
        seconds: of wall time.
        megabytes: the most it had resident; None for less than this process had when it started
            the command, which the system counts in.
    """

    seconds: float
    megabytes: float | None


def run(command: Sequence[str], environment: dict[str, str]) -> Spent:
    """Run a command to its end.

    Raises:
        ShituError: it fails; with the last line it said.
    """
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=SCRIPTS,  # where no `shitu` lies that is not the installed one
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    _check(command, process.returncode, said)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Spent(seconds, usage.ru_maxrss * _KILO / 1e6 if usage.ru_maxrss > own else None)


def work(job: str, environment: dict[str, str], **values: Any) -> dict[str, Any]:
    """Have `benchmarks.worker` do a job in a process of its own.

    Raises:
        ShituError: it cannot; with its reason.
    """
    command = [sys.executable, "-m", "benchmarks.worker", job]
    return answer(command, environment, json.dumps(values))


def answer(command: Sequence[str], environment: dict[str, str], told: str = "") -> dict[str, Any]:
    """What a command that is told something on stdin says on stdout, in JSON.

    Raises:
        ShituError: it fails; with the last line it said.
    """
    done = subprocess.run(
        command,
        cwd=SCRIPTS,
        env={**os.environ, **environment},
        input=told,
        capture_output=True,
        text=True,
        check=False,
    )
    _check(command, done.returncode, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _check(command: Sequence[str], code: int, said: str) -> None:
    if code != 0:
        lines = [line for line in said.splitlines() if line.strip()] or ["it said nothing"]
        raise ShituError(f"{' '.join(command)} failed ({code}): {lines[-1]}")
