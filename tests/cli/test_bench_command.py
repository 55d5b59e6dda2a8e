"""`shitu bench` tells the stages of a model apart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_clip
from click.testing import Result
from fakes import FakeSession, paint, plain

from shitu.embedder import Embedder
from shitu.timing import Stopwatch, measure

Run = Callable[..., Result]
SCENES = Path(__file__).parents[2] / "gallery" / "scenes"


def test_each_stage_gets_its_own_time() -> None:
    def slow(batch: np.ndarray) -> list[np.ndarray]:
        time.sleep(0.03)
        return [np.ones((len(batch), 4), np.float32)]

    watch = Stopwatch()
    embedder = Embedder(watch.session(FakeSession(slow)), watch.preprocessing(plain(8)), 4)

    def run(image: np.ndarray) -> None:
        embedder.embed([image])
        time.sleep(0.01)

    first, found = measure(watch, run, [paint(1)], 3)
    assert first >= 40
    assert found["inference"][0] >= 30
    assert found["post-processing"][0] >= 10
    assert found["pre-processing"][0] > 0
    parts = sum(found[stage][0] for stage in found if stage != "all")
    assert parts == pytest.approx(found["all"][0], rel=0.3)


@pytest.mark.parametrize("model", ["picodet_lcnet_mainbody", str(tiny_clip.FOLDER)])
def test_it_prints_stages_hardware_and_threads(run: Run, model: str) -> None:
    result = run("bench", model, "--runs", 2, "--threads", 1)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == [
        "pre-processing",
        "inference",
        "post-processing",
        "all",
    ]
    assert "onnxruntime" in lines[-1] or "onnx" in lines[-1]
    assert "1 thread," in lines[-1]
    assert "cores" in lines[-1]


def test_json_on_a_picture(run: Run) -> None:
    arguments = ("bench", tiny_clip.FOLDER, "--pictures", SCENES / "scene01.jpg", "--runs", 3)
    report = json.loads(run(*arguments, "--threads", 1, "--json").stdout)
    assert (report["kind"], report["runs"], report["pictures"]) == ("feature", 3, 1)
    assert set(report["milliseconds"]) == {
        "pre-processing",
        "inference",
        "post-processing",
        "all",
    }
    assert report["cpu"]
    assert report["version"]
    assert (report["threads"], report["cores"] >= 1) == (1, True)


def test_a_model_that_is_not_there(run: Run) -> None:
    result = run("bench", "nobody")
    assert result.exit_code == 1
    assert "No model is called 'nobody'" in result.stderr
