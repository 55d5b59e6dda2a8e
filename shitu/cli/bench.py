"""`shitu bench`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from shitu.cli._common import (
    CountRange,
    FilePath,
    echo,
    json_option,
    open_workspace,
    print_json,
    table,
    threads_option,
)
from shitu.figures import many


@click.command(epilog="Example: shitu bench pplcnetv2_base_shitu --threads 2 --json")
@click.argument("model", metavar="MODEL")
@click.option(
    "--pictures",
    type=FilePath(exists=True),
    help="Picture or folder of pictures to show.  [default: made-up ones]",
)
@click.option("--runs", type=CountRange(1), default=20, help="Pictures timed.  [default: 20]")
@click.option("--engine", help="What runs the network.  [default: auto]")
@threads_option
@json_option
@click.pass_context
def bench(
    context: click.Context,
    /,
    model: str,
    pictures: Path | None,
    runs: int,
    as_json: bool,
    **settings: Any,
) -> None:
    """Time a model, by name or folder, on one picture after the other.

    Pre-processing makes the input of the network from a decoded picture; post-processing makes
    unit vectors or boxes of what comes out.
    """
    with open_workspace(context, **settings) as workspace:
        found = workspace.bench(model, pictures=pictures, runs=runs)
    if as_json:
        print_json(asdict(found))
        return
    rows = [
        (stage, f"{median:.2f}", f"{most:.2f}")
        for stage, (median, most) in found.milliseconds.items()
    ]
    echo(table(("stage", "median, ms", "90 %, ms"), rows))
    echo("")
    timed = f"{many(found.runs, 'run')} on {many(found.pictures, 'picture')}"
    echo(f"{found.model} ({found.kind}): {timed}, first {found.first:.1f} ms")
    echo(
        f"{found.engine} {found.version or ''}, {many(found.threads, 'thread')}, {found.cpu}, "
        f"{found.cores} cores"
    )
