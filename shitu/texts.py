"""Text files in UTF-8, and what to call those that are not."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path


class Utf8Error(ValueError):
    """A file is not UTF-8.

    Attributes:
        line: the first that is not; None where it is no text at all, such as a photo.
    """

    def __init__(self, line: int | None) -> None:
        super().__init__("it is no text" if line is None else f"line {line} is not UTF-8")
        self.line = line


def read_text(path: Path) -> str:
    """What a text file holds, without its byte order mark.

    Raises:
        OSError: it cannot be read.
        Utf8Error: it is no text, or one of another encoding.
    """
    data = path.read_bytes()
    try:
        return data.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        utf16 = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
        no_text = b"\0" in data and not utf16
        raise Utf8Error(None if no_text else data.count(b"\n", 0, error.start) + 1) from error
