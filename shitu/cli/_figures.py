"""How `shitu eval-recall` prints what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shitu.cli._common import echo, say, say_skipped, show_path, table
from shitu.figures import many

if TYPE_CHECKING:
    from shitu.evaluation.bootstrap import Interval
    from shitu.evaluation.comparison import Comparison
    from shitu.evaluation.endtoend import BoxReport
    from shitu.evaluation.openset import OpenSetReport
    from shitu.evaluation.report import Decided, RetrievalReport

_NAMES = {
    "recall_at_1": "recall@1",
    "recall_at_5": "recall@5",
    "map_at_r": "mAP@R",
    "mrr": "MRR",
    "macro_recall_at_1": "recall@1, mean over labels",
}
_BOX_NAMES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "label_accuracy": "label right, where located",
}
_SHOWN = 10  # leaks and confusions; --json has them all


def say_leaks(report: RetrievalReport | BoxReport) -> None:
    """Warn of queries whose picture sits in the gallery."""
    from shitu.evaluation.report import RetrievalReport

    if not isinstance(report, RetrievalReport) or not report.leaks:
        return
    same = sum(leak.kind == "same file" for leak in report.leaks)
    near = len(report.leaks) - same
    left = "; left out" if report.leaks_excluded else "; --exclude-leaks leaves them out"
    say(
        f"Leakage: {many(len(report.leaks), 'query')} found in the gallery itself "
        f"({same} by the same file, {many(near, 'near-duplicate')}){left}."
    )
    for leak in report.leaks[:_SHOWN]:
        near_to = f" (cosine {leak.cosine:.3f})" if leak.kind == "near-duplicate" else ""
        say(f"  {show_path(leak.path)}: {leak.kind} of reference {leak.reference_id}{near_to}")
    if len(report.leaks) > _SHOWN:
        say(f"  and {len(report.leaks) - _SHOWN} more; --json lists them all")


def print_report(report: RetrievalReport | BoxReport) -> None:
    """Print the figures of a report."""
    from shitu.evaluation.report import RetrievalReport

    for path, reason in report.skipped:
        say_skipped("skipped", path, reason)
    if isinstance(report, RetrievalReport):
        _print_retrieval(report)
    else:
        _print_boxes(report)
    if report.skipped:
        echo(f"{many(len(report.skipped), 'picture')} skipped.")


def _print_retrieval(report: RetrievalReport) -> None:
    rows = [
        (row.label, str(row.queries), f"{row.recall_at_1:.3f}", f"{row.recall_at_5:.3f}")
        for row in report.labels
    ]
    echo(table(("label (worst first)", "queries", "recall@1", "recall@5"), rows))
    echo("")
    _print_confusions(report)
    _print_means(report)
    if report.open_set is not None:
        _print_open_set(report.open_set, report.decided)
    _print_left_out(report)


def _print_confusions(report: RetrievalReport) -> None:
    if not report.confusions:
        return
    rows = [(row.label, row.answer, str(row.queries)) for row in report.confusions[:_SHOWN]]
    echo(table(("label", "taken for", "queries"), rows))
    if len(report.confusions) > _SHOWN:
        echo(f"and {len(report.confusions) - _SHOWN} more pairs; --json lists them all")
    echo("")


def _print_means(report: RetrievalReport) -> None:
    rows = [
        (name, f"{getattr(report, key):.3f}", interval_text(report.intervals.get(key)))
        for key, name in _NAMES.items()
    ]
    last = "95 % interval" if report.intervals else ""
    echo(table((f"over {many(report.queries, 'query')}", "", last), rows))


def interval_text(interval: Interval | None, form: str = ".3f") -> str:
    """An interval as `0.812 to 0.901`; empty where there is none."""
    return "" if interval is None else f"{interval.low:{form}} to {interval.high:{form}}"


def _print_open_set(found: OpenSetReport, decided: Decided) -> None:
    at = found.at_threshold
    rows = [
        ("strangers answered unknown", f"{at.strangers_unknown:.3f}", ""),
        ("known named rightly", f"{at.known_right:.3f}", ""),
        ("known named wrongly", f"{at.known_wrong:.3f}", ""),
        ("known answered unknown", f"{at.known_unknown:.3f}", ""),
        *(
            (name, f"{value:.3f}", interval_text(found.intervals.get(key)))
            for key, name, value in found.lines()
        ),
    ]
    echo("")
    last = "95 % interval" if found.intervals else ""
    header = (f"open set: {many(at.strangers, 'stranger')}, {decided.point}", "", last)
    echo(table(header, rows))
    if at.strangers < 100:
        say(f"DIR at FAR 1% needs 100 strangers; of {at.strangers} none may pass.")


def _print_left_out(report: RetrievalReport) -> None:
    echo("")
    echo(f"{report.decided.sentence}.")
    strangers = 0 if report.open_set is None else report.open_set.at_threshold.strangers
    alone = report.without_answer - strangers
    for who, count, how in (
        ("Strangers, whose label the gallery lacks", strangers, "they count in the open set alone"),
        ("Queries whose label has no picture but their own file", alone, "left out"),
        ("Queries that are in the gallery themselves", report.own_file_excluded, "file ignored"),
    ):
        if count:
            echo(f"{who}: {count}; {how}.")


def _print_boxes(report: BoxReport) -> None:
    from shitu.evaluation.endtoend import STAGES

    missed = [(STAGES.get(key, key), str(count)) for key, count in report.missed.items()]
    if missed:
        echo(table((f"missed, of {many(report.truths, 'object')}", ""), missed))
        echo("")
    rows = [
        (name, f"{getattr(report, key):.3f}", interval_text(report.intervals.get(key)))
        for key, name in _BOX_NAMES.items()
    ]
    last = "95 % interval" if report.intervals else ""
    title = f"{many(report.truths, 'object')} in {many(report.pictures, 'picture')}"
    echo(table((title, "", last), rows))
    echo("")
    echo(f"verify {report.verify}.")
    if report.strangers:
        echo(f"{report.strangers_named} of {report.strangers} strangers were given a label.")


def print_comparison(found: Comparison) -> None:
    """Print a run against an earlier one, the verdict last."""
    rows = [
        (
            {**_NAMES, "found": "recall of boxes"}.get(one.name, one.name),
            f"{one.before:.3f}",
            f"{one.after:.3f}",
            interval_text(one.interval, "+.3f"),
            {True: "yes", False: "no", None: ""}[one.significant],
        )
        for one in found.differences
    ]
    echo("")
    header = (many(found.pairs, "pair"), "before", "after", "95 % of the difference", "significant")
    echo(table(header, rows))
    if found.only_before or found.only_after:
        echo(
            f"{found.only_before} are in the earlier run only and {found.only_after} in this one "
            "only; both left out."
        )
    echo("")
    echo(found.sentence)
