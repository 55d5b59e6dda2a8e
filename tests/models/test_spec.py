"""`model.yml`: what is read from it, and what is said when it is missing, wrong or changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.models.spec import ModelFile, read_spec

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FEATURE: dict[str, Any] = {
    "name": "mine",
    "kind": "feature",
    "architecture": "pplcnetv2_base_shitu",
    "input_size": [224, 192],
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "interpolation": "antialias",
    "dim": 512,
    "threshold": 0.5,
    "files": {
        "onnx": {"path": "model.onnx", "sha256": SHA256},
        "params": {"path": "params.npz", "sha256": SHA256},
    },
}
DETECTOR = {
    **{key: value for key, value in FEATURE.items() if key != "dim"},
    "kind": "detector",
    "strides": [8, 16],
    "reg_max": 7,
}


def write(folder: Path, fields: Any) -> Path:
    folder.mkdir(exist_ok=True)
    text = fields if isinstance(fields, str) else yaml.safe_dump(fields)
    (folder / "model.yml").write_text(text, encoding="utf-8")
    for name in ("model.onnx", "params.npz"):
        (folder / name).write_bytes(CONTENT)
    return folder


def test_a_feature_extractor(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path, FEATURE))
    assert (spec.name, spec.kind, spec.dim, spec.threshold) == ("mine", "feature", 512, 0.5)
    assert spec.preprocessing.input_size == (224, 192)
    assert spec.preprocessing.mean == (0.485, 0.456, 0.406)
    assert spec.preprocessing.interpolation == "antialias"
    assert spec.files["onnx"].path == tmp_path / "model.onnx"
    assert spec.weights_sha256 == SHA256
    assert (spec.strides, spec.reg_max) == ((), 0)


def test_a_detector(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path, DETECTOR))
    assert (spec.kind, spec.strides, spec.reg_max, spec.dim) == ("detector", (8, 16), 7, 0)


@pytest.mark.parametrize("kind", [FEATURE, DETECTOR])
@pytest.mark.parametrize("name", sorted(FEATURE.keys() | DETECTOR.keys()))
def test_every_field_that_a_kind_needs_is_missed(
    tmp_path: Path, kind: dict[str, Any], name: str
) -> None:
    folder = write(tmp_path, {key: value for key, value in kind.items() if key != name})
    if name in kind:
        with pytest.raises(ModelError, match=f"model.yml lacks '{name}'"):
            read_spec(folder)
    else:
        read_spec(folder)


@pytest.mark.parametrize(
    ("changes", "message", "why"),
    [
        ({"kind": "classifier"}, "kind is 'classifier', not one of feature, detector", "unknown"),
        ({"input_size": 224}, "input_size is (height, width) in pixels, not 224.", "one number"),
        ({"input_size": [224, 224, 3]}, "input_size is (height, width)", "three numbers for two"),
        ({"input_size": [0, 224]}, "input_size is (height, width)", "no pixel"),
        ({"input_size": [1.5, 224]}, "input_size is (height, width)", "half a pixel"),
        ({"input_size": [224, 10**30]}, "at most 4096 pixels", "more than fits into memory"),
        ({"mean": [0.5, 0.5]}, "mean is three numbers, one per RGB channel, not [0.5", "two"),
        ({"std": "x"}, "std is three numbers, one per RGB channel, not 'x'", "text for numbers"),
        ({"name": []}, "name is a name, not []", "a list for a name"),
        ({"interpolation": ["linear"]}, "interpolation is a name, not ['linear']", "a list"),
        ({"std": [1, 1, 0]}, "std is three numbers above zero", "division by zero"),
        ({"interpolation": "lanczos"}, "interpolation is one of", "unknown filter"),
        ({"threshold": "high"}, "threshold is a number, not 'high'", "text for a number"),
        ({"threshold": None}, "threshold is a number, not None", "nothing for a number"),
        ({"threshold": float("nan")}, "threshold is a number, not nan", "NaN decides nothing"),
        ({"dim": 0}, "dim is a whole number above zero, not 0", "a vector without numbers"),
        ({"dim": -1}, "dim is a whole number above zero, not -1", "less than none"),
        ({"dim": "many"}, "dim is a whole number above zero, not 'many'", "text for a number"),
        ({"files": ["model.onnx"]}, "files is a path and a sha256 for each", "a list for names"),
        ({"files": {"onnx": "model.onnx"}}, "files is a path and a sha256 for", "no checksum"),
        ({"files": None}, "files is a path and a sha256 for each", "no files"),
        ({"files": {}}, "lacks 'onnx or params'", "no files"),
        ({"files": {"notes": {"path": "x", "sha256": "y"}}}, "lacks 'onnx or", "no weights"),
        ({"files": {**FEATURE["files"], "onnx": {"path": "x"}}}, "lacks 'sha256'", "no checksum"),
    ],
)
def test_fields_that_make_no_sense_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str, why: str
) -> None:
    with pytest.raises(ModelError) as caught:
        read_spec(write(tmp_path, {**FEATURE, **changes}))
    assert message in str(caught.value), why
    assert "model.yml" in str(caught.value)


@pytest.mark.parametrize("only", ["onnx", "params"])
def test_one_file_is_enough_and_is_its_identity(tmp_path: Path, only: str) -> None:
    files = {only: FEATURE["files"][only]}
    spec = read_spec(write(tmp_path, {**FEATURE, "files": files}))
    assert spec.weights_sha256 == files[only]["sha256"]


def test_a_file_that_nothing_can_be_called_is_named(tmp_path: Path) -> None:
    files = {"onnx": {"path": "a\0", "sha256": "x"}}
    spec = read_spec(write(tmp_path, {**FEATURE, "files": files}))
    with pytest.raises(WeightsNotFound, match=r"Cannot read .*a\\x00: embedded null"):
        spec.files["onnx"].verified()


@pytest.mark.parametrize(
    "changes",
    [{"strides": []}, {"strides": [8, 0]}, {"strides": 8}, {"reg_max": 0}, {"reg_max": -1}],
)
def test_a_detector_without_cells_or_bins_is_refused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(
        ModelError, match=r"(strides is|reg_max is a) whole numbers? above zero, not"
    ):
        read_spec(write(tmp_path, {**DETECTOR, **changes}))


def test_a_detector_may_see_pictures_of_one_object_in_another_size(tmp_path: Path) -> None:
    small = {"path": "small.onnx", "sha256": "0"}
    files = {**DETECTOR["files"], "onnx_main_body": small}
    spec = read_spec(write(tmp_path, {**DETECTOR, "main_body_size": [64, 96], "files": files}))
    assert spec.preprocessing.input_size == (224, 192)
    one = spec.for_main_bodies
    assert one.preprocessing.input_size == (64, 96)
    assert one.files["onnx"].path == tmp_path / "small.onnx"
    assert one.weights_sha256 == spec.weights_sha256
    usual = read_spec(write(tmp_path, DETECTOR))
    assert usual.for_main_bodies is usual


@pytest.mark.parametrize(
    ("size", "files", "message"),
    [
        ([64], {"onnx_main_body"}, "main_body_size is (height, width)"),
        ([64, 64], set(), "main_body_size goes with onnx_main_body beside onnx in files"),
    ],
)
def test_a_size_for_one_object_needs_its_file(
    tmp_path: Path, size: list[int], files: set[str], message: str
) -> None:
    some = {**DETECTOR["files"], **dict.fromkeys(files, DETECTOR["files"]["onnx"])}
    with pytest.raises(ModelError) as caught:
        read_spec(write(tmp_path, {**DETECTOR, "main_body_size": size, "files": some}))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b", "5"])
def test_a_description_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ModelError, match="is wrong: it holds no settings"):
        read_spec(write(tmp_path, text))


@pytest.mark.parametrize("content", [b"name: [", b"name: \xff\xfe", b"name: a\nname: b"])
def test_a_description_that_is_no_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.yml").write_bytes(content)
    with pytest.raises(ModelError, match="is not valid YAML") as caught:
        read_spec(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_description_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match=r"No model in .*: model.yml: No such file"):
        read_spec(tmp_path)


def test_a_complete_file_is_verified(tmp_path: Path) -> None:
    file = read_spec(write(tmp_path, FEATURE)).files["params"]
    assert file.verified() == tmp_path / "params.npz"


@pytest.mark.parametrize("content", [b"", b"weight", b"weights!", b"Weights"])
def test_a_file_that_was_cut_off_or_changed_is_refused(tmp_path: Path, content: bytes) -> None:
    file = read_spec(write(tmp_path, FEATURE)).files["params"]
    file.path.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match=f"params.npz is damaged .*expected {SHA256[:12]}"):
        file.verified()


def test_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    file = read_spec(write(tmp_path, FEATURE)).files["params"]
    file.path.unlink()
    with pytest.raises(WeightsNotFound, match=r"Cannot read .*params.npz: No such file"):
        file.verified()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match="Is a directory"):
        ModelFile(tmp_path, SHA256).verified()
