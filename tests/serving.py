"""A web server on this machine that serves files, as badly as it is told to."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any


class Site:
    """What is served, by file name, and how.

    Attributes:
        files: content of each.
        breaks: the connection ends after so many bytes of a piece, so many times.
        ranges: whether a download can go on where it stopped.
        lengths: whether the length of a file is told.
        statuses: answered instead, one after the other.
        asked: name and range of each request.
    """

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.breaks = (0, 0)
        self.ranges = True
        self.lengths = True
        self.statuses: list[int] = []
        self.asked: list[tuple[str, str]] = []
        self.lock = Lock()


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(site, self)

        def log_message(self, *_: Any) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(site: Site, request: BaseHTTPRequestHandler) -> None:
    name = request.path.rpartition("/")[2]
    with site.lock:
        site.asked.append((name, request.headers.get("Range", "")))
        status = site.statuses.pop(0) if site.statuses else 0
        after, times = site.breaks
        breaking = times > 0 and not status
        if breaking:
            site.breaks = (after, times - 1)
    request.close_connection = True
    content = site.files.get(name)
    if status or content is None:
        request.send_response(status or 404)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    tag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
    start = 0
    if site.ranges and request.headers.get("If-Range") == tag:
        start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
    piece = content[start:]
    request.send_response(206 if start else 200)
    if site.ranges:
        request.send_header("ETag", tag)
    if site.lengths:
        request.send_header("Content-Length", str(len(piece)))
    request.end_headers()
    request.wfile.write(piece[:after] if breaking else piece)
    request.wfile.flush()


def packed(folder: Path, *left_out: str, extra: bytes = b"") -> bytes:
    """A folder as a `.tar`, as upstream packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            if path.name not in left_out:
                archive.add(path, f"{folder.name}/{path.name}")
        if extra:
            info = tarfile.TarInfo(f"{folder.name}/README.md")
            info.size = len(extra)
            archive.addfile(info, io.BytesIO(extra))
    return buffer.getvalue()
