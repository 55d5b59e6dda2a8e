"""Labels: any text a person can read, compared exactly."""

from __future__ import annotations

import os
import unicodedata


def clean_label(text: str) -> str:
    r"""Return the label as it is kept; empty if nothing is left of it.

    Blanks around it go, and letters with accents are composed (NFC): file names of macOS have
    them decomposed, and a label typed by hand must still be the same one. Undecodable bytes of
    folder names become escapes such as \xe9, because no database takes them.
    """
    readable = os.fsencode(text) if _is_file_name(text) else text.encode("utf-8", "replace")
    decoded = readable.decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", decoded).replace("\0", "").strip()


def _is_file_name(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True
