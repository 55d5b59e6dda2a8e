"""`shitu compact`."""

from __future__ import annotations

from typing import Any

import click

from shitu.cli._common import echo, index_options, json_option, open_workspace, print_json, say
from shitu.cli._moments import moment_option
from shitu.figures import many


@click.command(epilog="Example: shitu compact --before 2026-11-01")
@moment_option(
    "--before",
    "Forget what was removed before this generation or date; a day means its beginning.  "
    "[default: 90 days ago]",
)
@index_options
@json_option
@click.pass_context
def compact(context: click.Context, /, before: str | None, as_json: bool, **settings: Any) -> None:
    """Forget vectors and thumbnails of pictures that were removed long ago.

    Until then a removed picture can be brought back by undo. History is kept, and so are the
    picture files that removals put aside. An SQLite file is made smaller.
    """
    with open_workspace(context, **settings) as workspace:
        summary = workspace.compact(before)
    if summary.problem is not None:
        say(f"The file keeps its size for now: {summary.problem}")
    if as_json:
        print_json(summary.to_dict())
        return
    freed = summary.bytes if summary.freed_bytes is None else summary.freed_bytes
    echo(
        f"{many(summary.forgotten, 'reference')} forgotten that had been removed before generation "
        f"{summary.before}; {freed:,} bytes freed."
    )
