"""The command check: is everything there, and does it fit together?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    echo,
    index_options,
    json_option,
    open_workspace,
    print_json,
    progress_bar,
    say,
    table,
)

if TYPE_CHECKING:
    from shitu.catalog import CheckReport

_SHOWN = 20  # sentences of a kind; JSON has all


@click.command(epilog="Example: shitu check --full || shitu check --repair")
@click.option("--repair", is_flag=True, help="Make an index that is wrong anew from the database.")
@click.option(
    "--full", is_flag=True, help="Compare every vector, thumbnail and picture, not a sample."
)
@index_options
@json_option
@click.pass_context
def check(
    context: click.Context, /, repair: bool, full: bool, as_json: bool, **settings: Any
) -> None:
    """Check that database, index and pictures are whole and equal, row by row.

    Writes nothing without --repair, and then only the index: rows that the database has lost are
    named, with what to do about them. The exit code is 1 if there is a problem left.
    """
    with open_workspace(context, **settings) as workspace, progress_bar("steps") as progress:
        report = workspace.check(repair=repair, full=full, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if report.problems:
        context.exit(1)


def _print(report: CheckReport) -> None:
    rows = [
        (part.name, str(part.checked), str(len(part.problems)), str(len(part.notes)))
        for part in report.parts
    ]
    echo(table(("part", "checked", "problems", "notes"), rows))
    _say("mended", report.mended)
    _say("note", report.notes)
    _say("problem", report.problems)


def _say(name: str, sentences: Sequence[str]) -> None:
    for sentence in sentences[:_SHOWN]:
        say(f"{name}: {sentence}")
    if len(sentences) > _SHOWN:
        say(f"{name}: and {len(sentences) - _SHOWN} more; --json names them all")
