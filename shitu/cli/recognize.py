"""`shitu recognize`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.arguments import words_of
from shitu.cli._common import (
    FilePath,
    as_typed,
    echo,
    index_options,
    json_option,
    model_options,
    open_workspace,
    print_json,
    progress_bar,
    rule_options,
    say,
    say_notes,
    say_skipped,
    show_path,
    table,
    verify_option,
    where_option,
)
from shitu.cli._moments import as_of_option
from shitu.cli._saving import DRAWN, refuse_references, refuse_their_folder, without_drawn
from shitu.figures import apart, many, short

if TYPE_CHECKING:
    from shitu.recognition import Match, Recognition, RecognizedObject
    from shitu.workspace import Workspace

_STDIN = Path("-")
_WHY = ("picture", "#", "score", "margin", "confidence", "needed", "points", "decided by")
_CHANGES = ("picture", "#", "what would change it")
_MATCHES = ("picture", "#", "match", "prototype", "score", "points", "nearest reference")
_REJECTED = ("picture", "#", "is not", "likeness to what was rejected", "at")
_DROPPED = ("picture", "dropped box", "detection", "stage", "why")
_OF_PICTURES = ("threshold", "lead", "verify", "detection_threshold", "max_objects")
_OVERLAPS = 5  # boxes that lost to a stronger one, shown of each picture
_LONGEST = 65_500  # pixels a side of a JPEG
_TOO_LONG = f"a JPEG has at most {_LONGEST:,} pixels a side; make it smaller"


@click.command(epilog="Example: shitu recognize shelf.jpg --save annotated")
@click.argument("images", nargs=-1, type=FilePath(), metavar="[IMAGE|DIR|-...]")
@click.option("--text", help="Search by words instead, with a model that reads (CLIP).")
@click.option(
    "--save", type=FilePath(), help="Folder for annotated pictures, not that of the pictures."
)
@click.option(
    "--explain",
    is_flag=True,
    help="Show what decided, what would change it, and which box was dropped, why; with --save, a "
    "picture of it, too.",
)
@click.option("--top-k", type=int, help="Items listed as matches of an object.  [default: 5]")
@rule_options
@verify_option
@click.option("--detection-threshold", type=float, help="Boxes below this score are ignored.")
@click.option("--max-objects", type=int, help="Look up at most so many boxes.  [default: 20]")
@click.option("--whole-image", is_flag=True, help="Look up each picture as a whole.")
@click.option("--log", is_flag=True, help="Keep answers and crops for review, confirm, reject.")
@where_option
@as_of_option
@index_options
@model_options
@json_option
@click.pass_context
def recognize(
    context: click.Context,
    /,
    images: tuple[Path, ...],
    text: str | None,
    save: Path | None,
    explain: bool,
    whole_image: bool,
    log: bool,
    where: str | None,
    as_of: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Name the objects in pictures, folders of pictures, or the picture on stdin (-)."""
    past = as_of is not None
    pictures_only = save is not None or log or past or whole_image or explain
    pictures_only |= any(settings[name] is not None for name in _OF_PICTURES)
    _check_usage(images, text, pictures_only=pictures_only)
    if text is not None:
        _find_by_words(context, text, where, as_json=as_json, **settings)
        return
    if log and past:
        raise click.UsageError("Answers of the past are not logged: leave out --log or --as-of.")
    failed = undrawn = 0
    notes: dict[str, None] = {}  # in order, each but once
    closed: dict[Path, str] = {}
    pictures = _pictures(images, save, closed)
    names = _unique_names(pictures)
    if save is not None:
        refuse_their_folder(save, (path for path in pictures if path != _STDIN))
        _make_folder(save)
    with open_workspace(context, **settings) as workspace:
        if save is not None:
            refuse_references(workspace, _targets(save, names.values(), explain=explain))
        tables = _Tables(explain=explain)
        for path, source, result in _run(
            workspace,
            pictures,
            whole_image=whole_image,
            where=where,
            as_of=as_of,
            log=log or None,
        ):
            if isinstance(result, Exception):
                failed += 1
                say_skipped("skipped", path, result)
                continue
            notes |= dict.fromkeys(result.notes)
            if as_json:
                print_json({"image": str(path), **result.to_dict()})
            else:
                tables.add(path, result)
            if save is not None and not _draw(
                workspace, save / names[path], source, result, as_of, explain=explain
            ):
                undrawn += 1
                say_skipped("not drawn", path, _TOO_LONG)
    tables.print()
    say_notes(notes)
    _say_what_failed(failed, len(pictures), closed)
    if failed or closed or undrawn:
        context.exit(1)


def _say_what_failed(failed: int, pictures: int, closed: dict[Path, str]) -> None:
    for folder, problem in closed.items():
        say_skipped("skipped", folder, problem)
    if failed:
        say(f"{failed} of {many(pictures, 'picture')} skipped.")
    if closed:
        say(f"{many(len(closed), 'folder')} skipped.")


