"""Ctrl-C at every step in which an index follows the gallery: no vector is lost or there twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
import sqlalchemy
from interrupting import Interrupted

from shitu.catalog import cache as cache_module
from shitu.catalog.cache import IndexCache
from shitu.gallery import Delta, Head, Space, engine
from shitu.gallery import gallery as gallery_module
from shitu.gallery.gallery import Gallery
from shitu.gallery.records import AllVectors
from shitu.index import faiss_index, manifest, sealed_index
from shitu.index.kinds import IndexChoice

# Not that which trains an index: it takes thousands of steps, and changes nothing else.
CODE = [
    *(
        Path(module.__file__ or "")
        for module in (cache_module, manifest, faiss_index, sealed_index)
    ),
    Path(faiss.__file__).parent,
]
SPACE = Space("colours", 8, {})
BEFORE, AFTER = [1, 2, 3, 4, 5, 6], [2, 3, 4, 6, 7, 8]

rows = np.random.default_rng(0).standard_normal((10, SPACE.dim)).astype(np.float32)
VECTORS = rows / np.linalg.norm(rows, axis=1, keepdims=True)
QUERY = VECTORS[:1]


class TwoStates:
    """A gallery of which only the vectors matter: at first those `BEFORE`, then those `AFTER`.

    Args:
        remade: whether an index cannot go from the one to the other, but is made anew.
    """

    def __init__(self, *, remade: bool = False) -> None:
        self._remade = remade
        self.generation = 0

    def _head(self) -> Head:
        return Head(self.generation, f"token {self.generation}")

    def setting(self, _: str) -> None:
        return None

    def delta(self, _: Space, since: Head) -> Delta | None:
        old, new = ((BEFORE, AFTER)[at] for at in (since.generation, self.generation))
        if self._remade and old != new:
            return None
        came, gone = np.setdiff1d(new, old), np.setdiff1d(old, new)
        return Delta(self._head(), gone, came, VECTORS[came])

    @contextmanager
    def all_vectors(self, _: Space) -> Iterator[AllVectors]:
        ids = np.array((BEFORE, AFTER)[self.generation])
        yield AllVectors(self._head(), len(ids), iter([(ids, VECTORS[ids])]))


def found(cache: IndexCache) -> list[int]:
    """All that a search finds, best first."""
    ids = cache.search(QUERY, 20).reference_ids[0]
    return [int(i) for i in ids if i >= 0]


def nearest(ids: list[int]) -> list[int]:
    """All that it has to find."""
    return sorted(ids, key=lambda i: -float(QUERY[0] @ VECTORS[i]))


def tidy_up(cache: IndexCache) -> None:
    cache.refresh()
    cache.save()


@pytest.mark.parametrize(
    ("kind", "remade", "then"),
    [
        ("flat", False, found),
        ("flat", False, IndexCache.refresh),
        ("flat", False, IndexCache.save),
        ("flat", True, found),
        ("ivf-sq8", False, found),
        ("ivf-sq8", True, found),
        ("ivf-rabitq", False, IndexCache.refresh),
        ("hnsw", False, IndexCache.save),
    ],
)
def test_ctrl_c_at_every_step_of_following_and_saving(
    place: Path, kind: str, remade: bool, then: Callable[[IndexCache], Any]
) -> None:
    def opened(folder: Path, gallery: Any) -> IndexCache:
        return IndexCache(folder, gallery, SPACE, IndexChoice(kind, 0.5))

    opened(place / "template", TwoStates()).save()
    for step in count(1):
        folder, gallery = place / str(step), TwoStates(remade=remade)
        shutil.copytree(place / "template", folder)
        cache = opened(folder, gallery)
        gallery.generation = 1
        with Interrupted(step, *CODE[: 2 if remade else None]) as ctrl_c:
            tidy_up(cache)
        if not ctrl_c.happened:
            break
        assert found(opened(folder, gallery)) == nearest(AFTER)
        then(cache)
        assert found(cache) in (nearest(BEFORE), nearest(AFTER))
        tidy_up(cache)
        assert found(cache) == found(opened(folder, gallery)) == nearest(AFTER)
    assert step > 50


def test_ctrl_c_at_every_step_of_making_the_database(place: Path) -> None:
    code = [Path(str(module.__file__)) for module in (gallery_module, engine)]
    for step in count(1):
        folder = place / str(step)
        with closing(Gallery.open(folder / "gallery.db", folder)) as gallery:
            with Interrupted(step, *code) as ctrl_c, gallery.write("build"):
                pass
            assert gallery.active_space() is None
        if not ctrl_c.happened:
            break
    assert step > 10


def test_ctrl_c_at_every_step_of_looking_into_a_gallery_that_is_not_there(place: Path) -> None:
    code = Path(sqlalchemy.__file__).parent / "engine" / "default.py"  # where queries are made
    with closing(Gallery.open(place / "gallery.db", place)) as gallery:
        for step in count(1):
            with Interrupted(step, code) as ctrl_c:
                gallery.active_space()
            assert gallery.active_space() is None
            if not ctrl_c.happened:
                break
    assert step > 10
