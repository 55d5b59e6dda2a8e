"""Upstream's preprocessing -> ours; what is not understood is never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from exports import detector_yml, feature_yml

from shitu.models.operators import (
    UnknownOperator,
    detector_preprocessing,
    feature_preprocessing,
)
from shitu.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing


def feature(size: Any = 224, **resize: Any) -> Preprocessing:
    return feature_preprocessing(feature_yml(size, **resize)["PreProcess"]["transform_ops"])


def operators(resize: dict[str, Any], **normalize: Any) -> list[dict[str, Any]]:
    return [{"ResizeImage": resize}, {"NormalizeImage": normalize}, {"ToCHWImage": None}]


def test_the_official_feature_extractors() -> None:
    assert feature([224, 224]) == Preprocessing((224, 224), IMAGENET_MEAN, IMAGENET_STD, "linear")


def test_the_example_of_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    example = text.split("```yaml\nPreProcess:")[1].split("```")[0]
    fields = yaml.safe_load("PreProcess:" + example)
    assert fields["PostProcess"] == {"NormalizeFeatures": None}
    assert feature_preprocessing(fields["PreProcess"]["transform_ops"]) == feature([224, 224])


def test_a_size_is_width_then_height() -> None:
    assert feature([320, 192]).input_size == (192, 320)


def test_the_clip_variants_are_resized_as_paddlex_does() -> None:
    assert feature(224, interpolation="bicubic").interpolation == "linear"


def test_the_official_detector() -> None:
    wanted = Preprocessing((640, 640), IMAGENET_MEAN, IMAGENET_STD, "cubic")
    assert detector_preprocessing(detector_yml(640)["Preprocess"]) == wanted
    linear = detector_preprocessing(detector_yml(640, interp=1)["Preprocess"])
    assert linear.interpolation == "linear"


def test_detectors_give_height_before_width() -> None:
    entries = detector_yml()["Preprocess"]
    entries[0]["target_size"] = [320, 640]
    assert detector_preprocessing(entries).input_size == (320, 640)


def test_a_classifier_is_resized_by_the_short_side_and_cropped() -> None:
    entries = [
        {"ResizeImage": {"resize_short": 256}},
        {"CropImage": {"size": 224}},
        {"NormalizeImage": {"order": "", "scale": "1.0/255.0"}},
        {"ToCHWImage": None},
    ]
    read = feature_preprocessing(entries)
    assert (read.input_size, read.resize_short) == ((224, 224), 256)
    assert (read.mean, read.std) == (IMAGENET_MEAN, IMAGENET_STD)
    tall = np.random.default_rng(1).integers(0, 256, (512, 256, 3), dtype=np.uint8)
    assert np.array_equal(read.resize(tall), tall[144:368, 16:240])


def test_values_stay_pixels_where_nothing_scales_them() -> None:
    read = feature_preprocessing([{"ResizeImage": {"size": 2}}, {"ToCHWImage": None}])
    picture = np.full((2, 2, 3), 7, np.uint8)
    assert (read([picture]) == 7).all()
    assert read.fingerprint() != Preprocessing((2, 2)).fingerprint()


def test_a_detector_that_is_only_divided_by_255() -> None:
    entries = detector_yml()["Preprocess"]
    entries[1] = {
        "type": "NormalizeImage",
        "is_scale": True,
        "norm_type": "none",
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
    }
    read = detector_preprocessing(entries)
    assert (read.mean, read.std, read.scale) == ((0, 0, 0), (1, 1, 1), 1 / 255)


def test_padding_to_a_stride_that_the_size_has_anyway_is_nothing() -> None:
    entries = [*detector_yml()["Preprocess"], {"type": "PadStride", "stride": 32}]
    assert detector_preprocessing(entries) == detector_preprocessing(detector_yml()["Preprocess"])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"RandFlipImage": {"flip_code": 1}}], "operator 'RandFlipImage' is not known"),
        (operators({"size": 224, "backend": "pil"}), "backend 'pil'"),
        (operators({"size": 224, "interpolation": "hamming"}), "interpolation 'hamming'"),
        (operators({"size": 224, "tilt": 3}), "unknown setting 'tilt'"),
        (operators({"size": [1, 2, 3]}), "not one or two numbers"),
        (operators({"size": "big"}), "not one or two numbers"),
        (operators({"resize_short": 256}), "to what size"),
        (operators({"size": 224}, channel_num=4), "not of three channels"),
        (operators({"size": 224}, output_fp16=True), "unknown setting 'output_fp16'"),
        (operators({"size": 224}, mean=[0.5]), "the mean .* not three numbers"),
        ([{"CropImage": {"size": 224}}], "does not follow"),
        ([{"ResizeImage": {"size": 224}}, *operators({"size": 112})], "ResizeImage is given twice"),
        ([{"ResizeImage": {"size": 224}, "NormalizeImage": {}}], "NormalizeImage are one entry"),
        ([], "to what size"),
    ],
)
def test_what_a_feature_extractor_asks_for_in_vain(entries: list[Any], message: str) -> None:
    with pytest.raises(UnknownOperator, match=message):
        feature_preprocessing(entries)


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (0, {"keep_ratio": True}, "keeps the aspect"),
        (0, {"interp": 4}, "interpolation 4"),
        (0, {"type": "LetterBoxResize"}, "operator 'LetterBoxResize' is not known"),
        (0, {"target_size": None}, "not one or two numbers"),
        (1, {"norm_type": "none"}, "norm_type 'none'"),
        (2, {"to_bgr": True}, "unknown setting 'to_bgr'"),
        (2, {"type": "PadStride", "stride": 128}, "would pad"),
    ],
)
def test_what_a_detector_asks_for_in_vain(place: int, change: dict[str, Any], message: str) -> None:
    entries = detector_yml()["Preprocess"]
    entries[place] = {**entries[place], **change}
    with pytest.raises(UnknownOperator, match=message):
        detector_preprocessing(entries)
