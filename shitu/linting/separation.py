"""Items that cannot be told apart, and references that belong elsewhere.

Each reference is looked up as if it were a query, among all others: leave-one-out.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shitu.linting.findings import Finding
from shitu.linting.likeness import Floats, Ids, Likeness, by_owner
from shitu.linting.subject import Subject

MIXED_UP = 0.2
"""Share of the references of two items that are nearer to the other one, from which on they cannot
be told apart; of one in five photos the answer would be the other item."""

MIXED_UP_ONE = 0.5
"""Or that share of the references of one of them, however many more the other has: an item that is
there twice, under a second name with a few pictures."""

MIXED_UP_REFERENCES = 2
"""That many must be nearer to the other item; a single one is an outlier."""

AS_ALIKE = 0.03
"""How much less alike (mean cosine) two items may be than the pictures of one item among
themselves, and still be mistaken for one another."""

ALIKE = 0.85
"""Two items that are less alike (cosine) are never taken for one because of that: where the
pictures of one item differ more among themselves, likeness says little."""

ALIKE_ALONE = 0.9
"""The cosine from which on two items are alike if no item has two references to compare with."""

MARGIN = 0.1
"""By how much more an outlier resembles another item than its own (cosine). Smaller differences
are common among items of one kind: a side that they share, or a shelf in the background."""

OWN_REFERENCES = 3
"""Of an item with fewer that can be looked at, nobody can say which reference is the odd one."""

_SHOWN = 4  # references of each of two items that are named as examples


@dataclass(frozen=True)
class Encounter:
    """What references of two items have to do with one another.

    Attributes:
        items: ids a < b.
        errors: places of references that are nearest to the other of the two items.
        mixed: of each item how many those are.
        judged: of each item how many references have another one of their own to compare with.
        cosine: mean likeness of one item's references to the other item, of the item of which it
            is lower; -inf if fewer than half of its references have the other as a neighbour.
        own: mean over those judged of the likeness to their own; NaN where there are none.
        best: places of the references, the most alike first.
    """

    items: tuple[int, int]
    errors: tuple[int, ...]
    mixed: tuple[int, int]
    judged: tuple[int, int]
    cosine: float
    own: float
    best: tuple[int, ...]

    @property
    def mixed_up(self) -> bool:
        """Whether pictures of one would be taken for the other."""
        enough = len(self.errors) >= MIXED_UP_REFERENCES
        return enough and len(self.errors) / sum(self.judged) >= MIXED_UP

    @property
    def swallowed(self) -> int | None:
        """Which of the two would be taken for the other, the first or the second, if one would."""
        for side, (mixed, judged) in enumerate(zip(self.mixed, self.judged, strict=True)):
            if mixed >= MIXED_UP_REFERENCES and mixed / judged >= MIXED_UP_ONE:
                return side
        return None

    def excess(self, typical: float) -> float:
        """How much the two look like one item: 0 just so, 1 the very same; negative: they do not.

        `typical` is how alike the pictures of an item are that has several; NaN: none has.
        """
        own = typical if np.isnan(self.own) else self.own
        wanted = ALIKE_ALONE if np.isnan(own) else max(ALIKE, own - AS_ALIKE)
        return (self.cosine - wanted) / (1 - wanted)


def encounters(subject: Subject, told: Collection[int] = ()) -> list[Encounter]:
    """All pairs of items that may be hard to tell apart.

    Args:
        subject: the gallery.
        told: references of which something else was said already; they are left out.
    """
    like = subject.likeness
    rows, others, cosines = _meetings(like, np.isin(like.ids, list(told)))
    pairs = np.sort(np.stack([like.owners[rows], others]), axis=0)
    keys, which = np.unique(_number(like, pairs[0], pairs[1]), return_inverse=True)
    wrong = (like.own[rows] > -np.inf) & (cosines > like.own[rows])
    wrong &= like.rival_items[rows] == others
    # Most pairs are merely neighbours; those need no look.
    notable = np.bincount(which, wrong | (cosines >= ALIKE), len(keys)) > 0
    return [
        _encounter(like, pairs[:, group[0]], rows[group], cosines[group], wrong[group])
        for group, look in zip(by_owner(which), notable, strict=True)
        if look
    ]


def _meetings(like: Likeness, out: npt.NDArray[np.bool_]) -> tuple[Ids, Ids, Floats]:
    """Return references, items they have as neighbours, and how alike; the most alike first.

    Args:
        like: the references.
        out: (n,) those that are left out.
    """
    rows, columns = np.nonzero(like.near >= 0)
    near = like.near[rows, columns]
    others = like.owners[near]
    foreign = (others != like.owners[rows]) & ~out[rows] & ~out[near]
    rows, others, cosines = rows[foreign], others[foreign], like.scores[rows, columns][foreign]
    # Neighbours come best first: the first of each row and item is how alike the two are.
    _, first = np.unique(_number(like, rows, others), return_index=True)
    best = first[np.argsort(-cosines[first], kind="stable")]
    return rows[best], others[best], cosines[best]


def _number(like: Likeness, first: Ids, second: Ids) -> Ids:
    """One number for each pair of which the second is an item; much quicker than rows of two."""
    return first * (int(like.owners.max(initial=0)) + 1) + second


def _encounter(
    like: Likeness, items: Ids, rows: Ids, cosines: Floats, wrong: npt.NDArray[np.bool_]
) -> Encounter:
    a, b = int(items[0]), int(items[1])
    own = like.own[np.concatenate([like.members[a], like.members[b]])]
    own = own[own > -np.inf]
    errors = rows[wrong]
    mixed = int(np.count_nonzero(like.owners[errors] == a))
    judged = int(np.count_nonzero(like.own[like.members[a]] > -np.inf))
    return Encounter(
        items=(a, b),
        errors=tuple(errors.tolist()),
        mixed=(mixed, len(errors) - mixed),
        judged=(judged, len(own) - judged),
        cosine=min(_toward(like, item, rows, cosines) for item in (a, b)),
        own=float(own.mean()) if len(own) else float("nan"),
        best=tuple(rows.tolist()),
    )


def _toward(like: Likeness, item: int, rows: Ids, cosines: Floats) -> float:
    """The mean likeness of an item's references to the other item; see `Encounter.cosine`."""
    mine = cosines[like.owners[rows] == item]
    return float(mine.mean()) if 2 * len(mine) >= len(like.members[item]) else float("-inf")


