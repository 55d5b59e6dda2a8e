"""Queries that are named in any of the ways there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shitu.arguments import list_of, path_of
from shitu.evaluation.queries import Query

Skipped = tuple[tuple[str, str], ...]


def queries_of(given: str | Path | Sequence[Query]) -> tuple[list[Query], Skipped]:
    """Return the queries of a folder with one folder per label, or of a label file, or as given.

    And what of it is no query, with the reason.
    """
    from shitu.catalog import list_entries

    if not isinstance(given, (str, Path)):
        return list_of("queries", given, Query), ()
    entries = list_entries(path_of("queries", given))
    skipped = tuple((str(entry.path), entry.problem) for entry in entries if entry.problem)
    return [Query(entry.path, entry.label) for entry in entries if not entry.problem], skipped
