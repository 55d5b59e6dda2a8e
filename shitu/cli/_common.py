"""What the commands share: options, workspace, progress, tables, JSON."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shitu.errors import ShituError

if TYPE_CHECKING:
    from shitu.catalog import Catalog
    from shitu.workspace import Workspace

_ADDRESS = re.compile(r"(https?|ftp|file|s3|gs)://", re.IGNORECASE)
_Command = TypeVar("_Command", bound=Callable[..., Any])


class OutputError(ShituError):
    """What a command found or did cannot be printed."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the output could not be written ({error.strerror}): what was done until then is "
            "done; free some space, or print elsewhere"
        )


class FilePath(click.Path):
    """The name of a file or folder; an empty one, which would mean this folder, is wrong usage.

    So is an address on the web, which would be taken for a file in a folder `https:`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"path_type": Path, **options})

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """See `click.Path`."""
        if not os.fspath(value):
            self.fail("the name is empty; give a file or folder (. is this folder)", param, ctx)
        if _ADDRESS.match(os.fsdecode(value)) and not os.path.exists(value):  # noqa: PTH110
            self.fail(f"{value!r} is an address; download it, and name the file", param, ctx)
        return super().convert(value, param, ctx)


class NumberRange(click.FloatRange):
    """A number between two; `nan`, which is neither below nor above any other, is none."""

    name = "number"  # "valid float range" says nothing to whoever typed a word

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.FloatRange`."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class CountRange(click.IntRange):
    """A whole number between two."""

    name = "whole number"


def threads_option(command: _Command) -> _Command:
    """`--threads`, of whatever runs networks."""
    text = "Threads of the engine; 0: one per core, at most four per core or 8."
    return click.option("--threads", type=int, help=text)(command)


def index_options(command: _Command) -> _Command:
    """`--index`, `--engine` and `--threads`, which every command that opens a gallery takes."""
    options = (
        click.option(
            "--index",
            type=FilePath(path_type=str, readable=False),
            help="Folder of the index.  [default: index]",
        ),
        click.option(
            "--engine",
            help="What runs the networks: onnxruntime, openvino, ...; shitu doctor lists them.",
        ),
        threads_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def model_options(command: _Command) -> _Command:
    """`--model` and `--detector`, for commands that describe pictures."""
    options = (
        click.option(
            "--model",
            "feature_model",
            help="Feature extractor, by name or folder.  [default: the gallery's own]",
        ),
        click.option(
            "--detector",
            "detector_model",
            help="Detector, by name or folder; none: whole pictures.  [default: the gallery's own]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def rule_options(command: _Command) -> _Command:
    """`--threshold` and `--lead`, which decide what is unknown, for commands that answer."""
    options = (
        click.option("--threshold", type=float, help="Labels below this score are unknown."),
        click.option(
            "--lead",
            type=float,
            help="Labels that are nearer than the next one by less than this share are unknown.  "
            "[default: 0.15]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def verify_option(command: _Command) -> _Command:
    """`--verify`, for commands that answer."""
    return click.option(
        "--verify",
        help="Check points of pictures: auto where scores leave doubt, on, off.  [default: auto]",
    )(command)


def force_option(command: _Command) -> _Command:
    """`--force`, for commands that change what is answered."""
    text = "Go on even if golden queries break."
    return click.option("--force", is_flag=True, help=text)(command)


def box_option(command: _Command) -> _Command:
    """`--box`, where the object is."""
    return click.option(
        "--box",
        callback=_checked_box,
        metavar="X1,Y1,X2,Y2",
        help="Where the item is in the (one) picture, in pixels.",
    )(command)


def _checked_box(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        x1, y1, x2, y2 = (float(side) for side in text.split(","))
    except ValueError:
        message = "give four numbers: x1,y1,x2,y2"
        raise click.BadParameter(message, context, parameter) from None
    return x1, y1, x2, y2


def json_option(command: _Command) -> _Command:
    """`--json`, for scripts."""
    text = "Print JSON: one object, or one on each line (JSON Lines) where there may be several."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def as_typed(text: str) -> str:
    """Words of a command line as UTF-8, as labels are, whatever the locale takes them for."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeError:
        return text


def where_option(command: _Command) -> _Command:
    """`--where`, a filter; what cannot be read is wrong usage."""
    return click.option(
        "--where",
        callback=_checked_filter,
        metavar="FILTER",
        help="Only items that a filter on label and attributes allows: "
        '"brand=acme and shelf in (3, 4)".',
    )(command)


