"""Which engines there are, and what is said where one cannot be had."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import shitu.config
from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.errors import ModelError
from shitu.images import load_image
from shitu.models.registry import find_model
from shitu.runtime import engines
from shitu.runtime.cache import cache_folder, replace_file
from shitu.runtime.cpu import Cpu, this_cpu
from shitu.runtime.engines import EIGHT_BITS, ENGINES, Job, open_session

SAMPLE = Path(__file__).parents[2] / "gallery"
SPEC = find_model(FEATURE_MODEL, "feature")
DETECTOR = find_model(DETECTOR_MODEL, "detector")
needs_vnni = pytest.mark.skipif(
    not this_cpu().adds_bytes_exactly, reason="this CPU has no VNNI instructions"
)


def test_the_setting_knows_all_engines() -> None:
    assert set(shitu.config.ENGINES) - {"auto"} == set(ENGINES)


def test_an_engine_names_itself_and_its_version() -> None:
    assert open_session(SPEC, "onnxruntime", Job(1)).engine == "onnxruntime"
    assert ENGINES["onnxruntime"].version


EIGHT_BIT_ENGINES = [
    "onnxruntime-int8",
    pytest.param(
        "openvino-int8",
        marks=pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed"),
    ),
]


@needs_vnni
@pytest.mark.parametrize("engine", EIGHT_BIT_ENGINES)
def test_in_8_bits_the_extractor_points_where_it_did(engine: str) -> None:
    products = sorted((SAMPLE / "products").iterdir())[::4]
    pictures = SPEC.preprocessing([load_image(sorted(one.iterdir())[0]) for one in products])
    exact, rounded = (
        open_session(SPEC, name, Job(1)).run(pictures)[0] for name in ("onnxruntime", engine)
    )
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(rounded, axis=1)
    cosines = (exact * rounded).sum(1) / norms
    assert (cosines > 0.99).all()
    assert (cosines < 0.99999).all()


@pytest.mark.parametrize("engine", EIGHT_BIT_ENGINES)
def test_in_8_bits_the_detector_stays_as_it_is(engine: str) -> None:
    assert ENGINES[engine].file_of(SPEC) == EIGHT_BITS
    assert ENGINES[engine].file_of(DETECTOR) == "onnx"
    assert ENGINES[engine].runs(DETECTOR)
    assert open_session(DETECTOR, engine, Job(1)).engine == engine


@pytest.mark.parametrize("engine", EIGHT_BIT_ENGINES)
def test_8_bits_need_a_cpu_that_adds_them_exactly(
    monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    old = Cpu("old", ("sse2", "avx2"), 1)
    monkeypatch.setattr(engines, "this_cpu", lambda: old)
    with pytest.raises(ModelError, match=rf"{engine} needs a CPU with VNNI .* auto"):
        open_session(SPEC, engine, Job(1))
    assert open_session(DETECTOR, engine, Job(1)).engine == engine
    assert not old.adds_bytes_exactly
    assert Cpu("new", ("sse2", "avx_vnni"), 1).adds_bytes_exactly
    assert Cpu("unknown", (), 1).adds_bytes_exactly


def test_a_model_without_the_file_that_an_engine_reads_says_so() -> None:
    files = {name: file for name, file in SPEC.files.items() if name != "onnx_int8"}
    with pytest.raises(ModelError, match=r"has no onnx_int8 file, .* use the engine auto"):
        open_session(replace(SPEC, files=files), "onnxruntime-int8", Job(1))


def test_one_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "installed_version", lambda package: None)
    with pytest.raises(ModelError, match=r"engine openvino needs .* `pip install openvino`"):
        open_session(SPEC, "openvino", Job())
    with pytest.raises(ModelError, match=r"`pip install paddlepaddle`"):
        open_session(SPEC, "paddle", Job())


def test_a_cache_folder_that_cannot_be_made_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert cache_folder("openvino") is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("openvino") == tmp_path / "shitu" / "openvino"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    assert replace_file(tmp_path / "a", b"one")
    assert replace_file(tmp_path / "a", b"two")
    assert not replace_file(tmp_path / "nowhere" / "a", b"x")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"two"}
