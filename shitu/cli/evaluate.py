"""`shitu eval-recall`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shitu.cli._common import (
    index_options,
    json_option,
    model_options,
    open_workspace,
    print_json,
    progress_bar,
    where_option,
)
from shitu.cli._figures import print_report, say_leaks


@click.command(epilog="Example: shitu eval-recall --queries test-photos")
@click.option(
    "--queries",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with one folder of pictures per label, or a label file, as for build-index.",
)
@click.option(
    "--exclude-leaks",
    is_flag=True,
    help="Leave out queries whose picture, or a near-duplicate, sits in the gallery.",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Bootstrap resamples for the 95 % intervals; 0: no intervals.",
)
@click.option(
    "--by-label",
    is_flag=True,
    help="Draw labels, not queries, for the intervals: queries of one label are much alike.",
)
@where_option
@index_options
@model_options
@json_option
@click.pass_context
def eval_recall(
    context: click.Context,
    /,
    queries: Path,
    exclude_leaks: bool,
    resamples: int,
    by_label: bool,
    where: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Measure how often the gallery names pictures whose labels are known.

    A query that is itself in the gallery is not compared with itself. Queries whose label the
    gallery does not have are strangers: they say how well `unknown` works. docs/evaluation.md
    defines every figure.
    """
    from shitu.evaluation.bootstrap import Resampling
    from shitu.evaluation.retrieval import EvaluationOptions

    with open_workspace(context, **settings) as workspace, progress_bar("queries") as progress:
        options = EvaluationOptions(
            resampling=Resampling(resamples),
            by_label=by_label,
            exclude_leaks=exclude_leaks,
            threshold=workspace.threshold,
        )
        report = workspace.evaluate(queries, progress=progress, where=where, options=options)
    say_leaks(report)
    if as_json:
        print_json(report.to_dict())
    else:
        print_report(report)
