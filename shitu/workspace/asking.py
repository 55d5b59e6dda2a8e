"""Queries that are named in any of the ways there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from shitu.arguments import list_of, path_of
from shitu.evaluation.queries import Query

if TYPE_CHECKING:
    from shitu.evaluation.truths import LabelledPicture

Skipped = tuple[tuple[str, str], ...]


def queries_of(given: str | Path | Sequence[Query]) -> tuple[list[Query], Skipped]:
    """Return the queries of a folder with one folder per label, or of a label file, or as given.

    And what of it is no query, with the reason.
    """
    from shitu.catalog import list_entries
    from shitu.catalog.labels import clean_label

    if not isinstance(given, (str, Path)):
        asked = list_of("queries", given, Query)
        return [replace(query, label=clean_label(query.label)) for query in asked], ()
    entries = list_entries(path_of("queries", given))
    skipped = tuple((str(entry.path), entry.problem) for entry in entries if entry.problem)
    return [Query(entry.path, entry.label) for entry in entries if not entry.problem], skipped


def as_kept(picture: LabelledPicture) -> LabelledPicture:
    """The same with labels as a gallery keeps them, or objects of it would pass for strangers."""
    from shitu.catalog.labels import clean_label

    truths = (
        truth if truth.label is None else replace(truth, label=clean_label(truth.label))
        for truth in picture.truths
    )
    return replace(picture, truths=tuple(truths))
