"""`shitu models`: official models, pulled into a folder of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shitu.cli._common import FilePath, echo, json_option, print_json, progress_bar, say, table
from shitu.errors import WeightsCorrupt

if TYPE_CHECKING:
    from shitu.models.catalogue import Official, Part
    from shitu.models.store import Found, Installed


@click.group(epilog="Example: shitu models pull PP-ShiTuV2_rec")
def models() -> None:
    """List, pull and verify official models of PaddleX, PaddleClas and PaddleDetection.

    A pulled model is used by its name: `shitu build-index --model PP-ShiTuV2_rec`. Models are kept
    in SHITU_MODELS, by default in the user's cache. SHITU_MIRROR names addresses that are asked
    first; with SHITU_OFFLINE=1 nothing is ever fetched.
    """


_weights = click.option(
    "--weights", is_flag=True, help="The training weights (.pdparams), not the exported graph."
)


@models.command("list", epilog="Example: shitu models list")
@json_option
def list_models(as_json: bool) -> None:
    """List embedded and official models, and which of them are on this machine."""
    from shitu.models.registry import names_embedded
    from shitu.models.store import known_models

    known = list(known_models())
    for found in (found for _, parts in known for found in parts.values()):
        if isinstance(found, WeightsCorrupt):
            say(f"note: {found}")
    if as_json:
        embedded = [
            {"name": name, "kind": kind, "state": "embedded"}
            for name, kind in names_embedded().items()
        ]
        print_json({"models": embedded + [_fields(*one) for one in known]})
        return
    rows = [
        (name, kind, "", "embedded", "see docs/models.md")
        for name, kind in names_embedded().items()
    ]
    rows += [
        (model.name, model.kind, _size(model), _state(parts), model.figures)
        for model, parts in known
    ]
    echo(table(("name", "kind", "size", "here", "published"), rows))


@models.command(epilog="Example: shitu models show PP-ShiTuV2_rec")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show where a model comes from, its licence, its figures, and what is here of it."""
    from shitu.models.store import installed, official

    model = official(name)
    parts = {part: installed(name, part) for part in model.urls}
    if as_json:
        print_json(_fields(model, parts))
        return
    rows = [
        ("name", model.name),
        ("kind", model.kind),
        ("of", f"{model.source}, {model.licence}"),
        ("size", f"{_size(model)} to download"),
        ("published", model.figures),
        *((part, url) for part, url in model.urls.items()),
        ("checksum", ", ".join(model.sha256.values()) or "none published: the first pull is kept"),
        *((f"{part} here", _told(found)) for part, found in parts.items()),
    ]
    echo("\n".join(f"{name:<15}{value}" for name, value in rows))


@models.command(epilog="Example: shitu models pull PP-ShiTuV2_rec PP-ShiTuV2_det")
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--from",
    "source",
    type=FilePath(dir_okay=False),
    help="Archive on this machine to install from, where there is no network.",
)
@click.option("--mirror", help="Address of a folder with the same files, asked first.")
@click.option(
    "--accept-change", is_flag=True, help="Take a file that differs from the one first pulled."
)
@_weights
@json_option
def pull(
    names: tuple[str, ...],
    source: Path | None,
    mirror: str | None,
    accept_change: bool,
    weights: bool,
    as_json: bool,
) -> None:
    """Fetch official models, or install one from an archive.

    An interrupted download goes on where it stopped. No checksums of these files are published:
    what the first pull brought is remembered, and anything else is refused later.
    """
    from shitu.models.store import pull as pull_model

    if source is not None and len(names) > 1:
        raise click.UsageError("--from FILE installs one model: name one.")
    for name in names:
        with progress_bar(name) as progress:
            pulled = pull_model(
                name,
                _part(weights),
                source=source,
                mirrors=mirror,
                accept_change=accept_change,
                progress=progress,
            )
        if as_json:
            print_json({"outcome": pulled.outcome, **_record(pulled.model)})
        else:
            here = "is here already" if pulled.outcome == "present" else "installed"
            echo(f"{name} {here}: {pulled.model.folder}")
            if pulled.outcome == "installed" and pulled.model.trust != "published":
                say(f"sha256 {pulled.model.sha256} is remembered: no checksum is published.")


