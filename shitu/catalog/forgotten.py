"""Why the vector of a removed reference is not there any more."""

from __future__ import annotations

from collections.abc import Iterable

from shitu.gallery import Change


def why_forgotten(changes: Iterable[Change]) -> str:
    """Say it, as far as the log knows."""
    seen = {
        kind: change.generation
        for change in changes
        for kind in ("compact", "space")
        if kind in change.after
    }
    if "compact" in seen:
        return f"`shitu compact` forgot them in generation {seen['compact']}"
    if "space" in seen:
        return (
            f"the gallery went over to another model in generation {seen['space']}, when they had "
            "been removed already"
        )
    return "they were removed with an older version of shitu, which kept none"
