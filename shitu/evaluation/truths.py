"""True boxes of pictures, read from a file."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shitu.errors import DatasetError
from shitu.geometry import Box
from shitu.images import display_path
from shitu.texts import Utf8Error, read_text

_PICTURE = ("picture", "image", "path")
_FAR = 1e9  # pixels; no picture is so wide


@dataclass(frozen=True)
class Truth:
    """One object of a picture; the label None marks one that is in no gallery."""

    box: Box
    label: str | None


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and all objects in it; answers on a crowd of their label are neither right nor
    wrong."""

    path: Path
    truths: tuple[Truth, ...]
    crowds: tuple[Truth, ...] = ()


def read_truths(file: Path) -> list[LabelledPicture]:
    """Read true boxes; relative paths start at the folder of the file.

    JSON Lines, one picture a line: `{"picture": "a.jpg", "boxes": [[left, top, right, bottom]],
    "labels": ["Cola"]}` or `{"picture": "a.jpg", "objects": [{"box": [...], "label": "Cola"}]}`
    (`image` and `path` name the picture as well); or one COCO document, whose `bbox` is left, top,
    width, height; with `iscrowd` it is a crowd. The label null marks an object that no
    gallery has.

    Raises:
        DatasetError: the file cannot be read, or something in it; names the place.
    """
    text = _read(file)
    document = _whole(text)
    if isinstance(document, list):
        raise DatasetError(
            f"{display_path(file)} holds a JSON list: write its objects, each with picture, boxes "
            "and labels, one a line, or a document of COCO."
        )
    pictures = (
        _coco(document, file) if isinstance(document, dict) and "images" in document else None
    )
    if pictures is None:
        pictures = [
            _line(line, f"{display_path(file)}, line {number}", file.parent)
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
    if not any(picture.truths for picture in pictures):
        raise DatasetError(f"{display_path(file)} lists no box: there is nothing to find.")
    _refuse_repeated(pictures, file)
    return pictures


def _refuse_repeated(pictures: Sequence[LabelledPicture], file: Path) -> None:
    counts = Counter(os.path.normpath(picture.path) for picture in pictures)
    again = next((path for path, count in counts.items() if count > 1), None)
    if again is not None:
        raise DatasetError(
            f"{display_path(file)} lists {display_path(again)} {counts[again]} times: an answer on "
            "an object of one of these entries would be wrong in the others; list all objects of a "
            "picture in one."
        )


def _read(file: Path) -> str:
    try:
        return read_text(file)
    except OSError as error:
        raise DatasetError(f"{display_path(file)} cannot be read: {error.strerror}.") from error
    except Utf8Error as error:
        if error.line is None:
            raise DatasetError(
                f"{display_path(file)} is no text: name a file that lists the objects of each "
                "picture, in COCO's format or as lines of JSON."
            ) from error
        raise DatasetError(
            f"{display_path(file)}, line {error.line}: this is not UTF-8; save the file as UTF-8."
        ) from error


def _whole(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None  # several lines of JSON are no JSON


def _line(line: str, where: str, folder: Path) -> LabelledPicture:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise DatasetError(f"{where}: this is no JSON ({error}).") from error
    name = next((values[key] for key in _PICTURE if key in values), None) if _is(values) else None
    if not isinstance(name, str) or not name:
        raise DatasetError(f'{where}: name the picture: {{"picture": "a.jpg", ...}}.')
    return LabelledPicture(folder / name, tuple(_truths(values, where)))


def _is(values: Any) -> bool:
    return isinstance(values, dict)


def _truths(values: Mapping[str, Any], where: str) -> list[Truth]:
    if "objects" in values:
        objects = _list(values["objects"])
        rows = [(one.get("box"), one.get("label")) for one in objects if _is(one)]
        complete = len(rows) == len(objects)
    else:
        boxes, labels = _list(values.get("boxes")), _list(values.get("labels"))
        rows, complete = list(zip(boxes, labels, strict=False)), len(boxes) == len(labels)
    if not complete:
        raise DatasetError(f"{where}: each box needs its label, and each label its box.")
    return [Truth(_box(box, where), _label(label, where)) for box, label in rows]


def _list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _box(corners: Any, where: str) -> Box:
    box = _four(corners)
    if box is not None and box[0] < box[2] and box[1] < box[3]:
        return box
    raise DatasetError(f"{where}: {corners} is no box; write [left, top, right, bottom] in pixels.")


def _bbox(given: Any, where: str) -> Box:
    box = _four(given)
    if box is not None and min(box[2:]) > 0:
        left, top, width, height = box
        return left, top, left + width, top + height
    raise DatasetError(f"{where}: {given} is no box; write [left, top, width, height] in pixels.")


def _four(values: Any) -> Box | None:
    if isinstance(values, Sequence) and len(values) == 4 and all(map(_is_number, values)):
        first, second, third, fourth = map(float, values)
        return first, second, third, fourth
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _FAR


def _label(label: Any, where: str) -> str | None:
    if label is None or (isinstance(label, str) and label.strip()):
        return label
    raise DatasetError(f"{where}: {label!r} is no label; write a text in quotes, or null.")


def _coco(document: Mapping[str, Any], file: Path) -> list[LabelledPicture]:
    where = display_path(file)
    try:
        names = _by_id(document["categories"], "name", f"{where}, categories")
        files = _by_id(document["images"], "file_name", f"{where}, images")
        truths: dict[Any, list[Truth]] = {number: [] for number in files}
        crowds: dict[Any, list[Truth]] = {number: [] for number in files}
        for number, one in enumerate(document["annotations"], 1):
            place = f"{where}, annotation {number}"
            box, label = _bbox(one["bbox"], place), _label(names[one["category_id"]], place)
            kind = crowds if int(one.get("iscrowd") or 0) else truths  # some tools write "0"
            kind[one["image_id"]].append(Truth(box, label))
        return [
            LabelledPicture(file.parent / name, tuple(truths[number]), tuple(crowds[number]))
            for number, name in files.items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{where} is no complete COCO document ({error!r}): it needs images, annotations and "
            "categories that fit together."
        ) from error


def _by_id(rows: Iterable[Mapping[str, Any]], key: str, where: str) -> dict[Any, str]:
    """What each id stands for; files that were put together may give one to two things."""
    found: dict[Any, str] = {}
    for row in rows:
        first = found.setdefault(row["id"], row[key])
        if first != row[key]:
            raise DatasetError(
                f"{where}: {first!r} and {row[key]!r} have the same id {row['id']!r}; give each "
                "one of its own, and use it in the annotations."
            )
    return found
