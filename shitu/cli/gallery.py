"""Commands that change or list the gallery: build-index, add-item, remove-item, list-items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._attributes import parse_attributes, show_attributes
from shitu.cli._common import (
    FilePath,
    box_option,
    echo,
    force_option,
    index_options,
    json_option,
    model_options,
    one_line,
    open_workspace,
    print_json,
    progress_bar,
    say,
    say_notes,
    say_outgrown,
    say_skipped,
    show_path,
    table,
    where_option,
)
from shitu.cli._moments import as_of_option
from shitu.config import INDEX_KINDS
from shitu.figures import many

if TYPE_CHECKING:
    from shitu.catalog import BuildSummary
    from shitu.gallery import Item


@click.command(epilog="Example: shitu build-index --gallery photos --index index")
@click.option(
    "--gallery",
    required=True,
    type=FilePath(),
    help="Folder with one folder of pictures per label, or a file of lines path<TAB>label "
    "(CSV, JSON Lines, and PaddleX' lines of picture.jpg and label, too). In a folder, names that "
    "begin with a dot are left out.",
)
@click.option("--prune", is_flag=True, help="Remove references whose pictures are gone.")
@click.option(
    "--index-kind",
    type=click.Choice(INDEX_KINDS),
    help="Kind of vector index.  [default: auto, flat up to 200,000 vectors, then ivf-sq8]",
)
@click.option(
    "--recall",
    type=float,
    help="Share of the nearest neighbours that an index which is not flat has to find.  "
    "[default: 0.99]",
)
@force_option
@index_options
@model_options
@json_option
@click.pass_context
def build_index(
    context: click.Context, /, gallery: Path, prune: bool, as_json: bool, **settings: Any
) -> None:
    """Make the index of a gallery, or bring it up to date.

    Pictures that have not changed are not embedded again. What is committed survives an
    interruption; the same command goes on where it stopped.
    """
    with open_workspace(context, **settings) as workspace, progress_bar("pictures") as progress:
        summary = workspace.build(gallery, prune=prune, progress=progress)
        kind, audit = workspace.catalog.index_kind, workspace.catalog.audit
        could_learn = workspace.catalog.could_learn
        say_outgrown(workspace.catalog)
    if as_json:
        found = None if audit is None else asdict(audit)
        print_json({**summary.to_dict(), "index_kind": kind, "audit": found})
        return
    _print_summary(summary, workspace.config.index)
    if audit is not None:
        echo(
            f"Kind {kind}: of {audit.queries} queries it finds the nearest for "
            f"{audit.recall_at_1:.1%} and {audit.recall_at_10:.1%} of the ten nearest."
        )
    if could_learn:
        say(
            "There are enough references to learn from: `shitu adapt --dry-run` says what would be "
            "gained, and what honesty about strangers would cost."
        )


def _print_summary(summary: BuildSummary, index: str) -> None:
    for name, listed in (("skipped", summary.skipped), ("duplicate", summary.duplicates)):
        for skipped in listed:
            say_skipped(name, skipped.path, skipped.reason)
    for name, paths in (("moved", summary.moved), ("relabelled", summary.relabelled)):
        for path in paths:
            say(f"{name} {show_path(path)}")
    for path in summary.vanished:
        say(f"vanished {show_path(path)}: kept in the index; --prune removes it")
    counts = (
        ("added", summary.added),
        ("unchanged", summary.unchanged),
        ("moved", len(summary.moved)),
        ("relabelled", len(summary.relabelled)),
        ("replaced", len(summary.replaced)),
        ("duplicates", len(summary.duplicates)),
        ("removed", len(summary.removed)),
        ("vanished", len(summary.vanished)),
        ("skipped", len(summary.skipped)),
    )
    parts = [f"{count} {name}" for name, count in counts if count or name == "added"]
    echo(f"{', '.join(parts)} in {summary.seconds:.1f} s. Index: {show_path(index)}")


@click.command(epilog="Example: shitu add-item cola.jpg cola-back.jpg --label 'Cola, 0.33 l'")
@click.argument("images", nargs=-1, required=True, type=FilePath(), metavar="IMAGE...")
@click.option("--label", required=True, help="Name of the item, new or known.")
@box_option
@click.option("--attr", multiple=True, metavar="KEY=VALUE", help="Attribute, as in set-attr.")
@force_option
@index_options
@model_options
@json_option
@click.pass_context
def add_item(
    context: click.Context,
    /,
    images: tuple[Path, ...],
    label: str,
    box: tuple[float, float, float, float] | None,
    attr: Sequence[str],
    as_json: bool,
    **settings: Any,
) -> None:
    """Add pictures of an item; it is recognised from then on."""
    if box is not None and len(images) > 1:
        raise click.UsageError("--box belongs to one picture; add the pictures one by one.")
    attributes = parse_attributes(attr, "--attr")
    with open_workspace(context, **settings) as workspace:
        summary = workspace.add(images, label, box=box, attributes=attributes)
    if as_json:
        print_json(summary.to_dict())
        return
    known = f", {len(summary.duplicates)} already there" if summary.duplicates else ""
    echo(f"{one_line(summary.label)}: {summary.added} added{known}.")
    for path in summary.copied:
        say(f"copied to {show_path(path)}")
    if box is not None:
        for one in summary.duplicates:
            say(f"{show_path(one.path)} {one.reason}")


@click.command(epilog="Example: shitu remove-item 'Cola, 0.33 l'")
@click.argument("label", required=False)
@click.option("--reference", type=int, help="Remove only this reference (see list-items --json).")
@force_option
@index_options
@json_option
@click.pass_context
def remove_item(
    context: click.Context,
    /,
    label: str | None,
    reference: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Remove an item with all its references, or a single reference."""
    if (label is None) == (reference is None):
        raise click.UsageError("Give either the LABEL of an item or --reference ID.")
    with open_workspace(context, **settings) as workspace:
        summary = workspace.remove(label, reference_id=reference)
    if as_json:
        print_json(summary.to_dict())
    else:
        echo(f"{one_line(summary.label)}: {many(summary.removed, 'reference')} removed.")
        for path in summary.moved:
            say(f"picture put aside: {show_path(path)}")
        _say_kept(summary.kept)


