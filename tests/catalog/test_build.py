"""Build: a folder or label file in, a gallery equal to it out, and only news is described."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import FakeDescriber

from shitu.catalog import Catalog, Entry, entries_from_folder
from shitu.errors import GalleryError, ModelError

if TYPE_CHECKING:
    from conftest import Shop

Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]


def labels(catalog: Catalog) -> dict[str, int]:
    return {item.label: item.references for item in catalog.items()}


def write_list(shop: Shop, **labels_of: str) -> Path:
    """A label file beside the pictures: name without extension = label."""
    file = shop.photos / "labels.txt"
    file.write_text("".join(f"{name}.png\t{label}\n" for name, label in labels_of.items()))
    return file


def test_one_folder_per_label(tea_shop: Shop, names: Names, vectors_agree: Agree) -> None:
    catalog = tea_shop.open()
    summary = tea_shop.build(catalog)
    assert (summary.added, summary.unchanged, summary.generation) == (3, 0, 1)
    assert labels(catalog) == {"tea": 2, "coffee": 1}
    assert [names(catalog, seed) for seed in (1, 2, 3, 4)] == ["tea", "tea", "coffee", "nothing"]
    assert vectors_agree(catalog)
    assert (tea_shop.index / "vectors.faiss").exists()


def test_folders_below_belong_to_their_label(shop: Shop) -> None:
    shop.paint("tea/green/leaf/1.png", 1)
    shop.paint("tea/black/1.png", 2)
    catalog = shop.open()
    shop.build(catalog)
    assert labels(catalog) == {"tea": 2}


def test_the_references_say_where_they_came_from(tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    found = {str(r.path.relative_to(tea_shop.photos)): r for r in catalog.all_references()}
    assert set(found) == {"tea/1.png", "tea/2.png", "coffee/1.png"}
    assert {r.how for r in found.values()} == {"build"}
    assert catalog.thumbnail(found["tea/1.png"].reference_id).startswith(b"\xff\xd8")


def test_unchanged_pictures_are_not_described_again(tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    again = tea_shop.build(catalog)
    assert (again.added, again.unchanged, again.generation) == (0, 3, 1)
    assert tea_shop.describer.described == 3


def test_unchanged_pictures_are_not_even_opened(
    tea_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    monkeypatch.setattr("shitu.catalog.reading.read_bytes", lambda _: pytest.fail("was read"))
    assert tea_shop.build(catalog).unchanged == 3


def test_a_touched_picture_is_read_once_and_not_described(tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    picture = tea_shop.photos / "tea" / "1.png"
    os.utime(picture, ns=(5, 5))
    summary = tea_shop.build(catalog)
    assert (summary.unchanged, summary.generation, tea_shop.describer.described) == (3, 1, 3)
    known = {file.path: file for file in catalog.gallery.known_files(tea_shop.photos)}
    assert known[str(picture)].state.mtime_ns == 5


def test_only_what_is_new_is_described(tea_shop: Shop, names: Names) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    tea_shop.paint("cocoa/1.png", 4)
    summary = tea_shop.build(catalog)
    assert (summary.added, summary.unchanged, tea_shop.describer.described) == (1, 3, 4)
    assert names(catalog, 4) == "cocoa"


def test_a_moved_picture_keeps_its_vector(tea_shop: Shop, names: Names) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    before = {r.sha256: r.reference_id for r in catalog.all_references()}
    (tea_shop.photos / "tea" / "1.png").rename(tea_shop.photos / "tea" / "one.png")
    summary = tea_shop.build(catalog)
    assert summary.moved == (tea_shop.photos / "tea" / "one.png",)
    assert (summary.added, summary.vanished, tea_shop.describer.described) == (0, (), 3)
    assert {r.sha256: r.reference_id for r in catalog.all_references()} == before
    assert names(catalog, 1) == "tea"


def test_a_picture_moved_to_another_label_gets_that_label(tea_shop: Shop, names: Names) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    moved = (tea_shop.photos / "tea" / "1.png").rename(tea_shop.photos / "coffee" / "9.png")
    summary = tea_shop.build(catalog)
    assert (summary.moved, summary.relabelled) == ((moved,), (moved,))
    assert (names(catalog, 1), names(catalog, 2)) == ("coffee", "tea")
    assert tea_shop.describer.described == 3


def test_two_pictures_that_change_places(tea_shop: Shop, names: Names) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    tea, coffee = tea_shop.photos / "tea" / "1.png", tea_shop.photos / "coffee" / "1.png"
    aside = tea.rename(tea_shop.photos / "aside")
    coffee.rename(tea)
    aside.rename(coffee)
    summary = tea_shop.build(catalog, prune=True)
    assert (set(summary.moved), summary.removed) == ({tea, coffee}, ())
    assert (names(catalog, 1), names(catalog, 3)) == ("coffee", "tea")
    assert tea_shop.describer.described == 3


def test_a_renamed_label_folder_renames_the_item(tea_shop: Shop, names: Names) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    item = next(item for item in catalog.items() if item.label == "tea")
    (tea_shop.photos / "tea").rename(tea_shop.photos / "green tea")
    summary = tea_shop.build(catalog, prune=True)
    assert (len(summary.moved), len(summary.relabelled), summary.removed) == (2, 2, ())
    assert labels(catalog) == {"coffee": 1, "green tea": 2}
    assert catalog.gallery.item(label="green tea").item_id == item.item_id
    assert names(catalog, 1) == "green tea"


def test_a_renamed_gallery_folder_is_known_again(tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    moved = tea_shop.photos.rename(tea_shop.photos.with_name("pictures"))
    summary = catalog.build(entries_from_folder(moved), root=moved, prune=True)
    assert (summary.unchanged, summary.added, summary.removed) == (3, 0, ())
    assert all(r.path.is_relative_to(moved) for r in catalog.all_references())
    assert tea_shop.describer.described == 3


def test_a_changed_picture_is_described_again(tea_shop: Shop, names: Names) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    old = {r.path.name: r.reference_id for r in catalog.all_references() if r.label == "tea"}
    changed = tea_shop.paint("tea/1.png", 7)
    summary = tea_shop.build(catalog)
    assert (summary.added, summary.replaced, summary.unchanged) == (1, (changed,), 2)
    assert (names(catalog, 7), names(catalog, 1)) == ("tea", "nothing")
    assert labels(catalog) == {"tea": 2, "coffee": 1}
    assert old["1.png"] not in catalog.references([old["1.png"]])


def test_a_picture_that_is_gone_is_reported_and_kept(tea_shop: Shop, names: Names) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    gone = tea_shop.photos / "tea" / "1.png"
    gone.unlink()
    for _ in range(2):
        summary = tea_shop.build(catalog)
        assert (summary.vanished, summary.removed, summary.generation) == ((gone,), (), 1)
    assert names(catalog, 1) == "tea"


def test_a_picture_that_is_gone_goes_with_prune(
    tea_shop: Shop, names: Names, vectors_agree: Agree
) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    shutil.rmtree(tea_shop.photos / "coffee")
    summary = tea_shop.build(catalog, prune=True)
    assert summary.removed == (tea_shop.photos / "coffee" / "1.png",)
    assert summary.vanished == ()
    assert (labels(catalog), names(catalog, 3)) == ({"tea": 2}, "nothing")
    assert vectors_agree(catalog)


def test_what_was_added_by_hand_from_elsewhere_is_not_pruned(
    tea_shop: Shop, names: Names, tmp_path: Path
) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    outside = shutil.copy(tea_shop.paint("../elsewhere/5.png", 5), tmp_path / "5.png")
    catalog.add([outside], "cocoa")
    assert tea_shop.build(catalog, prune=True).removed == ()
    assert names(catalog, 5) == "cocoa"


def test_a_copy_under_the_same_label_is_named_and_left_out(tea_shop: Shop) -> None:
    copy = shutil.copy(tea_shop.photos / "tea" / "1.png", tea_shop.photos / "tea" / "3.png")
    catalog = tea_shop.open()
    for added in (3, 0):
        summary = tea_shop.build(catalog)
        assert (summary.added, summary.skipped) == (added, ())
        [duplicate] = summary.duplicates
        assert (duplicate.path, "tea/1.png" in duplicate.reason) == (copy, True)
    assert tea_shop.describer.described == 3


def test_a_copy_under_another_label_is_refused_and_the_first_is_named(tea_shop: Shop) -> None:
    shutil.copy(tea_shop.photos / "coffee" / "1.png", tea_shop.photos / "tea" / "3.png")
    catalog = tea_shop.open()
    for added in (3, 0):
        summary = tea_shop.build(catalog)
        assert summary.added == added
        [skipped] = summary.skipped
        assert skipped.path.name == "3.png"
        assert "coffee/1.png" in skipped.reason
        assert "belongs to 'coffee'" in skipped.reason


def test_a_listed_copy_takes_the_place_of_one_that_is_listed_no_more(
    shop: Shop, names: Names
) -> None:
    shop.paint("old/a.png", 1)
    catalog = shop.open()
    shop.build(catalog, write_list(shop, **{"old/a": "tea"}))
    copy = shop.photos / "new" / "a.png"
    copy.parent.mkdir()
    shutil.copy(shop.photos / "old" / "a.png", copy)
    summary = shop.build(catalog, write_list(shop, **{"new/a": "green tea"}), prune=True)
    assert (summary.moved, summary.removed, summary.skipped) == ((copy,), (), ())
    assert names(catalog, 1) == "green tea"
    assert shop.describer.described == 1


def test_a_new_label_in_the_list_is_an_update(shop: Shop, names: Names) -> None:
    shop.paint("a.png", 1)
    shop.paint("b.png", 2)
    catalog = shop.open()
    shop.build(catalog, write_list(shop, a="tea", b="tea"))
    summary = shop.build(catalog, write_list(shop, a="tea", b="coffee"))
    assert summary.relabelled == (shop.photos / "b.png",)
    assert (names(catalog, 1), names(catalog, 2)) == ("tea", "coffee")
    assert shop.describer.described == 2
    assert catalog.check().problems == ()


def test_a_name_that_all_pictures_of_an_item_get_renames_it(shop: Shop) -> None:
    for name, seed in {"a": 1, "b": 2, "c": 3}.items():
        shop.paint(f"{name}.png", seed)
    catalog = shop.open()
    shop.build(catalog, write_list(shop, a="tea", b="tea", c="coffee"))
    tea = catalog.gallery.item(label="tea").item_id
    shop.build(catalog, write_list(shop, a="green tea", b="green tea", c="coffee"))
    assert catalog.gallery.item(label="green tea").item_id == tea
    assert labels(catalog) == {"coffee": 1, "green tea": 2}


def test_two_items_that_swap_their_labels(shop: Shop, names: Names) -> None:
    shop.paint("a.png", 1)
    shop.paint("b.png", 2)
    catalog = shop.open()
    shop.build(catalog, write_list(shop, a="tea", b="coffee"))
    shop.build(catalog, write_list(shop, a="coffee", b="tea"))
    assert (names(catalog, 1), names(catalog, 2)) == ("coffee", "tea")
    assert labels(catalog) == {"coffee": 1, "tea": 1}


def test_a_label_given_by_a_command_survives_the_next_build(tea_shop: Shop, names: Names) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    catalog.relabel("tea", "green tea")
    tea_shop.paint("tea/4.png", 4)  # what comes into the folder follows the others in it
    assert tea_shop.build(catalog).relabelled == ()
    assert [names(catalog, seed) for seed in (1, 2, 4)] == ["green tea"] * 3


def test_a_picture_listed_twice_under_two_labels(shop: Shop, names: Names) -> None:
    shop.paint("a.png", 1)
    file = shop.photos / "labels.txt"
    file.write_text("a.png\ttea\n./a.png\ttea\na.png\tcoffee\n")
    catalog = shop.open()
    summary = shop.build(catalog, file)
    [skipped] = summary.skipped
    assert "listed twice; the first line says 'tea'" in skipped.reason
    assert (summary.added, names(catalog, 1)) == (1, "tea")


def test_a_label_file_may_name_pictures_anywhere(tea_shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "lists" / "labels.txt"
    file.parent.mkdir()
    file.write_text(f"../photos/tea/1.png\ttea\n{tea_shop.photos}/coffee/1.png\tcoffee\n")
    catalog = tea_shop.open()
    assert tea_shop.build(catalog, file).added == 2
    assert tea_shop.build(catalog, file).unchanged == 2
    assert all(r.path.exists() for r in catalog.all_references())


def test_what_cannot_be_used_is_listed_with_a_reason_and_the_rest_goes_in(
    tea_shop: Shop, names: Names
) -> None:
    whole = (tea_shop.photos / "tea" / "1.png").read_bytes()
    wrong = {
        "tea/empty.png": (b"", "empty"),
        "tea/text.jpg": (b"Dear Sir or Madam,\n", "text.jpg"),
        "tea/torn.png": (whole[: len(whole) // 2], "torn.png"),
        "coffee/noise.jpg": (b"\xff\xd8\xff" + b"\xa5" * 500, "noise.jpg"),
        "coffee/phone.HEIC": (b"\0\0\0\x18ftypheic" + b"\0" * 40, "convert it to JPEG"),
        "coffee/camera.DNG": (whole, "is a raw photo: convert it to JPEG"),
    }
    for name, (data, _) in wrong.items():
        (tea_shop.photos / name).write_bytes(data)
    (tea_shop.photos / "tea" / "nowhere.png").symlink_to("does not exist")
    os.mkfifo(tea_shop.photos / "tea" / "pipe.png")
    shutil.copy(tea_shop.photos / "tea" / "1.png", tea_shop.photos / "loose.png")
    catalog = tea_shop.open()
    summary = tea_shop.build(catalog)
    reasons = {str(s.path.relative_to(tea_shop.photos)): s.reason for s in summary.skipped}
    assert set(reasons) == {*wrong, "tea/nowhere.png", "tea/pipe.png", "loose.png"}
    for name, (_, reason) in wrong.items():
        assert reason in reasons[name]
        assert "\n" not in reasons[name]
    assert "a link to nowhere" in reasons["tea/nowhere.png"]
    assert "is not a regular file" in reasons["tea/pipe.png"]
    assert "no folder" in reasons["loose.png"]
    assert (summary.added, names(catalog, 3)) == (3, "coffee")


def test_a_picture_that_breaks_later_stays_until_it_can_be_read(
    tea_shop: Shop, names: Names
) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    (tea_shop.photos / "tea" / "1.png").write_bytes(b"torn")
    summary = tea_shop.build(catalog, prune=True)
    assert [s.path.name for s in summary.skipped] == ["1.png"]
    assert (summary.removed, names(catalog, 1)) == ((), "tea")


def test_a_picture_that_may_not_be_looked_at_is_not_pruned(
    shop: Shop, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seed in {"a": 1, "b": 2}.items():
        shop.paint(f"{name}.png", seed)
    catalog = shop.open()
    listed = write_list(shop, a="tea", b="tea")
    shop.build(catalog, listed)
    stat = os.stat

    def forbidden(path: Any, **options: Any) -> os.stat_result:
        if str(path).endswith("b.png"):
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr("shitu.catalog.files.os.stat", forbidden)
    monkeypatch.setattr(Path, "stat", forbidden)  # which holds on to the real one in Python 3.10
    summary = shop.build(catalog, listed, prune=True)
    monkeypatch.undo()
    assert [s.reason for s in summary.skipped] == [
        "cannot be looked at: permission denied; allow it, or copy the file elsewhere"
    ]
    assert (summary.removed, names(catalog, 2)) == ((), "tea")


def test_a_picture_that_is_listed_but_missing(shop: Shop) -> None:
    shop.paint("a.png", 1)
    summary = shop.build(shop.open(), write_list(shop, a="tea", b="tea"))
    [skipped] = summary.skipped
    assert (skipped.path.name, skipped.reason) == ("b.png", "does not exist")
    assert summary.added == 1


@pytest.mark.parametrize(
    ("content", "sentence", "why"),
    [
        (None, "no picture found", "an empty folder"),
        (b"Dear Sir or Madam,\n", r"no picture listed can be used.*a\.jpg", "a letter"),
    ],
)
def test_a_build_of_nothing_leaves_nothing(
    shop: Shop, content: bytes | None, sentence: str, why: str
) -> None:
    (shop.photos / "tea").mkdir(parents=True)
    if content is not None:
        (shop.photos / "tea" / "a.jpg").write_bytes(content)
    with pytest.raises(GalleryError, match=sentence) as told:
        shop.build(shop.open())
    assert str(told.value).count("a.jpg") == (content is not None), "a name is said once"
    assert not shop.index.exists(), why


def test_loose_pictures_alone_are_no_gallery(shop: Shop) -> None:
    shop.paint("a.png", 1)
    with pytest.raises(GalleryError, match=r"one folder per label.*1 lie directly in it"):
        shop.build(shop.open())


def test_an_empty_list_never_prunes_everything(tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    shutil.rmtree(tea_shop.photos)
    tea_shop.photos.mkdir()
    with pytest.raises(GalleryError, match="no picture found"):
        tea_shop.build(catalog, prune=True)
    with pytest.raises(GalleryError, match="nothing to build from"):
        catalog.build([], root=tea_shop.photos, prune=True)
    assert len(catalog.all_references()) == 3


def test_a_list_of_nothing_that_can_be_used_never_prunes_everything(shop: Shop) -> None:
    """Such as one of pictures on a disk that is not mounted, or with its columns exchanged."""
    for name in ("a", "b"):
        shop.paint(f"{name}.png", ord(name))
    catalog = shop.open()
    listed = write_list(shop, a="tea", b="tea")
    shop.build(catalog, listed)
    for name in ("a", "b"):
        (shop.photos / f"{name}.png").unlink()
    with pytest.raises(GalleryError, match=r"a\.png: does not exist; nothing was removed"):
        shop.build(catalog, listed, prune=True)
    assert len(catalog.all_references()) == 2
    shop.paint("c.png", 9)
    summary = shop.build(catalog, write_list(shop, c="tea"), prune=True)
    assert (summary.added, len(summary.removed)) == (1, 2)


def test_every_batch_is_a_commit_and_batches_do_not_matter(
    tea_shop: Shop, vectors_agree: Agree
) -> None:
    for seed in range(10, 17):
        tea_shop.paint(f"cocoa/{seed}.png", seed)
    catalog = tea_shop.open()
    summary = tea_shop.build(catalog, batch_size=3)
    assert (summary.added, summary.generation) == (10, 4)
    assert vectors_agree(catalog)


def test_progress_counts_up_to_all(tea_shop: Shop) -> None:
    (tea_shop.photos / "tea" / "text.jpg").write_text("no picture")
    told: list[int] = []
    catalog = tea_shop.open()
    tea_shop.build(catalog, progress=told.append)
    assert told == [0, 1, 2, 3, 4]
    tea_shop.build(catalog, progress=told.append)
    assert told[5:] == [3, 4]  # the unchanged at once


class BrokenDescriber(FakeDescriber):
    """Forgets a picture."""

    def describe(self, images, boxes=None):  # type: ignore[no-untyped-def]
        return super().describe(images[1:], boxes[1:])


def test_a_model_that_does_not_answer_writes_nothing(tea_shop: Shop) -> None:
    catalog = tea_shop.open(BrokenDescriber())
    with pytest.raises(ModelError, match="described 2 of 3"):
        tea_shop.build(catalog)
    assert not tea_shop.index.exists()


def test_entries_may_be_made_by_hand(tea_shop: Shop) -> None:
    catalog = tea_shop.open()
    entry = Entry(tea_shop.photos / "tea" / "1.png", "my tea")
    assert catalog.build([entry], root=tea_shop.photos).added == 1
    assert labels(catalog) == {"my tea": 1}


def test_what_another_build_of_the_folder_added_is_unchanged(tea_shop: Shop) -> None:
    catalog, other = tea_shop.open(), tea_shop.open()
    before: list[int] = []

    def build_elsewhere(_: int) -> None:
        if not before:
            before.append(tea_shop.build(other).added)

    summary = tea_shop.build(catalog, progress=build_elsewhere)
    assert (before, summary.added, summary.unchanged, summary.duplicates) == ([3], 0, 3, ())


def test_what_another_build_added_under_another_name_is_a_duplicate(
    tea_shop: Shop, tmp_path: Path
) -> None:
    catalog, other = tea_shop.open(), tea_shop.open()
    copy = Path(shutil.copytree(tea_shop.photos, tmp_path / "copy"))

    def build_elsewhere(_: int) -> None:
        other.build(entries_from_folder(copy), root=copy)

    summary = tea_shop.build(catalog, progress=build_elsewhere)
    assert (summary.added, summary.unchanged, len(summary.duplicates)) == (0, 0, 3)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("3.png", "cannot be looked at: its links lead in a circle; name the file itself"),
        ("nowhere.png", "is a link to nowhere"),
    ],
)
def test_a_link_that_leads_to_no_picture_is_said(tea_shop: Shop, target: str, reason: str) -> None:
    (tea_shop.photos / "tea" / "3.png").symlink_to(target)
    summary = tea_shop.build(tea_shop.open())
    assert summary.added == 3
    assert [one.reason for one in summary.skipped] == [reason]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("merged", [True, False])
def test_pictures_follow_an_item_that_is_renamed_or_merged_during_the_build(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, first: bool, merged: bool
) -> None:
    shop.paint("rum/1.png", 1)
    shop.paint("tea/1.png", 2)
    catalog, other = shop.open(), shop.open()
    if not first:
        shop.build(catalog)
    for seed in (3, 4):
        shop.paint(f"tea/{seed}.png", seed)
    describe = shop.describer.describe

    def meanwhile(*arguments: Any) -> Any:
        if "tea" in [item.label for item in other.items()]:
            if merged:
                other.merge(["tea"], into="rum")
            else:
                other.relabel("tea", "chai")
        return describe(*arguments)

    monkeypatch.setattr(shop.describer, "describe", meanwhile)
    shop.build(catalog, batch_size=1)
    wanted = {"rum": 4} if merged else {"rum": 1, "chai": 3}
    assert {item.label: item.references for item in catalog.items()} == wanted