def _checked_filter(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> str | None:
    if text is not None:
        from shitu.errors import WhereError
        from shitu.gallery.where import parse_where

        text = as_typed(text)
        try:
            parse_where(text)
        except WhereError as error:
            raise click.BadParameter(str(error), context, parameter) from None
    return text


@contextmanager
def open_workspace(
    context: click.Context, *, force: bool = False, **settings: Any
) -> Iterator[Workspace]:
    """The workspace that flags, environment and `--config` file describe.

    With `force`, changes may break golden queries; which ones they broke is said at the end.
    """
    from shitu.config import load_config
    from shitu.workspace import Workspace

    with Workspace.of(load_config(context.find_root().obj, settings)) as workspace:
        workspace.force(force)
        try:
            yield workspace
        finally:
            _say_golden(workspace)


def _say_golden(workspace: Workspace) -> None:
    for one in workspace.broken:
        say(f"broken: golden query {one.sentence('is')}")
    if workspace.unchecked:
        named = ", ".join(map(str, sorted(workspace.unchecked)))
        say(f"note: golden queries without a vector of this model were not checked: {named}")


PAGE = "<!doctype html>"
"""How each page begins."""


def refuse_others(path: Path | None, start: str) -> None:
    """Refuse to replace a file that is not of the kind to be written; before any work.

    Args:
        path: where it is to be written; None: nowhere.
        start: how files of that kind begin.

    Raises:
        GalleryError: there is a file that begins in another way.
    """
    from shitu.errors import GalleryError

    if path is None or not path.is_file():
        return
    try:
        with path.open("rb") as file:
            head = file.read(len(start))
    except OSError:  # may not be read, so it is not ours
        head = b"?"
    if head not in (b"", start.encode()):
        raise GalleryError(
            f"{show_path(path)} is there and holds something else, which would be lost: name "
            "another file"
        )


def write_text(path: Path, text: str) -> None:
    """Write a page, all of it or nothing.

    Raises:
        GalleryError: it cannot be written.
    """
    from shitu.errors import GalleryError
    from shitu.images.writing import write_whole

    try:
        write_whole(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise GalleryError(
            f"{show_path(path)} cannot be written ({error.strerror}): name another file"
        ) from None


def print_json(value: Any) -> None:
    """One JSON document on one line, with JSON's own escapes where stdout cannot spell it all."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, default=str)
    echo(text)


def echo(text: str) -> None:
    """Print to stdout; what it cannot encode is escaped instead of failing.

    Raises:
        OutputError: nothing can be written there.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:  # who read has read enough
        raise
    except OSError as error:
        raise OutputError(error) from None


def always_talk() -> None:
    """Talk to nobody where stderr is closed: whoever asks it for anything finds a file."""
    if sys.stderr is None:
        _listen_no_more()


def _listen_no_more() -> None:
    # What is left in the old one's buffer would fail again when Python ends.
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def say(text: str) -> None:
    """Talk on stderr; where that is full, nobody listens, which is no reason to stop."""
    encoding = sys.stderr.encoding or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=True)
    except BrokenPipeError:  # who read has read enough
        raise
    except OSError:
        _listen_no_more()


def say_notes(notes: Iterable[str]) -> None:
    """Talk about what was asked for: nothing is wrong, but it may not be what was meant."""
    for note in notes:
        say(f"note: {note}")


def say_outgrown(catalog: Catalog) -> None:
    """Say so where a gallery has many more items than it was calibrated with."""
    outgrown = catalog.outgrown
    if outgrown is not None:
        say_notes([outgrown])


def say_other_models(workspace: Workspace) -> None:
    """Say so where a gallery is not of the models in use: what was done may not outlast them."""
    from shitu.errors import ModelError, SpaceMismatch

    try:
        workspace.catalog.require_own_space()
    except (ModelError, SpaceMismatch) as error:
        say(f"note: {error}")


def say_skipped(name: str, path: str | Path, reason: object) -> None:
    """Say which picture was left out and why; most reasons name the picture themselves."""
    shown, text = show_path(path), str(reason)
    say(f"{name} {text}" if text.startswith(shown) else f"{name} {shown}: {text}")


def show_path(path: str | Path) -> str:
    """A path on one line, whatever its bytes are."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(path)
    )


def one_line(text: str) -> str:
    """A label on one line: line breaks and other control characters are escaped."""
    if text.isprintable():
        return text
    from shitu.images import display_path

    return display_path(text)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, of which nothing is seen where stderr is no terminal.

    What it yields is called with the number of pictures done so far and the total.
    """
    hidden = not sys.stderr.isatty()
    with click.progressbar(
        length=1, label=label, file=sys.stderr, show_pos=True, hidden=hidden
    ) as bar:

        def update(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield update


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; wide (Chinese, emoji) characters count as two."""
    lines = [list(header), *([one_line(str(cell)) for cell in row] for row in rows)]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _width(text: str) -> int:
    if text.isascii():  # most cells of a long table
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(char) in ("Mn", "Me", "Cf") else 2 if east_asian_width(char) in "WF" else 1
        for char in text
    )
