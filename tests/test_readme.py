"""The README's commands and its Python, run as a reader would type them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ANSWERS = (ROOT / "docs" / "answers.md").read_text(encoding="utf-8")
LABELS = 4  # of the sample gallery; enough to see it work


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    typed = [line[2:].split("  #")[0].strip() for line in lines if line.startswith("$ ")]
    return [line for line in typed if line.startswith("shitu ")]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with what the README talks about: photos, test-photos, shelf.jpg, new.jpg."""
    labels = sorted(path.name for path in (ROOT / "gallery/products").iterdir())
    for label in labels[:LABELS]:
        shutil.copytree(ROOT / "gallery/products" / label, tmp_path / "photos" / label)
        shutil.copytree(ROOT / "gallery/queries" / label, tmp_path / "test-photos" / label)
    shutil.copy(ROOT / "gallery/scenes/scene01.jpg", tmp_path / "shelf.jpg")
    new = sorted((ROOT / "gallery/products" / labels[LABELS]).iterdir())[0]
    shutil.copy(new, tmp_path / "new.jpg")
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_the_commands_run_in_order(shop: Path) -> None:
    typed = commands()
    assert [line.split()[1] for line in typed] == [
        "build-index",
        "recognize",
        "add-item",
        "eval-recall",
    ]
    outputs = [run(["sh", "-c", line], shop) for line in typed]
    assert "added" in outputs[0]
    assert "shelf.jpg" in outputs[1]
    assert (shop / "annotated" / "shelf.jpg").exists()
    assert "Green tea: 1 added" in outputs[2]
    assert "recall@1" in outputs[3]


def test_the_python_example_runs(shop: Path) -> None:
    code = blocks("python")
    assert len(code) == 1
    assert run([sys.executable, "-c", code[0]], shop)


def test_the_python_of_the_answers_runs(shop: Path) -> None:
    run(["shitu", "build-index", "--gallery", "photos"], shop)
    [code] = blocks("python", ANSWERS)
    assert run([sys.executable, "-c", code], shop).startswith("[")
    assert (shop / "why.png").exists()


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert "://" in target or (ROOT / target).exists(), target
