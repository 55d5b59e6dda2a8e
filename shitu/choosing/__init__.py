"""Which engine is the fastest on this machine that gives the same answers, found out once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shitu._lazy import rooms
from shitu.choosing.choice import (
    Choice,
    candidates,
    choose,
    recall,
    remembered_engine,
    worth_choosing,
)

if TYPE_CHECKING:
    from shitu.choosing.trial import Task, Trial

__all__ = [
    "Choice",
    "Task",
    "Trial",
    "candidates",
    "choose",
    "recall",
    "remembered_engine",
    "worth_choosing",
]

__getattr__ = rooms(__name__, {"Task": "shitu.choosing.trial", "Trial": "shitu.choosing.trial"})
