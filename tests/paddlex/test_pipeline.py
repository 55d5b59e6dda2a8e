"""The pipeline's rules, and upstream's defects, which are absent: pictures are known by colours."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from fakes import FakeDescriber, FakeSession, colours, paint, paint_file, plain
from PIL import Image as Pillow

from shitu.catalog import Catalog
from shitu.cropper import WHOLE, Candidate, Candidates
from shitu.embedder import Embedder
from shitu.errors import (
    ConfigError,
    DatasetError,
    GalleryError,
    ImageError,
    IndexFileError,
    ModelError,
    SpaceMismatch,
)
from shitu.gallery import Space
from shitu.paddlex.galleries import IndexData, load_index
from shitu.paddlex.pipeline import Pipeline, _marks, _Thresholds, create_pipeline

TEA, COFFEE, STRANGER = 1, 2, 3
KINDS = ["Flat", "IVF", "HNSW32"]
Make = Callable[..., Pipeline]


class Colours:
    """A workspace whose networks see colours.

    Attributes:
        found: what its detector finds in every picture.
    """

    threshold = 0.9

    def __init__(self, name: str = "colours") -> None:
        self.describer = FakeDescriber(name)
        self.lineup = SimpleNamespace(space=lambda: self.describer.space)
        self.found: Candidates = WHOLE
        self.asked: list[float | None] = []

    def candidates(self, image: Any, threshold: float | None = None) -> Candidates:
        self.asked.append(threshold)
        return self.found

    def embed(self, crops: Any) -> Any:
        return np.stack([colours(crop) for crop in crops])


@pytest.fixture
def workspace() -> Colours:
    return Colours()


@pytest.fixture
def pipeline(workspace: Any) -> Pipeline:
    return Pipeline(workspace, _Thresholds(None, None, 5), None)


def bgr(seed: int) -> Any:
    return np.ascontiguousarray(paint(seed)[..., ::-1])


@pytest.fixture
def index(pipeline: Pipeline) -> IndexData:
    """Two pictures: tea has the id 0, coffee 1."""
    return pipeline.build_index([bgr(TEA), bgr(COFFEE)], ["tea", "coffee"])


def first(pipeline: Pipeline, seed: int, index: Any, **options: Any) -> dict[str, Any]:
    result = next(pipeline.predict(bgr(seed), index=index, **options))
    box: dict[str, Any] = result["boxes"][0]
    return box


def test_the_fields_are_those_of_paddlex(
    pipeline: Pipeline, workspace: Colours, index: IndexData, tmp_path: Path
) -> None:
    picture = paint_file(tmp_path / "shelf.png", TEA)
    workspace.found = Candidates((Candidate((0.0, 0.0, 16.0, 16.0), 0.75),))
    result = next(pipeline.predict(str(picture), index=index))
    assert set(result) == {"input_path", "input_img", "boxes"}
    assert set(result["boxes"][0]) == {"labels", "rec_scores", "det_score", "coordinate"}
    assert result.json["res"] == {
        "input_path": str(picture),
        "boxes": [
            {
                "labels": ["tea"],
                "rec_scores": [pytest.approx(1, abs=1e-5)],
                "det_score": 0.75,
                "coordinate": [0.0, 0.0, 16.0, 16.0],
            }
        ],
    }
    assert np.array_equal(result["input_img"], bgr(TEA))
    assert result["input_img"].flags.c_contiguous  # or OpenCV would not draw into it


def test_results_print_and_save_themselves(
    pipeline: Pipeline, index: IndexData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = paint_file(tmp_path / "001.jpeg", TEA)
    result = next(pipeline.predict(str(picture), index=index))
    result.print()
    assert eval(capsys.readouterr().out) == result.json  # noqa: S307 - Python's own notation
    result.print(json_format=True, indent=2, ensure_ascii=True)
    assert json.loads(capsys.readouterr().out) == result.json
    result.save_all(tmp_path / "out")
    result.save_to_json(tmp_path / "named.json")
    result.save_to_img(str(tmp_path / "named.png"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"001_res.json", "001_res.jpeg"}
    for path in (tmp_path / "named.json", tmp_path / "out" / "001_res.json"):
        assert json.loads(path.read_text("utf-8")) == result.json["res"]
    assert result.img["res"].size == (16, 16)


def test_pictures_without_a_name_do_not_take_each_others_place(
    pipeline: Pipeline, index: IndexData, tmp_path: Path
) -> None:
    for result in pipeline.predict([bgr(TEA), bgr(COFFEE)], index=index):
        result.save_all(tmp_path)
        result.save_all(tmp_path)
    stems = [path.stem for path in tmp_path.glob("*_res.json")]
    assert len(stems) == 2
    assert sorted(path.stem for path in tmp_path.glob("*_res.png")) == sorted(stems)


@pytest.mark.parametrize("name", ["a.gif", "a.jfif", "a.ppm", "a"])
def test_a_picture_of_a_format_that_is_only_read_is_drawn_as_png(
    pipeline: Pipeline, index: IndexData, tmp_path: Path, name: str
) -> None:
    Pillow.fromarray(paint(TEA)).save(tmp_path / name, "PNG")
    next(pipeline.predict(str(tmp_path / name), index=index)).save_to_img(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_res.png"]


def test_where_a_result_cannot_be_saved(
    pipeline: Pipeline, index: IndexData, tmp_path: Path
) -> None:
    result = next(pipeline.predict(bgr(TEA), index=index))
    (tmp_path / "file").touch()
    for save, error in ((result.save_to_json, DatasetError), (result.save_to_img, ImageError)):
        for place in (tmp_path / "file", tmp_path / "file" / "a"):
            with pytest.raises(error, match="cannot be written"):
                save(place)
        with pytest.raises(TypeError, match="save_path has to be a path, not NoneType"):
            save(None)  # type: ignore[arg-type]


def test_a_name_that_is_no_text_is_printed_and_saved_as_json(
    pipeline: Pipeline, index: IndexData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        picture = paint_file(tmp_path / "caf\udce9.png", TEA)
    except OSError:
        pytest.skip("names of files are text here")
    result = next(pipeline.predict(str(picture), index=index))
    result.print(json_format=True)
    assert json.loads(capsys.readouterr().out) == result.json
    result.save_to_json(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == result.json["res"]


def test_inputs_are_files_folders_arrays_and_lists(
    pipeline: Pipeline, index: IndexData, tmp_path: Path
) -> None:
    paths = [paint_file(tmp_path / "in" / f"{seed}.png", seed) for seed in (TEA, COFFEE)]
    both = ["tea", "coffee"]
    for given in (str(tmp_path / "in"), [str(path) for path in paths], [bgr(TEA), paths[1]]):
        results = list(pipeline.predict(given, index=index))
        assert [result["boxes"][0]["labels"][0] for result in results] == both
    with pytest.raises(ValueError, match="a picture has to be a path, and this one is empty"):
        list(pipeline.predict("", index=index))
    with pytest.raises(ImageError, match="dict is no picture"):
        list(pipeline.predict({"a": 1}, index=index))  # type: ignore[arg-type]


def test_nothing_found_is_looked_up_whole(pipeline: Pipeline, index: IndexData) -> None:
    box = first(pipeline, TEA, index)
    assert (box["coordinate"], box["det_score"]) == ([0, 0, 16, 16], 0)


def test_thresholds_go_where_they_belong(
    pipeline: Pipeline, workspace: Colours, index: IndexData
) -> None:
    first(pipeline, TEA, index, det_threshold=0.2)
    first(pipeline, TEA, index)
    assert workspace.asked == [0.2, None]
    assert len(first(pipeline, TEA, index, rec_threshold=-1)["labels"]) == 2
    assert first(pipeline, TEA, index, rec_threshold=-1, rec_topk=1)["labels"] == ["tea"]


# --- Upstream's defects ---------------------------------------------------------------


def test_an_l2_index_knows_its_own_and_no_stranger(pipeline: Pipeline) -> None:
    index = pipeline.build_index([bgr(TEA)], ["tea"], metric_type="L2")
    for options in ({}, {"rec_threshold": 0.1}):
        own = first(pipeline, TEA, index, **options)
        assert (own["labels"], own["rec_scores"]) == (["tea"], [pytest.approx(0, abs=1e-4)])
        assert first(pipeline, STRANGER, index, **options)["labels"] == [None]


def test_no_neighbour_below_the_threshold_is_given(pipeline: Pipeline, index: IndexData) -> None:
    assert first(pipeline, TEA, index, rec_topk=5)["labels"] == ["tea"]
    assert first(pipeline, STRANGER, index)["rec_scores"] == [None]


@pytest.mark.parametrize("kind", KINDS)
def test_adding_and_removing_leave_the_callers_index_alone(
    pipeline: Pipeline, kind: str, tmp_path: Path
) -> None:
    index = pipeline.build_index([bgr(TEA), bgr(COFFEE)], ["tea", "coffee"], index_type=kind)
    more = pipeline.append_index([bgr(STRANGER)], ["milk"], index)
    less = pipeline.remove_index([0], more)
    assert [len(one) for one in (index, more, less)] == [2, 3, 2]
    assert dict(index.id_map) == {0: "tea", 1: "coffee"}
    assert dict(less.id_map) == {1: "coffee", 2: "milk"}
    assert first(pipeline, TEA, less)["labels"] == [None]
    for one in (index, more, less):  # and each is what it was when it is read again
        one.save(tmp_path / kind)
        again = load_index(tmp_path / kind)
        assert again.id_map == one.id_map
        assert again.index_type == kind
        assert np.allclose(again.vectors, one.vectors, atol=1e-6)
        assert {path.name for path in (tmp_path / kind).iterdir()} == {
            *("vector.index", "id_map.yaml", "shitu.json")
        }


def test_an_id_is_never_used_again(pipeline: Pipeline, index: IndexData, tmp_path: Path) -> None:
    less = pipeline.remove_index([1], index)
    less.save(tmp_path)
    for one in (less, str(tmp_path)):
        assert dict(pipeline.append_index([bgr(STRANGER)], ["milk"], one).id_map) == {
            0: "tea",
            2: "milk",
        }


def test_indexes_can_be_compared(pipeline: Pipeline, index: IndexData) -> None:
    other = pipeline.build_index([bgr(TEA), bgr(COFFEE)], ["tea", "coffee"])
    assert index in [other, index]
    assert index not in {other}


@pytest.mark.parametrize("label", [None, " ", float("nan"), np.float32("nan")])
def test_a_picture_needs_a_label(pipeline: Pipeline, label: Any) -> None:
    with pytest.raises(GalleryError, match="label of picture 2 is empty"):
        pipeline.build_index([bgr(TEA), bgr(COFFEE)], ["tea", label])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rec_topk": 0}, ValueError, "rec_topk has to be at least 1, not 0"),
        ({"rec_topk": -1}, ValueError, "rec_topk has to be at least 1, not -1"),
        ({"rec_topk": 2.5}, TypeError, "rec_topk has to be a whole number, not float"),
        ({"rec_threshold": "0.5"}, TypeError, "rec_threshold has to be a number, not str"),
        ({"rec_threshold": float("nan")}, ValueError, "rec_threshold .* this one is NaN"),
        ({"det_threshold": [0.5]}, TypeError, "det_threshold has to be a number, not list"),
        ({"det_threshold": True}, TypeError, "det_threshold has to be a number, not bool"),
        ({"index": 5}, TypeError, "index has to be a path, not int"),
        ({"index": ""}, ValueError, "index has to be a path, and this one is empty"),
    ],
)
def test_options_that_make_no_sense_are_named(
    pipeline: Pipeline, index: IndexData, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        first(pipeline, TEA, **{"index": index, **options})


def test_thresholds_may_be_numbers_of_numpy(pipeline: Pipeline, index: IndexData) -> None:
    for figure in (np.float32(0.5), np.int64(-1), float("-inf")):
        assert first(pipeline, TEA, index, rec_threshold=figure)["labels"][0] == "tea"


@pytest.mark.parametrize(
    ("pictures", "labels", "message"),
    [
        ([1], None, "gallery_label has to be a list, not NoneType"),
        ([1], [b"tea"], "the label of picture 1 has to be text, not bytes"),
        ([1, 2], ["tea", ["coffee"]], "the label of picture 2 has to be text, not list"),
        ([1], "gallery.txt", "gallery_imgs has to be the folder that .*, not list"),
        (None, "gallery.txt", "gallery_imgs has to be the folder that .*, not NoneType"),
    ],
)
def test_a_gallery_that_makes_no_sense_is_named(
    pipeline: Pipeline, pictures: Any, labels: Any, message: str
) -> None:
    given = pictures and [bgr(seed) for seed in pictures]
    with pytest.raises(TypeError, match=message):
        pipeline.build_index(given, labels)


def test_labels_may_be_numbers(pipeline: Pipeline) -> None:
    given = (np.int64(7), 8)
    assert pipeline.build_index([bgr(TEA), bgr(COFFEE)], given).labels == ("7", "8")


def test_an_ivf_index_may_be_small(pipeline: Pipeline) -> None:
    index = pipeline.build_index([bgr(TEA)], ["tea"], index_type="IVF")
    assert first(pipeline, TEA, index)["labels"] == ["tea"]


def test_labels_with_blanks_and_empty_lines(pipeline: Pipeline, tmp_path: Path) -> None:
    for seed, name in ((TEA, "a.png"), (COFFEE, "b.png"), (STRANGER, "两 c.png")):
        paint_file(tmp_path / name, seed)
    lines = "a.png red bull can\n\nb.png  two  blanks \n   \n两 c.png 红牛 维生素\n"
    (tmp_path / "gallery.txt").write_text(lines, encoding="utf-8")
    index = pipeline.build_index(str(tmp_path), str(tmp_path / "gallery.txt"))
    assert list(index.labels) == ["red bull can", "two  blanks", "红牛 维生素"]
    (tmp_path / "gallery.txt").write_text("a.png tea\nb.png\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"gallery.txt, line 2: a path and a label"):
        pipeline.build_index(str(tmp_path), str(tmp_path / "gallery.txt"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a.png 红牛\n".encode("gbk"), "gallery.txt cannot be read: line 1 is not UTF-8; name"),
        (b"\x89PNG\0\xff", "gallery.txt cannot be read: it is no text; name a text file"),
        (None, "gallery.txt cannot be read: it does not exist; check the name"),
    ],
)
def test_a_gallery_file_that_is_none(
    pipeline: Pipeline, index: IndexData, tmp_path: Path, data: bytes | None, message: str
) -> None:
    if data is not None:
        (tmp_path / "gallery.txt").write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        pipeline.build_index(str(tmp_path), str(tmp_path / "gallery.txt"))
    with pytest.raises(DatasetError, match=message):
        pipeline.remove_index(tmp_path / "gallery.txt", index)


def test_a_label_may_hold_what_python_takes_for_the_end_of_a_line(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    paint_file(tmp_path / "a.png", TEA)
    (tmp_path / "gallery.txt").write_text("a.png green\u2028tea\r\n", "utf-8", newline="")
    made = pipeline.build_index(str(tmp_path), str(tmp_path / "gallery.txt"))
    assert made.labels == ("green\u2028tea",)


def test_a_gallery_without_its_pictures_is_no_index(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "gallery.txt").write_text("a.png tea\nb.png coffee\n")
    with pytest.raises(
        ImageError, match=r"None of the 2 pictures .*: nowhere/a.png cannot be read"
    ):
        pipeline.build_index("nowhere", str(tmp_path / "gallery.txt"))


def test_hamming_and_unknown_kinds_are_refused_in_a_sentence(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigError, match="metric_type is one of IP, L2, not 'hamming'"):
        pipeline.build_index([bgr(TEA)], ["tea"], metric_type="hamming")
    with pytest.raises(ConfigError, match="index_type is one of Flat, IVF, HNSW32"):
        pipeline.build_index([bgr(TEA)], ["tea"], index_type="PQ")


def test_what_was_not_recognised_is_not_called_none(pipeline: Pipeline, index: IndexData) -> None:
    result = next(pipeline.predict(bgr(STRANGER), index=index))
    (mark,) = _marks(result)
    assert (mark.text, mark.known) == ("", False)


def test_a_feature_that_is_no_number_is_no_quiet_miss(
    pipeline: Pipeline, workspace: Any, index: IndexData
) -> None:
    session = FakeSession(lambda batch: [np.full((len(batch), 48), np.nan, np.float32)])
    workspace.embed = Embedder(session, plain(16), 48).embed
    with pytest.raises(ModelError, match="returned NaN"):
        first(pipeline, TEA, index)


def test_the_same_pictures_are_not_added_twice(
    pipeline: Pipeline, index: IndexData, tmp_path: Path
) -> None:
    same = pipeline.append_index([bgr(TEA), bgr(TEA)], ["tea", "tea"], index)
    assert same.id_map == index.id_map
    index.save(tmp_path)
    assert len(pipeline.append_index([bgr(TEA)], ["tea"], str(tmp_path))) == 2
    with pytest.warns(UserWarning, match="in the index as 'tea' already"):
        assert len(pipeline.append_index([bgr(TEA)], ["milk"], index)) == 2


def test_one_bad_picture_ends_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    paint_file(tmp_path / "a.png", TEA)
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "gallery.txt").write_text("a.png tea\nb.png coffee\nc.png milk\n")
    with pytest.warns(UserWarning, match="Left out") as told:
        index = pipeline.build_index(str(tmp_path), str(tmp_path / "gallery.txt"))
    assert list(index.labels) == ["tea"]
    assert [Path(path).name for path, _ in index.skipped] == ["b.png", "c.png"]
    assert len(told) == 2


def test_an_index_of_another_model_is_refused(index: IndexData, tmp_path: Path) -> None:
    other: Any = Pipeline(Colours("shapes"), _Thresholds(None, None, 5), None)  # type: ignore[arg-type]
    index.save(tmp_path)
    for one in (index, str(tmp_path)):
        with pytest.raises(SpaceMismatch, match="This index was made with"):
            first(other, TEA, one)


def test_an_index_of_older_weights_is_told_from_those_in_use(index: IndexData) -> None:
    updated = Colours()
    updated.describer.space = Space("0a1b2c3d4e", 48, {"name": "colours"})
    other: Any = Pipeline(updated, _Thresholds(None, None, 5), None)  # type: ignore[arg-type]
    told = "made with colours, space colours, and the pipeline uses colours, space 0a1b2c3d: "
    with pytest.raises(SpaceMismatch, match=told):
        first(other, TEA, index)


def test_the_model_that_stands_in_for_paddlex_is_not_asked_about_its_index(
    workspace: Any, index: IndexData, tmp_path: Path
) -> None:
    index.save(tmp_path)
    standing_in = Pipeline(workspace, _Thresholds(None, None, 5), None, lacking="PP-ShiTuV2_rec")
    assert first(standing_in, TEA, str(tmp_path))["labels"] == ["tea"]
    (tmp_path / "shitu.json").unlink()  # as PaddleX leaves it
    with pytest.raises(SpaceMismatch, match="`shitu models pull PP-ShiTuV2_rec` gets it"):
        first(standing_in, TEA, str(tmp_path))


# --- Files in both directions ---------------------------------------------------------


def test_paddlex_can_read_what_is_saved(index: IndexData, tmp_path: Path) -> None:
    import faiss  # type: ignore[import-untyped]

    index.save(tmp_path)
    info = yaml.safe_load((tmp_path / "id_map.yaml").read_text("utf-8"))
    assert info == {"index_type": "Flat", "metric_type": "IP", "id_map": {0: "tea", 1: "coffee"}}
    stored = faiss.read_index(str(tmp_path / "vector.index"))
    assert stored.ntotal == len(info["id_map"])
    scores, ids = stored.search(colours(paint(COFFEE))[None], 1)
    assert (ids[0, 0], scores[0, 0]) == (1, pytest.approx(1, abs=1e-5))


def test_what_paddlex_saved_is_read(pipeline: Pipeline, tmp_path: Path) -> None:
    import faiss

    stored = faiss.IndexIDMap2(faiss.index_factory(48, "HNSW32", faiss.METRIC_INNER_PRODUCT))
    stored.add_with_ids(colours(paint(TEA))[None] * 3, np.array([7]))
    faiss.write_index(stored, str(tmp_path / "vector.index"))
    info = {"index_type": "HNSW32", "metric_type": "IP", "id_map": {7: "green tea"}}
    (tmp_path / "id_map.yaml").write_text(yaml.safe_dump(info))
    assert first(pipeline, TEA, str(tmp_path))["labels"] == ["green tea"]
    assert pipeline.append_index([bgr(COFFEE)], ["coffee"], str(tmp_path)).ids == (7, 8)
    info["id_map"][8] = "a vector that is not there"  # type: ignore[index]
    (tmp_path / "id_map.yaml").write_text(yaml.safe_dump(info))
    with pytest.raises(IndexFileError, match="do not fit together"):
        load_index(tmp_path)


def change_as_paddlex(folder: Path, change: Callable[[Any, dict[int, str]], None]) -> None:
    """Change the files that PaddleX knows of an index, and leave what it does not know."""
    import faiss

    stored = faiss.read_index(str(folder / "vector.index"))
    info = yaml.safe_load((folder / "id_map.yaml").read_text("utf-8"))
    change(stored, info["id_map"])
    faiss.write_index(stored, str(folder / "vector.index"))
    (folder / "id_map.yaml").write_text(yaml.safe_dump(info), "utf-8")


def test_what_paddlex_appended_keeps_its_id(
    pipeline: Pipeline, index: IndexData, tmp_path: Path
) -> None:
    def append(stored: Any, labels: dict[int, str]) -> None:
        stored.add_with_ids(colours(paint(STRANGER))[None], np.array([2]))
        labels[2] = "milk"

    index.save(tmp_path)
    change_as_paddlex(tmp_path, append)
    more = pipeline.append_index([bgr(4)], ["water"], str(tmp_path))
    assert more.id_map == {0: "tea", 1: "coffee", 2: "milk", 3: "water"}
    more.save(tmp_path)
    assert load_index(tmp_path).id_map == more.id_map


def test_what_paddlex_put_in_the_place_of_a_picture_is_not_taken_for_it(
    pipeline: Pipeline, index: IndexData, tmp_path: Path
) -> None:
    def replace(stored: Any, labels: dict[int, str]) -> None:
        stored.remove_ids(np.array([1]))
        stored.add_with_ids(colours(paint(STRANGER))[None], np.array([1]))
        labels[1] = "milk"

    index.save(tmp_path)
    change_as_paddlex(tmp_path, replace)
    changed = load_index(tmp_path)
    assert (changed.digests, changed.space) == (("", ""), None)
    assert pipeline.append_index([bgr(COFFEE)], ["coffee"], changed).id_map == {
        0: "tea",
        1: "milk",
        2: "coffee",
    }


def test_a_label_that_was_corrected_leaves_the_rest_as_it_was(
    index: IndexData, tmp_path: Path
) -> None:
    index.save(tmp_path)
    change_as_paddlex(tmp_path, lambda _, labels: labels.update({0: "green tea"}))
    assert load_index(tmp_path).digests == index.digests
    assert load_index(tmp_path).labels == ("green tea", "coffee")


@pytest.mark.parametrize("noted", [{"next_id": "x", "digests": []}, {"next_id": 1}, []])
def test_a_note_with_nonsense_in_it_counts_for_nothing(
    index: IndexData, tmp_path: Path, noted: Any
) -> None:
    index.save(tmp_path)
    (tmp_path / "shitu.json").write_text(json.dumps(noted))
    assert load_index(tmp_path).next_id == 2


def test_where_an_index_cannot_be_saved(index: IndexData, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexFileError, match="file cannot be written"):
        index.save(tmp_path / "file")
    (tmp_path / "clas").mkdir()
    (tmp_path / "clas" / "id_map.pkl").touch()
    with pytest.raises(IndexFileError, match=r"clas holds id_map.pkl, the labels of another"):
        index.save(tmp_path / "clas")
    (tmp_path / "half" / "vector.index.part").mkdir(parents=True)
    with pytest.raises(IndexFileError, match="half cannot be written"):
        index.save(tmp_path / "half")
    assert [path.name for path in (tmp_path / "half").iterdir()] == ["vector.index.part"]
    with pytest.raises(TypeError, match="save_dir has to be a path, not NoneType"):
        index.save(None)


def test_a_gallery_can_be_made_of_it(index: IndexData, tmp_path: Path) -> None:
    index.save(tmp_path / "saved")
    with Catalog.open(tmp_path / "shop", create=True) as catalog:
        catalog.import_index(tmp_path / "saved", model="colours")
        assert [item.label for item in catalog.items()] == ["coffee", "tea"]


def test_ids_to_remove_may_come_from_a_file(
    pipeline: Pipeline, index: IndexData, tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text("1\n\n")
    assert pipeline.remove_index(str(tmp_path / "ids.txt"), index).ids == (0,)
    (tmp_path / "ids.txt").write_text("tea\n")
    with pytest.raises(DatasetError, match=r"ids.txt, line 1: 'tea' is no id"):
        pipeline.remove_index(str(tmp_path / "ids.txt"), index)
    with pytest.raises(GalleryError, match="has no vector 9"):
        pipeline.remove_index([9], index)
    assert pipeline.remove_index(np.array([1]), index).ids == (0,)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (1, "remove_ids has to be a list, not int"),
        (None, "remove_ids has to be a list, not NoneType"),
        ([0.7], "an id of remove_ids has to be a whole number, not float"),
        ([True], "an id of remove_ids has to be a whole number, not bool"),
    ],
)
def test_ids_that_are_none(pipeline: Pipeline, index: IndexData, ids: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        pipeline.remove_index(ids, index)


# --- Settings -------------------------------------------------------------------------


def test_settings_of_paddlex_are_read(tmp_path: Path, index: IndexData) -> None:
    index.save(tmp_path / "index")
    settings = {
        "pipeline_name": "PP-ShiTuV2",
        "index": str(tmp_path / "index"),
        "det_threshold": 0.3,
        "rec_threshold": 0.4,
        "rec_topk": 2,
        "SubModules": {
            "Detection": {"model_name": "picodet_lcnet_mainbody", "model_dir": None},
            "Recognition": {"model_name": "x", "model_dir": "pplcnetv2_base_shitu"},
        },
    }
    path = tmp_path / "PP-ShiTuV2.yaml"
    path.write_text(yaml.safe_dump(settings))
    for made in (create_pipeline(str(path)), create_pipeline(config=settings, device="cpu")):
        assert made._thresholds == _Thresholds(0.3, 0.4, 2)
        assert made._workspace.lineup.feature == "pplcnetv2_base_shitu"
        assert made._lacking is None
        assert made._index is not None
        assert made._index.id_map == index.id_map


def test_official_models_that_are_not_here_are_stood_in_for() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = create_pipeline(pipeline="PP-ShiTuV2", device="gpu:0")
    assert (made._workspace.lineup.feature, made._lacking) == (
        "pplcnetv2_base_shitu",
        "PP-ShiTuV2_rec",
    )
    texts = " ".join(str(one.message) for one in told)
    assert "runs on the CPU" in texts
    assert re.findall(r"`shitu models pull (\S+)`", texts) == ["PP-ShiTuV2_rec", "PP-ShiTuV2_det"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("OCR", "No pipeline is called 'OCR'"),
        ("gone.yaml", "gone.yaml cannot be read"),
        ({"pipeline_name": "OCR"}, "Only the pipeline PP-ShiTuV2"),
        ({"rec_threshold": "high"}, "rec_threshold in the pipeline's settings must be a number"),
        ({"det_threshold": float("nan")}, "det_threshold .* must be a number, not nan"),
        ({"rec_topk": [5]}, "rec_topk .* must be a whole number of at least 1, not .5."),
        ({"rec_topk": 0}, "rec_topk .* must be a whole number of at least 1, not 0"),
        ({"rec_topk": 2.7}, "rec_topk .* must be a whole number of at least 1, not 2.7"),
        ({"SubModules": ["Detection"]}, "SubModules .* must be lines of `name: value`"),
        ({"SubModules": {"Recognition": "x"}}, "Recognition .* must be lines of `name: value`"),
    ],
)
def test_other_pipelines_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_pipeline(**({"config": given} if isinstance(given, dict) else {"pipeline": given}))


def test_what_is_no_pipeline_is_named() -> None:
    with pytest.raises(TypeError, match="pipeline has to be a path, not int"):
        create_pipeline(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="config has to be a mapping"):
        create_pipeline(config="PP-ShiTuV2")  # type: ignore[arg-type]


def test_without_an_index_nothing_can_be_looked_up(pipeline: Pipeline) -> None:
    with pytest.raises(GalleryError, match="There is no index to look up in"):
        list(pipeline.predict(bgr(TEA)))
