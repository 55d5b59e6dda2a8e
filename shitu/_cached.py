"""What an object computes once, when it is first asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

_Value = TypeVar("_Value")


class cached_property(functools.cached_property[_Value]):  # noqa: N801 - used as that one is
    """As in Python 3.12: threads that ask at the same time may each compute it.

    Before, all objects of a class shared a lock, for which their threads waited, and a process that
    was forked while it was held waited for ever.
    """

    def __init__(self, work: Callable[[Any], _Value]) -> None:
        super().__init__(work)
        self.lock = nullcontext()