def _check_usage(images: tuple[Path, ...], text: str | None, *, pictures_only: bool) -> None:
    if (text is None) == (not images):
        raise click.UsageError("Give pictures, or --text with words: one of the two.")
    if text is not None and pictures_only:
        raise click.UsageError("With --text go --where, --top-k, --index, --model and --json.")


def _find_by_words(
    context: click.Context, text: str, where: str | None, *, as_json: bool, **settings: Any
) -> None:
    try:
        words = words_of("--text", as_typed(text))
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    with open_workspace(context, **settings) as workspace:
        found = workspace.find_by_words(words, where=where)
    if as_json:
        print_json(found.to_dict())
        return
    rows = [(m.label, f"{m.score:.2f}", show_path(_near(m.path))) for m in found.matches]
    echo(table(("label", "score", "nearest reference"), rows))
    say_notes(found.notes)


def _pictures(paths: Iterable[Path], save: Path | None, closed: dict[Path, str]) -> list[Path]:
    """List the pictures; `closed` is filled with folders that cannot be listed, and why."""
    from shitu.errors import ImageError
    from shitu.images import find_images

    pictures: list[Path] = []
    for path in paths:
        # Asked so that a picture which may not be looked at is skipped, not the end.
        folder, before = os.path.isdir(path), len(closed)  # noqa: PTH112
        found = find_images(path, closed.__setitem__) if folder else [path]
        if folder and save is not None:
            found = without_drawn(found, save)
        if not found and len(closed) == before:
            raise ImageError(f"No picture found in {show_path(path)}.")
        pictures += found
    if not pictures:
        first, problem = next(iter(closed.items()))
        raise ImageError(f"{show_path(first)} {problem}.")
    return pictures


def _run(
    workspace: Workspace, pictures: list[Path], **options: Any
) -> Iterator[tuple[Path, Path | bytes, Recognition | Exception]]:
    sources = [_on_stdin() if path == _STDIN else path for path in pictures]
    results = workspace.recognize_many(sources, **options)
    with progress_bar("pictures") as progress:
        for done, found in enumerate(zip(pictures, sources, results, strict=True)):
            progress(done, len(pictures))
            yield found
        progress(len(pictures), len(pictures))


def _on_stdin() -> bytes:
    from shitu.errors import ImageError

    try:
        if sys.stdin is not None:
            return sys.stdin.buffer.read()
        why = "it is closed"
    except OSError as error:
        why = str(error.strerror)
    raise ImageError(f"stdin cannot be read ({why}): send a picture there, or name a file.")


class _Tables:
    """Collects what is printed once all pictures are done."""

    def __init__(self, *, explain: bool) -> None:
        self._explain = explain
        self._objects: list[tuple[str, ...]] = []
        self._why: list[tuple[str, ...]] = []
        self._sure = False  # whether any object has a confidence
        self._changes: list[tuple[str, ...]] = []
        self._matches: list[tuple[str, ...]] = []
        self._dropped: list[tuple[str, ...]] = []
        self._rejected: list[tuple[str, ...]] = []

    def add(self, path: Path, result: Recognition) -> None:
        name = show_path(path)
        for number, item in enumerate(result.objects, 1):
            self._objects.append((name, str(number), *_row(item, result)))
            self._sure |= item.confidence is not None
            if item.margin is not None:
                self._why.append((name, str(number), *_reason(item, result)))
            self._changes.append((name, str(number), result.what_would_change(item)))
            self._rejected += [
                (name, str(number), one.label, f"{one.likeness:.2f}", one.at[:16])
                for one in item.rejected
            ]
            self._matches += [
                (name, str(number), *row) for match in item.matches for row in _references(match)
            ]
        overlaps = 0
        for box in result.dropped:
            overlaps += box.stage == "overlap"
            if box.stage != "overlap" or overlaps <= _OVERLAPS:
                row = (_numbers(box.box), f"{box.score:.2f}", box.stage, box.reason)
                self._dropped.append((name, *row))
        if overlaps > _OVERLAPS:
            more = f"{overlaps - _OVERLAPS} more that overlap a stronger box (all in --json)"
            self._dropped.append((name, "...", "", "overlap", more))

    def print(self) -> None:
        if self._objects:
            columns = ("picture", "#", "label", "confidence", "score", "detection", "box", "id")
            # Without a calibration, or a log, there is no such column.
            rows = self._objects
            missing = {"confidence": not self._sure, "id": not any(row[-1] for row in rows)}
            keep = [i for i, name in enumerate(columns) if not missing.get(name)]
            rows = [tuple(row[i] for i in keep) for row in rows]
            echo(table([columns[i] for i in keep], rows))
        if self._explain:
            for header, lines in (
                (_WHY, self._why),
                (_CHANGES, self._changes),
                (_MATCHES, self._matches),
                (_REJECTED, self._rejected),
                (_DROPPED, self._dropped),
            ):
                if lines:
                    echo("\n" + table(header, lines))


