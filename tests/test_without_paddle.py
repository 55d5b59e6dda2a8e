"""Everything but training, export and Paddle's own engine works where Paddle is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SAMPLE = Path(__file__).parents[1] / "gallery"

# As if it had been uninstalled: neither found nor imported, and unknown to the list of packages.
HIDING = """
import importlib.abc
import importlib.metadata
import sys


class _Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "paddle":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


sys.meta_path.insert(0, _Nothing())
_version = importlib.metadata.version


def version(name):
    if name.startswith("paddlepaddle"):
        raise importlib.metadata.PackageNotFoundError(name)
    return _version(name)


importlib.metadata.version = version
"""


@pytest.fixture
def run_hidden(tmp_path: Path) -> Run:
    """Run a command in a Python that has no Paddle."""
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "sitecustomize.py").write_text(HIDING)
    paths = [str(hiding), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "shitu", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=environment
        )

    return run


def test_a_shop_needs_no_paddle(run_hidden: Run, tmp_path: Path) -> None:
    photos, index = tmp_path / "photos", tmp_path / "index"
    for label in sorted((SAMPLE / "products").glob("[!.]*"))[:2]:
        (photos / label.name).mkdir(parents=True)
        picture = sorted(label.iterdir())[0]
        (photos / label.name / picture.name).write_bytes(picture.read_bytes())
    query = sorted((SAMPLE / "queries").glob("*/*"))[0]
    for arguments in (
        ("build-index", "--gallery", photos, "--index", index),
        ("recognize", query, "--index", index),
        ("list-items", "--index", index),
        ("check", "--index", index),
    ):
        done = run_hidden(*arguments)
        assert done.returncode == 0, done.stderr


def test_its_engine_says_what_is_missing(run_hidden: Run, tmp_path: Path) -> None:
    query = sorted((SAMPLE / "queries").glob("*/*"))[0]
    label = tmp_path / "photos" / "one"
    label.mkdir(parents=True)
    (label / "1.jpg").write_bytes(query.read_bytes())
    done = run_hidden(
        *("build-index", "--gallery", label.parent, "--index", tmp_path / "index"),
        *("--engine", "paddle"),
    )
    assert done.returncode == 1
    assert "Error: The engine paddle needs the package paddlepaddle" in done.stderr
    assert "Traceback" not in done.stderr
