"""`shitu import-index`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.arguments import words_of
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
    say_other_models,
    say_outgrown,
    say_skipped,
    show_path,
)
from shitu.figures import many

if TYPE_CHECKING:
    from shitu.catalog import IndexImportSummary

_FOLDER = FilePath()
_EVEN = 1e-3


@click.command(epilog="Example: shitu import-index drinks/index --model PP-ShiTuV2_rec")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--model", required=True, help="Name of the model that made the vectors.")
@click.option("--pictures", type=_FOLDER, help="Folder in which the paths of the index start.")
@force_option
@index_options
@json_option
@click.pass_context
def import_index(
    context: click.Context,
    /,
    folder: Path,
    model: str,
    pictures: Path | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Bring in an index folder of PaddleClas or PaddleX: vector.index and id_map.

    The vectors stay those of their own model: such a gallery can be listed, checked and exported;
    to recognise with this program's model, go over with `shitu migrate`, which needs the pictures.
    """
    try:
        words_of("--model", model)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    with open_workspace(context, **settings) as workspace, progress_bar("pictures") as progress:
        catalog = workspace.catalog_for_writing()
        done = catalog.import_index(folder, model, pictures=pictures, progress=progress)
        say_other_models(workspace)
        say_outgrown(catalog)
    for skipped in done.skipped:
        say_skipped("skipped", skipped.path, skipped.reason)
    if as_json:
        print_json(done.to_dict())
    else:
        _print(done, folder)


def _print(done: IndexImportSummary, folder: Path) -> None:
    if max(abs(done.shortest - 1), abs(done.longest - 1)) > _EVEN:
        say(f"vectors had lengths from {done.shortest:.3g} to {done.longest:.3g}; made 1")
    added = f"{many(done.added, 'reference')} of {many(done.items, 'item')} added"
    counts = (
        (done.added, added),
        (done.known, f"{done.known} there already"),
        (done.attached, f"{done.attached} given their pictures"),
        (len(done.skipped), f"{len(done.skipped)} skipped"),
    )
    parts = [what for count, what in counts if count] or ["nothing to add"]
    echo(
        f"{show_path(folder)} ({done.kind}, {done.metric}, {done.space}): {', '.join(parts)}. "
        f"{many(done.pictures, 'picture')} found. Generation {done.generation}."
    )
