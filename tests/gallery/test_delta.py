"""What an index is told that lags behind, and which index is told to start anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event

from shitu.gallery import Change, Head, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.history import net_effect

Add = Callable[..., list[int]]


def remove(gallery: Gallery, *numbers: int) -> None:
    with gallery.write("remove") as transaction:
        transaction.remove(numbers)


def test_from_nothing_to_all(gallery: Gallery, add: Add, space: Space) -> None:
    numbers = add(gallery, "tea", 1, 2, 3)
    delta = gallery.delta(space)
    assert delta is not None
    assert delta.ids.tolist() == numbers
    np.testing.assert_array_equal(delta.vectors, np.eye(4, dtype=np.float32)[[1, 2, 3]])
    assert delta.vectors.dtype == np.float32
    assert (delta.removed.tolist(), delta.head) == ([], gallery.head())


def test_all_vectors_come_in_blocks(
    gallery: Gallery, add: Add, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = add(gallery, "tea", 0, 1, 2, 3)
    remove(gallery, numbers[1])
    monkeypatch.setattr("shitu.gallery.reading._BLOCK", 2)
    with gallery.all_vectors(space) as found:
        assert (found.count, found.head) == (3, gallery.head())
        blocks = list(found.blocks)
    assert [ids.tolist() for ids, _ in blocks] == [[numbers[0], numbers[2]], [numbers[3]]]
    np.testing.assert_array_equal(blocks[0][1], np.eye(4, dtype=np.float32)[[0, 2]])
    with gallery.all_vectors(Space("another", 4)) as none:
        assert (none.count, list(none.blocks)) == (0, [])


def test_from_a_state_to_the_next(gallery: Gallery, add: Add, space: Space) -> None:
    old = add(gallery, "tea", 1, 2)
    since = gallery.head()
    new = add(gallery, "tea", 3)
    remove(gallery, old[0])
    delta = gallery.delta(space, since)
    assert delta is not None
    assert (delta.ids.tolist(), delta.removed.tolist()) == (new, [old[0]])
    assert delta.head.generation == since.generation + 2


def test_what_came_and_went_since_needs_no_vector(gallery: Gallery, add: Add, space: Space) -> None:
    add(gallery, "tea", 1)
    since = gallery.head()
    remove(gallery, *add(gallery, "tea", 2))
    delta = gallery.delta(space, since)
    assert delta is not None
    assert delta.ids.tolist() == []


def changed(generation: int, before: list[int], after: list[int]) -> Change:
    rows = [{"references": [{"reference_id": n} for n in side]} for side in (before, after)]
    return Change(generation, "test", rows[0], rows[1], "")


@pytest.mark.parametrize(
    ("log", "came", "gone", "why"),
    [
        ([([], [1]), ([1], [])], set(), {1}, "came and went"),
        ([([1], []), ([], [1])], {1}, set(), "went and came back"),
        ([([1], []), ([], [1]), ([1], [])], set(), {1}, "removed, undone, redone"),
        ([([], [1]), ([1], []), ([], [1])], {1}, set(), "added, undone, redone"),
        ([([1, 2], [1, 3])], {3}, {2}, "one stayed, one went, one came"),
        ([([1], [1])], set(), set(), "only its row changed"),
    ],
)
def test_of_an_id_that_goes_and_comes_the_last_time_counts(
    log: list[tuple[list[int], list[int]]], came: set[int], gone: set[int], why: str
) -> None:
    changes = [changed(number, *sides) for number, sides in enumerate(log, 1)]
    assert net_effect(changes) == (came, gone), why


def test_another_label_moves_no_vector(gallery: Gallery, add: Add, space: Space) -> None:
    [number] = add(gallery, "tea", 1)
    since = gallery.head()
    with gallery.write("relabel") as transaction:
        transaction.rename_item(1, "coffee")
        transaction.assign(number, transaction.ensure_item("cocoa"))
    delta = gallery.delta(space, since)
    assert delta is not None
    assert (delta.ids.tolist(), delta.removed.tolist()) == ([], [])
    assert delta.head.generation == 2


def test_nothing_since_now(gallery: Gallery, add: Add, space: Space) -> None:
    add(gallery, "tea", 1)
    head = gallery.head()
    asked: list[str] = []
    with gallery.connected() as engine:
        event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    delta = gallery.delta(space, head)
    assert delta is not None
    assert (len(delta.ids), len(delta.removed)) == (0, 0)
    assert (delta.vectors.shape, delta.head) == ((0, space.dim), head)
    assert sum("SELECT" in one for one in asked) == 2, (
        "who asks before each query learns it from the head alone"
    )


@pytest.mark.parametrize(
    ("generation", "token", "why"),
    [
        (99, "t", "a state from the future"),
        (1, "another", "the same generation of another gallery"),
        (0, "another", "the beginning of another gallery"),
        (-1, "", "no state at all"),
    ],
)
def test_states_this_gallery_never_was_in(
    gallery: Gallery, add: Add, space: Space, generation: int, token: str, why: str
) -> None:
    add(gallery, "tea", 1)
    assert gallery.delta(space, Head(generation, token)) is None, why


def test_a_gallery_restored_from_an_older_copy(tmp_path: Path, add: Add, space: Space) -> None:
    file, copy = tmp_path / "gallery.db", tmp_path / "copy.db"
    gallery = Gallery.open(file, tmp_path)
    add(gallery, "tea", 1)
    gallery.close()
    shutil.copy(file, copy)
    heads = []
    for number in (2, 3):  # after the copy was put back, another picture is generation 2
        gallery = Gallery.open(file, tmp_path)
        add(gallery, "tea", number)
        heads.append(gallery.head())
        gallery.close()
        shutil.copy(copy, file)
    assert heads[0].generation == heads[1].generation
    gallery = Gallery.open(file, tmp_path)
    assert gallery.delta(space, heads[0]) is None
    gallery.close()


def test_vectors_of_another_space_stay_out(gallery: Gallery, add: Add) -> None:
    add(gallery, "tea", 1)
    delta = gallery.delta(Space("another", 4))
    assert delta is not None
    assert delta.vectors.shape == (0, 4)
