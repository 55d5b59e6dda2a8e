"""Exports that the engine Paddle keeps: they are made anew rather than believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu.config import DETECTOR_MODEL
from shitu.models.registry import find_model
from shitu.models.spec import ModelSpec
from shitu.runtime.engines import ENGINES, Job, open_session
from shitu.runtime.paddle_inference import exported

SPEC = find_model(DETECTOR_MODEL, "detector")

pytestmark = pytest.mark.skipif(ENGINES["paddle"].version is None, reason="Paddle is not installed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "shitu" / "paddle"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Input shapes of the exports that were made; a real one takes seconds."""
    shapes: list[tuple[int, ...]] = []

    def export(net: Any, shape: tuple[int, ...], folder: Path) -> tuple[Path, Path]:
        shapes.append(shape)
        files = folder / "inference.json", folder / "inference.pdiparams"
        for file in files:
            file.write_bytes(file.name.encode() * 100)
        return files

    monkeypatch.setattr("shitu.nets.exporting.export_paddle", export)
    monkeypatch.setattr("shitu.nets.params.load_params", lambda *_: None)
    return shapes


def contents(spec: ModelSpec) -> tuple[bytes, bytes]:
    with exported(spec) as (program, params):
        return program.read_bytes(), params.read_bytes()


def kept(cache: Path) -> dict[str, Path]:
    return {path.name: path for path in cache.rglob("*") if path.is_file()}


def test_a_network_answers_from_what_was_kept(cache: Path) -> None:
    batch = np.random.default_rng(0).normal(size=(1, 3, 416, 416)).astype(np.float32)
    first = open_session(SPEC, "paddle", Job(1)).run(batch)
    before = {name: path.stat().st_mtime_ns for name, path in kept(cache).items()}
    assert len(before) == 3
    again = open_session(SPEC, "paddle", Job(1)).run(batch)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert {name: path.stat().st_mtime_ns for name, path in kept(cache).items()} == before


@pytest.mark.parametrize("name", ["inference.json", "inference.pdiparams", "sha256.json"])
@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"[]")],
    ids=["gone", "empty", "other"],
)
def test_a_damaged_export_is_made_anew(
    cache: Path, made: list[Any], name: str, damage: Callable[[Path], Any]
) -> None:
    whole = contents(SPEC)
    damage(kept(cache)[name])
    assert contents(SPEC) == whole
    assert contents(SPEC) == whole
    assert len(made) == 2


def test_another_size_of_the_input_is_another_export(made: list[Any]) -> None:
    half = replace(SPEC, preprocessing=replace(SPEC.preprocessing, input_size=(224, 224)))
    for spec in (SPEC, half, SPEC, half):
        contents(spec)
    assert made == [(3, 416, 416), (3, 224, 224)]


def test_a_name_is_no_path(cache: Path, tmp_path: Path, made: list[Any]) -> None:
    contents(replace(SPEC, name="../../shop/v2"))
    assert kept(tmp_path) == kept(cache)


def test_where_nothing_can_be_kept_it_is_made_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: list[Any]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert contents(SPEC) == contents(SPEC)
    assert len(made) == 2
