"""Engines are tried in processes of their own."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from threading import Barrier

import pytest

from shitu.choosing import Task, trial
from shitu.choosing.trial import try_engines
from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.trial import _Trial

TASK = Task(FEATURE_MODEL, DETECTOR_MODEL, 1)


@pytest.fixture(autouse=True)
def _few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_ROUNDS", 1)


def test_the_reference_agrees_with_itself() -> None:
    (found,) = try_engines(["onnxruntime"], TASK)
    assert found.problem == ""
    assert found.parity is not None
    assert found.parity.cosine == pytest.approx(1, abs=1e-6)
    assert found.parity.iou == 1
    assert found.version
    assert found.start is not None
    assert found.photo is not None
    assert 0 < found.photo < 60


def test_each_thread_has_a_photo_while_engines_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a build: one that runs photos in turn is slower there than by one photo alone."""
    met = Barrier(2)
    monkeypatch.setattr(_Trial, "_look", lambda _: met.wait(10))
    job = {**asdict(TASK), "engine": "onnxruntime", "threads": 2}
    assert 0 < _Trial(job).lap() < 10


def test_what_an_engine_says_is_its_problem() -> None:
    task = Task("no such model", DETECTOR_MODEL, 1)
    (found,) = try_engines(["onnxruntime"], task)
    assert "No model is called 'no such model'" in found.problem
    assert found.photo is None


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "ended with signal 4"),
        ("raise SystemExit(3)", "ended with code 3"),
        ("print('hello'); input(); input()", "process "),
    ],
)
def test_one_that_crashes_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setattr(trial.sys, "executable", str(script))
    (found,) = try_engines(["onnxruntime"], TASK)
    assert said in found.problem


def test_it_finds_the_models_where_we_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    program = 'import json, os\ninput()\nprint(json.dumps({"problem": os.environ["SHITU_MODELS"]}))'
    script.write_text(f"#!{sys.executable}\n{program}\n")
    script.chmod(0o755)
    monkeypatch.setattr(trial.sys, "executable", str(script))
    monkeypatch.setenv("SHITU_MODELS", "/srv/models")
    (found,) = try_engines(["onnxruntime"], TASK)
    assert found.problem == "/srv/models"
