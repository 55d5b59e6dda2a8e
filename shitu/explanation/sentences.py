"""What would change an answer: the nearest thing to a counterfactual that a shop can do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shitu.figures import apart, short
from shitu.prototypes import SAME

if TYPE_CHECKING:
    from shitu.recognition import Match, RecognizedObject

_NARROW = 0.05  # cosine by which the next item is behind at most for it to be named a danger


def what_would_change(
    item: RecognizedObject, threshold: float, operating_point: float | None, lead: float = 0.0
) -> str:
    """Say in a sentence what would make another answer of an object's.

    Args:
        item: the object.
        threshold: score below which a label was not trusted.
        operating_point: confidence below which it was not; None where the score decided.
        lead: how far ahead of the next item it had to be, where the score decided.
    """
    if not item.matches:
        return "there is nothing to compare with: add pictures with `shitu add-item`"
    if item.label is None and item.decided_by == "lead":
        return _too_close(item, lead)
    if item.label is None:
        return _unknown(item, threshold, operating_point, lead)
    if item.decided_by == "geometry":
        return _by_geometry(item)
    next_one = _rival(item)
    if next_one is not None and item.matches[0].score - next_one.score < _NARROW:
        return _narrow(item.matches[0], next_one)
    return _clear(item, threshold, operating_point)


def _too_close(item: RecognizedObject, lead: float) -> str:
    best, ahead = item.matches[0], item.lead or 0.0
    told, needed = apart(ahead, lead)
    if not float(told):
        told = "less than 0.01"
    rival = max(item.matches[1:], key=_both, default=None)
    next_one = "the next item" if rival is None else repr(rival.label)
    return (
        f"{best.label!r} is {told} ahead of {next_one} by its nearest picture and the mean "
        f"of all, {needed} is needed: name it with {_with_lead(ahead)}, or add a reference that "
        "tells them apart"
    )


def _both(match: Match) -> float:
    """The two cosines that make an item the answer."""
    return match.score + (match.score if match.prototype is None else match.prototype)


def _with_lead(ahead: float) -> str:
    return f"--lead {math.floor(ahead * 1000) / 1000:g}"


def _unknown(
    item: RecognizedObject, threshold: float, operating_point: float | None, lead: float
) -> str:
    best = item.matches[0]
    add = f"or add a picture like this one to {best.label!r} if that is what it is"
    named = f"name it with --threshold {math.floor(best.score * 100) / 100:.2f}"
    if item.lead is not None and item.lead < lead:  # which counts where a score decides
        named += f" {_with_lead(item.lead)}"
    if operating_point is None:
        score, needed = apart(best.score, threshold)
        return (
            f"score {score} is {_gap(threshold - best.score)} below the threshold {needed}: "
            f"{named}, {add}"
        )
    if item.confidence is None:
        return f"local features favour {best.label!r}, but do not prove it: {named}, {add}"
    sure, needed = apart(item.confidence, operating_point)
    return (
        f"confidence {sure} is {_gap(operating_point - item.confidence)} below the {needed} that "
        f"an answer needs: {named}, {add}"
    )


def _narrow(best: Match, rival: Match) -> str:
    behind = best.score - rival.score
    if behind < 0:
        return (
            f"a picture of {rival.label!r} is {_gap(-behind)} nearer, but the mean of its pictures "
            "is not: add a reference that tells them apart"
        )
    return (
        f"the next item, {rival.label!r}, is only {_gap(behind)} behind: add a reference that "
        "tells them apart"
    )


def _by_geometry(item: RecognizedObject) -> str:
    best, agreement = item.matches[0], item.agreement
    points = 0 if agreement is None else agreement.inliers
    proof = f"{points} points lie as in a reference of {best.label!r}"
    first = _first_by_scores(item.matches)
    if first.item_id != best.item_id:
        return (
            f"{proof}, though the scores put {first.label!r} first: --verify off would leave it to "
            "them"
        )
    return f"{proof}: --verify off would leave the score {best.score:.2f} to decide"


def _first_by_scores(matches: Sequence[Match]) -> Match:
    """What would be the answer without points; see `shitu.prototypes.promoted`."""
    nearest = max(matches, key=lambda match: match.score)
    return nearest if nearest.score >= SAME else max(matches, key=_both)


def _clear(item: RecognizedObject, threshold: float, operating_point: float | None) -> str:
    best, rival = item.matches[0], _rival(item)
    if operating_point is None or item.confidence is None:
        # It may not: so near the threshold, points have a say.
        needed = f"only a threshold above {best.score:.2f} could make it unknown"
    else:
        needed = f"only an operating point above {short(item.confidence)} would make it unknown"
    if rival is None:
        return needed if item.lead is not None else f"{needed}; no other item is near"
    return f"{needed}; the next item, {rival.label!r}, is {_gap(best.score - rival.score)} behind"


def _rival(item: RecognizedObject) -> Match | None:
    return max(item.matches[1:], key=lambda match: match.score, default=None)


def _gap(difference: float) -> str:
    """A difference that is never told as none."""
    return f"{max(difference, 0.0):.2f}" if difference >= 0.005 else "less than 0.01"
