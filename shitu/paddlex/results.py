"""Results that are dicts with PaddleX' fields, and print and save themselves as PaddleX' do."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from shitu.drawing.annotate import Mark, annotate
from shitu.images import save_image

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
        text = (
            json.dumps(self.json, indent=indent, ensure_ascii=ensure_ascii)
            if as_json
            else repr(self.json)
        )
        print(text)

    def save_to_json(
        self, save_path: str | Path, indent: int = 4, ensure_ascii: bool = False, **_: Any
    ) -> None:
        """Write the fields to a `.json` file, or into a folder as `NAME_res.json`."""
        path = self._target(save_path, "application/json", ".json")
        text = json.dumps(self.json[_KEY], indent=indent, ensure_ascii=ensure_ascii)
        path.write_text(text, encoding="utf-8")

    def save_to_img(self, save_path: str | Path, **_: Any) -> None:
        """Write the annotated picture to a file, or into a folder as `NAME_res.EXTENSION`."""
        suffix = Path(self._name).suffix
        kind = mimetypes.guess_type(self._name)[0] or ""
        path = self._target(save_path, "image/", suffix if kind.startswith("image/") else ".png")
        save_image(path, self._drawn())

    def save_all(self, save_path: str | Path) -> None:
        """Write everything that this result can write into a folder."""
        self.save_to_json(save_path)
        if self._draw is not None:
            self.save_to_img(save_path)

    @property
    def _name(self) -> str:
        return Path(self.get("input_path") or "picture.png").name

    def _target(self, save_path: str | Path, kind: str, suffix: str) -> Path:
        path = Path(save_path)
        guessed = mimetypes.guess_type(path.name)[0] or ""
        if not guessed.startswith(kind):
            path = path / f"{Path(self._name).stem}_{_KEY}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _drawn(self) -> Any:
        picture = np.ascontiguousarray(self[_PICTURE][..., ::-1])
        return annotate(picture, [] if self._draw is None else self._draw(self))


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
