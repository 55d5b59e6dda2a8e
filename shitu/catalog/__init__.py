"""Build, add, remove, relabel, check: the only writer of gallery and index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shitu._lazy import rooms

if TYPE_CHECKING:
    from shitu.catalog.as_of import PastGallery
    from shitu.catalog.catalog import Catalog
    from shitu.catalog.check_report import CheckPart, CheckReport
    from shitu.catalog.compacting import CompactSummary
    from shitu.catalog.describing import Describer
    from shitu.catalog.entries import Entry, entries_from_file, entries_from_folder, list_entries
    from shitu.catalog.index_import import IndexImportSummary
    from shitu.catalog.summaries import (
        AddSummary,
        BuildSummary,
        Conflict,
        MergeSummary,
        RemoveSummary,
        Skipped,
        SyncReport,
        UndoSummary,
    )

__all__ = [
    "AddSummary",
    "BuildSummary",
    "Catalog",
    "CheckPart",
    "CheckReport",
    "CompactSummary",
    "Conflict",
    "Describer",
    "Entry",
    "IndexImportSummary",
    "MergeSummary",
    "PastGallery",
    "RemoveSummary",
    "Skipped",
    "SyncReport",
    "UndoSummary",
    "entries_from_file",
    "entries_from_folder",
    "list_entries",
]

__getattr__ = rooms(
    __name__,
    {
        "AddSummary": "shitu.catalog.summaries",
        "BuildSummary": "shitu.catalog.summaries",
        "Catalog": "shitu.catalog.catalog",
        "CheckPart": "shitu.catalog.check_report",
        "CheckReport": "shitu.catalog.check_report",
        "CompactSummary": "shitu.catalog.compacting",
        "Conflict": "shitu.catalog.summaries",
        "Describer": "shitu.catalog.describing",
        "Entry": "shitu.catalog.entries",
        "IndexImportSummary": "shitu.catalog.index_import",
        "MergeSummary": "shitu.catalog.summaries",
        "PastGallery": "shitu.catalog.as_of",
        "RemoveSummary": "shitu.catalog.summaries",
        "Skipped": "shitu.catalog.summaries",
        "SyncReport": "shitu.catalog.summaries",
        "UndoSummary": "shitu.catalog.summaries",
        "entries_from_file": "shitu.catalog.entries",
        "entries_from_folder": "shitu.catalog.entries",
        "list_entries": "shitu.catalog.entries",
    },
)
