"""Matches that were rejected: which items are no answer to which queries.

A query lies in the neighbourhood of a rejected one when it is nearly the same picture, so that the
cosine of both is at least the radius, and resembles it more than it resembles the item. The radius
is never less than the likeness of the rejected query to the item itself: where a wrong picture
looks much like the item, only what looks even more like that picture is turned away, and a genuine
photo, which is nearer to the item's own references, is not. Nor is that very picture once it is a
reference of the item itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shitu.catalog.learning import View
from shitu.deciding import Rejected
from shitu.gallery import Head, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.known_queries import Rejection

NEAR = 0.90  # cosine of nearly the same picture: in other light, cut or compressed otherwise
_NEAREST = 0.99  # the same picture, saved again, is always turned away
_OTHER = 0.989  # a radius up to this says that no reference was the same picture
_TIE = 1e-6
_KINDS = {"rejections", "space"}  # of changes after which they are read anew

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


def radius_of(vector: Floats, references: Floats, before: float = 1.0) -> float:
    """Cosine from which on a query is in the neighbourhood of a rejected one.

    Args:
        vector: (dim,) of the rejected query.
        references: (n, dim) of the item.
        before: the radius in another space. If no reference was the same picture then, one that
            is now came since.
    """
    best = float((references @ vector).max()) if len(references) else 0.0
    same = best >= _NEAREST and before > _OTHER
    return _NEAREST if same else max(NEAR, min(best, _OTHER))


class Screen:
    """The rejections of one state of the gallery, in memory.

    Args:
        known: those without a vector in the space are inert.
    """

    def __init__(self, known: Sequence[Rejection]) -> None:
        able = [(one, one.vector) for one in known if one.vector is not None]
        self._rejections = [one for one, _ in able]
        self._vectors = np.stack([vector for _, vector in able]) if able else None
        self._radii = np.array([one.radius for one in self._rejections], np.float32)

    def __len__(self) -> int:
        return len(self._rejections)

    def refused(
        self, queries: Floats, view: View, items: Ids, scores: Floats
    ) -> list[tuple[Rejected, ...]]:
        """Return which items are no answers to queries.

        Args:
            queries: (m, dim), as the network made them.
            view: how scores come about.
            items: (m, k) of the nearest references; -1 where there is none.
            scores: (m, k) of these, best first.
        """
        if self._vectors is None or not len(queries):
            return [()] * len(queries)
        likeness = queries @ self._vectors.T
        near = likeness >= self._radii - _TIE
        if not near.any():
            return [()] * len(queries)
        return [
            self._of_query(row, np.flatnonzero(near[i]), likeness[i], view, items[i], scores[i])
            for i, row in enumerate(queries)
        ]

    def _of_query(
        self, query: Floats, near: Ids, likeness: Floats, view: View, items: Ids, scores: Floats
    ) -> tuple[Rejected, ...]:
        if self._vectors is None or not len(near):
            return ()
        mapped = view(np.concatenate([query[None], self._vectors[near]]))
        found: dict[int, Rejected] = {}
        for number, own in zip(near, mapped[1:] @ mapped[0], strict=True):
            one = self._rejections[number]
            mine = scores[items == one.item_id]
            # An item that is not among the nearest is at most as near as the last of them.
            rival = float(mine[0]) if len(mine) else float(scores[-1]) if len(scores) else -1.0
            # What is as near as the rejected picture itself was there before, or it came since.
            since = len(mine) and one.radius <= _OTHER
            if own - rival >= (_TIE if since else -_TIE):
                score = float(mine[0]) if len(mine) else None
                alike, label = float(likeness[number]), one.label or f"item {one.item_id}"
                new = Rejected(label, one.item_id, one.rejection_id, score, alike, one.at)
                if one.item_id not in found or new.likeness > found[one.item_id].likeness:
                    found[one.item_id] = new
        return tuple(found.values())


class Rejections:
    """Keeps the screen of a gallery up to date; may be shared between threads."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._known: tuple[Head, Space, Screen] | None = None

    def at(self, head: Head, space: Space) -> Screen:
        """Return the rejections as of a state that was just met."""
        known = self._known
        if known is not None and known[1] == space and self._still_true(known[0], head):
            self._known = head, space, known[2]
            return known[2]
        with self._gallery.known() as queries:
            screen = Screen(queries.rejections(space))
        self._known = head, space, screen
        return screen

    def _still_true(self, was: Head, head: Head) -> bool:
        if was == head:
            return True
        if was.generation > head.generation or not self._gallery.has_been_at(was):
            return False
        log = self._gallery.history(was.generation)
        return not any(_KINDS & {*change.before, *change.after} for change in log)
