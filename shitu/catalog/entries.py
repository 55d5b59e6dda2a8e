"""What a folder or a label file lists: pictures with their labels."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from shitu.catalog.id_map import PICTURE_END, split_line
from shitu.catalog.labels import clean_label
from shitu.errors import DatasetError, GalleryError, ImageError
from shitu.images import display_path, find_images
from shitu.images.names import cannot
from shitu.texts import Utf8Error, read_text

_PICTURE = {"path", "picture", "image", "file"}
"""What a column of paths may be called."""

_JSON = {".json", ".jsonl"}
_OBJECT = re.compile(r'\s*\{\s*("|\}|$)')
_QUOTED = re.compile(r'(^|(?<=,))\s*"([^"]|"")*"\s*(?=,|$)')
# A blank ends the path, not a comma, as in "a.jpg copy.jpg,tea".
_AS_PADDLEX = re.compile(rf'(?![^,]*{PICTURE_END}\s*,)[^",]*?{PICTURE_END}\s+[^\s,]', re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A picture and the label it should have.

    Attributes:
        explicit: somebody wrote this label for this picture; false where it is merely the name
            of the folder, which does not override a label given by a command.
        problem: why the entry cannot be used; empty if it can.
        closed: it is a folder that cannot be listed: nobody knows what is in it.
    """

    path: Path
    label: str
    explicit: bool = True
    problem: str = ""
    closed: bool = False


def list_entries(source: Path) -> list[Entry]:
    """Pictures and labels of a folder with one folder per label, or of a label file."""
    return list(entries_from_folder(source) if source.is_dir() else entries_from_file(source))


def entries_from_folder(folder: Path) -> list[Entry]:
    """List the pictures of a folder with one folder per label, at any depth below those.

    Raises:
        GalleryError: there is no picture in any of them, or it is a whole disk or home folder.
        ImageError: the folder is missing or may not be read, or no other one below it.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - links are kept as the user sees them
    _refuse_everything(folder)
    closed: list[Entry] = []

    def skip(below: Path, problem: str) -> None:
        closed.append(Entry(below, "", False, problem, closed=True))

    entries = [_entry_of(picture, folder) for picture in find_images(folder, skip)]
    if not any(not entry.problem for entry in entries):
        if closed:
            raise ImageError(f"{display_path(closed[0].path)} {closed[0].problem}.")
        loose = f"; {len(entries)} lie directly in it" if entries else ""
        raise GalleryError(
            f"no picture found below {display_path(folder)}: make one folder per label in it and "
            f"put pictures into those{loose}"
        )
    return entries + closed


def _refuse_everything(folder: Path) -> None:
    """Refuse a folder that can only be meant by mistake, before it is walked through for hours."""
    home = os.path.expanduser("~")  # noqa: PTH111 - which stays `~` where there is none
    home, real = os.path.realpath("/" if home == "~" else home), os.path.realpath(folder)
    if Path(home).is_relative_to(real):
        what = "your home folder" if real == home != "/" else "a whole disk"
        raise GalleryError(
            f"{display_path(folder)} is no gallery, but {what}: name the folder that holds a "
            "folder of pictures per label, and nothing else"
        )


def moved_below(entry: Entry, folder: Path, name: Path) -> Entry:
    """Return an entry with its picture under another name of the folder that it lies in."""
    if not entry.path.is_relative_to(folder):
        return entry
    return replace(entry, path=name / entry.path.relative_to(folder))


def _entry_of(picture: Path, folder: Path) -> Entry:
    parts = picture.relative_to(folder).parts
    if len(parts) == 1:
        return Entry(picture, "", False, "lies in no folder that would be its label")
    label = clean_label(parts[0])
    problem = "" if label else "its folder has a blank name, which is no label"
    return Entry(picture, label, False, problem)


def entries_from_file(file: Path) -> list[Entry]:
    r"""List the pictures of a label file; relative paths start at the folder of the file.

    Lines are `path<TAB>label`, or CSV `path,label` with quotes where needed, or JSON objects
    `{"path": ..., "label": ...}`, or `picture.jpg label` as PaddleX has them. The first line
    decides on the form. Blank lines do not count. A headline `path,label` or `label,path` says
    what stands where in the lines below it. A picture that is listed again counts once, and under
    the first of its labels.

    Raises:
        DatasetError: a line is malformed, or the file is not text; names file and line.
        GalleryError: the file lists nothing.
    """
    file = Path(os.path.abspath(file))  # noqa: PTH100
    text = _read(file)
    entries = list(listed_once(_checked(row, number, file) for number, row in _rows(text, file)))
    if not entries:
        raise GalleryError(
            f"{display_path(file)} lists no picture: write one `path<TAB>label` a line"
        )
    return entries


def listed_once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries without repetitions; a second label of a picture is a problem."""
    listed: dict[Path, Entry] = {}
    for entry in entries:
        first = listed.setdefault(entry.path, entry)
        if first is entry or entry.problem:
            yield entry
        elif first.label != entry.label:
            said = f"is listed twice; the first line says {first.label!r}"
            yield replace(entry, problem=said)


