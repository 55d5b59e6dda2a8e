"""Remembers which references are nearest to golden queries, so that no change searches for them.

It is a cache: a file in the index folder that says of which state of the gallery it speaks. Where
it is missing, torn, or of another state, the golden queries are looked up again.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shitu.gallery import Head
from shitu.index import Neighbours

FILE = "golden.json"

Row = tuple[list[int], list[float]]  # ids and scores of the nearest, best first


@dataclass(frozen=True)
class Nearest:
    """The nearest references of golden queries in one state of the gallery.

    Attributes:
        view: fingerprint of the space in which they are compared.
        depth: how many there are of each, where the gallery has so many.
        rows: by id of the golden query.
        items: of all these references.
    """

    head: Head
    view: str
    depth: int
    rows: Mapping[int, Row]
    items: Mapping[int, int]

    @classmethod
    def of(
        cls,
        head: Head,
        view: str,
        golden_ids: Sequence[int],
        found: Neighbours,
        items: Mapping[int, int],
    ) -> Nearest:
        """Keep the neighbours (m, k) of m golden queries."""
        rows: dict[int, Row] = {}
        for number, ids, scores in zip(golden_ids, found.reference_ids, found.scores, strict=True):
            there = ids >= 0
            rows[number] = ids[there].tolist(), scores[there].astype(float).tolist()
        return cls(head, view, found.scores.shape[1], rows, items)

    def put_into(self, found: Neighbours, golden_ids: Sequence[int]) -> list[int]:
        """Fill in the neighbours (m, k) that are known; returns the places of the others."""
        missing = []
        for place, number in enumerate(golden_ids):
            row = self.rows.get(number)
            if row is None:
                missing.append(place)
                continue
            count = len(row[0])
            found.reference_ids[place, :count] = row[0]
            found.scores[place, :count] = np.array(row[1], np.float32)
        return missing


def read_nearest(folder: Path) -> list[Nearest]:
    """Return what was written last; nothing where that cannot be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return [_read(each) for each in content]
    return []


def write_nearest(folder: Path, states: Sequence[Nearest]) -> None:
    """Write it whole or not at all; a cache that cannot be written is none."""
    write_cache(folder / FILE, [_plain(each) for each in states])


def write_cache(path: Path, content: object) -> bool:
    """Write JSON whole or not at all; False where it cannot be written."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        try:
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(path)
            return True
        finally:
            temporary.unlink(missing_ok=True)
    return False


def _plain(state: Nearest) -> dict[str, Any]:
    return {
        "generation": state.head.generation,
        "token": state.head.token,
        "view": state.view,
        "depth": state.depth,
        "rows": state.rows,
        "items": state.items,
    }


def _read(values: Mapping[str, Any]) -> Nearest:
    return Nearest(
        Head(int(values["generation"]), str(values["token"])),
        str(values["view"]),
        int(values["depth"]),
        {
            int(number): ([int(i) for i in ids], [float(s) for s in scores])
            for number, (ids, scores) in values["rows"].items()
        },
        {int(number): int(item) for number, item in values["items"].items()},
    )
