"""Commands that change items without touching a picture: relabel, merge-items, set-attr."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from shitu.cli._attributes import parse_attributes, show_attributes, show_value
from shitu.cli._common import (
    as_typed,
    echo,
    force_option,
    index_options,
    json_option,
    one_line,
    open_workspace,
    print_json,
    say,
)
from shitu.figures import many


@click.command(epilog="Example: shitu relabel 'Cola' 'Cola, 0.33 l'")
@click.argument("old")
@click.argument("new")
@force_option
@index_options
@json_option
@click.pass_context
def relabel(context: click.Context, /, old: str, new: str, as_json: bool, **settings: Any) -> None:
    """Give the item OLD the label NEW; pictures, vectors and attributes stay."""
    with open_workspace(context, **settings) as workspace:
        item = workspace.relabel(old, new)
    if as_json:
        print_json(asdict(item))
    else:
        echo(f"{one_line(old)} is called {one_line(item.label)} now.")


@click.command(epilog="Example: shitu merge-items 'Cola' 'Coca Cola' --into 'Cola, 0.33 l'")
@click.argument("labels", nargs=-1, required=True, metavar="FROM...")
@click.option("--into", required=True, metavar="LABEL", help="The item that is to have them all.")
@force_option
@index_options
@json_option
@click.pass_context
def merge_items(
    context: click.Context, /, labels: tuple[str, ...], into: str, as_json: bool, **settings: Any
) -> None:
    """Make the pictures of several items those of one.

    Attributes are merged. Where two differ, those of the item merged into win, then those of the
    item named first; what is lost is said.
    """
    with open_workspace(context, **settings) as workspace:
        summary = workspace.merge(labels, into)
    for one in summary.conflicts:
        say(
            f"conflict: {one.key}={show_value(one.lost)} of {one.lost_of!r} is dropped; "
            f"{one.key}={show_value(one.kept)} of {one.kept_of!r} stays"
        )
    if as_json:
        print_json(summary.to_dict())
        return
    item, moved = summary.item, len(summary.reference_ids)
    echo(f"{one_line(item.label)}: {many(moved, 'reference')} came, {item.references} in all.")


@click.command(epilog="Example: shitu set-attr 'Cola, 0.33 l' price=1.5 brand=Acme --unset shelf")
@click.argument("label")
@click.argument("attributes", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--unset", multiple=True, metavar="KEY", help="Remove an attribute; repeatable.")
@index_options
@json_option
@click.pass_context
def set_attr(
    context: click.Context,
    /,
    label: str,
    attributes: tuple[str, ...],
    unset: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Set attributes of an item.

    A VALUE that is a JSON number, true, false, null, a list or a text in double quotes is kept as
    that; anything else is text. So 3 is a number and '"3"' a text.
    """
    values = parse_attributes(attributes, "KEY=VALUE")
    if not values and not unset:
        raise click.UsageError("Give at least one KEY=VALUE or --unset KEY.")
    with open_workspace(context, **settings) as workspace:
        item = workspace.set_attributes(label, values, unset=list(map(as_typed, unset)))
    if as_json:
        print_json(asdict(item))
    else:
        echo(f"{one_line(item.label)}: {show_attributes(item.attributes) or 'no attributes'}")