def _read(file: Path) -> str:
    try:
        return read_text(file)
    except OSError as error:
        raise DatasetError(cannot("read", display_path(file), error)) from error
    except Utf8Error as error:
        if error.line is None:
            raise DatasetError(
                f"{display_path(file)} is no text, as a label file is: name a folder with one "
                "folder of pictures per label, or a file of lines `path<TAB>label`"
            ) from error
        raise DatasetError(
            f"{display_path(file)}, line {error.line}: this is not UTF-8; save the file as UTF-8"
        ) from error


def _rows(text: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    # Not splitlines(): names and labels may hold characters which that takes for ends of lines.
    first = next((line for line in text.split("\n") if line.strip()), "")
    if _OBJECT.match(first):
        return _json_rows(text, file)
    if file.suffix.lower() in _JSON and first.lstrip().startswith("["):
        raise DatasetError(
            f"{display_path(file)} holds a JSON list: write its objects, each with path and "
            "label, one a line"
        )
    if "\t" in _QUOTED.sub("", first):
        return _under_headlines(_tab_rows(text))
    if _AS_PADDLEX.match(first):
        return _blank_rows(text)
    return _under_headlines(_csv_rows(text, file))


def _under_headlines(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """The rows but for headlines, each with its path first."""
    label_first = False
    for number, row in rows:
        names = [field.casefold() for field in row]
        if len(names) == 2 and "label" in names and _PICTURE.intersection(names):
            label_first = names[0] == "label"
        else:
            # A row of another length is told as it stands.
            yield number, row[::-1] if label_first and len(row) == 2 else row


def _tab_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, [field.strip() for field in line.rstrip("\r").split("\t")]


def _blank_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            named = split_line(line)
            yield number, [named.path or "", named.label]


def _csv_rows(text: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    start = 1
    try:
        for row in reader:
            fields = [field.strip() for field in row]
            if any(fields):
                yield start, fields
            start = reader.line_num + 1
    except csv.Error as error:
        raise DatasetError(
            f"{display_path(file)}, line {start}: {error}; check the quotes"
        ) from error


def _json_rows(text: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            row = [values["path"], values["label"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{display_path(file)}, line {number}: not an object with path and label ({error})"
            ) from error
        if not all(isinstance(value, str) for value in row):
            raise DatasetError(
                f"{display_path(file)}, line {number}: path and label must be text, in quotes"
            )
        yield number, row


def _checked(row: list[str], number: int, file: Path) -> Entry:
    where = f"{display_path(file)}, line {number}"
    if len(row) != 2:
        raise DatasetError(
            f"{where}: {len(row)} field(s) instead of a path and a label; separate them by a tab, "
            "or by a comma with quotes around fields that hold commas"
        )
    path, label = row[0], clean_label(row[1])
    if not path or not label:
        raise DatasetError(f"{where}: the {'label' if path else 'path'} is empty; fill it in")
    if "\0" in path:
        raise DatasetError(f"{where}: the path has a zero byte in it; no file is called that")
    return Entry(Path(os.path.normpath(file.parent / path)), label)
