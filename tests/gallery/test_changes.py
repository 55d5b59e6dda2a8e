"""What one transaction does: rows, ids, the generation and the log entry."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from shitu.errors import GalleryError, ItemNotFound, SpaceMismatch
from shitu.gallery import FileState, NewReference, Space
from shitu.gallery.gallery import Gallery
from shitu.gallery.transaction import Transaction

Add = Callable[..., list[int]]
Make = Callable[..., NewReference]


def generation(gallery: Gallery) -> int:
    return gallery.head().generation


def test_a_gallery_nobody_wrote_to_leaves_no_file(tmp_path: Path) -> None:
    gallery = Gallery.open(tmp_path / "deep" / "gallery.db", tmp_path)
    assert (gallery.items(), generation(gallery), gallery.active_space()) == ([], 0, None)
    gallery.close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_added_is_there(gallery: Gallery, make: Make, space: Space) -> None:
    with gallery.write("add") as transaction:
        item = transaction.ensure_item("tea", {"price": 3})
        new = make(7, box=(1.0, 2.0, 3.5, 4.0), box_given=True, how="add")
        [number] = transaction.add([(item, new)], space)
    found = gallery.references([number, 99])[number]
    assert (found.label, found.item_id, str(found.path)) == ("tea", item, "/photos/7.jpg")
    assert (found.sha256, found.size, found.how) == (f"{7:064x}", 107, "add")
    assert (found.box, found.box_given) == ((1.0, 2.0, 3.5, 4.0), True)
    assert gallery.thumbnail(number) == b"jpeg 7"
    assert gallery.active_space() == space
    assert gallery.item(label="tea").attributes == {"price": 3}


def test_ids_are_never_used_again(gallery: Gallery, add: Add) -> None:
    first = add(gallery, "tea", 1, 2, 3)
    item = gallery.item(label="tea").item_id
    with gallery.write("remove") as transaction:
        transaction.remove(first)
        transaction.drop_empty_items()
    again = add(gallery, "tea", 1, 2, 3)
    assert min(again) > max(first)
    assert gallery.item(label="tea").item_id > item


def test_ids_are_in_the_order_of_the_pictures(gallery: Gallery, add: Add) -> None:
    numbers = add(gallery, "tea", *range(40, 0, -1))
    found = gallery.references(numbers)
    assert [found[n].sha256 for n in numbers] == [f"{n:064x}" for n in range(40, 0, -1)]


def _nothing(transaction: Transaction) -> None:
    pass


def _rename_there_and_back(transaction: Transaction) -> None:
    transaction.rename_item(1, "coffee")
    transaction.rename_item(1, "tea")


@pytest.mark.parametrize(
    ("change", "wanted", "why"),
    [
        (_nothing, 0, "nothing was done"),
        (lambda t: t.ensure_item("tea"), 0, "the item was there"),
        (lambda t: t.ensure_item("tea", {"price": 3}), 0, "the attribute was the same"),
        (lambda t: t.remember_states({1: FileState(9, 9)}), 0, "only the file was touched"),
        (lambda t: t.rename_item(1, "tea"), 0, "the label was the same"),
        (_rename_there_and_back, 0, "the second undid the first"),
        (lambda t: t.remove([99]), 0, "there was no such reference"),
        (lambda t: t.drop_empty_items(), 0, "no item is empty"),
        (lambda t: t.ensure_item("tea", {"price": 4}), 1, "an attribute changed"),
        (lambda t: t.ensure_item("coffee"), 1, "an item came"),
        (lambda t: t.rename_item(1, "coffee"), 1, "a label changed"),
        (lambda t: t.remove([1]), 1, "a reference went"),
        (lambda t: t.assign(1, t.ensure_item("coffee")), 1, "two rows, one commit"),
        (lambda t: t.set_root(Path("/photos")), 1, "another folder"),
    ],
)
def test_each_change_is_one_generation(
    gallery: Gallery,
    make: Make,
    space: Space,
    change: Callable[[Transaction], object],
    wanted: int,
    why: str,
) -> None:
    with gallery.write("add") as transaction:
        item = transaction.ensure_item("tea", {"price": 3})
        transaction.add([(item, make(1))], space)
    with gallery.write("change") as transaction:
        change(transaction)
    assert generation(gallery) == 1 + wanted, why
    assert len(gallery.history()) == 1 + wanted, why


def test_all_of_a_block_or_none_of_it(gallery: Gallery, add: Add, make: Make, space: Space) -> None:
    add(gallery, "tea", 1)
    with pytest.raises(RuntimeError), gallery.write("add") as transaction:  # noqa: PT012
        transaction.add([(transaction.ensure_item("coffee"), make(2))], space)
        raise RuntimeError
    assert (gallery.count(), generation(gallery), len(gallery.history())) == (1, 1, 1)
    assert [item.label for item in gallery.items()] == ["tea"]


def test_the_log_says_what_came(gallery: Gallery, add: Add) -> None:
    [number] = add(gallery, "tea", 1)
    [change] = gallery.history()
    assert (change.generation, change.operation, change.before) == (1, "add", {})
    assert [row["label"] for row in change.after["items"]] == ["tea"]
    [row] = change.after["references"]
    assert (row["reference_id"], row["path"], row["label"]) == (number, "/photos/1.jpg", "tea")
    assert change.at.endswith("Z")


def test_the_log_says_what_changed(gallery: Gallery, add: Add) -> None:
    add(gallery, "tea", 1)
    with gallery.write("relabel") as transaction:
        transaction.rename_item(1, "green tea")
    change = gallery.history()[-1]
    assert [row["label"] for row in change.before["items"]] == ["tea"]
    assert [row["label"] for row in change.after["items"]] == ["green tea"]


def test_the_log_says_what_went(gallery: Gallery, add: Add) -> None:
    numbers = add(gallery, "tea", 1, 2)
    with gallery.write("remove") as transaction:
        transaction.remove(numbers)
        transaction.drop_empty_items()
    change = gallery.history()[-1]
    assert [row["sha256"] for row in change.before["references"]] == [f"{n:064x}" for n in (1, 2)]
    assert [row["label"] for row in change.before["items"]] == ["tea"]
    assert change.after == {}


def test_of_a_row_touched_twice_the_first_before_and_the_last_after_count(
    gallery: Gallery, add: Add
) -> None:
    add(gallery, "tea", 1)
    with gallery.write("relabel") as transaction:
        for label in ("a", "b", "c"):
            transaction.rename_item(1, label)
    change = gallery.history()[-1]
    assert change.before["items"][0]["label"] == "tea"
    assert change.after["items"][0]["label"] == "c"


def test_what_came_and_went_in_one_transaction_is_not_in_the_log(
    gallery: Gallery, add: Add, make: Make, space: Space
) -> None:
    add(gallery, "tea", 1)
    with gallery.write("test") as transaction:
        numbers = transaction.add([(transaction.ensure_item("coffee"), make(2))], space)
        transaction.remove(numbers)
        assert len(transaction.drop_empty_items()) == 1
    assert generation(gallery) == 1


def test_history_can_be_cut(gallery: Gallery, add: Add) -> None:
    for number in range(1, 6):
        add(gallery, "tea", number)

    def generations(**cut: int) -> list[int]:
        return [change.generation for change in gallery.history(**cut)]

    assert generations() == [1, 2, 3, 4, 5]
    assert generations(since=3) == [4, 5]
    assert generations(limit=2) == [4, 5]
    assert generations(since=1, limit=1) == [5]


def test_attributes_are_merged(gallery: Gallery) -> None:
    for attributes in ({"price": 3, "shelf": "A"}, {"price": 4, "名": ["茶", None, 1.5]}, None):
        with gallery.write("add") as transaction:
            transaction.ensure_item("tea", attributes)
    wanted = {"price": 4, "shelf": "A", "名": ["茶", None, 1.5]}
    assert gallery.item(label="tea").attributes == wanted


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"green"}, "a set"),
        (b"green", "bytes"),
        (float("nan"), "no number, and no other program reads it back"),
        ("caf\udce9", "bytes of a command line that are no text"),
        ([{"caf\ud83c": 1}], "half a character"),
    ],
)
def test_attributes_must_fit_into_json(gallery: Gallery, value: object, why: str) -> None:
    with (
        pytest.raises(GalleryError, match="attributes of 'tea' cannot be kept"),
        gallery.write("add") as transaction,
    ):
        transaction.ensure_item("tea", {"colour": value})
    assert gallery.items() == [], why


def test_a_renamed_item_keeps_id_and_pictures(gallery: Gallery, add: Add) -> None:
    [number] = add(gallery, "tea", 1)
    with gallery.write("relabel") as transaction:
        transaction.rename_item(1, "green tea")
    assert gallery.item(label="green tea").item_id == 1
    assert gallery.references([number])[number].label == "green tea"
    with pytest.raises(ItemNotFound, match="'tea'"):
        gallery.item(label="tea")


def test_two_items_never_share_a_label(gallery: Gallery, add: Add) -> None:
    add(gallery, "tea", 1)
    add(gallery, "coffee", 2)
    with pytest.raises(GalleryError, match=r"(?i)unique"), gallery.write("relabel") as transaction:
        transaction.rename_item(1, "coffee")
    assert [item.label for item in gallery.items()] == ["coffee", "tea"]


def test_two_references_never_share_a_content(gallery: Gallery, add: Add) -> None:
    add(gallery, "tea", 1)
    with pytest.raises(GalleryError, match=r"(?i)unique"):
        add(gallery, "coffee", 1)
    assert [item.label for item in gallery.items()] == ["tea"]


def test_vectors_of_two_spaces_never_meet(gallery: Gallery, add: Add, make: Make) -> None:
    add(gallery, "tea", 1)
    with pytest.raises(SpaceMismatch), gallery.write("add") as transaction:
        transaction.add([(1, make(2))], Space("another", 4))
    assert gallery.count() == 1


@pytest.mark.sqlite
def test_vectors_are_little_endian_float32_in_the_database(
    gallery: Gallery, add: Add, tmp_path: Path
) -> None:
    add(gallery, "tea", 1)
    connection = sqlite3.connect(tmp_path / "gallery.db")
    [(blob,)] = connection.execute("SELECT vector FROM embeddings").fetchall()
    connection.close()
    assert blob == b"\0\0\0\0" + b"\0\0\x80?" + b"\0" * 8


def test_more_rows_than_one_query_can_name(gallery: Gallery, add: Add) -> None:
    many = range(1, 1102)
    numbers = add(gallery, "tea", *many)
    assert len(gallery.references(numbers)) == 1101
    assert len(gallery.by_sha256([f"{n:064x}" for n in many])) == 1101
    with gallery.write("remove") as transaction:
        assert len(transaction.present(numbers)) == 1101
        assert len(transaction.holders([f"{n:064x}" for n in many])) == 1101
        transaction.remove(numbers)
    assert gallery.count() == 0
    assert len(gallery.history()[-1].before["references"]) == 1101
