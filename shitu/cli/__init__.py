"""The command line: each command parses, calls one use case and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shitu import __version__
from shitu.cli import (
    adapt,
    check,
    compact,
    config,
    doctor,
    evaluate,
    exchange,
    export,
    feedback,
    gallery,
    golden,
    history,
    import_index,
    items,
    lint,
    migrate,
    models,
    recognize,
    sync,
)
from shitu.cli._common import say
from shitu.errors import ShituError


class _Group(click.Group):
    """Turns our errors into one sentence on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ShituError as error:
            say(f"Error: {error}")
            ctx.exit(1)
        except KeyboardInterrupt:
            say("Interrupted. What was committed is kept; run the same command to go on.")
            ctx.exit(130)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: shitu build-index --gallery photos && shitu recognize shelf.jpg",
)
@click.version_option(__version__, prog_name="shitu")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file with settings.",
)
@click.pass_context
def main(context: click.Context, file: Path | None) -> None:
    """Recognise products and objects in photos by looking them up in a gallery of yours."""
    context.obj = file


for command in (
    gallery.build_index,
    recognize.recognize,
    gallery.add_item,
    gallery.remove_item,
    gallery.list_items,
    items.relabel,
    items.merge_items,
    items.set_attr,
    history.history,
    history.undo,
    compact.compact,
    sync.sync,
    exchange.export_gallery,
    exchange.import_gallery,
    import_index.import_index,
    evaluate.eval_recall,
    lint.lint,
    feedback.review,
    feedback.confirm,
    feedback.reject,
    golden.golden,
    check.check,
    migrate.migrate,
    adapt.adapt,
    adapt.calibrate,
    models.models,
    export.export,
    config.show_config,
    doctor.doctor,
):
    main.add_command(command)
