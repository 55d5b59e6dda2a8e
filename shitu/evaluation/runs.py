"""A run kept in a file, so that a later one can be compared with it query by query."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from shitu.errors import DatasetError
from shitu.images import display_path
from shitu.images.writing import write_whole

_FORMAT = "shitu eval-recall run"
_VERSION = 1
RUN = f'{{\n "format": "{_FORMAT}"'
"""How the file of a run begins."""

Kind = Literal["queries", "boxes"]


@dataclass(frozen=True)
class RunRow:
    """What became of one query, or of one true box.

    Attributes:
        key: what it is known by in every run: content of the picture, label, box.
        values: what is averaged, by name, each 0..1.
    """

    key: str
    path: str
    label: str
    answer: str | None
    values: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """An evaluation, query by query (or true box by true box)."""

    kind: Kind
    rows: tuple[RunRow, ...]


def distinct(keys: Iterable[str]) -> Iterator[str]:
    """The keys, the second of two equal ones with a number behind it."""
    seen: Counter[str] = Counter()
    for key in keys:
        seen[key] += 1
        yield key if seen[key] == 1 else f"{key} {seen[key]}"


def save_run(path: Path, run: Run) -> None:
    """Write a run as JSON; a reader never sees half of it.

    Raises:
        DatasetError: the file cannot be written.
    """
    document = {"format": _FORMAT, "version": _VERSION, **asdict(run)}
    write_text(path, json.dumps(document, ensure_ascii=False, indent=1))


def load_run(path: Path) -> Run:
    """Read a run.

    Raises:
        DatasetError: the file cannot be read or is no run.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{display_path(path)} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DatasetError(f"{display_path(path)} is no JSON ({error}): {_NEXT}") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise DatasetError(f"{display_path(path)} is no run of eval-recall: {_NEXT}")
    if document.get("version") != _VERSION:
        raise DatasetError(
            f"{display_path(path)} is of another version of shitu: measure again with --save."
        )
    try:
        return _run(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{display_path(path)} is damaged ({error!r}): {_NEXT}") from error


_NEXT = "name a file that --save has written."


def _run(document: Mapping[str, Any]) -> Run:
    if document["kind"] not in get_args(Kind):
        raise ValueError(f"kind {document['kind']!r}")
    rows = [_row(row) for row in document["rows"]]
    return Run(document["kind"], tuple(rows))


def _row(row: Mapping[str, Any]) -> RunRow:
    values = {str(name): float(value) for name, value in row["values"].items()}
    return RunRow(str(row["key"]), str(row["path"]), str(row["label"]), row["answer"], values)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8, all of it or nothing.

    Raises:
        DatasetError: the file cannot be written.
    """
    try:
        write_whole(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise DatasetError(
            f"{display_path(path)} cannot be written ({error.strerror}): name another place."
        ) from error


def by_key(rows: Sequence[RunRow]) -> dict[str, RunRow]:
    """The rows by what they are known by."""
    return {row.key: row for row in rows}
