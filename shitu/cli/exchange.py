"""Commands that carry a gallery from one place to another: export-gallery, import-gallery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._attributes import show_attributes, show_value
from shitu.cli._common import (
    FilePath,
    echo,
    force_option,
    index_options,
    json_option,
    open_workspace,
    print_json,
    progress_bar,
    say,
    say_outgrown,
    show_path,
    table,
)
from shitu.figures import many

if TYPE_CHECKING:
    from shitu.catalog.differing import GalleryDiff
    from shitu.catalog.importing import ImportSummary

_FILE = FilePath()


@click.command(epilog="Example: shitu export-gallery shop.gallery --with-pictures")
@click.argument("file", type=_FILE)
@click.option("--with-pictures", is_flag=True, help="Put the original pictures in, too.")
@index_options
@json_option
@click.pass_context
def export_gallery(
    context: click.Context, /, file: Path, with_pictures: bool, as_json: bool, **settings: Any
) -> None:
    """Write the gallery into one file: items, references, vectors, rejections, golden queries.

    `shitu import-gallery` makes the same gallery of it elsewhere, or merges it into another one.
    """
    with open_workspace(context, **settings) as workspace, progress_bar("references") as progress:
        done = workspace.catalog.export(file, pictures=with_pictures, progress=progress)
    for path in done.missing:
        say(f"missing {show_path(path)}: gone or changed; its vector and thumbnail are exported")
    if done.left_behind:
        say(
            "note: rejections and golden queries that are not exported, for their items are gone: "
            f"{done.left_behind}"
        )
    if done.inert:
        say(
            "note: rejections and golden queries that are exported without a vector of the model "
            f"in use, for they have none: {done.inert}"
        )
    if as_json:
        print_json(done.to_dict())
        return
    pictures = f", {many(done.pictures, 'picture')}" if with_pictures else ""
    echo(
        f"{many(done.items, 'item')}, {many(done.references, 'reference')}"
        f"{_known(done.rejections, done.golden)}{pictures} of generation "
        f"{done.generation} in {show_path(file)} ({done.size / 1e6:.1f} MB)."
    )


@click.command(epilog="Example: shitu import-gallery shop.gallery --dry-run")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Show the differences; write nothing.")
@click.option(
    "--on-conflict",
    type=click.Choice(["keep", "take"]),
    help="Where both contradict each other: keep what is here, or take what is in the file.",
)
@force_option
@index_options
@json_option
@click.pass_context
def import_gallery(
    context: click.Context,
    /,
    file: Path,
    dry_run: bool,
    on_conflict: Any,
    as_json: bool,
    **settings: Any,
) -> None:
    """Bring in a gallery that export-gallery wrote, into an empty index or an existing one.

    A picture under two labels, an attribute with two values, or a golden query with two answers is
    a conflict: then nothing is imported unless --on-conflict decides.
    """
    from shitu.errors import SpaceMismatch

    with open_workspace(context, **settings) as workspace, progress_bar("references") as progress:
        catalog = workspace.catalog_for_writing()
        done = catalog.import_from(
            file, on_conflict=on_conflict, dry_run=dry_run, progress=progress
        )
        try:
            catalog.require_own_space()
        except SpaceMismatch as error:  # it can be listed and exported all the same
            say(f"note: {error}")
        if not dry_run:
            say_outgrown(catalog)
    if as_json:
        print_json(_as_json(done))
    else:
        _print(done)


def _as_json(done: ImportSummary) -> dict[str, Any]:
    values = done.to_dict()
    values["diff"]["items"] = [
        {**asdict(item), "differs": item.differs} for item in done.diff.items
    ]
    return values


def _print(done: ImportSummary) -> None:
    diff = done.diff
    rows = [
        (item.label, *_numbers(item.new, item.equal, item.only_here, item.conflicting), more)
        for item in diff.items
        if item.differs
        for more in [show_attributes(item.attributes)]
    ]
    if rows:
        header = ("item", "new", "equal", "only here", "conflicts", "attributes to come")
        echo(table(header, rows))
    conflicts = list(_conflicts(diff))
    if conflicts:
        echo("\n" + table(("conflict", "here", "in the file"), conflicts))
    echo(
        f"{diff.total('new')} new, {diff.total('equal')} equal, "
        f"{diff.total('only_here')} only here, {diff.conflicts} conflicts."
    )
    for name, one in (("Rejections", diff.rejections), ("Golden queries", diff.golden)):
        if one.new or one.equal:
            echo(f"{name}: {one.new} new, {one.equal} equal.")
    if done.known.homeless:
        say(
            "note: rejections and golden queries that are left out, for the pictures of their "
            f"items are of other items here: {done.known.homeless}"
        )
    if done.dry_run:
        echo("Nothing was written.")
    else:
        taken = f", {done.reassigned} given to another item" if done.reassigned else ""
        known = _known(done.known.rejections, done.known.golden)
        echo(
            f"{many(done.added, 'reference')}{known} imported{taken}. Generation {done.generation}."
        )
        if done.pictures:
            written = many(len(done.pictures), "picture")
            say(f"{written} written, the first {show_path(done.pictures[0])}")


def _known(rejections: int, golden: int) -> str:
    counts = ((rejections, "rejection"), (golden, "golden query"))
    return "".join(f", {many(count, noun)}" for count, noun in counts if count)


def _numbers(*values: int) -> tuple[str, ...]:
    return tuple(str(value) if value else "" for value in values)


def _conflicts(diff: GalleryDiff) -> Iterator[tuple[str, str, str]]:
    for one in diff.labels:
        yield show_path(one.path), one.here, one.there
    for other in diff.attributes:
        yield f"{other.name} of {other.label}", show_value(other.here), show_value(other.there)
    for golden in diff.golden_conflicts:
        yield f"golden query {show_path(golden.path)}", golden.here, golden.there
