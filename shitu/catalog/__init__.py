"""Build, add, remove, relabel, check: the only writer of gallery and index."""

from __future__ import annotations

from shitu.catalog.as_of import PastGallery
from shitu.catalog.catalog import Catalog
from shitu.catalog.check_report import CheckPart, CheckReport
from shitu.catalog.compacting import CompactSummary
from shitu.catalog.describing import Describer
from shitu.catalog.entries import Entry, entries_from_file, entries_from_folder
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
]
