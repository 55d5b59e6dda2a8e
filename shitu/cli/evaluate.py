"""`shitu eval-recall`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    echo,
    index_options,
    json_option,
    open_workspace,
    print_json,
    progress_bar,
    say_skipped,
    table,
    where_option,
)

if TYPE_CHECKING:
    from shitu.evaluation.retrieval import RetrievalReport


@click.command(epilog="Example: shitu eval-recall --queries test-photos")
@click.option(
    "--queries",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with one folder of pictures per label, or a label file, as for build-index.",
)
@where_option
@index_options
@json_option
@click.pass_context
def eval_recall(
    context: click.Context,
    /,
    queries: Path,
    where: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Measure how often the gallery names pictures whose labels are known.

    A query that is itself in the gallery is not compared with itself. Queries whose label has no
    other reference cannot be answered; they are counted and left out of the means.
    """
    with open_workspace(context, **settings) as workspace, progress_bar("queries") as progress:
        report = workspace.evaluate(queries, progress, where=where)
    if as_json:
        print_json(report.to_dict())
    else:
        _print_report(report)


def _print_report(report: RetrievalReport) -> None:
    for path, reason in report.skipped:
        say_skipped("skipped", path, reason)
    rows = [
        (row.label, str(row.queries), f"{row.recall_at_1:.3f}", f"{row.recall_at_5:.3f}")
        for row in report.labels
    ]
    echo(table(("label (worst first)", "queries", "recall@1", "recall@5"), rows))
    echo("")
    echo(
        f"recall@1 {report.recall_at_1:.3f}   recall@5 {report.recall_at_5:.3f}   "
        f"mAP@R {report.map_at_r:.3f}   MRR {report.mrr:.3f}   over {report.queries} queries"
    )
    if report.without_answer:
        echo(f"{report.without_answer} queries have no right item in the gallery; left out.")
    if report.own_file_excluded:
        echo(f"{report.own_file_excluded} queries are themselves in the gallery; own file ignored.")
    if report.skipped:
        echo(f"{len(report.skipped)} pictures skipped.")