@models.command(epilog="Example: shitu models verify PP-ShiTuV2_rec")
@click.argument("names", nargs=-1)
@_weights
@json_option
def verify(names: tuple[str, ...], weights: bool, as_json: bool) -> None:
    """Check pulled models (all of them, if none is named) against what was pulled."""
    from shitu.models.store import known_models
    from shitu.models.store import verify as verify_model

    chosen: list[tuple[str, Part]] = [(name, _part(weights)) for name in names]
    if not names:
        chosen = [
            (model.name, part)
            for model, parts in known_models()
            for part, found in parts.items()
            if found is not None
        ]
    problems = {(name, part): verify_model(name, part) for name, part in chosen}
    if as_json:
        told = [{"name": n, "part": p, "problems": found} for (n, p), found in problems.items()]
        print_json({"models": told})
    elif not problems:
        echo("No model has been pulled.")
    else:
        for (name, part), found in problems.items():
            echo(f"{name} ({part}): {'; '.join(found) or 'as it was pulled'}")
    pulls = list(_pulls([one for one, found in problems.items() if found]))
    if pulls:
        raise WeightsCorrupt(f"Pull what is not as it was again: {', '.join(pulls)}.")


@models.command(epilog="Example: ls $(shitu models path PP-ShiTuV2_rec)")
@click.argument("name", required=False)
@_weights
@json_option
def path(name: str | None, weights: bool, as_json: bool) -> None:
    """Print the folder of a pulled model, or the one of all."""
    from shitu.models.store import models_folder, required

    folder = models_folder() if name is None else required(name, _part(weights)).folder
    if as_json:
        print_json({"path": str(folder)})
    else:
        echo(str(folder))


@models.command(epilog="Example: shitu models rm PP-ShiTuV2_rec")
@click.argument("names", nargs=-1, required=True)
@_weights
@json_option
def rm(names: tuple[str, ...], weights: bool, as_json: bool) -> None:
    """Remove pulled models. Galleries made with them need them to add or to look up pictures."""
    from shitu.models.store import remove

    for name in names:
        folder = remove(name, _part(weights))
        if as_json:
            print_json({"removed": str(folder)})
        else:
            echo(f"removed {folder}")


def _part(weights: bool) -> Part:
    return "weights" if weights else "inference"


def _pulls(bad: Sequence[tuple[str, Part]]) -> Iterator[str]:
    """The commands that mend these parts of models."""
    flags: dict[Part, str] = {"inference": "", "weights": " --weights"}
    for part, flag in flags.items():
        names = sorted({name for name, its in bad if its == part})
        if names:
            yield f"`shitu models pull {' '.join(names)}{flag}`"


def _size(model: Official) -> str:
    return f"{model.megabytes:g} MB"


def _state(parts: Mapping[Part, Found]) -> str:
    here = {part: found for part, found in parts.items() if found is not None}
    return ", ".join(map(_called, here, here.values())) or "-"


def _called(part: Part, found: Found) -> str:
    return f"{part} (damaged)" if isinstance(found, WeightsCorrupt) else part


def _told(found: Installed | None) -> str:
    if found is None:
        return "-"
    return f"{found.folder}, pulled {found.at} from {found.origin}, sha256 {found.sha256}"


def _fields(model: Official, parts: Mapping[Part, Found]) -> dict[str, Any]:
    fields = {k: v for k, v in asdict(model).items() if k not in ("description", "architecture")}
    here = {part: None if found is None else _record(found) for part, found in parts.items()}
    return {**fields, "state": _state(parts), "here": here}


def _record(model: Installed | WeightsCorrupt) -> dict[str, Any]:
    if isinstance(model, WeightsCorrupt):
        return {"problem": str(model)}
    return {**asdict(model), "folder": str(model.folder)}
