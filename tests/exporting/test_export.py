"""What is exported gives the same vectors, or is not written."""

from __future__ import annotations

import errno
import json
import re
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_clip
import yaml
from click.testing import CliRunner
from exports import WEIGHTS, export_detector, feature_yml, save, write_yml

from shitu.cli import main
from shitu.detector import Detector, NmsDetector, exported_finder
from shitu.detector.picodet import cells
from shitu.errors import ModelError
from shitu.exporting import export, export_graph, parity, source_of_model, source_of_weights
from shitu.exporting.int8 import rounds_what_flows
from shitu.exporting.made import made_whole
from shitu.exporting.parity import made_up
from shitu.images import load_image
from shitu.models.graphs import read_graph
from shitu.models.registry import find_model, read_folder
from shitu.nets import BUILDERS, build
from shitu.nets._paddle import paddle
from shitu.nets.embedding_net import general_recognition_v2
from shitu.nets.layers import fuse
from shitu.nets.params import load_params
from shitu.runtime.cpu import this_cpu
from shitu.runtime.engines import EIGHT_BITS
from shitu.runtime.exported import open_exported
from shitu.runtime.onnx_runtime import OnnxRuntimeSession
from shitu.runtime.paddle_inference import PaddleInferenceSession

FEATURE, DETECTOR = "pplcnetv2_base_shitu", "picodet_lcnet_mainbody"
SAMPLE = Path(__file__).parents[2] / "gallery" / "scenes"
needs_paddle2onnx = pytest.mark.skipif(
    not find_spec("paddle2onnx"), reason="paddle2onnx is not installed (scripts/check_export)"
)


@pytest.fixture(autouse=True)
def _one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layer by layer in Paddle takes its time."""
    monkeypatch.setattr(parity, "_MADE_UP", 1)


def original(name: str, kind: str, image: Any) -> list[np.ndarray]:
    spec = find_model(name, kind)
    return OnnxRuntimeSession(spec.files["onnx"].path).run(spec.preprocessing([image]))


@pytest.fixture
def tiny_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of an open_clip with both towers, for the architecture clip_vit_tiny."""
    for name, builder in tiny_clip.BUILDERS.items():
        monkeypatch.setitem(BUILDERS, name, builder)
    return tiny_clip.save_weights(tmp_path / "tiny.safetensors")


@pytest.mark.parametrize(("name", "kind"), [(FEATURE, "feature"), (DETECTOR, "detector")])
def test_onnx_is_a_folder_that_a_model_is_read_from(name: str, kind: str, tmp_path: Path) -> None:
    summary = export(source_of_model(find_model(name, kind)), "onnx", tmp_path / "out")
    assert summary.cosine > 0.9999
    assert summary.compared == 1
    spec = read_folder(tmp_path / "out")
    assert (spec.name, spec.kind, spec.dim) == (name, kind, find_model(name, kind).dim)
    assert spec.preprocessing == find_model(name, kind).preprocessing
    mine, its = spec.for_main_bodies, find_model(name, kind).for_main_bodies
    assert mine.preprocessing == its.preprocessing
    assert mine.files["onnx"].verified().read_bytes() == its.files["onnx"].verified().read_bytes()
    image = made_up(99)
    found = OnnxRuntimeSession(spec.files["onnx"].verified()).run(spec.preprocessing([image]))
    for a, b in zip(found, original(name, kind, image), strict=True):
        assert np.array_equal(a, b)


def test_paddle_is_a_folder_as_paddlex_has_them(tmp_path: Path) -> None:
    spec = find_model(FEATURE, "feature")
    summary = export(source_of_model(spec), "paddle", tmp_path / "out")
    assert set(summary.files) == {"inference.json", "inference.pdiparams", "inference.yml"}
    read = read_folder(tmp_path / "out")
    assert (read.name, read.kind) == (FEATURE, "feature")
    resized, unknown = summary.notes
    assert resized.endswith("PaddleX resizes otherwise, and its vectors differ a little.")
    assert f"give --threshold {spec.threshold:g}, in PaddleX rec_threshold" in unknown
    assert (spec.threshold, read.threshold) == (0.34, 0.5)
    files = (read.files[key].path for key in ("program", "weights"))
    found = PaddleInferenceSession(*files).run(spec.preprocessing([made_up(99)]))
    for a, b in zip(found, original(FEATURE, "feature", made_up(99)), strict=True):
        assert np.abs(a - b).max() <= 1e-3 * max(1.0, np.abs(b).max())


