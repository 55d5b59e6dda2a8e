"""Whatever says what was done can be told in JSON's own types."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest

from shitu.catalog.check_report import CheckPart, CheckReport
from shitu.catalog.summaries import RemoveSummary, Skipped, SyncReport
from shitu.telling import Told

SUMMARIES = {
    "catalog.adapting": ["LearnSummary"],
    "catalog.check_report": ["CheckReport"],
    "catalog.compacting": ["CompactSummary"],
    "catalog.feedback": ["ConfirmSummary", "RejectSummary"],
    "catalog.golden": ["GoldenAnswer", "GoldenSummary"],
    "catalog.importing": ["ImportSummary"],
    "catalog.index_import": ["IndexImportSummary"],
    "catalog.migration": ["MigrateSummary"],
    "catalog.summaries": [
        *("AddSummary", "BuildSummary", "MergeSummary"),
        *("RemoveSummary", "SyncReport", "UndoSummary"),
    ],
    "evaluation.endtoend": ["BoxReport"],
    "evaluation.report": ["RetrievalReport"],
    "exporting.made": ["ExportSummary"],
    "gallery.exporting": ["ExportSummary"],
    "linting.findings": ["LintReport"],
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in SUMMARIES.items() for name in names]
)
def test_all_that_a_workspace_says_has_it(module: str, name: str) -> None:
    summary = getattr(import_module(f"shitu.{module}"), name)
    assert is_dataclass(summary)
    assert callable(summary.to_dict)


def test_every_summary_is_listed_here() -> None:
    for module, names in SUMMARIES.items():
        found = {
            name
            for name, value in vars(import_module(f"shitu.{module}")).items()
            if name.endswith(("Summary", "Report")) and value.__module__ == f"shitu.{module}"
        }
        assert found - set(names) == set(), module


def test_paths_are_strings_and_tuples_lists() -> None:
    done = RemoveSummary("tea", (1, 2), False, (Path("a\udcff.jpg"),), (), 3)
    told = done.to_dict()
    assert told["moved"] == ["a\udcff.jpg"]
    assert (told["reference_ids"], told["kept"], told["generation"]) == ([1, 2], [], 3)


def test_what_lies_deeper_is_told_too() -> None:
    skipped = (Skipped(Path("b.jpg"), "is empty"),)
    report = SyncReport((), (), (), (), (), (), skipped, 1, 2, 0.5)
    assert report.to_dict()["skipped"] == [{"path": "b.jpg", "reason": "is empty"}]
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_a_check_says_whether_all_is_well() -> None:
    report = CheckReport(2, (CheckPart("index", 2, ("it is gone",)),))
    assert isinstance(report, Told)
    told = report.to_dict()
    assert (told["ok"], told["problems"]) == (False, ["it is gone"])
    assert told["parts"][0]["problems"] == ["it is gone"]
