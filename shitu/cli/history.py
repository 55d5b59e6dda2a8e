"""Commands that look at and change the past: history."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from shitu.cli._common import echo, index_options, json_option, open_workspace, print_json, table


@click.command(epilog="Example: shitu history 'Cola, 0.33 l' --limit 10")
@click.argument("item", required=False)
@click.option("--limit", type=click.IntRange(min=1), help="Show only so many, the newest.")
@index_options
@json_option
@click.pass_context
def history(
    context: click.Context, /, item: str | None, limit: int | None, as_json: bool, **settings: Any
) -> None:
    """Show what was changed, newest last; of one ITEM only, by its label or a former one.

    Each change is a generation. Times are UTC.
    """
    with open_workspace(context, **settings) as workspace:
        events = workspace.catalog.events(item, limit)
    if as_json:
        for event in events:
            print_json(asdict(event))
        return
    rows = [(str(e.generation), e.at, e.operation, _one_line(e.sentence)) for e in events]
    echo(table(("generation", "when", "operation", "what"), rows))


def _one_line(text: str) -> str:
    return " ".join(text.split())
