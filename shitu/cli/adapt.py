"""`shitu adapt` and `shitu calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    FilePath,
    NumberRange,
    echo,
    force_option,
    index_options,
    json_option,
    open_workspace,
    print_json,
    progress_bar,
    say_other_models,
    say_skipped,
    table,
    verify_option,
)
from shitu.errors import GalleryError
from shitu.figures import many, short

if TYPE_CHECKING:
    from shitu.adapter import Choice
    from shitu.calibration import Calibrated
    from shitu.catalog.adapting import LearnSummary

_far_option = click.option(
    "--far",
    type=NumberRange(0, 0.5, min_open=True),
    default=0.01,
    show_default=True,
    help="Share of strangers that may get an answer.",
)

_queries_option = click.option(
    "--queries",
    type=FilePath(),
    help="Photos as they will be asked: folder with one folder of pictures per label, or a label "
    "file, as for eval-recall.",
)


@click.command(epilog="Example: shitu adapt --dry-run")
@click.option("--dry-run", is_flag=True, help="Only measure.")
@click.option("--off", is_flag=True, help="Compare embeddings as the network makes them again.")
@_far_option
@_queries_option
@verify_option
@force_option
@index_options
@json_option
@click.pass_context
def adapt(
    context: click.Context,
    /,
    *,
    dry_run: bool,
    off: bool,
    far: float,
    queries: Path | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Learn from the gallery which differences between pictures matter.

    Linear maps are fitted on the gallery's own embeddings and measured on references that they were
    not fitted on. The best one is used from then on if it helps the items that there are and does
    not hurt those which come later. Answers are calibrated anew with it, by --queries, too, as
    `calibrate` does. Nothing of the gallery is embedded, and --off goes back.
    """
    _refuse_with_off(context, off, queries=queries)
    with open_workspace(context, **settings) as workspace:
        if off:
            summary = workspace.catalog.unlearn(adapter=True, dry_run=dry_run)
        else:
            with progress_bar("rounds") as progress:
                summary = workspace.adapt(
                    far=far, queries=queries, dry_run=dry_run, progress=progress
                )
            say_other_models(workspace)
    _print(summary, as_json=as_json)


@click.command(epilog="Example: shitu calibrate --far 0.01 --queries labelled-photos")
@_far_option
@click.option(
    "--strangers",
    type=FilePath(exists=True, file_okay=False),
    help="Folder of pictures of things that the gallery does not have.",
)
@_queries_option
@click.option("--dry-run", is_flag=True, help="Only measure.")
@click.option("--off", is_flag=True, help="Let the score and the model's threshold decide again.")
@verify_option
@force_option
@index_options
@json_option
@click.pass_context
def calibrate(
    context: click.Context,
    /,
    *,
    far: float,
    strangers: Path | None,
    queries: Path | None,
    dry_run: bool,
    off: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Learn from the gallery when an answer is to be believed.

    Each reference is looked up among the others, once as itself and once with its own item hidden,
    as a stranger. From then on objects have a confidence, and those below the operating point are
    unknown. With --verify, which is that of `recognize`, points that agree are evidence, too.

    References resemble each other more than photos will resemble them. With --queries, 30 or more
    photos whose labels you know, confidences are truer of such photos, and one reference an item
    is enough.
    """
    _refuse_with_off(context, off, strangers=strangers, queries=queries)
    with open_workspace(context, **settings) as workspace:
        if off:
            summary = workspace.catalog.unlearn(adapter=False, dry_run=dry_run)
        else:
            with progress_bar("pictures") as progress:
                summary = workspace.calibrate(
                    far=far,
                    strangers=strangers,
                    queries=queries,
                    dry_run=dry_run,
                    progress=progress,
                )
            say_other_models(workspace)
    _print(summary, as_json=as_json)


def _refuse_with_off(context: click.Context, off: bool, **given: Path | None) -> None:
    for name, path in given.items():
        if off and path is not None:
            raise click.UsageError(f"--off learns nothing: leave --{name} out.", context)


def _print(summary: LearnSummary, *, as_json: bool) -> None:
    if as_json:
        print_json(summary.to_dict())
    else:
        _print_tables(summary)
    if summary.outcome == "too little":
        raise GalleryError(f"nothing was changed: {summary.reason}")


def _print_tables(summary: LearnSummary) -> None:
    for path, reason in summary.skipped:
        say_skipped("skipped", path, reason)
    if summary.choice is not None and summary.choice.trials:
        _print_choice(summary.choice)
    if summary.measured is not None:
        _print_measured(summary.measured)
    if summary.skipped:
        echo(f"{many(len(summary.skipped), 'picture')} skipped.")
    if summary.outcome != "too little":
        echo(f"{summary.outcome}: {summary.reason}.")


def _print_choice(choice: Choice) -> None:
    rows = [
        (
            trial.name,
            f"{trial.recall:.3f}",
            f"+{trial.gained} -{trial.lost}",
            f"{trial.new_recall:.3f}",
            f"+{trial.new_gained} -{trial.new_lost}",
            trial.verdict,
        )
        for trial in choice.trials
    ]
    header = ("map", "recall@1", "references", "of new items", "references", "")
    echo(table(header, rows))
    echo(f"measured on {many(choice.references, 'reference')} of {many(choice.labels, 'item')}\n")


def _print_measured(measured: Calibrated) -> None:
    low, high = measured.false_accepts_low, measured.false_accepts_high
    known, strange = measured.photos, measured.strange_photos
    own = measured.strangers - measured.lent - strange
    of = " (photos)" if known else ""
    rows = [
        ("references asked", f"{measured.genuine - known} as themselves, {own} as strangers"),
        ("operating point", f"confidence {short(measured.operating_point)}"),
        (
            "strangers with an answer",
            f"{measured.false_accepts:.2%} (95 %: {low:.2%} to {high:.2%})",
        ),
        (
            f"named rightly{of}",
            f"{measured.named:.1%} (by score alone {measured.named_by_score:.1%})",
        ),
        *([("at other rates", _at_other_rates(measured))] if measured.named_at else []),
        (f"named wrongly{of}", f"{measured.misnamed:.1%}"),
        (f"AUROC{of}", f"{measured.auroc:.3f} (by score alone {measured.auroc_of_score:.3f})"),
        (f"calibration error{of}", f"{measured.calibration_error:.3f}"),
    ]
    if known:
        # Each of a known item is asked as a stranger, too.
        lacking = strange - known
        labels = f" ({lacking} of labels that the gallery lacks)" if lacking else ""
        rows.insert(1, ("photos asked", f"{known} as themselves, {strange} as strangers{labels}"))
    if measured.lent:
        rows.insert(1, ("strangers lent", f"{measured.lent} that come with the model"))
    rows.append(("points", _of_points(measured)))
    echo(table(("calibration", ""), rows) + "\n")


def _at_other_rates(measured: Calibrated) -> str:
    return ", ".join(f"--far {rate}: {share:.1%}" for rate, share in measured.named_at.items())


def _of_points(measured: Calibrated) -> str:
    points = measured.calibration.points
    if points is None or measured.named_with_points is None:
        return "verify off: measured by the scores alone, as `recognize --verify off` answers"
    without = f"{measured.named_without_points:.1%}"
    asked = f"{measured.compared} of {measured.genuine + measured.strangers} compared"
    if not points.count:
        named = (
            f"{without} are named rightly without them, {measured.named_with_points:.1%} with them"
        )
        return f"verify {points.verify}: {asked}; points have no say: {named}"
    proof = "" if points.proof else "; points prove no name by themselves here"
    return f"verify {points.verify}: {asked}, {without} named rightly without{proof}"
