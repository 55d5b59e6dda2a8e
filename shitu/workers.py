"""Threads that end with what they work for, and say so to those who still ask."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from shitu.errors import Closed

CLOSED = "the workspace was closed: open another one to go on"

_Result = TypeVar("_Result")


class Workers(ThreadPoolExecutor):
    """A pool of threads; what it is asked for once it is closed raises `Closed`, nothing else."""

    _closed = False

    def submit(
        self, work: Callable[..., _Result], /, *args: Any, **options: Any
    ) -> Future[_Result]:
        """See `Executor.submit`; raises Closed, here or as the result."""

        def unless_closed() -> _Result:
            if self._closed:
                raise Closed(CLOSED)
            return work(*args, **options)

        try:
            return super().submit(unless_closed)
        except RuntimeError:  # or there is no more room for a thread
            if self._closed:
                raise Closed(CLOSED) from None
            raise

    def close(self) -> None:
        """End the threads; what they have begun they finish, what waits raises Closed."""
        # Not cancelled: who waits for a result would get an error that says nothing.
        self._closed = True
        self.shutdown()
