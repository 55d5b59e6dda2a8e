"""Any label and any file name goes the whole way: list, build, search, thumbnail, history."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import paint_file

from shitu.catalog import Catalog
from shitu.gallery.tables import text_to_path

if TYPE_CHECKING:
    from conftest import Shop

Names = Callable[[Catalog, int], str]
Pairs = dict[str, str]

LABELS = {
    "red bull can": "blanks",
    "two  blanks": "two blanks",
    "salt, 'sea', \"fine\"; 50%": "commas and quotes",
    "a\\b|c:d*e?": "what other systems forbid",
    "$HOME `ls` #1 --help": "what shells and options look like",
    "绿茶": "Chinese",
    "🍵👩‍👩‍👧 tea": "emoji, some joined",
    "חלב טרי 3%": "right-to-left",
    "قهوة عربية": "right-to-left and joined",
    "Crème brûlée": "accents",
    "None": "a word that means something elsewhere",
    "path": "half a headline",
    "007": "a number with zeros in front",
    "{braces}": "how JSON begins",
}
WIDE_LABELS = {**LABELS, "a\tb": "a tab", "line\nbreak": "a line break", "a/b": "a slash"}
FILES = [
    "a b, c.png",
    "a\"b'c.png",
    "a\tb.png",
    "a\nb\r\nc.png",
    "绿茶.png",
    "🍵.png",
    "שלום.png",
    "-rf.png",
    "a\\x41.png",
    "a\u2028b\x85.png",
    "%2e%2e.png",
    "a.png.PNG",
]
WIDE_FILES = [*FILES, " blanks around \n", os.fsdecode(b"caf\xe9 \xff.png")]


def labelled(files: list[str], labels: dict[str, str]) -> Pairs:
    """Every file and every label at least once; files by name of the picture's file."""
    rounds = -(-len(labels) // len(files))
    names = [f"{turn}{name}" for turn in range(rounds) for name in files]
    words = [*labels] * -(-len(names) // len(labels))
    return dict(zip(names, words, strict=False))


def goes_all_the_way(shop: Shop, catalog: Catalog, pairs: Pairs, names: Names) -> None:
    """Check every picture; the seed of a picture is its place in the list."""
    by_path = {os.fsencode(r.path): r for r in catalog.all_references()}
    assert set(by_path) == {os.fsencode(shop.photos / name) for name in pairs}
    assert {item.label for item in catalog.items()} == set(pairs.values())
    for seed, (name, label) in enumerate(pairs.items()):
        reference = by_path[os.fsencode(shop.photos / name)]
        assert (names(catalog, seed), reference.label) == (label, label)
        assert reference.path.exists()
        assert catalog.thumbnail(reference.reference_id).startswith(b"\xff\xd8")
    logged = [row for change in catalog.history() for row in change.after["references"]]
    assert {text_to_path(row["path"]): row["label"] for row in logged} == pairs


def paint_all(shop: Shop, pairs: Pairs) -> None:
    picture = paint_file(shop.photos / "aside.png", 0)
    for seed, name in enumerate(pairs):
        paint_file(picture, seed)
        (shop.photos / name).parent.mkdir(parents=True, exist_ok=True)
        picture.rename(shop.photos / name)


def as_tabs(pairs: Pairs) -> str:
    return "".join(f"{name}\t{label}\n" for name, label in pairs.items())


def as_csv(pairs: Pairs) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([("path", "label"), *pairs.items()])
    return out.getvalue()


def as_json(pairs: Pairs) -> str:
    return "".join(json.dumps({"path": n, "label": w}) + "\n" for n, w in pairs.items())


def no_breaks(files: list[str]) -> list[str]:
    return [name for name in files if not {"\t", "\n"} & set(name)]


@pytest.mark.parametrize(
    ("write", "pairs"),
    [
        (as_tabs, labelled(no_breaks(FILES), LABELS)),
        (as_csv, labelled(FILES, WIDE_LABELS)),
        (as_json, labelled(WIDE_FILES, WIDE_LABELS)),
    ],
    ids=["tabs", "csv", "json"],
)
def test_through_a_label_file(
    shop: Shop, names: Names, write: Callable[[Pairs], str], pairs: Pairs
) -> None:
    paint_all(shop, pairs)
    file = shop.photos / "labels"
    file.write_bytes(write(pairs).encode("utf-8"))
    catalog = shop.open()
    summary = shop.build(catalog, file)
    assert (summary.skipped, summary.added) == ((), len(pairs))
    goes_all_the_way(shop, catalog, pairs, names)
    assert shop.build(shop.open(), file).unchanged == len(pairs)


def test_through_folders(shop: Shop, names: Names) -> None:
    files = [name for name in WIDE_FILES if not name.endswith("\n")]
    labels = {label: why for label, why in WIDE_LABELS.items() if "/" not in label}
    pairs = {f"{label}/{name}": label for name, label in labelled(files, labels).items()}
    paint_all(shop, pairs)
    catalog = shop.open()
    summary = shop.build(catalog)
    assert (summary.skipped, summary.added) == ((), len(pairs))
    goes_all_the_way(shop, catalog, pairs, names)
    assert shop.build(shop.open()).unchanged == len(pairs)


def test_an_undecodable_folder_gets_a_label_that_can_be_read(shop: Shop, names: Names) -> None:
    folder = os.fsdecode(b"caf\xe9")
    paint_all(shop, {f"{folder}/1.png": ""})
    catalog = shop.open()
    shop.build(catalog)
    assert names(catalog, 0) == "caf\\xe9"
    assert shop.build(catalog).unchanged == 1


def test_a_folder_named_in_another_unicode_form_is_the_same_label(shop: Shop) -> None:
    # What macOS writes and what a keyboard types.
    paint_all(shop, {"cre\u0300me/1.png": "", "cr\u00e8me/2.png": ""})
    catalog = shop.open()
    shop.build(catalog)
    assert [(item.label, item.references) for item in catalog.items()] == [("cr\u00e8me", 2)]


@pytest.mark.parametrize("label", [*LABELS, "a/b"])
def test_through_add_relabel_and_remove(
    shop: Shop, names: Names, tmp_path: Path, label: str
) -> None:
    picture = paint_file(tmp_path / "1.png", 1)
    catalog = shop.open()
    summary = catalog.add([picture], label, attributes={label: label})
    assert names(catalog, 1) == label
    assert summary.copied[0].parent.parent == shop.index / "pictures"
    assert catalog.items()[0].attributes == {label: label}
    catalog.relabel(label, f"new {label}")
    assert names(catalog, 1) == f"new {label}"
    assert catalog.remove(label=f"new {label}").item_removed


def test_a_path_no_system_can_hold_is_skipped_with_a_reason(shop: Shop) -> None:
    shop.paint("a.png", 1)
    file = shop.photos / "labels"
    file.write_text(
        '{"path": "a.png", "label": "x"}\n'
        '{"path": "\\ud83c.png", "label": "half an emoji"}\n'
        f'{{"path": "{"long" * 100}.png", "label": "long"}}\n'
        '{"path": "a.png/b.png", "label": "below a file"}\n'
    )
    summary = shop.build(shop.open(), file)
    assert (summary.added, [s.reason for s in summary.skipped]) == (1, ["does not exist"] * 3)
