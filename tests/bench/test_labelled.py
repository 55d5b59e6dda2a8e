"""Which classes count as held out: the rule of the training data, on made-up trees."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from benchmarks.labelled import read_labelled

from shitu.errors import DatasetError

EMBEDDED = Path(__file__).resolve().parents[2] / "scripts" / "embedded"
VENDORS = ("apple", "google", "twitter", "facebook")


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def emoji(folder: Path, vendor: str, names: Iterable[str]) -> None:
    for name in names:
        touch(folder / f"emoji-datasource-{vendor}" / "img" / vendor / "64" / f"{name}.png")


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    """Seven classes of Caltech 101, six of clothes, 12 emoji; and what is none of them."""
    for label in ("Zebra", "ant", "bee", "cat", "dog", "eel", "fox"):
        for number in (2, 1, 3):
            touch(tmp_path / "Homework2-Caltech101/101_ObjectCategories" / label / f"{number}.jpg")
    touch(tmp_path / "Homework2-Caltech101/101_ObjectCategories/Zebra/list.txt")
    clothes = tmp_path / "clothing-dataset"
    labels = ["Dress", "Hat", "Not sure", "Other", "Pants", "Shirt", "Skip", "Shoes", "Top"]
    rows = [f"{label}{number},1,{label},False" for label in labels for number in range(2)]
    for row in (*rows, "unlisted,"):
        touch(clothes / "images" / f"{row.split(',')[0]}.jpg")
    lines = ["image,sender_id,label,kids", *rows, "lost,1,Dress,False"]
    (clothes / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    for vendor in VENDORS:
        emoji(tmp_path, vendor, [f"a{number:02}" for number in range(12)])
        emoji(tmp_path, vendor, ["a00-1f3fb", "a00-1f3ff"])
    emoji(tmp_path, "apple", ["a000"])  # no other vendor draws it
    return tmp_path


def names(queries: Iterable[object] | None) -> list[tuple[str, str]]:
    return [(query.path.name, query.label) for query in queries or ()]  # type: ignore[attr-defined]


def test_every_fifth_class_by_name(datasets: Path) -> None:
    caltech, clothes, emoji = read_labelled(datasets)
    assert [one.name for one in (caltech, clothes, emoji)] == ["Caltech 101", "clothes", "emoji"]
    assert (caltech.classes, clothes.classes, emoji.classes) == (2, 2, 2)
    three = ("1.jpg", "2.jpg", "3.jpg")
    assert names(caltech.gallery) == [(n, label) for label in ("Zebra", "eel") for n in three]
    assert [label for _, label in names(clothes.gallery)] == ["Dress"] * 2 + ["Top"] * 2
    assert (caltech.queries, clothes.queries) == (None, None), "leave one out"


def test_emoji_of_one_vendor_against_the_others(datasets: Path) -> None:
    found = read_labelled(datasets)[2]
    assert names(found.gallery) == [("a00.png", "a00.png"), ("a10.png", "a10.png")]
    assert {query.path.parts[-3] for query in found.gallery} == {"apple"}
    assert found.queries is not None
    assert [query.path.parts[-3] for query in found.queries] == list(VENDORS[1:]) * 2
    assert all(query.path.name == query.label for query in found.queries)


def test_it_is_the_rule_that_training_follows(
    datasets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EMBEDDED))
    try:
        import feature_data
    finally:
        for name in ("feature_data", "localizer"):
            sys.modules.pop(name, None)
    listed = [
        feature_data._caltech(datasets / "Homework2-Caltech101"),
        feature_data._clothing(datasets / "clothing-dataset"),
        feature_data._emoji(datasets),
    ]
    for rows, found in zip(listed, read_labelled(datasets), strict=True):
        held = {(row.path, row.label) for row in rows if row.held_out}
        assert {(q.path, q.label) for q in (*found.gallery, *(found.queries or ()))} == held


def test_some_of_each_class_only(datasets: Path) -> None:
    caltech, _, emoji = read_labelled(datasets, per_label=2)
    assert names(caltech.gallery) == [
        (number, label) for label in ("Zebra", "eel") for number in ("1.jpg", "2.jpg")
    ]
    assert emoji.queries is not None
    assert len(emoji.queries) == 4


@pytest.mark.parametrize(
    "missing",
    [
        "Homework2-Caltech101/101_ObjectCategories",
        "clothing-dataset/images.csv",
        "clothing-dataset/images",
        "emoji-datasource-twitter/img/twitter/64",
    ],
)
def test_a_set_that_is_missing_is_named(datasets: Path, missing: str) -> None:
    (datasets / missing).rename(datasets / "elsewhere")
    with pytest.raises(DatasetError, match=missing.rsplit("/", maxsplit=1)[-1]):
        read_labelled(datasets)
