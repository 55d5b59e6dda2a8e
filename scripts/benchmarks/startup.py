"""How long a command takes before it has done anything."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.processes import Spent, run, work
from benchmarks.sections import Section

LARGE = 10_000
_HELP_RUNS = 10

# Runs the command line as `shitu` does, then fails if paddle came in on the way.
_WITHOUT_PADDLE = """
import sys
from shitu.__main__ import run
try:
    run()
except SystemExit as end:
    if end.code:
        raise
if "paddle" in sys.modules:
    sys.exit("paddle was imported")
"""


def startup_section(
    photo: Path,
    index: Path,
    engines: Sequence[str],
    rounds: int,
    environment: dict[str, str],
    large: Path,
) -> Section:
    """Wall time of whole processes, one after the other in turn.

    Args:
        photo: what is recognised, with each of the engines.
        index: of a small gallery.
        engines: to recognise with.
        rounds: of all that is timed.
        environment: of the processes, beside this one's.
        large: folder for a gallery of `LARGE` references, filled here.
    """
    work("gallery-fill", environment, index=str(large), size=LARGE)
    python, shitu = sys.executable, str(Path(sys.executable).parent / "shitu")
    recognize = [shitu, "recognize", str(photo), "--index", str(index), "--json"]
    short = {
        "`python -c pass` (for comparison)": [python, "-c", "pass"],
        '`python -c "import shitu"`': [python, "-c", "import shitu"],
        "`shitu --help`": [shitu, "--help"],
    }
    long = {
        f"`shitu recognize` one photo, {engine}": [*recognize, "--engine", engine]
        for engine in engines
    }
    recognize_large = [shitu, "recognize", str(photo), "--index", str(large), "--json"]
    long[f"`shitu recognize` one photo, {LARGE:,} references"] = recognize_large
    spent = {**_in_turn(short, _HELP_RUNS, environment), **_in_turn(long, rounds, environment)}
    run([python, "-c", _WITHOUT_PADDLE, *recognize[1:]], environment)
    values = [_row(what, runs) for what, runs in spent.items()]
    rows = [
        (
            row["what"],
            str(row["runs"]),
            f"{row['best_ms']:.0f}",
            f"{row['median_ms']:.0f}",
            "" if row["megabytes"] is None else f"{row['megabytes']:.0f}",
        )
        for row in values
    ]
    header = ("whole process", "runs", "best, ms", "median, ms", "MB resident")
    return Section("startup", values, "Start (the default engine imports no paddle)", header, rows)


def _in_turn(
    commands: dict[str, list[str]], rounds: int, environment: dict[str, str]
) -> dict[str, list[Spent]]:
    for command in commands.values():
        run(command, environment)  # the first run reads files that the others find in memory
    spent: dict[str, list[Spent]] = {what: [] for what in commands}
    for _ in range(rounds):
        for what, command in commands.items():
            spent[what].append(run(command, environment))
    return spent


def _row(what: str, runs: Sequence[Spent]) -> dict[str, Any]:
    seconds = [one.seconds for one in runs]
    return {
        "what": what,
        "runs": len(runs),
        "best_ms": min(seconds) * 1000,
        "median_ms": statistics.median(seconds) * 1000,
        "megabytes": max((one.megabytes for one in runs if one.megabytes), default=None),
    }
