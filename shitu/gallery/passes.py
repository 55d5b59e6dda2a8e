"""Progress of work that meets each reference several times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_AT_A_TIME = 500


@dataclass
class Passes:
    """Counts meetings, and tells them as references done.

    Args:
        references: all of them.
        times: how often each is met, at most.
        progress: told the number of references done so far, and the total; None: nobody is.
    """

    references: int
    times: int
    progress: Callable[[int, int], None] | None
    _met: int = 0

    def met(self, count: int = 1) -> None:
        """Count some more."""
        before = self._met // _AT_A_TIME
        self._met += count
        if self.progress is not None and self._met // _AT_A_TIME != before:
            self.progress(min(self._met // self.times, self.references), self.references)

    def end(self) -> None:
        """All is done: some references may have been met less often."""
        if self.progress is not None:
            self.progress(self.references, self.references)
