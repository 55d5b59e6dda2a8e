"""Commands that look at the past and bring it back: history, undo."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    CountRange,
    echo,
    force_option,
    index_options,
    json_option,
    open_workspace,
    print_json,
    say,
    show_path,
    table,
)
from shitu.cli._moments import moment_option

if TYPE_CHECKING:
    from shitu.catalog import UndoSummary

_TAKEN_BACK = {
    "models": "`shitu migrate --back` goes back",
    "map": "`shitu adapt --off` goes without, `shitu adapt` learns anew",
    "calibration": "`shitu calibrate --off`, in an adapted gallery `shitu adapt --off`, goes "
    "without, and both learn anew",
}


@click.command(epilog="Example: shitu history 'Cola, 0.33 l' --limit 10")
@click.argument("item", required=False)
@click.option("--limit", type=CountRange(min=1), help="Show only so many, the newest.")
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


@click.command(epilog="Example: shitu undo")
@click.argument("generation", type=CountRange(min=1), required=False)
@moment_option("--back-to", "Undo all changes since then, in one; a day means its end.")
@force_option
@index_options
@json_option
@click.pass_context
def undo(
    context: click.Context,
    /,
    generation: int | None,
    back_to: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Undo the change of a GENERATION (see history), by default the last one.

    That is a change itself: undoing it brings back what was undone. Items and pictures get their
    former ids and labels. It is refused where a later change stands in the way.
    """
    if generation is not None and back_to is not None:
        raise click.UsageError("Give either a GENERATION or --back-to.")
    with open_workspace(context, **settings) as workspace:
        summary = workspace.undo(generation, back_to=back_to)
    if as_json:
        print_json(summary.to_dict())
    else:
        echo(_undone(summary))
        _say_what_stays(summary)
        _say_pictures(summary)


def _undone(summary: UndoSummary) -> str:
    if not summary.changed:
        return f"The gallery is as it was at generation {summary.back_to} already: {summary.what}."
    if summary.undone is None:
        done = f"The gallery is as it was at generation {summary.back_to}: {summary.what}"
    else:
        done = f"Undid generation {summary.undone}: {_one_line(summary.what)}"
    return f"{done}. This is generation {summary.generation}; `shitu undo` takes it back."


def _say_what_stays(summary: UndoSummary) -> None:
    for what in summary.stays:
        say(
            f"the {what} changed since generation {summary.back_to}, too, which stays: "
            f"{_TAKEN_BACK[what]}"
        )


def _say_pictures(summary: UndoSummary) -> None:
    for path in summary.put_back:
        say(f"picture put back: {show_path(path)}")
    for path in summary.put_aside:
        say(f"picture put aside: {show_path(path)}")
    for path in summary.missing:
        say(f"picture missing: {show_path(path)}; it is recognised nevertheless")
    for path in summary.kept:
        say(f"picture kept: {show_path(path)}; the next build-index would add it again")
