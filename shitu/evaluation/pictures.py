"""Pictures of a report as data URIs: crops of queries from their files, references from SQL."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from shitu.errors import ShituError
from shitu.geometry import Box
from shitu.images import load_image, thumbnail


class Pictures:
    """Small pictures for a page; one that is gone since is None.

    Args:
        references: gives the thumbnail of a reference, a JPEG.
    """

    def __init__(self, references: Callable[[int], bytes]) -> None:
        self._references = references

    def crop(self, path: str, box: Box | None) -> str | None:
        """What was looked at in a file."""
        try:
            return _uri(thumbnail(load_image(Path(path)), box=box))
        except ShituError:
            return None

    def reference(self, reference_id: int | None) -> str | None:
        """A reference of the gallery."""
        if reference_id is None:
            return None
        try:
            return _uri(self._references(reference_id))
        except ShituError:
            return None


def _uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
