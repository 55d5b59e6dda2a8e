"""Which engine is chosen, and when what is known is believed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shitu.choosing import Choice, Task, Trial, choice, recall, remembered_engine, worth_choosing
from shitu.choosing import choose as choose_engine
from shitu.choosing.parity import Parity
from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.models.registry import find_model
from shitu.models.spec import ModelSpec

SPECS = [find_model(FEATURE_MODEL, "feature"), find_model(DETECTOR_MODEL, "detector")]
UNTRAINED = replace(SPECS[0], files={"onnx": SPECS[0].files["onnx"]})
TASK = Task(FEATURE_MODEL, DETECTOR_MODEL, 2)
OLD_CPU = {"model name": "old", "flags": "sse2 avx2"}
NEW_CPU = {"model name": "new", "flags": "sse2 avx2 avx512_vnni"}
SAME = Parity(1.0, 1.0, 0.0, 0)

REFERENCE = Trial("onnxruntime", "1", start=0.3, photo=0.1, parity=SAME)
FAST = Trial("openvino", "1", start=0.9, photo=0.055, parity=SAME)
FASTER = Trial("openvino", "1", start=0.9, photo=0.03, parity=SAME)
WRONG = Trial("openvino-bf16", "1", 0.1, 0.01, Parity(0.9, 1, 0, 0), "its vectors differ")
BYTES = Trial("onnxruntime-int8", "1", start=0.2, photo=0.06, parity=SAME)
SLOW_BYTES = Trial("onnxruntime-int8", "1", start=0.2, photo=0.12, parity=SAME)
DEAD = Trial("paddle", "1", problem="its process ended with signal 4")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What trials were asked for; all are installed, and a fast one is found."""
    asked: list[Sequence[str]] = []

    def fake(engines: Sequence[str], task: Task) -> list[Trial]:
        asked.append(engines)
        return [REFERENCE, FAST, WRONG]

    monkeypatch.setattr("shitu.choosing.trial.try_engines", fake)
    both = ("onnxruntime", "openvino")
    monkeypatch.setattr(choice, "candidates", lambda specs, names=both: list(names))
    monkeypatch.setattr("shitu.runtime.cpu._cpuinfo", lambda: OLD_CPU)
    return asked


def kept(tmp_path: Path) -> Path:
    (file,) = (tmp_path / "shitu" / "engines").iterdir()
    return file


@pytest.mark.parametrize(
    ("trials", "photos", "engine", "why"),
    [
        ((REFERENCE, FAST), float("inf"), "openvino", "a process that goes on takes the fastest"),
        ((REFERENCE, FAST), 1, "onnxruntime", "one photo is done by what starts soonest"),
        ((REFERENCE, FAST), 100, "openvino", "a hundred are worth the start"),
        ((REFERENCE, WRONG), float("inf"), "onnxruntime", "other answers are never chosen"),
        ((REFERENCE, DEAD), float("inf"), "onnxruntime", "nor one that crashes"),
        ((FAST, DEAD), float("inf"), "openvino", "the reference need not be there"),
        ((REFERENCE, BYTES), float("inf"), "onnxruntime-int8", "8 bits are faster"),
        ((REFERENCE, BYTES), 1, "onnxruntime-int8", "for one photo as well"),
        ((REFERENCE, BYTES, FASTER), 1, "onnxruntime", "one answer however many photos"),
        ((REFERENCE, BYTES, FASTER), 100, "openvino", "in float32, if that is clearly faster"),
        ((REFERENCE, BYTES, FAST), 100, "onnxruntime-int8", "barely faster is noise"),
        ((REFERENCE, SLOW_BYTES), 1, "onnxruntime", "8 bits that are slower are of no use"),
        ((DEAD,), float("inf"), "onnxruntime", "with none, the usual says what is wrong"),
        ((), float("inf"), "onnxruntime", "nothing was tried"),
    ],
)
def test_the_fastest_of_those_with_the_same_answers(
    trials: tuple[Trial, ...], photos: float, engine: str, why: str
) -> None:
    assert Choice(trials).engine(photos) == engine, why


def test_noise_alone_changes_no_engine() -> None:
    barely = Trial("openvino", "1", start=0.3, photo=0.095, parity=SAME)
    assert Choice((REFERENCE, barely)).engine() == "onnxruntime"


def test_reasons() -> None:
    assert Choice((REFERENCE, FAST)).reason.startswith("openvino answers as onnxruntime does, 1.8")
    assert "no other" in Choice((REFERENCE, WRONG)).reason


