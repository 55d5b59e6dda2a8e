"""The protocols of the Grocery Store Dataset as `eval-recall` answers them, check and all."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.grocery import Grocery, read_grocery
from benchmarks.parts import PROTOCOLS
from benchmarks.sections import Section
from shitu.cli._common import progress_bar
from shitu.evaluation.report import RetrievalReport
from shitu.evaluation.retrieval import Query
from shitu.workspace import Workspace

_MODES = ("off", "auto")


def measure_checked(grocery: Path, protocols: Sequence[str]) -> list[Section]:
    """R@1 of answers with and without the check of points, and how many are names.

    Args:
        protocols: keys of `PROTOCOLS`.
    """
    data = read_grocery(grocery)
    values = [row for key in protocols for row in _values(key, data)]
    rows = [[v if isinstance(v, str) else f"{v:.3f}" for v in row.values()] for row in values]
    title = "Grocery Store Dataset as `eval-recall` answers, main body"
    return [Section("checked", values, title, tuple(values[0]), rows)]


def _values(key: str, data: Grocery) -> list[dict[str, Any]]:
    part, title = PROTOCOLS[key]
    gallery, queries = getattr(data, part), data.test
    if key == "c":
        gallery, queries = (
            [query for query in each if query.label in data.packages] for each in (gallery, queries)
        )
    with tempfile.TemporaryDirectory() as folder:
        index = build(gallery, Path(folder))
        reports = {mode: _evaluate(index, queries, mode) for mode in _MODES}
    return [
        {"pictures": f"({key}) {title}", "verify": mode, **_shares(report)}
        for mode, report in reports.items()
    ]


def build(gallery: Sequence[Query], folder: Path) -> Path:
    """Make an index of these pictures in a folder; returns where it is."""
    lines = [f"{query.path.resolve()}\t{query.label}" for query in gallery]
    (folder / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    with Workspace(folder / "index") as shop:
        shop.build(folder / "list.txt")
    return folder / "index"


def _evaluate(index: Path, queries: Sequence[Query], mode: str) -> RetrievalReport:
    with Workspace(index, verify=mode) as shop, progress_bar(f"verify {mode}") as told:
        return shop.evaluate(queries, progress=told)


def _shares(report: RetrievalReport) -> dict[str, float]:
    """R@1, and what `recognize` names rightly and wrongly; the rest is unknown."""
    named = [one.answer == one.label for one in report.outcomes if one.ruling and one.ruling.named]
    return {
        "R@1": report.recall_at_1,
        "named right": sum(named) / report.queries,
        "named wrong": (len(named) - sum(named)) / report.queries,
    }
