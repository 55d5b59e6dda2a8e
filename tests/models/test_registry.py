"""Names of models: the embedded ones, folders, and names that are neither."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_spec import DETECTOR, FEATURE, write

from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.models import registry
from shitu.models.registry import find_model, model_names


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two models, and a folder that is none."""
    weights = tmp_path / "weights"
    weights.mkdir()
    write(weights / "net_b", FEATURE)
    write(weights / "net_a", DETECTOR)
    (weights / "unfinished").mkdir()
    monkeypatch.setattr(registry, "_EMBEDDED", weights)
    return weights


def test_names_are_sorted_and_only_those_of_models(embedded: Path) -> None:
    assert model_names() == ["net_a", "net_b"]


def test_a_name_is_found_in_the_package(embedded: Path) -> None:
    assert find_model("net_b", "feature").files["onnx"].path == embedded / "net_b" / "model.onnx"
    assert find_model("net_a", "detector").kind == "detector"


def test_a_folder_is_a_name(embedded: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "my model", FEATURE)
    file = find_model(str(folder), "feature").files["params"]
    assert file.path == folder / "params.npz"
    file.path.write_bytes(b"")
    with pytest.raises(WeightsCorrupt, match=r"Fetch or export it again\.$"):
        file.verified()


def test_the_package_comes_before_a_folder_of_the_same_name(
    embedded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "net_b", {**FEATURE, "name": "other"})
    assert find_model("net_b", "feature").name == "mine"
    assert find_model("./net_b", "feature").name == "other"


def test_a_folder_that_is_no_model_says_so(embedded: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match="No model in "):
        find_model(str(tmp_path), "feature")


@pytest.mark.parametrize("absolute", [True, False])
def test_a_file_is_no_folder_that_is_gone(
    tmp_path: Path, absolute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").touch()
    name = str(tmp_path / "model.onnx") if absolute else "model.onnx"
    with pytest.raises(ModelError, match=r"model\.onnx is a file: name the folder of a model"):
        find_model(name, "feature")


@pytest.mark.parametrize(
    "name",
    ["net_c", "unfinished", "weights/net_a.onnx", "..\0", pytest.param("x" * 5000, id="long")],
)
def test_an_unknown_name_lists_the_known_ones(embedded: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"Known: net_a, net_b, and .*; or give a folder"):
        find_model(name, "feature")


@pytest.mark.parametrize(
    ("name", "wanted", "found"),
    [
        ("net_a", "feature", "is a detector; a feature extractor is needed here, such as net_b"),
        ("net_b", "detector", "is a feature extractor; a detector is needed here, such as net_a"),
    ],
)
def test_a_model_of_the_wrong_kind_is_refused(
    embedded: Path, name: str, wanted: str, found: str
) -> None:
    with pytest.raises(ModelError, match=found):
        find_model(name, wanted)


@pytest.mark.parametrize(
    ("name", "kind"), [(FEATURE_MODEL, "feature"), (DETECTOR_MODEL, "detector")]
)
def test_the_default_models_come_with_the_package_undamaged(name: str, kind: str) -> None:
    spec = find_model(name, kind)
    for file in spec.files.values():
        file.verified()
    assert -1 <= spec.threshold <= 1
