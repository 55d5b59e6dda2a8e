"""Counts what a process does to disk and database, and lets it die before a certain step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

_CALLS = ("fsync", "replace", "rename", "link", "unlink", "mkdir")


class Steps:
    """Every statement, commit, and call that changes a folder is a step.

    Args:
        last: die by SIGKILL instead of taking this step; 0: never.
    """

    def __init__(self, last: int = 0) -> None:
        self.taken = 0
        self._last = last

    def watch(self) -> None:
        """Begin to count, for the rest of this process."""
        from sqlalchemy import Engine, event

        from shitu.index.checksums import Checksum

        for name in ("before_cursor_execute", "commit"):
            event.listen(Engine, name, self._step)
        for name in _CALLS:
            setattr(os, name, self._counted(getattr(os, name)))
        write: Any = Checksum.write
        setattr(Checksum, "write", self._counted(write))  # noqa: B010 - a method is replaced

    def _step(self, *_: object, **__: object) -> None:
        self.taken += 1
        if self.taken == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._step()
            return call(*arguments, **options)

        return counted
