"""The same picture twice, and nearly the same one under two labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from shitu.linting.findings import Finding
from shitu.linting.pictures import colour_distances, hash_distances
from shitu.linting.references import BLANK
from shitu.linting.subject import Subject


@dataclass(frozen=True)
class Sameness:
    """What two pictures must have in common; all three of it.

    Attributes:
        cosine: of their embeddings, at least.
        bits: of their hashes that differ, at most, of 64.
        colours: mean difference of the colours of 8 x 8 squares, at most, of 255.
    """

    cosine: float
    bits: int
    colours: float


SAME = Sameness(0.95, 4, 5.0)
"""A picture saved again, smaller or in another quality. Two photos of one package, taken one after
the other from the same place, differ more."""

NEAR = Sameness(0.90, 10, 15.0)
"""A picture cut a little, brightened, or written on. Packages of one design that differ in a
colour or two differ more."""


@dataclass(frozen=True)
class Pair:
    """Two references that look the same: places a < b in the subject, and their cosine."""

    a: int
    b: int
    cosine: float


def find_pairs(subject: Subject, sameness: Sameness) -> list[Pair]:
    """All pairs of references that are as alike as that; blank ones are alike for no reason."""
    a, b, cosines = subject.likeness.pairs(sameness.cosine)
    m = subject.measures
    alike = (
        (hash_distances(m.hashes[a], m.hashes[b]) <= sameness.bits)
        & (colour_distances(m.colours[a], m.colours[b]) <= sameness.colours)
        & (np.minimum(m.contrast[a], m.contrast[b]) >= BLANK)
    )
    return [
        Pair(int(i), int(j), float(c))
        for i, j, c in zip(a[alike], b[alike], cosines[alike], strict=True)
    ]


def duplicates(subject: Subject, pairs: Iterable[Pair]) -> Iterator[Finding]:
    """One finding for each picture that is there more than once; the worse if under two labels."""
    pairs = list(pairs)
    strongest: dict[int, float] = defaultdict(float)
    group = _groups(pairs)
    for pair in pairs:
        strongest[group[pair.a]] = max(strongest[group[pair.a]], pair.cosine)
    members: dict[int, list[int]] = defaultdict(list)
    for place in sorted(group):
        members[group[place]].append(place)
    for first, places in members.items():
        yield _duplicate(subject, places, strongest[first])


def _duplicate(subject: Subject, places: list[int], cosine: float) -> Finding:
    found = [subject.references[place] for place in places]
    labels = tuple(dict.fromkeys(r.label for r in found))
    numbers = tuple(r.reference_id for r in found)
    listed = " and ".join(map(str, numbers))
    if len(labels) > 1:
        named = " and ".join(map(repr, labels))
        advice = (
            f"references {listed}, of {named}, are the same picture: look which item it shows, "
            "and remove it from the others with `shitu remove-item --reference ID`"
        )
    else:
        advice = (
            f"references {listed} of {labels[0]!r} are the same picture, which adds nothing: "
            f"run `shitu remove-item --reference {numbers[-1]}`"
        )
    severity = "error" if len(labels) > 1 else "info"
    return Finding("duplicate", severity, labels, numbers, cosine, advice)


def near_duplicates(subject: Subject, pairs: Iterable[Pair]) -> Iterator[Finding]:
    """One finding for each two items that have nearly the same pictures."""
    by_items: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        one, other = subject.references[pair.a], subject.references[pair.b]
        if one.item_id != other.item_id:
            by_items[min(one.label, other.label), max(one.label, other.label)].append(pair)
    for labels, found in by_items.items():
        found.sort(key=lambda pair: -pair.cosine)
        places = dict.fromkeys(place for pair in found for place in (pair.a, pair.b))
        yield Finding(
            kind="near-duplicate",
            severity="warning",
            items=labels,
            reference_ids=tuple(subject.references[place].reference_id for place in places),
            strength=found[0].cosine,
            advice=f"{labels[0]!r} and {labels[1]!r} have nearly the same picture: look whether "
            "it has the right label in both, and remove it where it has not with "
            "`shitu remove-item --reference ID`",
        )


def _groups(pairs: Iterable[Pair]) -> dict[int, int]:
    """The first member of the group that each place belongs to."""
    parent: dict[int, int] = {}

    def top(place: int) -> int:
        while parent.setdefault(place, place) != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for pair in pairs:
        one, other = sorted((top(pair.a), top(pair.b)))
        parent[other] = one
    return {place: top(place) for place in parent}
