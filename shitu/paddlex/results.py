"""Results that are dicts with PaddleX' fields, and print and save themselves as PaddleX' do."""

from __future__ import annotations

import json
import mimetypes
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from shitu.arguments import path_of
from shitu.drawing.annotate import Mark, annotate
from shitu.errors import DatasetError, ImageError
from shitu.images import WRITTEN, display_path, save_image
from shitu.images.names import cannot
from shitu.images.writing import write_whole
from shitu.pages import printable

Draw = Callable[["Result"], list[Mark]]

_KEY = "res"
_PICTURE = "input_img"


class Result(dict[str, Any]):
    """What was found in a picture.

    `input_img` is the picture, BGR as in PaddleX; it is left out of what is printed and saved.

    Args:
        fields: PaddleX' fields.
        draw: what to draw into the picture; None for results that are not drawn.
    """

    def __init__(self, fields: dict[str, Any], draw: Draw | None = None) -> None:
        super().__init__(fields)
        self._draw = draw
        # An array has no name: each gets one of its own, or it would take the place of the last.
        given = self.get("input_path") or f"{int(time.time())}_{secrets.token_hex(4)}"
        self._name = Path(given).name

    @property
    def json(self) -> dict[str, Any]:
        """`{"res": ...}` with nothing but JSON's own types."""
        return {_KEY: _plain({key: value for key, value in self.items() if key != _PICTURE})}

    @property
    def img(self) -> dict[str, Any]:
        """`{"res": picture}`, a Pillow picture with what was found drawn in."""
        from PIL import Image as Pillow

        return {_KEY: Pillow.fromarray(self._drawn())}

    def print(
        self,
        json_format: bool = False,
        indent: int = 4,
        ensure_ascii: bool = False,
        format_json: bool | None = None,
    ) -> None:
        """Print the fields to stdout, as JSON if `json_format` (in some versions `format_json`)."""
        as_json = json_format if format_json is None else format_json
        print(_json(self.json, indent, ensure_ascii) if as_json else repr(self.json))

    def save_to_json(
        self, save_path: str | Path, indent: int = 4, ensure_ascii: bool = False, **_: Any
    ) -> None:
        """Write the fields to a `.json` file, or into a folder as `NAME_res.json`.

        Raises:
            DatasetError: it cannot be written.
        """
        path = self._target(save_path, "application/json", ".json")
        text = _json(self.json[_KEY], indent, ensure_ascii)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode("utf-8"))
        except OSError as error:
            raise DatasetError(cannot("written", display_path(path), error)) from error

    def save_to_img(self, save_path: str | Path, **_: Any) -> None:
        """Write the annotated picture to a file, or into a folder as `NAME_res.EXTENSION`.

        The extension is that of the picture, or `.png` if no picture can be written in its format.

        Raises:
            ImageError: it cannot be written.
        """
        suffix = Path(self._name).suffix
        path = self._target(save_path, "image/", suffix if suffix.lower() in WRITTEN else ".png")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(cannot("written", display_path(path), error)) from error
        save_image(path, self._drawn())

    def save_all(self, save_path: str | Path) -> None:
        """Write everything that this result can write into a folder."""
        self.save_to_json(save_path)
        if self._draw is not None:
            self.save_to_img(save_path)

    def _target(self, save_path: str | Path, kind: str, suffix: str) -> Path:
        path = path_of("save_path", save_path)
        guessed = mimetypes.guess_type(path.name)[0] or ""
        if not guessed.startswith(kind):
            path = path / f"{Path(self._name).stem}_{_KEY}{suffix}"
        return path

    def _drawn(self) -> Any:
        picture = np.ascontiguousarray(self[_PICTURE][..., ::-1])
        return annotate(picture, [] if self._draw is None else self._draw(self))


def _json(fields: dict[str, Any], indent: int | None, ensure_ascii: bool) -> str:
    text = json.dumps(fields, indent=indent, ensure_ascii=ensure_ascii)
    # Bytes of a file's name that are no text become escapes, which JSON has, too.
    return printable(text)


def _plain(value: Any) -> Any:
    """Arrays become lists, numbers of numpy those of Python."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value
