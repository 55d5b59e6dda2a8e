"""shitu doctor: what runs the networks here, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import Result

from shitu.choosing import Trial
from shitu.choosing.parity import Parity
from shitu.config import FEATURE_MODEL

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = Trial("onnxruntime", "1.0", 0.3, 0.1, Parity(1.0, 1.0, 0.0, 0))
    bad = Trial("openvino", "2.0", problem="its process ended with signal 4")
    # Real trials take seconds; tests/choosing has them.
    monkeypatch.setattr("shitu.choosing.trial.try_engines", lambda *_: [good, bad])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_table(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--index", tmp_path / "none", "--threads", "1")
    assert result.exit_code == 0
    assert "engine: onnxruntime" in result.output
    assert "its process ended with signal 4" in result.output
    assert "processor" in result.output
    assert f"model {FEATURE_MODEL}" in result.output
    assert "whole, sha256" in result.output
    assert str(tmp_path / "cache" / "shitu" / "engines") in result.output


def test_json(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--index", tmp_path / "none", "--threads", "1", "--json")
    found = json.loads(result.stdout)
    assert found["engine"] == "onnxruntime"
    assert found["threads"] == 1
    assert found["problems"] == []
    assert [tried["photo"] for tried in found["trials"]] == [0.1, None]
    packages = dict(found["packages"])
    assert packages["onnxruntime"]
    assert bool(packages["openvino"]) == (find_spec("openvino") is not None)


def test_the_choice_is_kept_for_those_who_come_after(run: Run, tmp_path: Path) -> None:
    run("doctor", "--index", tmp_path / "none", "--threads", "1")
    assert len(list((tmp_path / "cache" / "shitu" / "engines").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_a_problem(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = run("doctor", "--index", tmp_path / "none", "--threads", "1")
    assert result.exit_code == 0
    assert "problem: The cache folder cannot be written" in result.output


@pytest.mark.parametrize(
    ("engine", "problem"),
    [
        ("openvino", "engine openvino of the settings cannot be used here: its process ended with"),
        ("paddle", "engine paddle needs the package paddlepaddle: `pip install paddlepaddle`"),
        ("onnxruntime", None),
    ],
)
def test_an_engine_of_the_settings_that_cannot_be_used_is_a_problem(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, problem: str | None
) -> None:
    def version(package: str) -> str | None:
        return None if package.startswith("paddle") else "1.0"

    monkeypatch.setattr("shitu.runtime.engines.installed_version", version)
    result = run("doctor", "--index", tmp_path / "none", "--engine", engine)
    assert result.exit_code == 0
    assert f"engine: {engine}" in result.stdout
    if problem is None:
        assert result.stderr == ""
    else:
        assert f"problem: The {problem}" in result.stderr
