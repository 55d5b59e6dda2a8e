"""What has to happen when a process is forked; where none can be (Windows), nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
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


def held_while_forking(lock: AbstractContextManager[Any]) -> None:
    """Let each fork from now on wait for a lock, which no thread of the child would give back."""
    if _register is not None:
        let_go = partial(lock.__exit__, None, None, None)
        _register(before=lock.__enter__, after_in_parent=let_go, after_in_child=let_go)
