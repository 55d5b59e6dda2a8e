"""The command lint: which pictures and items make the gallery answer wrongly?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import (
    PAGE,
    FilePath,
    echo,
    index_options,
    json_option,
    open_workspace,
    print_json,
    progress_bar,
    refuse_others,
    say,
    show_path,
    table,
    write_text,
)
from shitu.figures import many

if TYPE_CHECKING:
    from shitu.linting import LintReport
    from shitu.workspace import Workspace


@click.command(epilog="Example: shitu lint --html lint.html")
@click.option(
    "--html",
    type=FilePath(dir_okay=False),
    help="Also write a page with the pictures side by side, to be opened anywhere, offline.",
)
@click.option("--kind", "kinds", multiple=True, help="Only findings of this kind; may be repeated.")
@click.option("--strict", is_flag=True, help="Exit with 1 if there is a finding of severity error.")
@index_options
@json_option
@click.pass_context
def lint(
    context: click.Context,
    /,
    html: Path | None,
    kinds: tuple[str, ...],
    strict: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Find pictures and items that make the gallery answer wrongly, the worst first.

    Duplicates, near-duplicates under two labels, references that belong to another item, blank,
    blurred and tiny ones, missing pictures, items that are hard to tell apart, and items with one
    reference. Nothing is changed; each finding says what to do. The exit code is 0 whatever is
    found, unless --strict is given.
    """
    _check_kinds(kinds)
    refuse_others(html, PAGE)
    with open_workspace(context, **settings) as workspace:
        with progress_bar("references") as progress:
            report = workspace.lint(progress)
        if kinds:
            report = report.only(kinds)
        if html is not None:
            _write_page(html, workspace, report)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if strict and report.errors:
        context.exit(1)


def _check_kinds(kinds: tuple[str, ...]) -> None:
    from shitu.linting import KINDS

    for kind in kinds:
        if kind not in KINDS:
            message = f"{kind!r} is none of {', '.join(KINDS)}"
            raise click.BadParameter(message, param_hint="--kind")


def _print(report: LintReport) -> None:
    from shitu.linting.findings import UNSEEABLE

    if report.findings:
        rows = [
            (f.severity, f.kind, f"{f.strength:.2f}", show_path(f.advice)) for f in report.findings
        ]
        echo(table(("severity", "kind", "strength", "what to do"), rows))
    else:
        items, references = many(report.items, "item"), many(report.references, "reference")
        echo(f"Nothing found in {items} with {references}.")
    for what, count in report.lacking.items():
        they = "it has" if count == 1 else "they have"
        more = "" if what == UNSEEABLE else "; `shitu check` says what to do"
        say(f"{many(count, 'reference')} could not be looked at: {they} {what}{more}.")


def _write_page(path: Path, workspace: Workspace, report: LintReport) -> None:
    from shitu.linting.page import page, wanted_pictures

    numbers = wanted_pictures(report)
    gallery = workspace.catalog.gallery
    text = page(report, gallery.references(numbers), dict(gallery.thumbnails(numbers)))
    write_text(path, text)
    say(f"{show_path(path)} shows the pictures.")