def _row(item: RecognizedObject, result: Recognition) -> tuple[str, ...]:
    label = item.label
    if label is None and item.matches:
        label = f"unknown ({_lacking(item, result)})"
    score, sure, _ = _decisive(item, result)
    return (
        label or "unknown",
        sure,
        "" if item.score is None else score,
        "" if item.detection_score is None else f"{item.detection_score:.2f}",
        _numbers(item.box),
        "" if item.recognition_id is None else str(item.recognition_id),
    )


def _lacking(item: RecognizedObject, result: Recognition) -> str:
    """What kept the best match from being the answer, in a few words."""
    from shitu.recognition import LEAD

    best = item.matches[0].label
    if item.decided_by == LEAD:
        return f"{best} is hardly ahead"
    if result.operating_point is not None and item.confidence is None:
        return f"points do not prove {best}"
    return f"{best} is below {_decisive(item, result)[2]}"


def _decisive(item: RecognizedObject, result: Recognition) -> tuple[str, str, str]:
    """Score, confidence, and what one of them had to reach, which is told apart from it."""
    score, sure = (
        f"{item.score or 0.0:.2f}",
        "" if item.confidence is None else f"{item.confidence:.2f}",
    )
    if result.operating_point is None:
        score, needed = apart(item.score or 0.0, result.threshold)
    elif item.confidence is None:
        needed = short(result.operating_point)
    else:
        sure, needed = apart(item.confidence, result.operating_point)
    return score, sure, needed


def _reason(item: RecognizedObject, result: Recognition) -> tuple[str, ...]:
    """Score, margin, confidence, what was asked for, agreeing points, and what decided."""
    from shitu.recognition import LEAD

    score, sure, needed = _decisive(item, result)
    if item.decided_by == LEAD:
        needed = f"lead {short(result.lead)}"
    else:
        needed = f"{'score' if result.operating_point is None else 'confidence'} {needed}"
    points = _points(item.matches[0]) if item.matches else ""
    return score, f"{item.margin or 0.0:.2f}", sure, needed, points, item.decided_by


def _references(match: Match) -> Iterator[tuple[str, ...]]:
    """A row for each of the references that a match tells of."""
    for i, each in enumerate(match.references):
        close = "" if i or match.prototype is None else f"{match.prototype:.2f}"
        told = _points(match) if each.reference_id == match.agreed_id else ""
        label, place = "" if i else match.label, show_path(_near(each.path))
        yield label, close, f"{each.score:.2f}", told, place


def _points(match: Match) -> str:
    """How many points agree, of how many that look alike."""
    told = match.agreement
    return "" if told is None else f"{told.inliers} of {told.matches}"


def _near(path: str) -> str:
    """The path as seen from here, where it lies below."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _numbers(box: tuple[float, ...] | None) -> str:
    return "whole picture" if box is None else ",".join(f"{side:.0f}" for side in box)


def _unique_names(pictures: list[Path]) -> dict[Path, str]:
    """A file name for each annotated picture; pictures of the same name do not overwrite."""
    names: dict[Path, str] = {}
    for path in pictures:
        stem = "stdin" if path == _STDIN else path.stem
        name, n = f"{stem}.jpg", 1
        while name in names.values():
            n += 1
            name = f"{stem}-{n}.jpg"
        names.setdefault(path, name)
    return names


def _targets(folder: Path, names: Iterable[str], *, explain: bool) -> Iterator[Path]:
    for name in names:
        yield folder / name
        if explain:
            yield _sheet(folder / name)


def _sheet(target: Path) -> Path:
    """Where the explanation of an annotated picture goes."""
    return target.with_name(f"{target.stem}.why.png")


def _make_folder(folder: Path) -> None:
    from shitu.errors import ImageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            f"{show_path(folder)} cannot be made to hold annotated pictures: {error.strerror}."
        ) from None


def _draw(
    workspace: Workspace,
    target: Path,
    source: Path | bytes,
    result: Recognition,
    as_of: str | None,
    *,
    explain: bool,
) -> bool:
    """Write an annotated picture and, if that is asked for, what explains it.

    Returns:
        False if the picture is too long for that.
    """
    from shitu.images import save_image

    drawn = _save(target, source, result)
    if explain:
        sheet = workspace.draw_explanation(source, result, as_of=as_of)
        save_image(_sheet(target), sheet, remark=DRAWN)
    return drawn


def _save(target: Path, source: Path | bytes, result: Recognition) -> bool:
    from shitu.drawing import Mark, annotate
    from shitu.images import load_image, save_image

    image = load_image(source)
    height, width = image.shape[:2]
    if max(height, width) > _LONGEST:
        return False
    marks = [
        Mark(
            box=item.box or (0.0, 0.0, float(width), float(height)),
            text=f"{item.label} {item.score:.2f}" if item.label else "unknown",
            known=item.label is not None,
        )
        for item in result.objects
    ]
    save_image(target, annotate(image, marks), remark=DRAWN)
    return True
