"""`shitu eval-recall`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    PAGE,
    CountRange,
    FilePath,
    index_options,
    json_option,
    model_options,
    open_workspace,
    print_json,
    progress_bar,
    refuse_others,
    rule_options,
    verify_option,
    where_option,
)
from shitu.cli._figures import print_comparison, print_report, say_leaks

if TYPE_CHECKING:
    from typing import TypeAlias

    from shitu.evaluation.bootstrap import Resampling
    from shitu.evaluation.comparison import Comparison
    from shitu.evaluation.endtoend import BoxReport
    from shitu.evaluation.report import RetrievalReport
    from shitu.evaluation.runs import Run
    from shitu.workspace import Workspace

    Report: TypeAlias = RetrievalReport | BoxReport


@click.command(
    epilog="Example: shitu eval-recall --queries test-photos\n\n"
    "shitu eval-recall --boxes shelves.jsonl --against last-week.json"
)
@click.option(
    "--queries",
    type=FilePath(),
    help="Folder with one folder of pictures per label, or a label file, as for build-index.",
)
@click.option(
    "--boxes",
    type=FilePath(),
    help="Instead: true boxes and labels of whole scenes, JSON Lines or COCO.",
)
@click.option("--save", type=FilePath(), help="Keep this run, query by query.")
@click.option(
    "--against",
    type=FilePath(),
    help="A run kept by --save: say whether the difference is more than chance.",
)
@click.option(
    "--html",
    type=FilePath(),
    help="Write a page that opens offline, with the worst mistakes as pictures.",
)
@click.option(
    "--exclude-leaks",
    is_flag=True,
    help="Leave out queries whose picture, or a near-duplicate, sits in the gallery.",
)
@click.option(
    "--resamples",
    type=CountRange(min=0),
    default=1000,
    show_default=True,
    help="Bootstrap resamples for the 95 % intervals; 0: no intervals.",
)
@click.option(
    "--by-label",
    is_flag=True,
    help="Draw labels, not queries, for the intervals: queries of one label are much alike.",
)
@rule_options
@verify_option
@where_option
@index_options
@model_options
@json_option
@click.pass_context
def eval_recall(
    context: click.Context,
    /,
    queries: Path | None,
    boxes: Path | None,
    save: Path | None,
    against: Path | None,
    html: Path | None,
    exclude_leaks: bool,
    resamples: int,
    by_label: bool,
    where: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Measure how often the gallery names pictures whose labels are known, as `recognize` would.

    A query that is itself in the gallery is not compared with itself. Queries whose label the
    gallery does not have are strangers: they say how well `unknown` works. docs/evaluation.md
    defines every figure.
    """
    from shitu.evaluation.bootstrap import Resampling
    from shitu.evaluation.report import EvaluationOptions
    from shitu.evaluation.runs import RUN, load_run

    if (queries is None) == (boxes is None):
        raise click.UsageError("Give either --queries or --boxes.", context)
    if boxes is not None and (exclude_leaks or by_label):
        option = "--exclude-leaks" if exclude_leaks else "--by-label"
        raise click.UsageError(f"{option} is for --queries.", context)
    refuse_others(html, PAGE)
    refuse_others(save, RUN)
    earlier = None if against is None else load_run(against)  # before an hour of embedding
    plan = Resampling(resamples)
    with open_workspace(context, **settings) as workspace, progress_bar("pictures") as progress:
        if boxes is not None:
            found: Report = workspace.evaluate_boxes(boxes, progress, where=where, plan=plan)
        elif queries is not None:
            options = EvaluationOptions(
                resampling=plan,
                by_label=by_label,
                exclude_leaks=exclude_leaks,
                threshold=workspace.threshold,
            )
            found = workspace.evaluate(queries, progress, where=where, options=options)
        compared = _keep_and_compare(found, save, earlier, plan, by_label=by_label)
        if html is not None:
            _write_page(html, found, workspace, compared)
    say_leaks(found)
    if as_json:
        print_json({**found.to_dict(), **({"against": asdict(compared)} if compared else {})})
    else:
        print_report(found)
        if compared is not None:
            print_comparison(compared)


def _keep_and_compare(
    found: Report, save: Path | None, earlier: Run | None, plan: Resampling, *, by_label: bool
) -> Comparison | None:
    from shitu.evaluation.comparison import compare
    from shitu.evaluation.runs import save_run

    run = found.run()
    if save is not None:
        save_run(save, run)
    return None if earlier is None else compare(earlier, run, plan, by_label=by_label)


def _write_page(
    html: Path, found: Report, workspace: Workspace, compared: Comparison | None
) -> None:
    from shitu.evaluation.page import boxes_page, retrieval_page
    from shitu.evaluation.pictures import Pictures
    from shitu.evaluation.report import RetrievalReport
    from shitu.evaluation.runs import write_text

    pictures = Pictures(workspace.catalog.thumbnail)
    if isinstance(found, RetrievalReport):
        write_text(html, retrieval_page(found, pictures, compared))
    else:
        write_text(html, boxes_page(found, pictures, compared))
