"""Labels: any text a person can read, compared exactly."""

from __future__ import annotations

import contextlib
import os
import unicodedata

from shitu.errors import GalleryError, ItemNotFound
from shitu.gallery.gallery import Gallery

_CONTROL = {"Cc", "Zl", "Zp"}  # categories of Unicode: control characters, ends of lines


def clean_label(text: str) -> str:
    r"""Return the label as it is kept; empty if nothing is left of it.

    Blanks around it go, and letters with accents are composed (NFC): file names of macOS have
    them decomposed, and a label typed by hand must still be the same one. Undecodable bytes of
    folder names become escapes such as \xe9, because no database takes them.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(text, str):  # from outside; deeper down it would be said of something else
        raise TypeError(f"a label has to be text, not {type(text).__name__}")
    readable = os.fsencode(text) if _is_file_name(text) else text.encode("utf-8", "replace")
    decoded = readable.decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", decoded).replace("\0", "").strip()


def given_label(text: str, gallery: Gallery) -> str:
    """Return a label that was given by hand: that of an item, or one that fits on a line.

    Raises:
        GalleryError: it is empty, or has control characters and no item has it.
    """
    label = clean_label(text)
    if not label:
        raise GalleryError("the label is empty: give the item a name")
    if any(unicodedata.category(character) in _CONTROL for character in label):
        with contextlib.suppress(ItemNotFound):
            return gallery.item(label=label).label
        raise GalleryError(
            f"the label {label!r} has a line break, a tab or another control character in it: "
            "write it without"
        )
    return label


def _is_file_name(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True
