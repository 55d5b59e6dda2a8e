"""Which networks are measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.networks import Network, list_networks

from shitu.errors import ConfigError, ModelError
from shitu.models.registry import find_model

DEFAULT = "pplcnetv2_base_shitu"
MakeModel = Callable[[Path], Path]


def test_the_model_of_the_settings_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    threshold = find_model(DEFAULT, "feature").threshold
    assert list_networks([], None) == [Network(DEFAULT, DEFAULT, threshold)]
    monkeypatch.setenv("SHITU_THRESHOLD", "0.9")
    assert list_networks([], None) == [Network(DEFAULT, DEFAULT, 0.9)]


def test_models_in_the_order_given_then_teachers_by_name(
    make_model: MakeModel, tmp_path: Path
) -> None:
    own = str(make_model(tmp_path / "own"))
    for name in ("t2", "t1"):
        make_model(tmp_path / "teachers" / name)
    found = list_networks([own, DEFAULT, own], tmp_path / "teachers")
    assert [network.name for network in found] == [own, DEFAULT, "t1", "t2"]
    assert [network.teacher for network in found] == [False, False, True, True]
    assert found[0].threshold == 0.25
    assert found[2].model == str(tmp_path / "teachers" / "t1")


def test_unknown_models_and_empty_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No model is called 'nothing'"):
        list_networks(["nothing"], None)
    with pytest.raises(ModelError, match=r"No folder with a model.yml.*export_teachers"):
        list_networks([], tmp_path)


def test_two_of_one_name_are_an_error(make_model: MakeModel, tmp_path: Path) -> None:
    make_model(tmp_path / DEFAULT)
    with pytest.raises(ConfigError, match=f"Two networks are called {DEFAULT}"):
        list_networks([], tmp_path)
