"""`shitu migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    NumberRange,
    echo,
    index_options,
    json_option,
    open_workspace,
    print_json,
    progress_bar,
    say,
    say_skipped,
    table,
)
from shitu.errors import GalleryError
from shitu.figures import many

if TYPE_CHECKING:
    from shitu.catalog.migration import MigrateSummary
    from shitu.workspace import Workspace

_SHOWN = 20  # references without a picture that are named


@click.command(epilog="Example: shitu migrate --model models/my_extractor --dry-run")
@click.option("--model", help="Feature extractor to go to, by name or folder.")
@click.option("--detector", help="Detector to go to, by name or folder; none: whole pictures.")
@click.option("--back", is_flag=True, help="Go back to the models before the last migration.")
@click.option("--drop-old", is_flag=True, help="Forget all vectors but those in use; no way back.")
@click.option("--dry-run", is_flag=True, help="Embed and compare, but do not switch.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Where a picture is missing or was changed, embed its thumbnail, which is worse.",
)
@click.option(
    "--max-loss",
    type=NumberRange(0, 1),
    default=0.02,
    show_default=True,
    help="Do not switch if recall@1 falls by more.",
)
@click.option("--force", is_flag=True, help="Switch even if recall falls or golden queries break.")
@index_options
@json_option
@click.pass_context
def migrate(
    context: click.Context,
    /,
    model: str | None,
    detector: str | None,
    back: bool,
    drop_old: bool,
    dry_run: bool,
    allow_missing: bool,
    max_loss: float,
    force: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Go over to another feature extractor or detector.

    All references are embedded anew beside the old vectors, both are compared on the gallery
    itself, and then it switches in one step. Until then everything works as before. Interrupted,
    the same command goes on where it stopped.
    """
    _check_usage(named=bool(model or detector), back=back, drop_old=drop_old)
    with open_workspace(context, force=force, **settings) as workspace:
        if drop_old:
            _drop_old(workspace, as_json=as_json)
            return
        with progress_bar("references") as progress:
            summary = workspace.migrate(
                model,
                detector,
                back=back,
                dry_run=dry_run,
                allow_missing=allow_missing,
                # Who goes back wants back, whatever the recall is.
                max_loss=None if force or back else max_loss,
                progress=progress,
            )
    if as_json:
        print_json(summary.to_dict())
    else:
        _print_summary(summary)
    if summary.outcome == "refused":
        raise GalleryError(summary.reason)


def _check_usage(*, named: bool, back: bool, drop_old: bool) -> None:
    if named + back + drop_old != 1:
        raise click.UsageError(
            "Say where to go: --model and --detector (one or both), or --back, or --drop-old alone."
        )


def _drop_old(workspace: Workspace, *, as_json: bool) -> None:
    names = [space.called for space in workspace.drop_unused_spaces()]
    if as_json:
        print_json({"dropped": names})
    else:
        for name in names:
            echo(f"dropped the vectors of {name}")
        if not names:
            echo("There are no vectors but those in use.")


def _print_summary(summary: MigrateSummary) -> None:
    for skipped in summary.missing[:_SHOWN]:
        say_skipped("missing", skipped.path, skipped.reason)
    if len(summary.missing) > _SHOWN:
        say(f"and {len(summary.missing) - _SHOWN} more are missing (all of them: --json)")
    if summary.outcome == "in use already":
        echo(f"The gallery is at {summary.after} already.")
        return
    _print_comparison(summary)
    if summary.makeshift:
        stand_in = many(summary.makeshift, "reference")
        say(f"Vectors of {stand_in} are those of thumbnails, which are worse.")
    if summary.inert:
        say(
            f"{many(summary.inert, 'picture')} of rejections and golden queries without a vector "
            f"of {summary.after}, which is not installed here: inert."
        )
    if summary.left and summary.outcome != "refused":
        again = "adapt" if "map" in summary.left else "calibrate"
        say(
            f"What was learnt from other vectors ({', '.join(summary.left)}) does not count for "
            f"those of {summary.after}: score and threshold decide, until `shitu {again}` is run."
        )
    ready = summary.references - len(summary.missing)
    done = f"{ready} of {summary.references} references embedded, {summary.embedded} of them now"
    if summary.outcome == "switched":
        echo(f"{done}. Switched; `shitu migrate --back` goes back.")
    elif summary.outcome == "dry run":
        echo(f"{done}. Not switched; without --dry-run, what is embedded is used.")
        if summary.reason:
            say(f"It would be refused: {summary.reason}")
    else:
        echo(f"{done}. Not switched.")


def _print_comparison(summary: MigrateSummary) -> None:
    comparison = summary.comparison
    if comparison is None:
        return
    rows = [
        ("before", summary.before, _share(comparison.recall_before)),
        ("after", summary.after, _share(comparison.recall_after)),
    ]
    echo(table(("", "models", "recall@1"), rows))
    echo("")
    echo(
        f"agreement {_share(comparison.agreement)} over {comparison.queries} references, recall@1 "
        f"over the {comparison.answerable} whose item has another one"
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