def test_a_detector_for_paddlex_gives_boxes(tmp_path: Path) -> None:
    spec = find_model(DETECTOR, "detector")
    source = source_of_model(spec).called("PP-ShiTuV2_det")
    summary = export(source, "paddle", tmp_path / "out", SAMPLE / "scene01.jpg")
    assert set(summary.files) == {"inference.json", "inference.pdiparams", "inference.yml"}
    read = read_folder(tmp_path / "out")
    assert (read.name, read.kind, read.head) == ("PP-ShiTuV2_det", "detector", "nms")
    assert list(read_graph(read.files["program"].path).inputs) == ["image", "scale_factor"]
    image = load_image(SAMPLE / "scene02.jpg")
    session = OnnxRuntimeSession(spec.files["onnx"].path)
    wanted = Detector(session, spec.preprocessing, spec.strides, spec.reg_max).detect([image])[0]
    # Its description says how pictures are resized upstream; here, as for the original.
    finder = NmsDetector(open_exported(read, 1), spec.preprocessing)
    found, again = finder.detect([image, image[:, ::-1]])
    sure = int((wanted.scores > 0.3).sum())
    assert sure >= 2
    assert np.abs(found.xyxy[:sure] - wanted.xyxy[:sure]).max() < 0.5
    assert np.abs(found.scores[:sure] - wanted.scores[:sure]).max() < 1e-3
    assert len(again.scores)
    upstream = exported_finder(read, open_exported(read, 1), 0.4).detect([image])[0]
    assert upstream.scores[0] > 0.3, "the folder can be read alone"


