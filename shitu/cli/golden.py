"""`shitu golden`: pictures whose answer no change may spoil."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    FilePath,
    box_option,
    echo,
    index_options,
    json_option,
    model_options,
    one_line,
    open_workspace,
    print_json,
    rule_options,
    say,
    show_path,
    table,
    verify_option,
)

if TYPE_CHECKING:
    from shitu.catalog.golden import GoldenAnswer


@click.group(epilog="Example: shitu golden add cola.jpg 'Cola, 0.33 l' && shitu golden check")
def golden() -> None:
    """Keep pictures with known answers; a change that breaks one is refused unless forced."""


@golden.command(epilog="Example: shitu golden add cola.jpg 'Cola, 0.33 l'")
@click.argument("image", type=FilePath())
@click.argument("label", required=False)
@click.option("--unknown", is_flag=True, help="The right answer is: unknown.")
@box_option
@click.option("--whole-image", is_flag=True, help="Look up the picture as a whole.")
@index_options
@model_options
@rule_options
@verify_option
@json_option
@click.pass_context
def add(
    context: click.Context,
    /,
    image: Path,
    label: str | None,
    unknown: bool,
    box: tuple[float, float, float, float] | None,
    whole_image: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Keep a picture that has to be answered with LABEL, by its main body or a box."""
    if (label is None) != unknown:
        raise click.UsageError("Give the LABEL that is right, or --unknown.")
    if box is not None and whole_image:
        raise click.UsageError("Give --box or --whole-image, not both.")
    with open_workspace(context, **settings) as workspace:
        done = workspace.add_golden(image, label, box=box, whole_image=whole_image)
        [now] = workspace.check_golden(done.golden_id)
    if as_json:
        print_json({**done.to_dict(), "answer": now.answer, "right": now.right})
    elif done.already:
        echo(f"It is golden query {done.golden_id} already.")
    else:
        echo(
            f"Golden query {done.golden_id}: {show_path(image)} is to be {one_line(done.expected)}."
        )
    if not now.right:
        answer = one_line(now.answer or "unknown")
        say(f"note: it is {answer} now, which no change can make worse")


@golden.command("list", epilog="Example: shitu golden list --json")
@index_options
@json_option
@click.pass_context
def list_(context: click.Context, /, as_json: bool, **settings: Any) -> None:
    """List the golden queries; `shitu golden check` looks them up, too."""
    with open_workspace(context, **settings) as workspace:
        found = workspace.catalog.golden()
    if as_json:
        for one in found:
            values = {key: value for key, value in vars(one).items() if key != "vector"}
            print_json({**values, "expected": one.expected, "inert": one.vector is None})
        return
    rows = [(str(one.golden_id), show_path(one.path), one.expected, one.at[:16]) for one in found]
    echo(table(("id", "picture", "is to be", "since"), rows))


@golden.command(epilog="Example: shitu golden remove 3")
@click.argument("numbers", nargs=-1, required=True, type=int, metavar="ID...")
@index_options
@json_option
@click.pass_context
def remove(
    context: click.Context, /, numbers: tuple[int, ...], as_json: bool, **settings: Any
) -> None:
    """Forget golden queries."""
    numbers = tuple(dict.fromkeys(numbers))
    with open_workspace(context, **settings) as workspace:
        generation = workspace.catalog.remove_golden(numbers)
    if as_json:
        print_json({"removed": numbers, "generation": generation})
    else:
        echo(f"{len(numbers)} removed.")


@golden.command(epilog="Example: shitu golden check")
@index_options
@model_options
@rule_options
@verify_option
@json_option
@click.pass_context
def check(context: click.Context, /, as_json: bool, **settings: Any) -> None:
    """Look all golden queries up; the exit code is 1 if one is answered wrongly."""
    with open_workspace(context, **settings) as workspace:
        found, verify = workspace.check_golden(), workspace.config.verify
    if as_json:
        for one in found:
            print_json({**one.to_dict(), "verify": verify})
    else:
        header = ("id", "picture", "is to be", "is", "decided by", "right")
        echo(table(header, [_row(one) for one in found]))
        echo(f"verify {verify}.")
    if any(one.right is False for one in found):
        context.exit(1)


def _row(one: GoldenAnswer) -> tuple[str, ...]:
    told = {True: "yes", False: "NO", None: "not checked: no vector of this model"}[one.right]
    answer = "" if one.right is None else one.answer or "unknown"
    by = one.decided_by or ""
    return str(one.golden_id), show_path(one.path), one.expected, answer, by, told
