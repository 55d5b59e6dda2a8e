"""Moments of the past as they are typed: a generation or a date."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _checked(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    from shitu.errors import GalleryError
    from shitu.gallery.moments import parse_moment

    try:
        parse_moment(text)
    except GalleryError as error:
        raise click.BadParameter(str(error)) from None
    return text


def moment_option(name: str, help_text: str) -> Callable[[_Command], _Command]:
    """An option whose value is a generation or a date; what is neither is wrong usage."""
    return click.option(name, metavar="GENERATION|DATE", callback=_checked, help=help_text)


as_of_option = moment_option(
    "--as-of", "Answer from the gallery as it was then; a day means its end, times are UTC."
)
