"""Remembers what was found of golden queries point by point, by the contents of both pictures.

It is a cache, a file in the index folder: where it is missing or torn, they are compared again.
"""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shitu.catalog.golden_cache import write_cache
from shitu.verifier import Agreement

FILE = "golden-points.json"

_MOST = 20_000  # pairs, the last ones; some 2 MB

Pair = tuple[str, str]  # names of the contents of a query and of a reference


@dataclass(eq=False)
class PointsCache:
    """What is known of queries and of pairs.

    Args:
        folder: where to write; None: nowhere.
    """

    folder: Path | None
    _corners: dict[str, int] = field(default_factory=dict)
    _pairs: OrderedDict[Pair, Agreement] = field(default_factory=OrderedDict)
    _new: bool = False

    def __post_init__(self) -> None:
        if self.folder is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                content = json.loads((self.folder / FILE).read_text(encoding="utf-8"))
                corners = {str(name): int(count) for name, count in content["corners"].items()}
                self._pairs.update(map(_read, content["pairs"]))
                self._corners.update(corners)

    def corners(self, query: str) -> int | None:
        """How much texture a query has; None: unknown."""
        return self._corners.get(query)

    def put_corners(self, query: str, count: int) -> None:
        """Keep how much texture a query has."""
        self._corners[query] = count
        self._new = True

    def agreement(self, pair: Pair) -> Agreement | None:
        """Return what was found of a pair; None: it was not compared yet."""
        found = self._pairs.get(pair)
        if found is not None:
            self._pairs.move_to_end(pair)
        return found

    def put_agreement(self, pair: Pair, found: Agreement) -> None:
        """Keep what was found of a pair."""
        self._pairs[pair] = found
        self._new = True

    def save(self) -> None:
        """Write it, if there is anything new, whole or not at all."""
        if not self._new or self.folder is None:
            return
        while len(self._pairs) > _MOST:
            self._pairs.popitem(last=False)
        # A cache that cannot be written is none.
        self._new = not write_cache(self.folder / FILE, self._plain())

    def _plain(self) -> dict[str, Any]:
        used = {query for query, _ in self._pairs}
        return {
            "corners": {name: count for name, count in self._corners.items() if name in used},
            "pairs": [
                [*pair, found.inliers, found.matches, found.significance, found.cover]
                for pair, found in self._pairs.items()
            ],
        }


def _read(row: Iterable[Any]) -> tuple[Pair, Agreement]:
    query, reference, inliers, matches, significance, cover = row
    found = Agreement(int(inliers), int(matches), float(significance), float(cover))
    return (str(query), str(reference)), found
