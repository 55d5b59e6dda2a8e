"""A bar for what takes long."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import click

T = TypeVar("T")


def progress(things: Sequence[T], label: str) -> Iterator[T]:
    """Give one after the other, with a bar on stderr where that is a terminal."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(
        things, label=label, file=sys.stderr, show_pos=True, hidden=hidden
    ) as bar:
        yield from bar
