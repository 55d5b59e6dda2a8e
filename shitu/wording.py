"""Find items of the gallery by words, through a model that reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shitu.candidates import by_item, match_of
from shitu.gallery import Reference
from shitu.gallery.where import Selection, Where, parse_where
from shitu.index import Neighbours
from shitu.recognition import Match
from shitu.runtime.session import Float32Array
from shitu.text_embedder import TextEmbedder

_REFERENCES_PER_ITEM = 10  # neighbours asked for each item wanted


ADAPTED = (
    "this gallery is adapted to its pictures (shitu adapt), which may move them away from words; "
    "`shitu adapt --off` takes that back"
)


class Lookup(Protocol):
    """Where neighbours come from."""

    def search(
        self, queries: Float32Array, k: int, allowed: npt.NDArray[np.int64] | None = None
    ) -> Neighbours:
        """The k nearest references of each query (n, dim), among those allowed."""

    def select(self, where: Where) -> Selection:
        """The references that a filter allows."""

    def references(self, reference_ids: Iterable[int]) -> Mapping[int, Reference]:
        """What the gallery knows of these references; those that are gone are missing."""


@dataclass(frozen=True)
class Wording:
    """What words find.

    Attributes:
        text: the words.
        matches: items in order of score, at most as many as were asked for. Scores of words are
            lower than those of pictures; their order is what counts.
        notes: what is to be said about the filter, or about the gallery.
    """

    text: str
    matches: tuple[Match, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings, as `shitu recognize --json` prints them."""
        return {
            "text": self.text,
            "matches": [asdict(match) for match in self.matches],
            "notes": list(self.notes),
        }


def find_by_words(
    text: str, embedder: TextEmbedder, lookup: Lookup, top_k: int, where: str | Where | None = None
) -> Wording:
    """The items whose pictures are nearest to a text.

    Args:
        text: a few words, in the language that the model was trained on.
        embedder: of the model that the gallery was made with.
        lookup: the gallery.
        top_k: at most so many items.
        where: a filter; only items that it allows are answers.

    Raises:
        WhereError: the filter cannot be read.
    """
    selection = None if where is None else lookup.select(parse_where(where))
    found = lookup.search(
        embedder.embed([text]),
        top_k * _REFERENCES_PER_ITEM,
        None if selection is None else selection.ids,
    )
    ids, scores = found.reference_ids[0], found.scores[0]
    known = lookup.references({int(i) for i in ids if i >= 0})
    notes = () if selection is None else selection.notes
    contenders = by_item(ids.tolist(), scores.tolist(), known)[:top_k]
    return Wording(text, tuple(map(match_of, contenders)), notes)