def test_a_detector_whose_graph_finds_another_box_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def shifted(*arguments: Any) -> tuple[Any, Any]:
        centres, strides = cells(*arguments)
        return centres + np.float32(3), strides

    monkeypatch.setattr("shitu.exporting.suppressed.cells", shifted)
    source = source_of_model(find_model(DETECTOR, "detector"))
    with pytest.raises(ModelError, match=r"box on .*scene01.jpg is not the original's"):
        export(source, "paddle", tmp_path / "out", SAMPLE / "scene01.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_differs_fails_and_nothing_is_left(tmp_path: Path) -> None:
    source = source_of_model(find_model(FEATURE, "feature"))
    with pytest.raises(ModelError, match=r"cosine .* on made-up picture 1.*Nothing was") as told:
        export(source, "onnx", tmp_path / "out", least=1.0000001)
    reached, wanted = re.findall(r"[01]\.\d+", str(told.value))
    assert reached < wanted
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_gives_less_than_the_network_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    source = source_of_model(find_model(DETECTOR, "detector"))
    other = onnx.load(source.onnx)
    del other.graph.output[1]
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"gives 1 output for made-up picture 1 .* gives 2\."):
        export(replace(source, onnx=tmp_path / "other.onnx"), "onnx", tmp_path / "out")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    source = source_of_model(find_model(FEATURE, "feature"))
    with pytest.raises(ModelError, match="not empty"):
        export(source, "onnx", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("place", ["file/out", "file/deeper/out", "x" * 300])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    source = source_of_model(find_model(DETECTOR, "detector"))
    with pytest.raises(ModelError, match=rf"folder .*{place} cannot be written .*name another"):
        export(source, "onnx", tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("place", [".", "link", "deeper/new"])
def test_an_empty_folder_is_written_into(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "link").symlink_to(tmp_path / "other")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other" if place == "." else tmp_path / "real")
    with made_whole(Path(place)) as made:
        (made / "model.onnx").write_bytes(b"whole")
    assert [path.name for path in Path(place).iterdir()] == ["model.onnx"]
    assert (tmp_path / "real" / "link").is_symlink()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with made_whole(tmp_path / "out") as made:
            (made / "model.onnx").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelError, match="No space left"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_int8_wants_pictures_and_is_smaller(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("ml_dtypes")
    source = source_of_model(find_model(DETECTOR, "detector"))
    with pytest.raises(ModelError, match="give --pictures"):
        export(source, "int8", tmp_path / "out")
    (tmp_path / "one").mkdir()
    shutil.copy(SAMPLE / "scene01.jpg", tmp_path / "one")
    summary = export(source, "int8", tmp_path / "out", tmp_path / "one", least=0.5)
    assert summary.files["model.onnx"] < 0.85 * source.onnx.stat().st_size  # type: ignore[union-attr]
    (note,) = summary.notes
    assert note.startswith("Its weights alone") != rounds_what_flows(tmp_path / "out")
    spec = read_folder(tmp_path / "out")
    assert spec.weights_sha256 == spec.files["onnx"].sha256  # a space of its own


def test_int8_takes_a_file_whatever_its_input_is_called(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("ml_dtypes")
    source = source_of_model(find_model(DETECTOR, "detector"))
    other = onnx.load(source.onnx)
    for node in other.graph.node:
        node.input[:] = ["image" if name == "x" else name for name in node.input]
    other.graph.input[0].name = "image"
    onnx.save(other, tmp_path / "other.onnx")
    (tmp_path / "one").mkdir()
    shutil.copy(SAMPLE / "scene01.jpg", tmp_path / "one")
    named = replace(source, onnx=tmp_path / "other.onnx")
    summary = export(named, "int8", tmp_path / "out", tmp_path / "one", least=0.5)
    assert summary.files["model.onnx"] < 0.85 * (tmp_path / "other.onnx").stat().st_size


@pytest.mark.skipif(not this_cpu().adds_bytes_exactly, reason="this CPU adds bytes inexactly")
def test_int8_of_the_embedded_extractor_is_the_file_that_was_trained(tmp_path: Path) -> None:
    source = source_of_model(find_model(FEATURE, "feature"))
    (tmp_path / "some").mkdir()
    for name in ("scene01.jpg", "scene02.jpg"):
        shutil.copy(SAMPLE / name, tmp_path / "some")
    summary = export(source, "int8", tmp_path / "out", tmp_path / "some")
    assert summary.cosine > 0.98
    trained = find_model(FEATURE, "feature").files[EIGHT_BITS].path
    assert (tmp_path / "out" / "model.onnx").read_bytes() == trained.read_bytes()
    assert any("CPUs with VNNI" in note for note in summary.notes)


def test_a_trained_file_whose_vectors_are_others_is_not_taken(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("ml_dtypes")
    source = source_of_model(find_model(FEATURE, "feature"))
    assert source.onnx is not None
    other = onnx.load(source.onnx)
    for tensor in other.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy(), tensor.name))
    onnx.save(other, tmp_path / "other.onnx")
    (tmp_path / "one").mkdir()
    shutil.copy(SAMPLE / "scene01.jpg", tmp_path / "one")
    changed = replace(source, eight_bits=tmp_path / "other.onnx")
    summary = export(changed, "int8", tmp_path / "out", tmp_path / "one", least=0.9)
    assert summary.cosine > 0.9
    written = (tmp_path / "out" / "model.onnx").read_bytes()
    assert written != (tmp_path / "other.onnx").read_bytes()


def test_clip_to_paddle_from_one_file(tiny_weights: Path, tmp_path: Path) -> None:
    source = source_of_weights(tiny_weights, tiny_clip.ARCHITECTURE)
    assert source.preprocessing.input_size == (32, 32)
    summary = export(source, "paddle", tmp_path / "out")
    assert summary.cosine > 0.9999
    fields = yaml.safe_load((tmp_path / "out" / "inference.yml").read_text())
    assert fields["PreProcess"]["transform_ops"][0]["ResizeImage"]["size"] == [32, 32]
    assert read_folder(tmp_path / "out").dim == tiny_clip.DIM


@pytest.mark.usefixtures("tiny_weights")
@pytest.mark.parametrize("form", ["onnx", "int8"])
def test_a_folder_that_reads_words_goes_on_reading_them(form: str, tmp_path: Path) -> None:
    if form == "int8":
        pytest.importorskip("onnx")
        pytest.importorskip("ml_dtypes")
    source = source_of_model(read_folder(tiny_clip.FOLDER))
    export(source, form, tmp_path / "out", SAMPLE / "scene01.jpg", least=0.5)
    kept, found = read_folder(tiny_clip.FOLDER).files, read_folder(tmp_path / "out").files
    for name in ("text", "tokenizer"):
        assert found[name].verified().read_bytes() == kept[name].path.read_bytes()


def test_a_text_tower_that_stays_behind_is_told(tiny_weights: Path, tmp_path: Path) -> None:
    tokenizer = tiny_clip.save_tokenizer(tmp_path / "tokenizer.json")
    source = source_of_weights(tiny_weights, tiny_clip.ARCHITECTURE, tokenizer)
    notes = export(source, "paddle", tmp_path / "out").notes
    assert notes[-1].startswith("Its text tower stays behind: only onnx and int8")


@pytest.mark.usefixtures("tiny_weights")
def test_classifiers_of_training_stay_behind(tmp_path: Path) -> None:
    source = source_of_model(read_folder(tiny_clip.FOLDER))
    head = {"head.fc_head.weight": np.zeros((tiny_clip.DIM, 1000), np.float32)}
    image = replace(source.image, arrays={**source.image.arrays, **head})
    export(replace(source, image=image), "onnx", tmp_path / "out")
    with np.load(tmp_path / "out" / "params.npz", allow_pickle=False) as archive:
        assert set(archive.files) == set(source.image.arrays)


def test_training_weights_tell_what_they_are_for(tmp_path: Path) -> None:
    path, out = tmp_path / "best.pdparams", tmp_path / "out"
    paddle.save(general_recognition_v2(class_num=3).state_dict(), str(path))
    arguments = ["export", str(path), "--format", "paddle", "--output", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert read_folder(out).dim == 512
    assert "note:" not in result.stderr  # prepared as PaddleX prepares


@needs_paddle2onnx
def test_clip_to_onnx_with_its_text_tower(tiny_weights: Path, tmp_path: Path) -> None:
    tokenizer = tiny_clip.save_tokenizer(tmp_path / "tokenizer.json")
    source = source_of_weights(tiny_weights, tiny_clip.ARCHITECTURE, tokenizer)
    summary = export(source, "onnx", tmp_path / "out")
    assert summary.cosine > 0.9999
    assert summary.text_cosine is not None
    assert summary.text_cosine > 0.9999
    # The same as what other tests run on.
    frozen = read_folder(tiny_clip.FOLDER)
    found = read_folder(tmp_path / "out")
    for name, batch in (
        ("onnx", found.preprocessing([made_up(3)])),
        ("text", np.array([[52, 3, 4, 53, 0, 0, 0, 0, 0, 0]], np.float32)),
    ):
        (a,), (b,) = (OnnxRuntimeSession(s.files[name].path).run(batch) for s in (found, frozen))
        assert np.abs(a - b).max() < 1e-4


@needs_paddle2onnx
@pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed")
def test_clip_to_openvino(tiny_weights: Path, tmp_path: Path) -> None:
    source = source_of_weights(tiny_weights, tiny_clip.ARCHITECTURE)
    summary = export(source, "openvino", tmp_path / "out")
    assert set(summary.files) == {"inference.bin", "inference.xml", "inference.yml"}
    assert summary.cosine > 0.9999


@pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed")
def test_openvino_of_the_embedded_model(tmp_path: Path) -> None:
    summary = export(source_of_model(find_model(FEATURE, "feature")), "openvino", tmp_path / "out")
    assert summary.cosine > 0.9999


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of exported graphs: `feature`, and detectors `boxes` and `nms`."""
    folder = tmp_path_factory.mktemp("upstream")
    net = build(FEATURE)
    load_params(net, WEIGHTS / FEATURE / "params.npz")
    save(fuse(net), {"x": [-1, 3, 224, 224]}, folder / "feature")
    write_yml(folder / "feature", feature_yml([224, 224]))
    for name in ("boxes", "nms"):
        export_detector(folder / name, name)
    return folder


@needs_paddle2onnx
@pytest.mark.parametrize("name", ["feature", "boxes"])
def test_an_exported_graph_becomes_onnx(name: str, upstream: Path, tmp_path: Path) -> None:
    spec = read_folder(upstream / name)
    summary = export_graph(spec, "onnx", tmp_path / "out")
    assert summary.cosine > 0.9999
    assert set(summary.files) == {"inference.onnx", "inference.yml"}
    found = read_folder(tmp_path / "out")
    assert (found.kind, found.dim, found.head) == (spec.kind, spec.dim, spec.head)
    batch = spec.preprocessing([made_up(9)])
    outputs = (open_exported(one, 1).run(batch) for one in (spec, found))
    for a, b in zip(*outputs, strict=True):
        assert np.abs(a - b).max() <= 1e-3 * max(1.0, np.abs(a).max())


@needs_paddle2onnx
@pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed")
def test_an_exported_graph_becomes_openvino(upstream: Path, tmp_path: Path) -> None:
    summary = export_graph(read_folder(upstream / "feature"), "openvino", tmp_path / "out")
    assert summary.cosine > 0.9999
    assert set(summary.files) == {"inference.bin", "inference.xml", "inference.yml"}


@pytest.mark.parametrize(
    ("name", "form", "said"),
    [
        ("feature", "paddle", "exported graph: it can become onnx or openvino, not paddle"),
        ("feature", "int8", "it can become onnx or openvino, not int8"),
        ("nms", "onnx", "suppresses boxes within its graph"),
    ],
)
def test_what_cannot_be_made_of_a_graph(
    name: str, form: str, said: str, upstream: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["export", str(upstream / name), "--format", form, "--output", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    result = CliRunner().invoke(main, ["export", DETECTOR, "--format", "onnx", "--output", out])
    assert result.exit_code == 0, result.output
    assert "model.onnx" in result.stdout
    assert "lowest cosine of 1 picture 1.0000" in result.stdout
    again = CliRunner().invoke(main, ["export", DETECTOR, "--format", "onnx", "--output", out])
    assert again.exit_code == 1
    assert "not empty" in again.stderr
    other = str(tmp_path / "other")
    result = CliRunner().invoke(
        main, ["export", DETECTOR, "--format", "onnx", "--output", other, "--json"]
    )
    report = json.loads(result.stdout)
    assert (report["format"], report["compared"]) == ("onnx", 1)
    assert report["files"]["model.onnx"] > 1_000_000


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["nobody"], "No model is called 'nobody'", 1),
        ([FEATURE, "--architecture", "clip_vit_base_shitu"], "for a file of weights", 2),
        (["WEIGHTS"], "needs --architecture", 2),
        ([DETECTOR, "--name", " "], "--name is empty", 2),
        (["WEIGHTS", "--architecture", "resnet"], "No feature extractor is called 'resnet'", 1),
        ([__file__, "--architecture", "clip_vit_base_shitu"], "save them as .safetensors", 1),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], said: str, code: int, tiny_weights: Path, tmp_path: Path
) -> None:
    given = [str(tiny_weights) if word == "WEIGHTS" else word for word in arguments]
    out = tmp_path / "out"
    result = CliRunner().invoke(
        main, ["export", *given, "--format", "paddle", "--output", str(out)]
    )
    assert result.exit_code == code
    assert said in result.stderr
    assert not out.exists()


def test_of_a_detector_boxes_differ(tmp_path: Path) -> None:
    [note] = export(
        source_of_model(find_model(DETECTOR, "detector")), "paddle", tmp_path / "o"
    ).notes
    assert note.endswith("its boxes differ a little.")
