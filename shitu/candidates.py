"""Neighbours by item, and the order that they are answered in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shitu.gallery import Reference
from shitu.images import Image
from shitu.recognition import Match, Near
from shitu.verifier.reranking import Checked, Contender, Verifier

_TOLD = 3  # references of an item that a match tells of


@dataclass(frozen=True)
class Ranked:
    """The items that resemble a query.

    Attributes:
        matches: best first.
        changed: whether geometry has put another item first than the scores.
        proven: whether geometry proves the first, whatever its score.
    """

    matches: tuple[Match, ...]
    changed: bool = False
    proven: bool = False


def by_item(
    ids: Sequence[int], scores: Sequence[float], known: Mapping[int, Reference]
) -> tuple[Contender, ...]:
    """The references of each item, in the order of the neighbours."""
    items: dict[int, list[tuple[Reference, float]]] = {}
    for number, score in zip(ids, scores, strict=True):
        reference = known.get(int(number))
        if reference is not None:
            items.setdefault(reference.item_id, []).append((reference, float(score)))
    return tuple(
        Contender(tuple(r for r, _ in near), tuple(s for _, s in near)) for near in items.values()
    )


def rank(
    contenders: Sequence[Contender],
    verifier: Verifier | None,
    image: Image,
    *,
    doubtful: bool,
) -> Ranked:
    """Put items in order: by score, and by geometry where that is asked and has a say."""
    if verifier is None or not contenders:
        return Ranked(tuple(map(match_of, contenders)))
    checked = verifier.check(image, contenders, doubtful=doubtful)
    return Ranked(
        tuple(_verified(contenders[each.place], each) for each in checked),
        changed=checked[0].place != 0,
        proven=verifier.proves(checked),
    )


def match_of(contender: Contender) -> Match:
    """An item by its nearest reference."""
    first = contender.references[0]
    near = zip(contender.references[:_TOLD], contender.scores, strict=False)
    return Match(
        label=first.label,
        item_id=first.item_id,
        reference_id=first.reference_id,
        path=str(first.path),
        score=contender.score,
        references=tuple(Near(r.reference_id, str(r.path), s) for r, s in near),
    )


def _verified(contender: Contender, checked: Checked) -> Match:
    match = match_of(contender)
    if checked.agreement is None:
        return match
    agreed = checked.reference.reference_id
    return replace(match, agreement=checked.agreement, agreed_id=agreed)
