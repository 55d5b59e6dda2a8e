"""Single models: by name and by folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exports import export_colours, export_detector, feature_yml, write_yml

from shitu import create_model
from shitu.errors import ImageError, ModelError
from shitu.images import load_image
from shitu.paddlex.pictures import pictures_of

SCENES = sorted((Path(__file__).parents[2] / "gallery" / "scenes").glob("*.jpg"))[:2]


def test_an_exported_feature_extractor_in_batches(tmp_path: Path) -> None:
    model = create_model(str(export_colours(tmp_path)))
    paths = [str(path) for path in SCENES]
    one, two = (list(model.predict(paths, batch_size=n)) for n in (1, 2))
    assert [result["input_path"] for result in one] == paths
    for a, b in zip(one, two, strict=True):
        assert np.allclose(a["feature"], b["feature"], atol=1e-6)
        assert a["feature"].shape == (24,)
    array = np.ascontiguousarray(load_image(SCENES[0])[..., ::-1])
    (from_array,) = model.predict(array)
    assert np.allclose(from_array["feature"], one[0]["feature"], atol=1e-6)


def test_an_exported_detector_and_its_threshold(tmp_path: Path) -> None:
    model = create_model("PP-ShiTuV2_det", model_dir=str(export_detector(tmp_path)))
    (usual,), (all_,) = (list(model.predict(SCENES[0], threshold=t)) for t in (None, 0.05))
    assert all(box["score"] > 0.5 for box in usual["boxes"])
    assert len(all_["boxes"]) > len(usual["boxes"]) >= 1


def test_a_classifier_names_its_best_classes(tmp_path: Path) -> None:
    export_colours(tmp_path)
    labels = [f"class {number}" for number in range(24)]
    after = {"Topk": {"topk": 5, "label_list": labels}}
    write_yml(tmp_path, {**feature_yml(), "PostProcess": after})
    (result,) = create_model(str(tmp_path)).predict(SCENES[0], topk=3)
    assert result["scores"] == sorted(result["scores"], reverse=True)
    assert result["label_names"] == [labels[place] for place in result["class_ids"]]
    assert len(result["class_ids"]) == 3


def test_an_array_that_is_no_picture_is_told_the_order_of_paddlex() -> None:
    (given,) = pictures_of(np.zeros((2, 3, 3)))
    with pytest.raises(ImageError, match="uint8 in BGR order"):
        given.load()


def test_a_model_that_is_none() -> None:
    with pytest.raises(ModelError, match="nobody"):
        create_model("nobody")
