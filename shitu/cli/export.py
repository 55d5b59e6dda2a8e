"""`shitu export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shitu.cli._common import (
    FilePath,
    NumberRange,
    echo,
    json_option,
    print_json,
    say_notes,
    show_path,
    table,
)
from shitu.figures import many

if TYPE_CHECKING:
    from shitu.exporting import Source
    from shitu.models.spec import ModelSpec

_FORMATS = ("paddle", "onnx", "openvino", "int8")


@click.command(
    epilog="Example: shitu export pplcnetv2_base_shitu --format openvino --output exported"
)
@click.argument("model", metavar="MODEL|WEIGHTS")
@click.option("--format", "form", type=click.Choice(_FORMATS), required=True, help="What to write.")
@click.option("--output", type=FilePath(), required=True, help="Folder, new or empty.")
@click.option("--architecture", help="Network that a file of weights is for (docs/models.md).")
@click.option(
    "--tokenizer",
    type=FilePath(exists=True, dir_okay=False),
    help="CLIP's tokenizer.json: the text tower is exported, too.",
)
@click.option(
    "--pictures",
    type=FilePath(exists=True, file_okay=False),
    help="Pictures to compare on, and to choose int8 ranges by.  [default: made-up ones]",
)
@click.option(
    "--min-cosine",
    type=NumberRange(0, 1),
    help="Of each picture, between original and export.  [default: 0.9999; int8: 0.98]",
)
@click.option(
    "--name",
    help="What the files call the model; PaddleX opens PP-ShiTuV2_rec and PP-ShiTuV2_det only.  "
    "[default: its name]",
)
@json_option
def export(
    model: str,
    form: str,
    output: Path,
    architecture: str | None,
    tokenizer: Path | None,
    pictures: Path | None,
    min_cosine: float | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Write a model for Paddle Inference, ONNX Runtime or OpenVINO, or in int8.

    MODEL is a name or a folder, or a file of weights (.safetensors, .pdparams) with --architecture.
    Every picture must get the same vector from the export as from Paddle, or nothing is written.
    """
    from shitu.exporting import Source, export_graph
    from shitu.exporting import export as write

    if name is not None and not name.strip():
        raise click.UsageError("--name is empty: give a name, or leave it away.")
    found = _source(model, architecture, tokenizer)
    if isinstance(found, Source):
        source = found if name is None else found.called(name)
        summary = write(source, form, output, pictures, min_cosine)
    else:
        if name is not None:
            raise click.UsageError("--name: an exported graph keeps its description and its name.")
        summary = export_graph(found, form, output, pictures, min_cosine)
    if as_json:
        print_json(summary.to_dict())
        return
    echo(table(("file", "bytes"), [(name, str(size)) for name, size in summary.files.items()]))
    echo("")
    compared = many(summary.compared, "picture")
    echo(
        f"{show_path(output)}: lowest cosine of {compared} {summary.cosine:.6f}"
        + ("" if summary.text_cosine is None else f", of texts {summary.text_cosine:.6f}")
    )
    say_notes(summary.notes)


def _source(model: str, architecture: str | None, tokenizer: Path | None) -> Source | ModelSpec:
    from shitu.exporting import source_of_model, source_of_weights
    from shitu.models.registry import read_model

    path = Path(model)
    # Weights of PaddleClas and PaddleDetection tell by their shapes what they are for.
    told = architecture is None and path.suffix == ".pdparams"
    if path.is_file() and not told:
        if architecture is None:
            raise click.UsageError("A file of weights needs --architecture: what it is for.")
        return source_of_weights(path, architecture, tokenizer)
    if architecture is not None or tokenizer is not None:
        raise click.UsageError("--architecture and --tokenizer are for a file of weights.")
    spec = read_model(model)
    return source_of_model(spec) if spec.architecture else spec
