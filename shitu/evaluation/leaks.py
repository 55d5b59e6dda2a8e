"""Queries that the gallery has seen: their figures say nothing about new photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shitu.evaluation.outcomes import QueryOutcome

NEAR_DUPLICATE = 0.98
"""Cosine from which a query passes for the same shot as a reference: see docs/evaluation.md."""


@dataclass(frozen=True)
class Leak:
    """A query whose picture sits in the gallery.

    Attributes:
        kind: "same file" by sha256, or "near-duplicate" by cosine.
        cosine: to the reference; 1 for the same file.
    """

    path: str
    label: str
    kind: Literal["same file", "near-duplicate"]
    reference_id: int
    cosine: float


def find_leaks(
    outcomes: Iterable[QueryOutcome], near_duplicate: float = NEAR_DUPLICATE
) -> tuple[Leak, ...]:
    """The queries that are a file of the gallery, or so near a reference of any label."""
    leaks = (leak_of(outcome, near_duplicate) for outcome in outcomes)
    return tuple(leak for leak in leaks if leak is not None)


def leak_of(outcome: QueryOutcome, near_duplicate: float = NEAR_DUPLICATE) -> Leak | None:
    """Why this query is leaked, if it is."""
    if outcome.own_file is not None:
        return Leak(outcome.path, outcome.label, "same file", outcome.own_file, 1.0)
    nearest = outcome.nearest_id
    if nearest is not None and outcome.nearest_score >= near_duplicate:
        return Leak(outcome.path, outcome.label, "near-duplicate", nearest, outcome.nearest_score)
    return None
