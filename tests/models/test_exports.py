"""Folders of PaddleX, PaddleClas and PaddleDetection: what the model is, and how it is used."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from exports import detector_yml, export_colours, export_detector, feature_yml, write_yml

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.models.registry import find_model, read_folder
from shitu.models.spec import Suppression


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_colours(tmp_path_factory.mktemp("export") / "PP-ShiTuV2_rec")


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_detector(tmp_path_factory.mktemp("export") / "PP-ShiTuV2_det", "levels")


@pytest.fixture
def copy(colours: Path, tmp_path: Path) -> Path:
    """A copy of the feature extractor, to be changed at will."""
    (tmp_path / "copy").mkdir()
    for path in colours.iterdir():
        (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "copy"


def test_a_feature_extractor_of_paddlex(colours: Path) -> None:
    spec = read_folder(colours)
    assert (spec.name, spec.kind, spec.dim) == ("PP-ShiTuV2_rec", "feature", 24)
    assert spec.preprocessing.input_size == (224, 224)
    assert spec.files["program"].verified() == colours / "inference.json"
    assert spec.files["weights"].verified() == colours / "inference.pdiparams"


def test_a_model_without_a_name_is_called_like_its_folder(copy: Path) -> None:
    write_yml(copy, feature_yml(name=None))
    assert read_folder(copy).name == "copy"


def test_a_detector_of_paddledetection(levels: Path, tmp_path: Path) -> None:
    spec = find_model(str(levels), "detector")
    assert (spec.head, spec.strides, spec.reg_max) == ("levels", (8, 16, 32, 64), 7)
    assert (spec.threshold, spec.labels) == (0.5, ("foreground",))
    assert spec.suppression == Suppression(0.025, 0.6, 1000, 100)
    # The same in the older name of the file, with the stricter suppression that it may ask for.
    stricter = {"nms_threshold": 0.5, "score_threshold": 0.3}
    for path in levels.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "inference.yml").unlink()
    write_yml(tmp_path, detector_yml(NMS=stricter), "infer_cfg.yml")
    assert read_folder(tmp_path).suppression == Suppression(0.3, 0.5)


def test_identity_is_that_of_graph_and_weights(copy: Path, colours: Path) -> None:
    first = read_folder(colours).weights_sha256
    assert read_folder(copy).weights_sha256 == first
    program = copy / "inference.json"
    program.write_bytes(program.read_bytes() + b" ")
    second = read_folder(copy).weights_sha256
    assert second != first
    weights = bytearray((copy / "inference.pdiparams").read_bytes())
    weights[-1] ^= 1
    (copy / "inference.pdiparams").write_bytes(weights)
    os.utime(copy / "inference.pdiparams", ns=(1, 1))
    assert read_folder(copy).weights_sha256 not in (first, second)


def test_weights_that_change_between_reading_and_opening_are_refused(copy: Path) -> None:
    file = read_folder(copy).files["weights"]
    file.path.write_bytes(b"other")
    with pytest.raises(WeightsCorrupt, match=r"inference.pdiparams is damaged"):
        file.verified()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"PostProcess": {"DetectionLoss": None}}, "postprocessing 'DetectionLoss' is not known"),
        ({"PreProcess": {}}, "lacks 'transform_ops'"),
        ({"PreProcess": {"transform_ops": [{"Mystery": None}]}}, "operator 'Mystery' is not"),
        (
            {"PreProcess": {"transform_ops": [{"ResizeImage": {"size": 192}}]}},
            r"takes pictures of \(3, 224, 224\), but it makes \(3, 192, 192\)",
        ),
    ],
)
def test_descriptions_that_cannot_be_followed(
    copy: Path, change: dict[str, Any], message: str
) -> None:
    write_yml(copy, {**feature_yml(), **change})
    with pytest.raises(ModelError, match=message) as caught:
        read_folder(copy)
    assert str(copy / "inference.yml") in str(caught.value)


def test_a_graph_without_a_description_is_not_guessed_at(copy: Path) -> None:
    (copy / "inference.yml").unlink()
    with pytest.raises(WeightsNotFound, match="does not say how pictures are prepared"):
        read_folder(copy)


@pytest.mark.parametrize("content", ["- a", "a: [", ""])
def test_a_description_that_is_none(copy: Path, content: str) -> None:
    (copy / "inference.yml").write_text(content)
    with pytest.raises(ModelError, match=r"inference.yml"):
        read_folder(copy)


def test_a_key_that_is_given_twice(copy: Path) -> None:
    path = copy / "inference.yml"
    path.write_text(path.read_text() + "PostProcess:\n  Topk: {}\n")
    with pytest.raises(ModelError, match=r"inference\.yml cannot be read .*'PostProcess' is given"):
        read_folder(copy)


@pytest.mark.parametrize(
    ("name", "message"),
    [("inference.json", "none of inference.json"), ("inference.pdiparams", "inference.pdiparams")],
)
def test_a_missing_file_is_missed(copy: Path, name: str, message: str) -> None:
    (copy / name).unlink()
    with pytest.raises(WeightsNotFound, match=message):
        read_folder(copy)


def test_a_detector_is_no_feature_extractor_nor_the_other_way(levels: Path, colours: Path) -> None:
    with pytest.raises(ModelError, match="is a detector; a feature extractor is needed"):
        find_model(str(levels), "feature")
    with pytest.raises(ModelError, match="is a feature extractor; a detector is needed"):
        find_model(str(colours), "detector")


def test_a_graph_that_is_no_picodet(copy: Path) -> None:
    write_yml(copy, detector_yml(224))
    with pytest.raises(ModelError, match="which is not what PicoDet gives"):
        read_folder(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fpn_stride": [8, 16, 0, 64]}, "fpn_stride is .*, not whole numbers above zero"),
        ({"fpn_stride": [8, 16, math.inf, 64]}, "infinity"),
        ({"draw_threshold": math.nan}, "draw_threshold is nan, not between 0 and 1"),
        ({"draw_threshold": 45}, "draw_threshold is 45.0, not between 0 and 1"),
        ({"Preprocess": [{"type": "NormalizeImage", "mean": ["1/0", 0, 0]}]}, "division by zero"),
    ],
)
def test_numbers_of_a_detector_that_make_no_sense(
    copy: Path, change: dict[str, Any], message: str
) -> None:
    write_yml(copy, detector_yml(224, **change))
    with pytest.raises(ModelError, match=rf"cannot be followed: .*{message}"):
        read_folder(copy)


def test_a_classifier_knows_its_labels(copy: Path) -> None:
    fields = {**feature_yml(), "PostProcess": {"Topk": {"topk": 5, "label_list": ["cat", 7]}}}
    write_yml(copy, fields)
    spec = read_folder(copy)
    assert (spec.kind, spec.labels) == ("classifier", ("cat", "7"))
    with pytest.raises(ModelError, match="is a classifier; a feature extractor is needed"):
        find_model(str(copy), "feature")


def test_our_own_description_comes_first(copy: Path) -> None:
    (copy / "model.yml").write_text(yaml.safe_dump({"name": "x"}))
    with pytest.raises(ModelError, match=r"model\.yml lacks 'kind'"):
        read_folder(copy)
