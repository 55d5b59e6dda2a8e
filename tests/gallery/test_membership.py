"""Which item a reference belongs to: followed through the log, it is what a fresh read finds."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shitu.gallery import membership as module
from shitu.gallery.gallery import Gallery
from shitu.gallery.membership import Membership

Add = Callable[..., list[int]]


def same(a: Membership, b: Membership) -> bool:
    return (
        a.head == b.head
        and a.items == b.items
        and np.array_equal(a.reference_ids, b.reference_ids)
        and np.array_equal(a.item_ids, b.item_ids)
    )


def test_an_empty_gallery_has_no_members(gallery: Gallery) -> None:
    found = gallery.membership()
    assert (found.items, len(found.reference_ids), len(found.item_ids)) == ({}, 0, 0)


def test_it_is_itself_as_long_as_nothing_changes(gallery: Gallery, add: Add) -> None:
    add(gallery, "tea", 1, 2)
    first = gallery.membership()
    assert gallery.membership(first) is first
    add(gallery, "coffee", 3)
    assert gallery.membership(first) is not first


def change_at_random(gallery: Gallery, add: Add, rng: random.Random, number: int) -> None:
    items = gallery.items()
    kind = rng.choice(["add", "add", "attribute", "rename", "assign", "remove"])
    if kind == "add" or not items:
        add(gallery, rng.choice("abcde"), 2 * number, 2 * number + 1)
        return
    references = [r.reference_id for r in gallery.all_references()]
    item = rng.choice(items)
    with gallery.write(kind) as transaction:
        if kind == "attribute":
            transaction.ensure_item(item.label, {"shelf": number})
        elif kind == "rename":
            transaction.rename_item(item.item_id, f"{item.label}{number}")
        elif kind == "assign":
            transaction.assign(rng.choice(references), item.item_id)
            transaction.drop_empty_items()
        else:
            transaction.remove(rng.sample(references, min(3, len(references))))
            transaction.drop_empty_items()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("followed", [1000, 2])
def test_the_log_leads_to_what_a_fresh_read_finds(
    gallery: Gallery, add: Add, seed: int, followed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FOLLOWED", followed)  # beyond it everything is read anew
    rng = random.Random(seed)
    known = gallery.membership()
    for number in range(1, 41):
        change_at_random(gallery, add, rng, number)
        if rng.random() < 0.4:
            known = gallery.membership(known)
            assert same(known, gallery.membership())


def test_another_gallery_is_read_from_the_start(gallery: Gallery, add: Add, tmp_path: Path) -> None:
    add(gallery, "tea", 1)
    other = Gallery.open(tmp_path / "other.db", tmp_path)
    add(other, "coffee", 5, 6)
    assert same(other.membership(gallery.membership()), other.membership())
    other.close()
