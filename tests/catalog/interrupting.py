"""Ctrl-C at any one moment of some code, and not by luck."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any


class Interrupted:
    """Raises KeyboardInterrupt within the block, and suppresses it, at a certain step of some code.

    Steps are where Python looks for signals: a function begins, or one written in C is done.

    Args:
        step: which, from 1 on.
        places: files and folders of the code.

    Attributes:
        happened: whether there were so many steps.
    """

    def __init__(self, step: int, *places: Path) -> None:
        self._left = step
        self._places = tuple(map(str, places))
        self._before: Any = None
        self.happened = False

    def __enter__(self) -> Interrupted:
        self._before = sys.getprofile()
        sys.setprofile(self._look)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        sys.setprofile(self._before)
        return self.happened and kind is KeyboardInterrupt

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        if event in {"call", "c_return"} and frame.f_code.co_filename.startswith(self._places):
            self._left -= 1
            if self._left == 0:
                self.happened = True
                raise KeyboardInterrupt  # Python stops looking then
