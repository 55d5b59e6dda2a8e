"""The command line: each command parses, calls one use case and prints."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from shitu import __version__
from shitu.cli._common import FilePath, OutputError, always_talk, say, show_path
from shitu.errors import ShituError

_WHERE = {
    "build-index": "gallery:build_index",
    "recognize": "recognize:recognize",
    "add-item": "gallery:add_item",
    "remove-item": "gallery:remove_item",
    "list-items": "gallery:list_items",
    "relabel": "items:relabel",
    "merge-items": "items:merge_items",
    "set-attr": "items:set_attr",
    "history": "history:history",
    "undo": "history:undo",
    "compact": "compact:compact",
    "sync": "sync:sync",
    "export-gallery": "exchange:export_gallery",
    "import-gallery": "exchange:import_gallery",
    "import-index": "import_index:import_index",
    "eval-recall": "evaluate:eval_recall",
    "lint": "lint:lint",
    "review": "feedback:review",
    "confirm": "feedback:confirm",
    "reject": "feedback:reject",
    "golden": "golden:golden",
    "check": "check:check",
    "migrate": "migrate:migrate",
    "adapt": "adapt:adapt",
    "calibrate": "adapt:calibrate",
    "models": "models:models",
    "export": "export:export",
    "bench": "bench:bench",
    "config": "config:show_config",
    "doctor": "doctor:doctor",
}
"""Module and function of each command, in the order in which they are useful."""


_NO_MEMORY = ("failed to map segment", "annot allocate memory", "can't start new thread")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = "may not be used: allow it to whoever runs this, or name another"
_UNUSABLE = {
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENAMETOOLONG: "cannot be used, the name is too long: name another",
}


class _Commands(MutableMapping[str, click.Command]):
    """Commands by name, each imported when it is asked for: no command waits for another."""

    def __init__(self) -> None:
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module, _, function = _WHERE[name].partition(":")
            self._loaded[name] = getattr(import_module(f"shitu.cli.{module}"), function)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)

    def __contains__(self, name: object) -> bool:
        return name in _WHERE


class _Group(click.Group):
    """Turns our errors into one sentence on stderr and exit code 1."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, if there is an output; help and version print without `invoke`."""
        always_talk()
        if sys.stdout is None:
            say("Error: stdout is closed, so nothing was done: send the output to a file.")
            sys.exit(1)
        try:
            return super().main(*args, **extra)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            _give_up(OutputError(error))
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            _require_folder()
            return super().invoke(ctx)
        except OutputError as error:
            _give_up(error)
            ctx.exit(1)
        except ShituError as error:
            say(f"Error: {error}")
            ctx.exit(1)
        except OSError as error:
            why = _UNUSABLE.get(error.errno or 0)
            if error.filename is None or why is None:
                raise
            say(f"Error: {show_path(os.fsdecode(error.filename))} {why}.")
            ctx.exit(1)
        except UnicodeEncodeError as error:
            if error.encoding == "utf-8":
                raise
            say(
                f"Error: no file can be called {error.object!a} in this locale ({error.encoding}): "
                "run with LC_ALL=C.UTF-8."
            )
            ctx.exit(1)
        except (MemoryError, ImportError, RuntimeError) as error:
            if not _lacks_memory(error):
                raise
            say(
                "Error: there is too little memory to go on: close other programs, or allow this "
                "one more (`ulimit -v`); what was committed is kept."
            )
            ctx.exit(1)
        except KeyboardInterrupt:
            say("Interrupted. What was committed is kept; run the same command to go on.")
            ctx.exit(130)


def _lacks_memory(error: Exception) -> bool:
    """Whether memory was refused, to Python or to a library that was to be loaded."""
    return isinstance(error, MemoryError) or any(said in str(error) for said in _NO_MEMORY)


def _require_folder() -> None:
    """Refuse to work where the current folder is gone: names are understood from there."""
    try:
        os.getcwd()  # noqa: PTH109 - without a module more
    except FileNotFoundError:
        raise ShituError(
            "the folder in which this was started was deleted: change to another with `cd`"
        ) from None


def _give_up(error: OutputError) -> None:
    """Say that the output is lost, and keep Python from trying again when it ends."""
    sys.stdout = None
    say(f"Error: {error}")


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: shitu build-index --gallery photos && shitu recognize shelf.jpg",
)
@click.version_option(__version__, prog_name="shitu")
@click.option(
    "--config",
    "file",
    type=FilePath(dir_okay=False),
    help="YAML file with settings.",
)
@click.pass_context
def main(context: click.Context, file: Path | None) -> None:
    """Recognise products and objects in photos by looking them up in a gallery of yours."""
    context.obj = file


main.commands = _Commands()
