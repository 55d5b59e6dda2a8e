"""Single models: by name and by folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exports import export_colours, export_detector, feature_yml, write_yml

from shitu import create_model, create_pipeline
from shitu.errors import Closed, ImageError, ModelError
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


LABELS = [f"class {number}" for number in range(24)]


def export_classifier(folder: Path) -> None:
    export_colours(folder)
    after = {"Topk": {"topk": 5, "label_list": LABELS}}
    write_yml(folder, {**feature_yml(), "PostProcess": after})


def test_a_classifier_names_its_best_classes(tmp_path: Path) -> None:
    export_classifier(tmp_path)
    (result,) = create_model(str(tmp_path)).predict(SCENES[0], topk=3)
    assert result["scores"] == sorted(result["scores"], reverse=True)
    assert result["label_names"] == [LABELS[place] for place in result["class_ids"]]
    assert len(result["class_ids"]) == 3


FORKED = """
import os, sys
from shitu import create_model

model = create_model(sys.argv[1])
here = next(model.predict(sys.argv[2])).json
child = os.fork()
if child == 0:
    os._exit(next(model.predict(sys.argv[2])).json != here)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")
def test_a_forked_process_opens_a_classifier_anew(tmp_path: Path) -> None:
    export_classifier(tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", FORKED, tmp_path, SCENES[0]]
    subprocess.run(command, check=True, timeout=60)


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), ("2", TypeError)])
def test_a_batch_has_a_picture_at_least(size: int, error: type[Exception]) -> None:
    model = create_model("pplcnetv2_base_shitu")
    with pytest.raises(error, match="batch_size has to be"):
        list(model.predict(SCENES[0], batch_size=size))


@pytest.mark.parametrize("export", [export_colours, export_detector, export_classifier])
def test_a_closed_model_says_so(tmp_path: Path, export: Callable[[Path], object]) -> None:
    export(tmp_path)
    model = create_model(str(tmp_path))
    assert len(list(model.predict(SCENES[0]))) == 1
    for _ in range(2):
        model.close()
    with pytest.raises(Closed, match="the model was closed"):
        list(model.predict(SCENES[0]))


@pytest.mark.filterwarnings("ignore:PP-ShiTuV2:UserWarning")
def test_a_closed_pipeline_says_so() -> None:
    pipeline = create_pipeline(pipeline="PP-ShiTuV2")
    index = pipeline.build_index([str(path) for path in SCENES], ["a", "b"])
    for _ in range(2):
        pipeline.close()
    with pytest.raises(Closed, match="the workspace was closed"):
        list(pipeline.predict(SCENES[0], index=index))


def test_the_picture_of_a_result_can_be_drawn_into() -> None:
    (result,) = create_model("pplcnetv2_base_shitu").predict(SCENES[0])
    picture = result["input_img"]
    assert picture.flags.c_contiguous
    assert picture.flags.writeable
    assert np.array_equal(picture[..., ::-1], load_image(SCENES[0]))


def test_an_array_that_is_no_picture_is_told_the_order_of_paddlex() -> None:
    (given,) = pictures_of(np.zeros((2, 3, 3)))
    with pytest.raises(ImageError, match="uint8 in BGR order"):
        given.load()


def test_a_model_that_is_none() -> None:
    with pytest.raises(ModelError, match="nobody"):
        create_model("nobody")
    with pytest.raises(TypeError, match="model_name has to be a path, not NoneType"):
        create_model()


def test_options_that_make_no_sense_are_named(tmp_path: Path) -> None:
    export_classifier(tmp_path)
    for topk, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="topk has to be"):
            next(create_model(str(tmp_path)).predict(SCENES[0], topk=topk))
    detector = create_model("picodet_lcnet_mainbody")
    for threshold, error in (("0.3", TypeError), (float("nan"), ValueError)):
        with pytest.raises(error, match="threshold has to be a number"):
            next(detector.predict(SCENES[0], threshold=threshold))
