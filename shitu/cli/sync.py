"""`shitu sync`."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    FilePath,
    NumberRange,
    echo,
    index_options,
    json_option,
    model_options,
    open_workspace,
    print_json,
    progress_bar,
    say,
    say_outgrown,
    say_skipped,
    show_path,
    table,
)

if TYPE_CHECKING:
    from shitu.catalog import SyncReport


@click.command(epilog="Example: shitu sync photos --dry-run")
@click.argument("folder", type=FilePath(), metavar="DIR")
@click.option("--dry-run", is_flag=True, help="List what would be done; write nothing.")
@click.option(
    "--force", is_flag=True, help="Go on even if most pictures are gone, or golden queries break."
)
@click.option(
    "--watch",
    type=NumberRange(min=0.1),
    metavar="SECONDS",
    help="Do it again and again, so many seconds apart, until Ctrl-C.",
)
@index_options
@model_options
@json_option
@click.pass_context
def sync(
    context: click.Context,
    /,
    folder: Path,
    dry_run: bool,
    force: bool,
    watch: float | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Keep the gallery equal to a folder with one folder of pictures per label.

    New and changed pictures are embedded, moved and relabelled ones are not, and what vanished
    from the folder is removed from the gallery.
    """
    if dry_run and watch is not None:
        raise click.UsageError("--dry-run looks once; leave out --watch.")
    with open_workspace(context, force=force, **settings) as workspace:

        def one_round() -> SyncReport:
            with progress_bar("pictures") as progress:
                return workspace.sync(folder, dry_run=dry_run, force=force, progress=progress)

        if watch is not None:
            _watch(one_round, watch, as_json=as_json)
        else:
            _print(one_round(), as_json=as_json)
            if not dry_run:
                say_outgrown(workspace.catalog)


def _print(report: SyncReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_dict())
        return
    _say_left_out(report)
    rows = [row for row in _rows(report) if report.dry_run or row[0] != "new"]
    if rows:
        echo(table(("what", "picture", "before"), rows))
    if report.refusal:
        say(f"Without --dry-run this is refused: {report.refusal}")
    would = " Nothing was written." if report.dry_run else f" Generation {report.generation}."
    echo(f"{_counts(report)}.{would}")


def _say_left_out(report: SyncReport) -> None:
    for name, listed in (("skipped", report.skipped), ("duplicate", report.duplicates)):
        for skipped in listed:
            say_skipped(name, skipped.path, skipped.reason)


def _rows(report: SyncReport) -> Iterator[tuple[str, str, str]]:
    yield from (("new", show_path(path), "") for path in report.new)
    yield from (("changed", show_path(path), "") for path in report.changed)
    yield from (("moved", show_path(one.path), show_path(one.was)) for one in report.moved)
    for one in report.relabelled:
        yield "relabelled", f"{show_path(one.path)}: {one.label}", one.was
    yield from (("removed", show_path(path), "") for path in report.removed)


def _counts(report: SyncReport) -> str:
    counts = {
        "new": len(report.new),
        "changed": len(report.changed),
        "moved": len(report.moved),
        "relabelled": len(report.relabelled),
        "removed": len(report.removed),
        "skipped": len(report.skipped),
        "duplicates": len(report.duplicates),
    }
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    return ", ".join([*parts, f"{report.unchanged} unchanged"])


def _watch(one_round: Callable[[], SyncReport], seconds: float, *, as_json: bool) -> None:
    """Print a line for each round that changed something; the first may fail, later ones wait."""
    from shitu.errors import ShituError

    with _until_told_to_end():
        last = one_round()
        _say_left_out(last)
        _tell(last, as_json=as_json)
        said = ""
        while True:
            time.sleep(seconds)
            try:
                report = one_round()
            except ShituError as error:  # the disk may come back
                if str(error) != said:
                    say(f"Error: {error}; trying again every {seconds:g} s")
                said = str(error)
                continue
            said = ""
            if report.changes:
                _tell(report, as_json=as_json)
            if report.skipped != last.skipped or report.duplicates != last.duplicates:
                _say_left_out(report)
            last = report


def _tell(report: SyncReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_dict())
    else:
        at = datetime.now().astimezone().isoformat(timespec="seconds")
        echo(f"{at}  {_counts(report)}. Generation {report.generation}.")


@contextlib.contextmanager
def _until_told_to_end() -> Iterator[None]:
    """End quietly on Ctrl-C and SIGTERM; a round cut short keeps what it committed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        say("Stopped watching. What was committed is kept.")
    finally:
        signal.signal(signal.SIGTERM, before)
