"""A PostgreSQL server of the test session's own, in a temporary folder, reached by its socket."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

GIVEN = "SHITU_TEST_POSTGRES"
_GIVEN_URL = os.environ.get(GIVEN)  # now: tests run without any variable of ours
_ROLE = "shitu"
_OPTIONS = (
    "listen_addresses=",
    "max_connections=60",
    "fsync=off",  # nothing here has to outlive the machine
    "full_page_writes=off",
    "shared_buffers=32MB",
)


@contextlib.contextmanager
def server() -> Iterator[str]:
    """URL of a server: the one named by SHITU_TEST_POSTGRES, or one started for the occasion."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install -e '.[dev]'")
    if _GIVEN_URL:
        yield _GIVEN_URL
        return
    programs = _programs()
    if programs is None:
        pytest.skip(f"PostgreSQL is not installed (apt-get install postgresql), {GIVEN} is unset")
    folder = Path(tempfile.mkdtemp(prefix="shitu-pg-", dir=_short_folder()))
    who = _not_root()
    if who is not None:
        os.chown(folder, who, -1)
    try:
        with _running(programs, folder, {} if who is None else {"user": who}):
            yield f"postgresql://{_ROLE}@/postgres?host={quote(str(folder))}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(programs: Path, folder: Path, as_whom: dict[str, Any]) -> Iterator[None]:
    data = str(folder / "data")
    make = [programs / "initdb", "-D", data, "-U", _ROLE, "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*make, "--locale=C"], check=True, capture_output=True, cwd=folder, **as_whom)
    settings = [part for option in _OPTIONS for part in ("-c", option)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*_with_parent(), programs / "postgres", "-D", data, "-k", folder, *settings],
            cwd=folder,
            stdout=log,
            stderr=log,
            **as_whom,
        )
    try:
        _wait_for(process, folder)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], folder: Path) -> None:
    import psycopg

    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host=str(folder), user=_ROLE, dbname="postgres").close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "log").read_text()) from error
            time.sleep(0.05)
        else:
            return


def _with_parent() -> list[str]:
    """Let the server end with this process, even if that is killed."""
    setpriv = shutil.which("setpriv")  # of util-linux
    return [] if setpriv is None else [setpriv, "--pdeathsig", "INT"]


def _programs() -> Path | None:
    """The newest installation's folder; Debian keeps them out of the search path."""
    homes = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    found = sorted(homes, key=lambda path: int(path.parts[-3])) or [
        Path(one) for one in [shutil.which("postgres")] if one
    ]
    return found[-1].resolve().parent if found else None


def _not_root() -> int | None:
    """The server refuses to run as root."""
    if os.getuid():
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534


def _short_folder() -> str | None:
    shelf = Path("/dev/shm")  # noqa: S108 - the name of a socket may have a hundred letters only
    return str(shelf) if os.access(shelf, os.W_OK) else None


class Schemas:
    """Empty schemas of one server, each as good as a database of its own and made much faster."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._url = url
        self._made = 0
        self._prefix = f"shitu_{os.getpid()}_{time.time_ns()}"
        self._connection = psycopg.connect(re.sub(r"\+psycopg", "", url), autocommit=True)

    def new(self) -> str:
        """Make a schema; returns a URL by which all is made and looked for in it."""
        self._made += 1
        name = f"{self._prefix}_{self._made}"
        self._connection.execute(f'CREATE SCHEMA "{name}"')
        mark = "&" if "?" in self._url else "?"
        return f"{self._url}{mark}options={quote(f'-csearch_path={name}')}"

    def disconnect_all(self) -> None:
        """Do to all others what the restart of a server does."""
        self._connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
            "pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user"
        )

    def close(self) -> None:
        """Leave nothing behind on a server that goes on."""
        for number in range(1, self._made + 1):
            self._connection.execute(f'DROP SCHEMA "{self._prefix}_{number}" CASCADE')
        self._connection.close()
