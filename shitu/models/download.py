"""Download a file with progress; what was received is kept, and the next try goes on from there."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shitu.errors import ModelError, WeightsCorrupt

Progress = Callable[[int, int], None]

_CHUNK = 1 << 16
_TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
_TRIES = 4
_PAUSE = 0.5  # seconds before the second try, then twice as long each time


def download(
    urls: Sequence[str],
    folder: Path,
    sha256: str | None,
    progress: Progress | None = None,
) -> tuple[Path, str]:
    """Fetch a file from the first of its addresses that works, into a folder.

    Returns:
        The file, and the address that gave it.

    Args:
        urls: addresses of the same file.
        sha256: that it must have; None where nobody knows.
        progress: called with the bytes received so far and all.

    Raises:
        ModelError: no address works; says why for each.
        WeightsCorrupt: what came is not the file with that checksum.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)
    reasons = []
    for url in urls:
        name = url.rpartition("/")[2]
        known = None if sha256 is None else f"sha256:{sha256}"
        receiver = _Resuming(folder / f"{_short(url)}.part", progress)
        try:
            found = pooch.retrieve(
                url, known_hash=known, fname=name, path=folder, downloader=receiver
            )
            return Path(found), url
        except requests.RequestException as error:
            reasons.append(f"{url}: {_reason(error)}")
        except ValueError as error:  # how pooch says that the checksum differs
            raise WeightsCorrupt(
                f"What {url} gives is not what was expected: {_one_line(error)}"
            ) from None
        except OSError as error:
            raise ModelError(
                f"Cannot store the download in {folder}: {error.strerror or error}. Make room, or "
                "name another folder in SHITU_MODELS."
            ) from None
    raise ModelError("Cannot fetch " + "; ".join(reasons))


@dataclass
class _Resuming:
    """A downloader for pooch that goes on where the last one stopped."""

    part: Path
    progress: Progress | None

    def __call__(self, url: str, output_file: Any, _pooch: Any, check_only: bool = False) -> None:
        import requests

        self.part.parent.mkdir(parents=True, exist_ok=True)
        stalled, most = 0, self._size()
        with requests.Session() as session:
            while True:
                try:
                    self._receive(session, url)
                    break
                except (requests.ConnectionError, requests.Timeout, _BrokenError) as error:
                    # A server that gives another piece each time is not given up.
                    stalled = stalled + 1 if self._size() <= most else 0
                    most = max(most, self._size())
                    if stalled == _TRIES:
                        raise requests.ConnectionError(_one_line(error)) from None
                    time.sleep(_PAUSE * 2**stalled)
        self.part.replace(output_file)
        self._note.unlink(missing_ok=True)

    def _receive(self, session: Any, url: str) -> None:
        import requests

        done, validator = self._size(), self._validator()
        headers = {"Accept-Encoding": "identity"}
        if done and validator:
            headers |= {"Range": f"bytes={done}-", "If-Range": validator}
        with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.unlink()
                raise _BrokenError("the file has become shorter")
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                done = 0
            self._note_validator(response.headers)
            total = done + int(response.headers.get("Content-Length", 0))
            with self.part.open("ab" if done else "wb") as file:
                for chunk in _chunks(response):
                    file.write(chunk)
                    done += len(chunk)
                    if self.progress is not None:
                        self.progress(done, max(total, done))
        if done < total:
            raise _BrokenError(f"only {done} of {total} bytes came")

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def _note(self) -> Path:
        return self.part.with_suffix(".json")

    def _validator(self) -> str:
        """What told this state of the file from others when its beginning was received."""
        try:
            return str(json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return ""

    def _note_validator(self, headers: Any) -> None:
        etag = headers.get("ETag", "")
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
        self._note.write_text(json.dumps(validator), encoding="utf-8")


def _chunks(response: Any) -> Iterator[bytes]:
    import requests

    try:
        yield from response.iter_content(_CHUNK)
    except requests.exceptions.ChunkedEncodingError as error:
        raise _BrokenError("the connection broke") from error


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server says {response.status_code} {response.reason}"
    text = _one_line(error)
    unreachable = ("NameResolutionError", "NewConnectionError", "ConnectTimeout")
    return "the server cannot be reached" if any(name in text for name in unreachable) else text


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _short(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


class _BrokenError(Exception):
    """The connection ended before the file did."""
