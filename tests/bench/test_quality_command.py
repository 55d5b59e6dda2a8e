"""`bench quality` on a made-up data folder, with networks that are done in no time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.main import main

from shitu.images import save_image

LABELS = ("Apple", "Bread", "Cake", "Dates")
Save = Callable[[Path, int, int], None]
ALL = ["retrieval", "open_set", "robust", "labelled"]


@pytest.fixture
def save(make_picture: Callable[..., Any]) -> Save:
    """Write a picture that is the same for the same number but for its size."""

    def write(path: Path, number: int, size: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_image(path, make_picture(number, size, size))

    return write


@pytest.fixture
def grocery(tmp_path: Path, save: Save) -> Path:
    folder = tmp_path / "data" / "grocery"
    rows = ["Class Name (str),Class ID (int),Iconic Image Path (str)"]
    for number, label in enumerate(LABELS):
        kind = "Packages" if number % 2 else "Fruit"
        iconic = f"/iconic-images-and-descriptions/{kind}/{label}.png"
        rows.append(f"{label},{number},{iconic}")
        save(folder / iconic[1:], number, 48)
    (folder / "classes.csv").write_text("\n".join(rows), encoding="utf-8")
    for part, sizes in (("train", (50, 52)), ("val", (53,)), ("test", (54,))):
        photos = [(f"{part}/{n}-{size}.png", n, size) for n in range(4) for size in sizes]
        for photo in photos:
            save(folder / photo[0], *photo[1:])
        lines = [f"{path}, {number}, 0" for path, number, _ in photos]
        (folder / f"{part}.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def datasets(tmp_path: Path, save: Save) -> Path:
    folder = tmp_path / "datasets"
    for number, label in enumerate("abcdef"):
        for size in (40, 44):
            pictures = folder / "Homework2-Caltech101" / "101_ObjectCategories"
            save(pictures / label / f"{size}.png", number, size)
            save(folder / "clothing-dataset" / "images" / f"{label}{size}.png", number, size)
    for vendor, size in (("apple", 20), ("google", 24), ("twitter", 28), ("facebook", 32)):
        drawn = folder / f"emoji-datasource-{vendor}" / "img" / vendor / "64"
        for number, label in enumerate("abcdefghijkl"):
            save(drawn / f"{label}.png", number, size)
    clothes = [f"{label}{size},1,{label},False" for label in "abcdef" for size in (40, 44)]
    (folder / "clothing-dataset" / "images.csv").write_text(
        "\n".join(["image,sender_id,label,kids", *clothes]), encoding="utf-8"
    )
    return folder


@pytest.fixture
def folder(tmp_path: Path, grocery: Path, datasets: Path, make_model: Callable[..., Path]) -> Path:
    """data/grocery/, datasets/, and three models of which two are in teachers/."""
    assert grocery.is_relative_to(tmp_path)
    assert datasets.is_relative_to(tmp_path)
    for name in ("own", "teachers/t1", "teachers/t2"):
        make_model(tmp_path / name)
    return tmp_path


@pytest.fixture
def bench(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Call it with the arguments after `bench quality DATA --model own`."""
    monkeypatch.setenv("SHITU_THREADS", "1")
    monkeypatch.setenv("SHITU_DETECTOR_MODEL", "none")

    def run(*arguments: object) -> int:
        typed = ["bench", "quality", folder / "data", "--model", folder / "own", *arguments]
        monkeypatch.setattr(sys, "argv", [str(each) for each in typed])
        return main()

    return run


def test_all_parts_for_all_networks(
    bench: Callable[..., int], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--teachers", folder / "teachers", "--labelled", folder / "datasets", "--json")
    assert bench(*given) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ALL
    for name, rows in found.items():
        networks = list(dict.fromkeys(row["network"] for row in rows))
        assert networks == [str(folder / "own"), "t1", "t2", "ensemble"], name
    assert [len(found[name]) for name in ALL] == [3 * 2 * 4, 2 * (4 + 3), 6 * 4, 2 * 4]
    # Pictures of a label differ in size only, so that all are named unless they are turned.
    assert {row["recall_at_1"] for row in found["retrieval"] if row["network"] == "t1"} == {1.0}
    assert {row["mean_recall_at_1"] for row in found["labelled"]} == {1.0}
    queries = {name: row["queries"] for name, row in found["labelled"][0]["sets"].items()}
    assert queries == {"Caltech 101": 4, "clothes": 4, "emoji": 6}
    by_change = {row["change"]: row for row in found["robust"] if row["network"] == "t1"}
    assert by_change["blurred"]["recall_at_1"] == 1.0
    assert by_change["turned by 90 degrees"]["difference"] < 0


@pytest.mark.parametrize(
    ("arguments", "titles"),
    [
        ((), ["Grocery Store Dataset", "Open set", "Protocol (a), main body"]),
        (("--only", "c"), ["Grocery Store Dataset"]),
        (("--only", "robust"), ["Protocol (a), main body"]),
        (("--only", "b", "robust", "--per-label", "1"), ["Grocery Store", "Protocol (a)"]),
        (("--labelled", "DATASETS", "--only", "labelled"), ["Classes held out"]),
    ],
)
def test_tables_of_the_parts_wanted(
    bench: Callable[..., int],
    folder: Path,
    arguments: tuple[str, ...],
    titles: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [folder / "datasets" if each == "DATASETS" else each for each in arguments]
    assert bench(*given) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [i for i, line in enumerate(lines) if "| network |" in line]
    assert [lines[i - 2].startswith(title) for i, title in zip(heads, titles, strict=True)] == [
        True
    ] * len(titles)
    assert "ensemble" not in "".join(lines)


def test_labelled_sets_must_be_given(
    bench: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("--only", "a", "labelled") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "--labelled" in said.err


def test_protocols_as_eval_recall_answers_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHITU_THREADS", "1")
    monkeypatch.setenv("SHITU_DETECTOR_MODEL", "none")
    monkeypatch.setenv("SHITU_FEATURE_MODEL", str(folder / "own"))
    typed = ["bench", "verifier", "--grocery", str(folder / "data"), "--whole", "a", "c", "--json"]
    monkeypatch.setattr(sys, "argv", typed)
    assert main() == 0
    rows = json.loads(capsys.readouterr().out)["checked"]
    assert [(row["pictures"][:3], row["verify"]) for row in rows] == [
        ("(a)", "off"),
        ("(a)", "auto"),
        ("(c)", "off"),
        ("(c)", "auto"),
    ]
    assert all(row["R@1"] == 1.0 for row in rows)
    assert all(row["named right"] + row["named wrong"] <= 1.0 for row in rows)
