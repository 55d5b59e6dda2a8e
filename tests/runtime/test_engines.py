"""Which engines there are, and what is said where one cannot be had."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import shitu.config
from shitu.config import FEATURE_MODEL
from shitu.errors import ModelError
from shitu.models.registry import find_model
from shitu.runtime import engines
from shitu.runtime.cache import cache_folder, replace_file
from shitu.runtime.engines import ENGINES, Job, open_session

SPEC = find_model(FEATURE_MODEL, "feature")


def test_the_setting_knows_all_engines() -> None:
    assert set(shitu.config.ENGINES) - {"auto"} == set(ENGINES)


def test_an_engine_names_itself_and_its_version() -> None:
    assert open_session(SPEC, "onnxruntime", Job(1)).engine == "onnxruntime"
    assert ENGINES["onnxruntime"].version


def test_one_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(engines, "version", missing)
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
