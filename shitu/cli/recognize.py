"""`shitu recognize`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    echo,
    index_options,
    json_option,
    open_workspace,
    print_json,
    progress_bar,
    say,
    show_path,
    table,
)

if TYPE_CHECKING:
    from shitu.recognizer import Recognition, RecognizedObject
    from shitu.workspace import Workspace

_STDIN = Path("-")
_HEADER = ("picture", "label", "score", "detection", "box", "reference")


@click.command(epilog="Example: shitu recognize shelf.jpg --save annotated")
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE|DIR|-..."
)
@click.option("--save", type=click.Path(path_type=Path), help="Folder for annotated pictures.")
@click.option("--explain", is_flag=True, help="Show all matches, and which box was dropped, why.")
@click.option("--top-k", type=int, help="Items listed as matches of an object.  [default: 5]")
@click.option("--threshold", type=float, help="Labels below this score are unknown.")
@click.option("--detection-threshold", type=float, help="Boxes below this score are ignored.")
@click.option("--max-objects", type=int, help="Look up at most so many boxes.  [default: 20]")
@click.option("--whole-image", is_flag=True, help="Look up each picture as a whole.")
@index_options
@json_option
@click.pass_context
def recognize(
    context: click.Context,
    /,
    images: tuple[Path, ...],
    save: Path | None,
    explain: bool,
    whole_image: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Name the objects in pictures, folders of pictures, or the picture on stdin (-)."""
    failed = 0
    if save is not None:
        _make_folder(save)
    with open_workspace(context, **settings) as workspace:
        pictures = _pictures(images)
        rows: list[tuple[str, ...]] = []
        names = _unique_names(pictures)
        for path, result in _run(workspace, pictures, whole_image=whole_image):
            if isinstance(result, Exception):
                failed += 1
                say(f"skipped {show_path(path)}: {result}")
                continue
            if save is not None:
                _save(save / names[path], path, result)
            if as_json:
                print_json({"image": str(path), **result.to_dict()})
            else:
                rows += _rows(path, result, explain=explain)
    if rows:
        echo(table(_HEADER, rows))
    if failed:
        say(f"{failed} of {len(pictures)} pictures skipped.")
        context.exit(1)


def _pictures(paths: Iterable[Path]) -> list[Path]:
    from shitu.errors import ImageError
    from shitu.images import find_images

    pictures: list[Path] = []
    for path in paths:
        found = find_images(path) if path.is_dir() else [path]
        if not found:
            raise ImageError(f"No picture found in {show_path(path)}.")
        pictures += found
    return pictures


def _run(
    workspace: Workspace, pictures: list[Path], *, whole_image: bool
) -> Iterator[tuple[Path, Recognition | Exception]]:
    sources = [sys.stdin.buffer.read() if path == _STDIN else path for path in pictures]
    results = workspace.recognize_many(sources, whole_image=whole_image)
    with progress_bar("pictures") as progress:
        for done, (path, result) in enumerate(zip(pictures, results, strict=True)):
            progress(done, len(pictures))
            yield path, result
        progress(len(pictures), len(pictures))


def _rows(path: Path, result: Recognition, *, explain: bool) -> list[tuple[str, ...]]:
    name = show_path(path)
    rows = [_row(name, item, result.threshold) for item in result.objects]
    if not explain:
        return rows
    rows = []
    for item in result.objects:
        rows.append(_row(name, item, result.threshold))
        rows += [
            ("", f"  match {match.label}", f"{match.score:.2f}", "", "", show_path(match.path))
            for match in item.matches
        ]
    rows += [
        (name, f"dropped by {d.stage}: {d.reason}", "", f"{d.score:.2f}", _numbers(d.box), "")
        for d in result.dropped
    ]
    return rows


def _row(name: str, item: RecognizedObject, threshold: float) -> tuple[str, ...]:
    label = item.label
    if label is None and item.matches:
        label = f"unknown (below {threshold:.2f}: {item.matches[0].label})"
    return (
        name,
        label or "unknown",
        "" if item.score is None else f"{item.score:.2f}",
        "" if item.detection_score is None else f"{item.detection_score:.2f}",
        _numbers(item.box),
        show_path(item.matches[0].path) if item.matches else "",
    )


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


def _make_folder(folder: Path) -> None:
    from shitu.errors import ImageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            f"{show_path(folder)} cannot be made to hold annotated pictures: {error.strerror}."
        ) from None


def _save(target: Path, source: Path, result: Recognition) -> None:
    from shitu.drawing import Mark, annotate
    from shitu.images import load_image, save_image

    image = load_image(source)
    height, width = image.shape[:2]
    marks = [
        Mark(
            box=item.box or (0.0, 0.0, float(width), float(height)),
            text=f"{item.label} {item.score:.2f}" if item.label else "unknown",
            known=item.label is not None,
        )
        for item in result.objects
    ]
    save_image(target, annotate(image, marks))
