"""Exported models at work: the boxes of our own detector, and a gallery made with them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exports import (
    DETECTOR,
    WEIGHTS,
    detector_yml,
    export_colours,
    export_detector,
    export_old_detector,
    feature_yml,
    write_yml,
)
from fakes import FakeSession

from shitu import Workspace
from shitu.detector import Detections, Detector, NmsDetector, exported_finder
from shitu.errors import ModelError, SpaceMismatch
from shitu.images import load_image
from shitu.models.graphs import read_graph
from shitu.models.registry import read_folder
from shitu.models.spec import read_spec
from shitu.preprocess import Preprocessing
from shitu.runtime.exported import open_exported
from shitu.runtime.onnx_runtime import OnnxRuntimeSession

SAMPLE = Path(__file__).parents[1] / "gallery"
SCENES = [load_image(SAMPLE / "scenes" / f"scene0{n}.jpg") for n in (1, 4)]


@pytest.fixture(scope="module")
def ours() -> list[Detections]:
    """What our own detector finds, prepared as upstream prepares pictures."""
    spec = read_spec(DETECTOR)
    preprocessing = replace(spec.preprocessing, interpolation="cubic")
    session = OnnxRuntimeSession(DETECTOR / "model.onnx", threads=1)
    return Detector(session, preprocessing, spec.strides, spec.reg_max).detect(SCENES)


@pytest.mark.parametrize(
    ("head", "nearest"), [("nms", False), ("nms", True), ("boxes", False), ("levels", False)]
)
def test_detectors_find_the_same_however_they_were_exported(
    tmp_path: Path, ours: list[Detections], head: str, nearest: bool
) -> None:
    spec = read_folder(export_detector(tmp_path, head, nearest=nearest))
    assert spec.head == head
    finder = exported_finder(spec, open_exported(spec, 1), explain_above=0.4)
    for found, wanted in zip(finder.detect(SCENES), ours, strict=True):
        clear = int((wanted.scores > 0.3).sum())
        assert clear >= 1
        assert np.abs(found.xyxy[:clear] - wanted.xyxy[:clear]).max() < 0.01
        assert np.abs(found.scores[:clear] - wanted.scores[:clear]).max() < 1e-4
    assert finder.detect([]) == []


def test_onnx_files_beside_upstreams_descriptions(tmp_path: Path, ours: list[Detections]) -> None:
    for name, fields in (
        ("picodet_lcnet_mainbody", detector_yml(416)),
        ("pplcnetv2_base_shitu", feature_yml([224, 224])),
    ):
        folder = write_yml(tmp_path / name, fields)
        shutil.copy(WEIGHTS / name / "model.onnx", folder / "inference.onnx")
    models = {
        "feature_model": str(tmp_path / "pplcnetv2_base_shitu"),
        "detector_model": str(tmp_path / "picodet_lcnet_mainbody"),
    }
    with Workspace(tmp_path / "index", engine="onnxruntime", **models) as shop:
        assert shop.lineup.detector_spec().head == "raw"
        for found, wanted in zip(shop.detect(SCENES), ours, strict=True):
            assert np.abs(found.xyxy - wanted.xyxy).max() < 0.01
        assert shop.embed(SCENES).shape == (2, 512)


@pytest.mark.parametrize("classes", [3, 4])
def test_raw_scores_of_four_classes_are_no_boxes(
    tmp_path: Path, ours: list[Detections], classes: int
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(DETECTOR / "model.onnx")
    scores = model.graph.output[0]
    repeated = onnx.helper.make_node("Concat", [scores.name] * classes, ["repeated"], axis=2)
    model.graph.node.append(repeated)
    scores.name = "repeated"
    scores.type.tensor_type.shape.dim[2].dim_value = classes
    onnx.save(model, write_yml(tmp_path, detector_yml(416)) / "inference.onnx")
    spec = read_folder(tmp_path)
    assert (spec.head, spec.reg_max) == ("raw", 7)
    finder = exported_finder(spec, open_exported(spec, 1), explain_above=0.4)
    for found, wanted in zip(finder.detect(SCENES), ours, strict=True):
        assert np.abs(found.xyxy - wanted.xyxy).max() < 0.01


@pytest.mark.filterwarnings("ignore::DeprecationWarning:paddle")
def test_a_paddle_2_program_of_paddledetection(tmp_path: Path) -> None:
    folder = export_old_detector(tmp_path)
    assert {path.name for path in folder.glob("model.*")} == {"model.pdmodel", "model.pdiparams"}
    graph = read_graph(folder / "model.pdmodel")
    assert list(graph.inputs) == ["image", "scale_factor"]
    assert graph.outputs == ((-1, 6), (-1,))
    spec = read_folder(folder)
    finder = exported_finder(spec, open_exported(spec, 1), explain_above=0.4)
    pictures = [np.zeros((128, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)]
    tall, square = finder.detect(pictures)
    assert tall.xyxy.tolist() == [[8, 16, 32, 64], [40, 80, 60, 120]]
    assert square.xyxy.tolist() == [[8, 8, 32, 32], [40, 40, 60, 60]]
    assert square.scores.tolist() == pytest.approx([0.9, 0.6])


def test_a_paddle_graph_without_paddle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = read_folder(export_colours(tmp_path))
    monkeypatch.setattr("shitu.runtime.exported.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"is a Paddle graph, .* `pip install paddlepaddle`"):
        open_exported(spec, 1)


class Rows(FakeSession):
    """A graph with suppression that answers with these rows."""

    inputs = ("image", "im_shape", "scale_factor")

    def __init__(self, rows: list[list[float]], counts: list[int]) -> None:
        super().__init__(lambda batch: [])
        self.answer = [np.array(rows, np.float32).reshape(-1, 6), np.array(counts, np.int32)]
        self.feeds: dict[str, np.ndarray] = {}

    def run_named(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.feeds = feeds
        return self.answer


PICTURES = [np.zeros((20, 40, 3), np.uint8), np.zeros((10, 10, 3), np.uint8)]


def test_boxes_of_a_batch_go_to_their_pictures_best_first_and_clipped() -> None:
    rows = [
        [0, 0.5, 1, 1, 5, 5],
        [0, 0.9, -3, 2, 90, 30],
        [0, 0.4, 50, 3, 60, 5],
        [-1, 0] + [0] * 4,
    ]
    session = Rows(rows, [3, 1])
    first, second = NmsDetector(session, Preprocessing((32, 32))).detect(PICTURES)
    assert first.xyxy.tolist() == [[0, 2, 40, 20], [1, 1, 5, 5]]  # the third is outside of it
    assert first.scores.tolist() == pytest.approx([0.9, 0.5])
    assert len(second) == 0
    assert session.feeds["scale_factor"].tolist() == pytest.approx(
        np.array([[1.6, 0.8], [3.2, 3.2]])
    )
    assert session.feeds["im_shape"].tolist() == [[32, 32], [32, 32]]


def test_counts_that_do_not_fit_the_boxes_are_refused() -> None:
    with pytest.raises(ModelError, match=r"returned 1 boxes and says \[2, 0\]"):
        NmsDetector(Rows([[0] * 6], [2, 0]), Preprocessing((32, 32))).detect(PICTURES)


def test_an_unknown_input_is_not_guessed() -> None:
    session = Rows([], [0, 0])
    session.inputs = ("image", "mystery")
    with pytest.raises(ModelError, match="unknown input 'mystery'"):
        NmsDetector(session, Preprocessing((32, 32))).detect(PICTURES)


def test_a_gallery_is_made_and_searched_with_exported_models(tmp_path: Path) -> None:
    rec = export_colours(tmp_path / "rec")
    det = export_detector(tmp_path / "det")
    pictures = {path.name: sorted(path.iterdir()) for path in (SAMPLE / "products").glob("[!.]*")}
    models = {"feature_model": str(rec), "detector_model": str(det)}
    with Workspace(tmp_path / "index", **models) as shop:
        for label in sorted(pictures)[:3]:
            shop.add(pictures[label][:1], label)
        found = shop.recognize(pictures[sorted(pictures)[1]][0])
        assert found.objects[0].label == sorted(pictures)[1]
        assert found.objects[0].score == pytest.approx(1, abs=0.02)
    with Workspace(tmp_path / "index") as again:  # the gallery remembers its models
        assert again.lineup.feature == str(rec)
        assert again.catalog.space.dim == 24
    with (
        Workspace(tmp_path / "index", detector_model="none", feature_model=str(rec)) as other,
        pytest.raises(SpaceMismatch),
    ):
        other.recognize(pictures[sorted(pictures)[1]][0])
