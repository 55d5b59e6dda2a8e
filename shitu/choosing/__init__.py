"""Which engine is the fastest on this machine that gives the same answers, found out once."""

from __future__ import annotations

from shitu.choosing.choice import (
    Choice,
    candidates,
    choose,
    recall,
    remembered_engine,
    worth_choosing,
)
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