def _say_kept(paths: Sequence[Path]) -> None:
    for path in paths:
        say(f"picture kept: {show_path(path)}")
    if len(paths) == 1:
        say_notes(["1 picture was not put aside: the next build-index would add it again"])
    elif paths:
        say_notes(
            [f"{len(paths)} pictures were not put aside: the next build-index would add them again"]
        )


@click.command(epilog="Example: shitu list-items --where 'brand=acme and shelf in (3, 4)'")
@where_option
@as_of_option
@index_options
@json_option
@click.pass_context
def list_items(
    context: click.Context,
    /,
    where: str | None,
    as_of: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """List the items of the gallery and how many references each has."""
    with open_workspace(context, **settings) as workspace:
        catalog = workspace.catalog if as_of is None else workspace.as_of(as_of)
        items = catalog.items()
        references: dict[int, list[Any]] = defaultdict(list)  # of items that came meanwhile, too
        for reference in catalog.all_references() if as_json else ():
            references[reference.item_id].append(reference)
    if where is not None:
        items = _filtered(items, where)
    if as_json:
        for item in items:
            shown = [
                {"reference_id": r.reference_id, "path": str(r.path), "box": r.box}
                for r in references[item.item_id]
            ]
            print_json({**asdict(item), "references": shown})
        return
    rows = [
        (
            str(item.item_id),
            item.label,
            str(item.references),
            show_attributes(item.attributes),
        )
        for item in items
    ]
    echo(table(("id", "label", "references", "attributes"), rows))


def _filtered(items: Sequence[Item], where: str) -> list[Item]:
    from shitu.gallery.where import parse_where, unknown_attributes

    read = parse_where(where)
    say_notes(unknown_attributes(read, items))
    chosen = [item for item in items if read.allows(item)]
    if not chosen:
        say_notes([f"the filter {where!r} allows no item"])
    return chosen