def confusable(subject: Subject, met: list[Encounter]) -> Iterator[Finding]:
    """Items that cannot be told apart."""
    own = subject.likeness.own
    there = own[own > -np.inf]
    typical = float(np.median(there)) if len(there) else float("nan")
    for pair in met:
        if pair.mixed_up:
            yield _mixed_up(subject, pair)
        elif (side := pair.swallowed) is not None:
            yield _swallowed(subject, pair, side)
        elif (excess := pair.excess(typical)) >= 0:
            told = f"they are as alike as pictures of one item (cosine {pair.cosine:.2f})"
            yield _confusable(subject, pair, excess, told, ())


def _mixed_up(subject: Subject, pair: Encounter) -> Finding:
    wrong, judged = len(pair.errors), sum(pair.judged)
    told = f"{wrong} of {judged} references are nearer to the other item"
    return _confusable(subject, pair, wrong / judged, told, pair.errors)


def _swallowed(subject: Subject, pair: Encounter, side: int) -> Finding:
    wrong, judged = pair.mixed[side], pair.judged[side]
    label = subject.label(pair.items[side])
    told = f"{wrong} of {judged} references of {label!r} are nearer to the other item"
    return _confusable(subject, pair, wrong / judged, told, pair.errors)


def _confusable(
    subject: Subject, pair: Encounter, strength: float, told: str, first: tuple[int, ...]
) -> Finding:
    a, b = (subject.label(item) for item in pair.items)
    merge = f"shitu merge-items {_quoted(b)} --into {_quoted(a)}"
    return Finding(
        kind="confusable",
        severity="warning",
        items=(a, b),
        reference_ids=_examples(subject, pair, first),
        strength=min(1.0, strength),
        advice=f"{a!r} and {b!r} are hard to tell apart, {told}: add pictures that show where they "
        f"differ, or if they are one item run `{merge}`",
    )


def _quoted(label: str) -> str:
    """Return a label as a shell takes it; what cannot be printed in the way of Bash and Zsh."""
    if label.isprintable():
        return shlex.quote(label)
    return "$'" + "".join(map(_in_quotes, label)) + "'"


def _in_quotes(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    if character.isascii():
        return character.encode("unicode_escape").decode()
    return f"\\U{ord(character):08x}"


def _examples(subject: Subject, pair: Encounter, first: tuple[int, ...]) -> tuple[int, ...]:
    """Some references of both items: those in question first, then the most alike."""
    owners = subject.likeness.owners
    chosen: list[int] = []
    for item in pair.items:
        mine = [p for p in dict.fromkeys((*first, *pair.best)) if owners[p] == item]
        chosen += (mine or subject.likeness.members[item].tolist())[:_SHOWN]
    return tuple(subject.references[place].reference_id for place in chosen)


def find_strays(subject: Subject, told: Collection[int] = ()) -> list[int]:
    """Places of references clearly nearer to another item than to their own.

    Args:
        subject: the gallery.
        told: references of which something else was said already; they are left out.
    """
    like = subject.likeness
    rival, cosines = like.rival
    return [
        place
        for place in np.flatnonzero(cosines > like.own + MARGIN).tolist()
        if len(like.members[int(like.owners[place])]) >= OWN_REFERENCES
        and not {subject.references[p].reference_id for p in (place, rival[place])} & {*told}
    ]


def misplaced(subject: Subject, strays: Iterable[int]) -> set[int]:
    """The reference ids of strays that say nothing about the two items.

    Those are a minority of their item, and none comes the other way: pictures put into the wrong
    folder. What they are near to would be taken for a mix-up of the items otherwise.
    """
    like = subject.likeness
    by_way: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place in strays:
        by_way[int(like.owners[place]), int(like.rival_items[place])].append(place)
    return {
        int(like.ids[place])
        for (own, other), places in by_way.items()
        if (other, own) not in by_way and 2 * len(places) < len(like.members[own])
        for place in places
    }


def outliers(
    subject: Subject, strays: Iterable[int], confused: Collection[frozenset[str]]
) -> Iterator[Finding]:
    """Strays, but for those between items that are hard to tell apart: that is one finding."""
    rival, cosines = subject.likeness.rival
    for place in strays:
        labels = {subject.references[p].label for p in (place, rival[place])}
        if labels not in confused:
            yield _outlier(subject, place, int(rival[place]), float(cosines[place]))


def _outlier(subject: Subject, place: int, rival: int, cosine: float) -> Finding:
    reference, other = subject.references[place], subject.references[rival]
    number, own = reference.reference_id, float(subject.likeness.own[place])
    return Finding(
        kind="outlier",
        severity="warning",
        items=(reference.label, other.label),
        reference_ids=(number, other.reference_id),
        strength=min(1.0, cosine - own),
        advice=f"reference {number} of {reference.label!r} looks more like {other.label!r} "
        f"({cosine:.2f}) than like its own item ({own:.2f}): look what it shows, and if that is "
        f"wrong run `shitu remove-item --reference {number}`",
    )
