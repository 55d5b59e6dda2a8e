"""What has to happen when a process is forked; where none can be (Windows), nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

_register: Callable[..., None] | None = getattr(os, "register_at_fork", None)


def before_fork(work: Callable[[], Any]) -> None:
    """Do this in the parent before each fork from now on."""
    if _register is not None:
        _register(before=work)


def after_fork(work: Callable[[], Any]) -> None:
    """Do this in each process that is forked from now on."""
    if _register is not None:
        _register(after_in_child=work)
