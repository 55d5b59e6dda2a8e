"""What would change an answer: the nearest thing to a counterfactual that a shop can do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shitu.figures import apart, short
from shitu.prototypes import SAME

if TYPE_CHECKING:
    from shitu.geometry import Box
    from shitu.recognition import Match, RecognizedObject

_ITSELF = 0.995  # score of the picture itself, told as 1.00; no threshold is above that
_NARROW = 0.05  # cosine by which the next item is behind at most for it to be named a danger


def what_would_change(
    item: RecognizedObject,
    threshold: float,
    operating_point: float | None,
    lead: float = 0.0,
    *,
    points: bool = False,
    around: Box | None = None,
    filtered: bool = False,
) -> str:
    """Say in a sentence what would make another answer of an object's.

    Args:
        item: the object.
        threshold: score below which a label was not trusted.
        operating_point: confidence below which it was not; None where the score decided.
        lead: share by which it had to be nearer than the next item, where the score decided.
        points: whether points that agree had a say.
        around: another box that may be named in its place, as the same object.
        filtered: whether only items that a filter allows could be the answer.
    """
    if not item.matches and any(one.score is not None for one in item.rejected):
        return "all that is near was rejected: add pictures of what it is with `shitu add-item`"
    if not item.matches and filtered:
        return "the filter allows nothing to compare with: ask with another one, or without"
    if not item.matches:
        return "there is nothing to compare with: add pictures with `shitu add-item`"
    if item.label is None and item.decided_by == "lead":
        return _too_close(item, lead, around)
    if item.label is None:
        named = f"{_name_it(around)} {_flags(item, lead, points=points)}"
        return _unknown(item, threshold, operating_point, named)
    if item.decided_by == "geometry":
        return _by_geometry(item, operating_point)
    next_one = _rival(item)
    if next_one is not None and item.matches[0].score - next_one.score < _NARROW:
        return _narrow(item.matches[0], next_one)
    return _clear(item, operating_point, lead)


def _too_close(item: RecognizedObject, lead: float, around: Box | None) -> str:
    best, ahead = item.matches[0], item.lead or 0.0
    told, needed = apart(ahead, lead)
    if not float(told):
        told = "less than 0.01"
    by = "picture is" if best.prototype is None else "picture and the mean of all are"
    return (
        f"the lead of {best.label!r} over {item.rival!r}, the share by which its nearest {by} "
        f"nearer, is {told}, {needed} is needed: {_name_it(around)} {_with_lead(ahead)}, or add a "
        "reference that tells them apart"
    )


def _with_lead(ahead: float) -> str:
    return f"--lead {math.floor(ahead * 1000) / 1000:g}"


def _flags(item: RecognizedObject, lead: float, *, points: bool) -> str:
    """What names an unknown object, when the score is left to decide."""
    flags = f"--threshold {math.floor(item.matches[0].score * 100) / 100:.2f}"
    if item.lead is not None and item.lead < lead:  # which counts where a score decides
        flags += f" {_with_lead(item.lead)}"
    # Nearer the threshold, points are asked; and they need not be as likely as the scores.
    return f"{flags} --verify off" if points and not _favoured(item) else flags


def _favoured(item: RecognizedObject) -> bool:
    """Whether points were looked for, and spoke for no other item."""
    if item.agreement is None:
        return False
    if item.decided_by == "geometry":
        return True
    agreements = (match.agreement for match in item.matches)
    return item.agreement.inliers >= max(each.inliers for each in agreements if each is not None)


def _name_it(around: Box | None) -> str:
    if around is None:
        return "name it with"
    return f"name it, or the box {','.join(f'{side:.0f}' for side in around)} on the same, with"


def _unknown(
    item: RecognizedObject, threshold: float, operating_point: float | None, named: str
) -> str:
    best = item.matches[0]
    # One may not make a calibrated gallery sure enough.
    picture = "a picture" if operating_point is None else "pictures"
    add = f"or add {picture} like this one to {best.label!r} if that is what it is"
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


def _by_geometry(item: RecognizedObject, operating_point: float | None) -> str:
    best, agreement = item.matches[0], item.agreement
    points = 0 if agreement is None else agreement.inliers
    proof = f"{points} points lie as in a reference of {best.label!r}"
    if item.lead is None and item.rival is not None:
        return (
            f"{proof}, though the scores put {item.rival!r} first: --verify off would leave it to "
            "them"
        )
    if operating_point is not None:
        return f"{proof}: --verify off would leave it to the confidence that the scores give"
    return f"{proof}: --verify off would leave the score {best.score:.2f} to decide"


def _clear(item: RecognizedObject, operating_point: float | None, lead: float) -> str:
    best, rival = item.matches[0], _rival(item)
    ahead = apart(item.lead or 0.0, lead)[0]
    # They may not: so near the limit, points have a say.
    needed = f"a threshold above {best.score:.2f}"
    itself = best.score >= _ITSELF
    if operating_point is not None and item.confidence is not None:
        point = f"an operating point above {short(item.confidence)}"
        needed = f"only {point}" if itself else f"{point}, or {needed},"
    elif itself:
        needed = "hardly any threshold"
    elif item.lead is not None and float(ahead) < 1 and best.score < SAME:
        needed += f", or a lead above {ahead},"
    else:
        needed = f"only {needed}"
    needed += " could make it unknown"
    if rival is None:
        return needed if item.lead is not None else f"{needed}; no other item is near"
    return f"{needed}; the next item, {rival.label!r}, is {_gap(best.score - rival.score)} behind"


def _rival(item: RecognizedObject) -> Match | None:
    return max(item.matches[1:], key=lambda match: match.score, default=None)


def _gap(difference: float) -> str:
    """A difference that is never told as none."""
    return f"{max(difference, 0.0):.2f}" if difference >= 0.005 else "less than 0.01"
