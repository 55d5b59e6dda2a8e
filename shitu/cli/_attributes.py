"""Attributes as they are typed and shown: KEY=VALUE."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import click

from shitu.cli._common import as_typed


def parse_attributes(texts: Iterable[str], hint: str) -> dict[str, Any]:
    """Return attributes by key; `hint` is what the user called them.

    Raises:
        click.BadParameter: one is not of the form KEY=VALUE, or a key is given twice.
    """
    found: dict[str, Any] = {}
    for text in map(as_typed, texts):
        key, value = _attribute(text, hint)
        if key in found:
            raise click.BadParameter(f"{key!r} is given twice: decide for one", param_hint=hint)
        found[key] = value
    return found


def _attribute(text: str, hint: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE", param_hint=hint)
    return key, parse_value(value)


def parse_value(text: str) -> Any:
    """Return what a text means as JSON, or the text itself; mappings stay text.

    Example:
        >>> [parse_value(text) for text in ('3', '"3"', 'true', '[1, 2]', '1,50', 'tea')]
        [3, '3', True, [1, 2], '1,50', 'tea']
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
        json.dumps(value, allow_nan=False)  # 1e999 is read as infinity
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict) else value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def show_attributes(attributes: Mapping[str, Any]) -> str:
    """Return them on one line, values so that they can be typed again."""
    return ", ".join(f"{key}={show_value(value)}" for key, value in attributes.items())


def show_value(value: Any) -> str:
    """Return a value as it would be typed."""
    if isinstance(value, str) and parse_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
