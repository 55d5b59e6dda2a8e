"""Commands by which people answer the answers: review, confirm, reject."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    PAGE,
    CountRange,
    FilePath,
    echo,
    force_option,
    index_options,
    json_option,
    model_options,
    one_line,
    open_workspace,
    print_json,
    refuse_others,
    say,
    show_path,
    table,
    write_text,
)
from shitu.figures import many

if TYPE_CHECKING:
    from shitu.gallery.recognitions import LoggedRecognition
    from shitu.workspace import Workspace


@click.command(epilog="Example: shitu review --limit 20 --html review.html")
@click.option(
    "--limit",
    type=CountRange(min=1),
    default=20,
    show_default=True,
    help="So many, the most ambiguous first.",
)
@click.option(
    "--html",
    type=FilePath(dir_okay=False),
    help="Also write a page with crops beside references, to be opened anywhere, offline.",
)
@click.option("--clear", is_flag=True, help="Forget what is logged, answered or not.")
@click.option("--before", metavar="DATE", help="With --clear: only what was logged before.")
@index_options
@json_option
@click.pass_context
def review(
    context: click.Context,
    /,
    limit: int,
    html: Path | None,
    clear: bool,
    before: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """List logged recognitions that nobody has answered, the most ambiguous first.

    `shitu recognize --log` notes recognitions; `shitu confirm` and `shitu reject` answer them.
    """
    if before is not None and not clear:
        raise click.UsageError("--before says what to --clear.")
    refuse_others(html, PAGE)
    with open_workspace(context, **settings) as workspace:
        if clear:
            _clear(workspace, before, as_json=as_json)
            return
        found = workspace.catalog.unanswered(limit)
        if html is not None:
            _write_page(html, workspace, found)
        with workspace.catalog.gallery.noted() as log:
            _, waiting = log.counts()
    if as_json:
        for one in found:
            print_json(_plain(one))
        return
    if found:
        header = ("id", "ambiguity", "answer", "best match", "score", "confidence", "picture")
        echo(table(header, [_row(one) for one in found]))
    if waiting > len(found):
        say(f"{waiting - len(found)} more wait for an answer: --limit shows them.")
    elif not found:
        echo("No recognition waits for an answer; `shitu recognize --log` notes new ones.")


def _clear(workspace: Workspace, before: str | None, *, as_json: bool) -> None:
    count = workspace.catalog.clear_log(before)
    if as_json:
        print_json({"forgotten": count})
    else:
        echo(f"{many(count, 'recognition')} forgotten.")


def _row(one: LoggedRecognition) -> tuple[str, ...]:
    seen = one.seen
    best = seen.matches[0] if seen.matches else None
    return (
        str(one.recognition_id),
        f"{one.ambiguity:.2f}",
        seen.label or "unknown",
        "" if best is None else best.label,
        "" if best is None else f"{best.score:.2f}",
        "" if seen.confidence is None else f"{seen.confidence:.2f}",
        show_path(seen.path or "no file"),
    )


def _plain(one: LoggedRecognition) -> dict[str, Any]:
    """All but picture and vector."""
    seen = one.seen
    return {
        "recognition_id": one.recognition_id,
        "at": one.at,
        "ambiguity": one.ambiguity,
        "picture": seen.path,
        "sha256": seen.sha256,
        "box": seen.box,
        "detection_score": seen.detection_score,
        "label": seen.label,
        "matches": [asdict(match) for match in seen.matches],
        "margin": seen.margin,
        "lead": seen.lead,
        "decided_by": seen.decided_by,
        "confidence": seen.confidence,
        "threshold": seen.threshold,
        "operating_point": seen.operating_point,
    }


def _write_page(path: Path, workspace: Workspace, found: list[LoggedRecognition]) -> None:
    from shitu.catalog.review_page import page, wanted_pictures

    numbers = wanted_pictures(found)
    write_text(path, page(found, dict(workspace.catalog.gallery.thumbnails(numbers))))
    say(f"{show_path(path)} shows the pictures.")


@click.command(epilog="Example: shitu confirm 12 --label 'Cola, 0.33 l'")
@click.argument("recognition", type=int, metavar="ID")
@click.option("--label", help="The item that it is, known or new.  [default: the best match]")
@force_option
@index_options
@model_options
@json_option
@click.pass_context
def confirm(
    context: click.Context,
    /,
    recognition: int,
    label: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Say that a logged recognition is right, or what it is: its crop becomes a reference."""
    with open_workspace(context, **settings) as workspace:
        done = workspace.confirm(recognition, label)
    if as_json:
        print_json(done.to_dict())
    elif done.already:
        echo(f"{one_line(done.label)} has this picture already, as reference {done.reference_id}.")
    else:
        name = one_line(done.label)
        echo(f"{name}: recognition {recognition} is reference {done.reference_id} now.")
        for number in done.taken_back:
            say(f"rejection {number} said the opposite and was taken back")


@click.command(epilog="Example: shitu reject 12")
@click.argument("recognition", type=int, metavar="[ID]", required=False)
@click.option("--label", help="The item that it is not.  [default: the best match]")
@click.option("--list", "listing", is_flag=True, help="List what was rejected, instead.")
@force_option
@index_options
@model_options
@json_option
@click.pass_context
def reject(
    context: click.Context,
    /,
    recognition: int | None,
    label: str | None,
    listing: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Say that a logged recognition is not its best match, answered or not.

    From then on that item is no answer to pictures which are nearly the same; the next item moves
    up, or the answer is unknown. `shitu undo` takes it back.
    """
    if (recognition is None) != listing:
        raise click.UsageError("Give the ID of a recognition, or --list alone.")
    with open_workspace(context, **settings) as workspace:
        if recognition is None:
            _list_rejections(workspace, as_json=as_json)
            return
        done = workspace.reject(recognition, label)
    if as_json:
        print_json(done.to_dict())
    elif done.already:
        echo(f"{one_line(done.label)} was rejected for it before (rejection {done.rejection_id}).")
    else:
        echo(
            f"{one_line(done.label)} is no answer to pictures like that any more (rejection "
            f"{done.rejection_id}, from a cosine of {done.radius:.2f} on)."
        )


def _list_rejections(workspace: Workspace, *, as_json: bool) -> None:
    found = workspace.catalog.rejections()
    if as_json:
        for one in found:
            values = {key: value for key, value in vars(one).items() if key != "vector"}
            print_json({**values, "inert": one.vector is None})
        return
    rows = [
        (
            str(one.rejection_id),
            one.label or f"item {one.item_id}, which is gone",
            "" if one.recognition_id is None else str(one.recognition_id),
            "inert: no vector of this model" if one.vector is None else f"{one.radius:.2f}",
            one.at[:16],
        )
        for one in found
    ]
    echo(table(("id", "is not", "recognition", "radius", "since"), rows))
