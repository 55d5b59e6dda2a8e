"""A gallery in a fresh folder, and pictures to put into it that are no files at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu.gallery import FileState, NewReference, Space
from shitu.gallery.gallery import Gallery

SPACE = Space("space-a", 4, {"dim": 4})

Add = Callable[..., list[int]]
Make = Callable[..., NewReference]


@pytest.fixture
def gallery(tmp_path: Path, database: str | None) -> Iterator[Gallery]:
    opened = Gallery.open(database or tmp_path / "gallery.db", tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def space() -> Space:
    return SPACE


@pytest.fixture
def make() -> Make:
    """Call it with a number for a picture that differs from all others."""

    def picture(number: int, **values: Any) -> NewReference:
        vector = np.zeros(4, np.float32)
        vector[number % 4] = 1
        content: dict[str, Any] = {
            "path": f"/photos/{number}.jpg",
            "sha256": f"{number:064x}",
            "state": FileState(100 + number, 1_000_000_007 * number),
            "box": None,
            "box_given": False,
            "how": "build",
            "source": "/photos",
            "thumbnail": b"jpeg %d" % number,
            "embedding": vector,
        }
        return NewReference(**{**content, **values})

    return picture


@pytest.fixture
def add(make: Make) -> Add:
    """Add pictures of these numbers to a label in one transaction; returns their ids."""

    def put(gallery: Gallery, label: str, *numbers: int) -> list[int]:
        with gallery.write("add") as transaction:
            item = transaction.ensure_item(label)
            return transaction.add([(item, make(n)) for n in numbers], SPACE)

    return put
