"""The command doctor: what runs the networks here, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    echo,
    index_options,
    json_option,
    model_options,
    open_workspace,
    print_json,
    say,
    table,
)

if TYPE_CHECKING:
    from shitu.choosing import Trial
    from shitu.choosing.diagnosis import Diagnosis


@click.command(epilog="Example: shitu doctor --json")
@index_options
@model_options
@json_option
@click.pass_context
def doctor(context: click.Context, /, as_json: bool, **settings: Any) -> None:
    """Try all engines on this machine, choose, and show versions, processor, models and caches.

    The choice is kept for the engine `auto`, until a model, a package, the processor or the number
    of threads is another. Takes some seconds for each engine.
    """
    with open_workspace(context, **settings) as workspace:
        found = workspace.diagnose()
    if as_json:
        print_json(asdict(found))
        return
    _print(found)
    for problem in found.problems:
        say(f"problem: {problem}")


def _print(found: Diagnosis) -> None:
    header = ("engine", "version", "start, ms", "photo, ms", "cosine", "box IoU", "")
    echo(table(header, [_row(trial) for trial in found.trials]))
    echo(f"\nengine: {found.engine}\n{found.reason}\n")
    facts = [
        ("shitu", found.shitu),
        ("python", found.python),
        ("processor", f"{found.cpu}, {found.cores} cores, {found.threads} threads used"),
        ("instructions", " ".join(found.features) or "not known here"),
        *((f"package {name}", version or "not installed") for name, version in found.packages),
        *((f"model {name}", state) for name, state in found.models),
        *((f"cache {name}", place) for name, place in found.caches),
    ]
    echo(table(("", ""), facts).lstrip("\n"))


def _row(trial: Trial) -> tuple[str, ...]:
    parity = trial.parity
    return (
        trial.engine,
        trial.version or "",
        _milliseconds(trial.start),
        _milliseconds(trial.photo),
        "" if parity is None else f"{parity.cosine:.6f}",
        "" if parity is None else f"{parity.iou:.4f}",
        trial.problem or "good",
    )


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.0f}"