def test_a_choice_is_kept(tried: list[Sequence[str]]) -> None:
    assert worth_choosing(SPECS, 2)
    made = choose_engine(SPECS, TASK)
    assert recall(SPECS, 2) == made == Choice((REFERENCE, FAST, WRONG))
    assert remembered_engine(SPECS, 2, float("inf")) == "openvino"
    assert not worth_choosing(SPECS, 2)
    assert len(tried) == 1


@pytest.mark.parametrize("names", [[], ["paddle"], ["paddle", "onnxruntime"]])
def test_what_is_used_without_a_trial_is_always_tried(
    tried: list[Sequence[str]], names: list[str]
) -> None:
    choose_engine(SPECS, TASK, names)
    (asked,) = tried
    assert sorted(asked) == sorted({"onnxruntime", "onnxruntime-int8", *names})


@pytest.mark.parametrize(
    ("cpu", "specs", "engine", "why"),
    [
        (NEW_CPU, SPECS, "onnxruntime-int8", "the extractor was trained for it"),
        (OLD_CPU, SPECS, "onnxruntime", "bytes would be added inexactly"),
        ({}, SPECS, "onnxruntime", "nothing is known of the processor"),
        (NEW_CPU, [UNTRAINED, SPECS[1]], "onnxruntime", "this extractor was not"),
        (NEW_CPU, SPECS[1:], "onnxruntime", "the detector computes in float32 anyway"),
        (NEW_CPU, [], "onnxruntime", "there is nothing to run"),
    ],
)
def test_what_is_used_where_nothing_was_tried(
    monkeypatch: pytest.MonkeyPatch,
    cpu: dict[str, str],
    specs: list[ModelSpec],
    engine: str,
    why: str,
) -> None:
    monkeypatch.setattr("shitu.runtime.cpu._cpuinfo", lambda: cpu)
    monkeypatch.setattr("shitu.choosing.trial.try_engines", lambda *_: pytest.fail("tried"))
    assert remembered_engine(specs, 2, float("inf")) == engine, why


def test_without_onnx_runtime_another_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shitu.runtime.cpu._cpuinfo", lambda: NEW_CPU)
    monkeypatch.setattr(
        "shitu.runtime.engines.installed_version", {"openvino": "1", "paddlepaddle": "3"}.get
    )
    assert remembered_engine(SPECS, 2, 1) == "openvino"


def test_one_package_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it computes in is known beforehand: nobody waits for a trial of it."""
    monkeypatch.setattr("shitu.runtime.engines.installed_version", {"onnxruntime": "1"}.get)
    assert not worth_choosing(SPECS, 2)


@pytest.mark.parametrize("what", ["threads", "models", "versions", "cpu"])
def test_it_is_forgotten_when_anything_changes(
    tried: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    choose_engine(SPECS, TASK)
    specs, threads = SPECS, 2
    if what == "threads":
        threads = 1
    elif what == "models":
        specs = SPECS[:1]
    elif what == "versions":
        monkeypatch.setattr("shitu.runtime.engines.installed_version", lambda package: "99")
    else:
        facts = {"model name": "other", "flags": "avx2"}
        monkeypatch.setattr("shitu.runtime.cpu._cpuinfo", lambda: facts)
    assert recall(specs, threads) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"circumstances": {}, "trials": []}'], ids=repr
)
def test_a_damaged_file_is_as_none(
    tried: list[Sequence[str]], tmp_path: Path, content: bytes
) -> None:
    choose_engine(SPECS, TASK)
    kept(tmp_path).write_bytes(content)
    assert recall(SPECS, 2) is None
    choose_engine(SPECS, TASK)
    assert recall(SPECS, 2) is not None


def test_an_engine_that_no_longer_exists_is_not_believed(
    tried: list[Sequence[str]], tmp_path: Path
) -> None:
    choose_engine(SPECS, TASK)
    fields = json.loads(kept(tmp_path).read_bytes())
    fields["trials"][1]["engine"] = "abacus"
    kept(tmp_path).write_text(json.dumps(fields))
    assert recall(SPECS, 2) is None


def test_a_home_that_cannot_be_written_does_no_harm(
    tried: list[Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert not worth_choosing(SPECS, 2)  # it would be done anew each time
    assert choose_engine(SPECS, TASK).engine() == "openvino"
    assert remembered_engine(SPECS, 2, 1) == "onnxruntime"
