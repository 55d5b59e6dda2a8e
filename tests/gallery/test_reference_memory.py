"""References are read once, and yet tell what is there now."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shitu.gallery import Reference
from shitu.gallery import reference_memory as module
from shitu.gallery.gallery import Gallery

Add = Callable[..., list[int]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of references that were read from the database."""
    ids: list[int] = []
    real = module.read_references

    def noted(*arguments: Any) -> Iterator[Reference]:
        for reference in real(*arguments):
            ids.append(reference.reference_id)
            yield reference

    monkeypatch.setattr(module, "read_references", noted)
    return ids


def test_each_is_read_once_while_nothing_changes(
    gallery: Gallery, add: Add, read: list[int]
) -> None:
    numbers = add(gallery, "tea", 1, 2, 3)
    first = gallery.references(numbers[:2])
    again = gallery.references(numbers)
    assert [*again] == numbers
    assert sorted(read) == numbers
    assert all(again[number] is first[number] for number in numbers[:2])


def test_what_is_not_there_is_looked_for_again(gallery: Gallery, add: Add, read: list[int]) -> None:
    (number,) = add(gallery, "tea", 1)
    assert [*gallery.references([number, number + 1])] == [number]
    (later,) = add(gallery, "tea", 2)
    assert [*gallery.references([number, later])] == [number, later]


def test_no_change_is_missed(gallery: Gallery, add: Add) -> None:
    rng = random.Random(3)
    ever: set[int] = set()
    for number in range(60):
        there = gallery.all_references()
        kind = rng.choice(["add", "rename", "assign", "remove"]) if there else "add"
        if kind == "add":
            ever.update(add(gallery, rng.choice("abc"), number))
        else:
            one, other = rng.choice(there), rng.choice(there)
            with gallery.write(kind) as transaction:
                if kind == "rename":
                    transaction.rename_item(one.item_id, f"{one.label}{number}")
                elif kind == "assign":
                    transaction.assign(one.reference_id, other.item_id)
                else:
                    transaction.remove([one.reference_id])
                transaction.drop_empty_items()
        assert gallery.references(ever) == {r.reference_id: r for r in gallery.all_references()}


def test_what_another_process_commits_is_seen(
    gallery: Gallery, add: Add, tmp_path: Path, database: str | None
) -> None:
    (number,) = add(gallery, "tea", 1)
    assert gallery.references([number])[number].label == "tea"
    other = Gallery.open(database or tmp_path / "gallery.db", tmp_path)
    with other.write("rename") as transaction:
        transaction.rename_item(other.item(label="tea").item_id, "green tea")
    other.close()
    assert gallery.references([number])[number].label == "green tea"


def test_the_memory_is_bounded(
    gallery: Gallery, add: Add, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    numbers = add(gallery, "tea", *range(5))
    for number in numbers:
        gallery.references([number])
    assert read == numbers
    gallery.references(numbers[-2:])
    assert read == numbers
    gallery.references(numbers)
    assert len(read) == 8
