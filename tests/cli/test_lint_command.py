"""`shitu lint`, on a small shop with planted faults."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def faulty(
    built: Path, run: Run, labels: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The index of the shop with a copy of the first label's picture under the third."""
    shop = Path(shutil.copytree(built, tmp_path_factory.mktemp("faulty") / "shop"))
    source = sorted((shop / "photos" / labels[0]).iterdir())[0]
    copy = shop / "again\nsmaller.jpg"
    with Image.open(source) as picture:
        picture.save(copy, quality=70)
    added = run("add-item", copy, "--label", labels[2], "--index", shop / "index")
    assert added.exit_code == 0, added.output
    return shop / "index"


def test_it_names_the_copy_and_what_to_do(run: Run, faulty: Path, labels: list[str]) -> None:
    result = run("lint", "--index", faulty)
    assert result.exit_code == 0, result.output
    header, first, *_ = result.stdout.splitlines()
    assert header.split() == ["severity", "kind", "strength", "what", "to", "do"]
    assert first.startswith("error     duplicate")
    assert labels[0] in first
    assert labels[2] in first
    assert "shitu remove-item --reference" in first


def test_json_is_one_object(run: Run, faulty: Path, labels: list[str]) -> None:
    result = run("lint", "--index", faulty, "--json", "--kind", "duplicate")
    report = json.loads(result.stdout)
    assert (report["items"], report["references"], report["unseen"]) == (4, 21, [])
    [found] = report["findings"]
    assert (found["kind"], found["severity"]) == ("duplicate", "error")
    assert found["items"] == [labels[0], labels[2]]
    assert len(found["reference_ids"]) == 2
    assert 0.9 < found["strength"] <= 1


def test_strict_makes_an_error_the_exit_code(run: Run, faulty: Path, built: Path) -> None:
    assert run("lint", "--strict", "--index", faulty).exit_code == 1
    assert run("lint", "--strict", "--index", faulty, "--kind", "blurred").exit_code == 0
    clean = run("lint", "--strict", "--index", built / "index", "--kind", "duplicate")
    assert clean.exit_code == 0
    assert "Nothing found in 4 items with 20 references." in clean.stdout


def test_the_page_is_one_file(run: Run, faulty: Path, tmp_path: Path, labels: list[str]) -> None:
    file = tmp_path / "页 lint.html"
    result = run("lint", "--index", faulty, "--html", file)
    assert result.exit_code == 0
    assert str(file) in result.stderr
    text = file.read_text(encoding="utf-8")
    assert text.count("<img") >= 2
    assert labels[0] in text
    nowhere = run("lint", "--index", faulty, "--html", tmp_path / "no" / "lint.html")
    assert nowhere.exit_code == 1
    assert "cannot be written" in nowhere.stderr


def test_a_kind_that_does_not_exist_is_wrong_usage(run: Run, faulty: Path) -> None:
    result = run("lint", "--index", faulty, "--kind", "ugly")
    assert result.exit_code == 2
    assert "near-duplicate" in result.stderr


def test_no_model_is_needed(
    run: Run, faulty: Path, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHITU_DETECTOR_MODEL", "none")  # other boxes, so another space
    result = run("lint", "--index", faulty)
    assert result.exit_code == 0, result.output
    assert labels[2] in result.stdout
