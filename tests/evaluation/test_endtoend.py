"""True boxes against answers: what is found, and what is lost by which stage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu.cropper import Dropped
from shitu.errors import DatasetError
from shitu.evaluation.bootstrap import Resampling
from shitu.evaluation.comparison import compare
from shitu.evaluation.endtoend import BoxReport, evaluate_boxes, judge
from shitu.evaluation.truths import LabelledPicture, Truth, read_truths
from shitu.geometry import Box
from shitu.images import save_image
from shitu.recognition import Match, Recognition, RecognizedObject

LABELS = {"cola", "tea"}
A: Box = (0, 0, 10, 10)
B: Box = (20, 0, 30, 10)
NEAR_A: Box = (0, 0, 10, 8)  # IoU 0.8
FAR_A: Box = (0, 0, 10, 4)  # IoU 0.4
CANVAS = np.zeros((10, 40, 3), np.uint8)


def answer(box: Box | None, label: str | None) -> RecognizedObject:
    return RecognizedObject(box, 0.9, label, (Match(label or "cola", 1, 1, "", 0.8),))


def recognition(
    objects: Sequence[RecognizedObject] = (), dropped: Sequence[tuple[Box, str]] = ()
) -> Recognition:
    return Recognition(
        tuple(objects), tuple(Dropped(box, 0.3, stage, "") for box, stage in dropped), 0.5, {}
    )


@pytest.mark.parametrize(
    ("objects", "dropped", "lost_by", "why"),
    [
        ([answer(NEAR_A, "cola")], [], None, "box and label are right"),
        ([answer(NEAR_A, "tea")], [], "wrong label", "the box alone is not enough"),
        ([answer(NEAR_A, None)], [], "unknown", "located, below the threshold"),
        ([answer(FAR_A, "cola")], [], "no box", "IoU 0.4"),
        ([], [], "no box", "nothing was there"),
        ([], [(NEAR_A, "detection")], "detection", "a weak box"),
        ([], [(FAR_A, "detection")], "no box", "a weak box elsewhere"),
        ([], [(NEAR_A, "overlap"), (A, "merge")], "merge", "the one that fits best"),
        ([answer(B, "cola")], [(A, "limit")], "limit", "an answer elsewhere is none"),
        ([answer(NEAR_A, "tea"), answer(NEAR_A, "cola")], [], None, "the right label first"),
        ([answer(NEAR_A, None)], [(A, "detection")], "unknown", "what got furthest counts"),
    ],
)
def test_what_becomes_of_one_object(
    objects: list[RecognizedObject],
    dropped: list[tuple[Box, str]],
    lost_by: str | None,
    why: str,
) -> None:
    picture = LabelledPicture(Path("a.jpg"), (Truth(A, "cola"),))
    found = judge(picture, "sha", CANVAS, recognition(objects, dropped), LABELS)
    assert found.truths[0].lost_by == lost_by, why
    assert found.truths[0].found == (lost_by is None)


def test_of_a_box_that_reaches_out_of_its_picture_the_part_inside_counts() -> None:
    picture = LabelledPicture(Path("a.jpg"), (Truth((-20, -5, 10, 10), "cola"),))
    found = judge(picture, "sha", CANVAS, recognition([answer(A, "cola")]), LABELS)
    assert found.truths[0].found
    lost = judge(picture, "sha", CANVAS, recognition(dropped=[(A, "limit")]), LABELS)
    assert (lost.truths[0].lost_by, lost.truths[0].box) == ("limit", (-20, -5, 10, 10))


@pytest.mark.parametrize(
    ("box", "label", "named", "why"),
    [
        (B, "cola", 1, "in the crowd"),
        ((16, 0, 24, 10), "cola", 1, "half in it"),
        ((14, 0, 24, 10), "cola", 2, "less than half in it"),
        (B, "tea", 2, "a crowd of another label"),
    ],
)
def test_answers_in_a_crowd_of_their_label_do_not_count(
    box: Box, label: str, named: int, why: str
) -> None:
    crowd = Truth((20, 0, 40, 10), "cola")
    picture = LabelledPicture(Path("a.jpg"), (Truth(A, "cola"),), (crowd,))
    objects = [answer(A, "cola"), answer(box, label)]
    found = judge(picture, "sha", CANVAS, recognition(objects), LABELS)
    assert found.named == named, why
    assert [truth.found for truth in found.truths] == [True]


def test_what_is_found_in_a_crowd_counts() -> None:
    picture = LabelledPicture(Path("a.jpg"), (Truth(A, "cola"),), (Truth(A, "cola"),))
    found = judge(picture, "sha", CANVAS, recognition([answer(A, "cola")]), LABELS)
    assert (found.named, found.truths[0].found) == (1, True)


def test_one_answer_finds_one_object() -> None:
    picture = LabelledPicture(Path("a.jpg"), (Truth(A, "cola"), Truth(NEAR_A, "cola")))
    found = judge(picture, "sha", CANVAS, recognition([answer(A, "cola")]), LABELS)
    assert [truth.found for truth in found.truths] == [True, False]


def test_an_answer_without_a_box_has_the_whole_picture() -> None:
    picture = LabelledPicture(Path("a.jpg"), (Truth((0, 0, 40, 9), "cola"),))
    found = judge(picture, "sha", CANVAS, recognition([answer(None, "cola")]), LABELS)
    assert found.truths[0].found


class Scenes:
    """Pictures on disk, their truths, and what a recogniser says to each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pictures: list[LabelledPicture] = []
        self._answers: list[Recognition] = []

    def add(self, truths: Sequence[Truth], said: Recognition) -> None:
        path = self._folder / f"{len(self.pictures)}.png"
        save_image(path, CANVAS + np.uint8(len(self.pictures)))
        self.pictures.append(LabelledPicture(path, tuple(truths)))
        self._answers.append(said)

    def report(self, **options: Any) -> BoxReport:
        return evaluate_boxes(
            self.pictures, lambda image: self._answers[int(image[0, 0, 0])], LABELS, **options
        )


@pytest.fixture
def scenes(tmp_path: Path) -> Scenes:
    found = Scenes(tmp_path)
    found.add(
        [Truth(A, "cola"), Truth(B, "tea")],
        recognition([answer(A, "cola"), answer(B, "cola")]),
    )
    found.add([Truth(A, "cola"), Truth(B, None)], recognition([answer(B, "tea")], [(A, "overlap")]))
    found.add([Truth(A, "milk"), Truth(B, "tea")], recognition([answer(A, None), answer(B, "tea")]))
    return found


def test_the_figures_by_hand(scenes: Scenes) -> None:
    report = scenes.report()
    # Known objects: cola found, tea called cola, cola lost, tea found. Named answers: 4.
    assert (report.pictures, report.truths, report.answers, report.found) == (3, 4, 4, 2)
    assert (report.precision, report.recall, report.f1) == (0.5, 0.5, 0.5)
    assert report.label_accuracy == pytest.approx(2 / 3)
    assert report.missed == {"overlap": 1, "wrong label": 1}
    assert (report.strangers, report.strangers_named) == (2, 1)
    assert report.intervals == {}


def test_intervals_draw_pictures(scenes: Scenes) -> None:
    report = scenes.report(plan=Resampling(resamples=200))
    for name, interval in report.intervals.items():
        assert interval.low <= getattr(report, name) <= interval.high
    assert report.intervals["recall"].low == 0, "three times the second picture"
    del scenes.pictures[1:]
    assert scenes.report(plan=Resampling(resamples=200)).intervals == {}, "one says nothing"


def test_unreadable_pictures_are_listed_and_count_in_nothing(scenes: Scenes) -> None:
    scenes.pictures[1].path.write_bytes(b"torn")
    done: list[int] = []
    report = scenes.report(progress=done.append)
    assert (report.pictures, report.truths) == (2, 3)
    assert [Path(path).name for path, _ in report.skipped] == ["1.png"]
    assert done == [1, 2, 3]


def test_a_picture_with_a_box_outside_of_it_is_listed_and_counts_in_nothing(
    scenes: Scenes,
) -> None:
    path, (first, _) = scenes.pictures[0].path, scenes.pictures[0].truths
    scenes.pictures[0] = LabelledPicture(path, (first, Truth((5000, 10, 5050, 60), "tea")))
    report = scenes.report()
    assert (report.pictures, report.truths) == (2, 2)
    [(name, reason)] = report.skipped
    assert name == str(path)
    assert "holds nothing of it" in reason


def test_the_report_is_json_and_its_run_has_the_known_objects(scenes: Scenes) -> None:
    report = scenes.report()
    assert json.loads(json.dumps(report.to_dict()))["missed"]["overlap"] == 1
    run = report.run()
    assert [row.values["found"] for row in run.rows] == [1, 0, 0, 1]
    assert len({row.key for row in run.rows}) == 4


def test_equal_objects_of_one_picture_and_of_a_copy_all_count_in_a_comparison(
    scenes: Scenes,
) -> None:
    scenes.add([Truth(A, "cola"), Truth(A, "cola")], recognition([answer(A, "cola")]))
    (first, *_, last) = scenes.pictures
    last.path.write_bytes(first.path.read_bytes())
    report = scenes.report()
    compared = compare(report.run(), report.run(), None, by_label=False)
    assert (compared.pairs, compared.only_before, compared.only_after) == (6, 0, 0)
    assert compared.differences[0].before == report.recall


def test_labels_of_another_language_are_an_error(scenes: Scenes) -> None:
    with pytest.raises(DatasetError, match="same words"):
        evaluate_boxes(scenes.pictures, lambda image: recognition(), {"kola"})


TRUTHS = (Truth((1, 2, 3, 4), "cola"), Truth((5, 6, 8, 9), None))


@pytest.mark.parametrize(
    "text",
    [
        '{"picture": "a.jpg", "boxes": [[1, 2, 3, 4], [5, 6, 8, 9]], "labels": ["cola", null]}',
        '{"image": "a.jpg", "objects": [{"label": "cola", "box": [1, 2, 3, 4]}, '
        '{"label": null, "box": [5, 6, 8, 9]}]}\n\n',
        '\ufeff{"path": "a.jpg", "objects": [{"label": "cola", "box": [1, 2, 3, 4]}, '
        '{"box": [5, 6, 8, 9]}]}',
    ],
)
def test_json_lines_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.jsonl").write_text(text, encoding="utf-8")
    assert read_truths(tmp_path / "t.jsonl") == [LabelledPicture(tmp_path / "a.jpg", TRUTHS)]


def test_coco_is_read(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 7, "file_name": "x/a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "categories": [{"id": 2, "name": "cola"}],
        "annotations": [
            {"image_id": 7, "category_id": 2, "bbox": [1, 2, 2, 2], "iscrowd": "0"},
            {"image_id": 7, "category_id": 2, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
    }
    (tmp_path / "t.json").write_text(json.dumps(document, indent=1))
    assert read_truths(tmp_path / "t.json") == [
        LabelledPicture(tmp_path / "x" / "a.jpg", TRUTHS[:1], (Truth((0, 0, 9, 9), "cola"),)),
        LabelledPicture(tmp_path / "b.jpg", ()),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "line 1: this is no JSON"),
        ('{"picture": "a", "boxes": []}\n[1]', "line 2: name the picture"),
        ('{"boxes": []}', "name the picture"),
        ('{"picture": "a", "boxes": [[1, 2, 3, 4]], "labels": []}', "each box needs its label"),
        ('{"picture": "a", "boxes": [[3, 2, 1, 4]], "labels": ["x"]}', "is no box"),
        ('{"picture": "a", "boxes": [[1, 2, 3]], "labels": ["x"]}', "is no box"),
        ('{"picture": "a", "boxes": [[1, 2, NaN, 4]], "labels": ["x"]}', "is no box"),
        (f'{{"picture": "a", "boxes": [[1, 2, 1{"0" * 400}, 4]], "labels": ["x"]}}', "is no box"),
        ('{"picture": "a", "boxes": [[1, 2, 3, 4]], "labels": [7]}', "is no label"),
        ('{"picture": "a", "boxes": [[1, 2, 3, 4]], "labels": [" "]}', "is no label"),
        ('[{"picture": "a", "boxes": [[1, 2, 3, 4]], "labels": ["x"]}]', "holds a JSON list"),
        ('{"picture": "a", "boxes": 5}', "each box needs its label"),
        ('{"picture": "a", "objects": ["cola"]}', "each box needs its label"),
        ('{"picture": "a", "objects": [{"label": "cola"}]}', "None is no box"),
        ('{"picture": "a"}', "lists no box"),
        ("", "lists no box"),
        (
            '{"picture": "a", "boxes": [[1, 2, 3, 4]], "labels": ["x"]}\n'
            '{"picture": "b/../a", "boxes": [[5, 6, 7, 8]], "labels": ["y"]}',
            "a 2 times: .*all objects of a picture in one",
        ),
        ('{"images": [{"id": 1, "file_name": "a"}]}', "no complete COCO"),
        (
            '{"images": [], "categories": [{"id": 1, "name": "c"}], '
            '"annotations": [{"image_id": 5, "category_id": 1, "bbox": [0, 0, 1, 1]}]}',
            "no complete COCO",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(text)
    with pytest.raises(DatasetError, match=reason) as caught:
        read_truths(file)
    assert "t.jsonl" in str(caught.value)


TEA = {"id": 1, "name": "tea"}
IMAGE = {"id": 1, "file_name": "a.jpg"}
WHOLE = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"annotations": [WHOLE, {**WHOLE, "bbox": [5, 6, 0, 9]}]},
            r"annotation 2: \[5, 6, 0, 9\] is no box; write \[left, top, width, height\]",
        ),
        ({"annotations": [{**WHOLE, "bbox": [5, 6, 7]}]}, r"annotation 1: \[5, 6, 7\] is no box"),
        ({"annotations": [5]}, "no complete COCO"),
        (
            {"images": [IMAGE, {"id": 1, "file_name": "b.jpg"}]},
            r"images: 'a\.jpg' and 'b\.jpg' have the same id 1",
        ),
        (
            {"categories": [TEA, TEA, {"id": 1, "name": "cola"}]},
            "categories: 'tea' and 'cola' have the same id 1",
        ),
    ],
)
def test_it_is_said_what_is_wrong_in_a_coco_document(
    tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    document = {"images": [IMAGE], "categories": [TEA, TEA], "annotations": [WHOLE]}
    file = tmp_path / "t.json"
    file.write_text(json.dumps(document))
    assert read_truths(file)[0].truths == (Truth((0, 0, 9, 9), "tea"),)
    file.write_text(json.dumps({**document, **changed}))
    with pytest.raises(DatasetError, match=reason):
        read_truths(file)


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ([0, 1, 2], r"No box is left to be found: 3 pictures cannot be read; .*0\.png .*not exist"),
        ([0, 2], r"No box that is left .1. has a label of the gallery: 2 pictures"),
        ([], r"No box has a label of the gallery .5 asked.: the labels of boxes"),
    ],
)
def test_it_is_said_why_there_is_nothing_to_find(
    scenes: Scenes, lost: list[int], reason: str
) -> None:
    scenes.pictures[1] = LabelledPicture(scenes.pictures[1].path, (Truth(B, None),))
    for number in lost:
        scenes.pictures[number].path.unlink()
    labels = LABELS if lost else set()
    with pytest.raises(DatasetError, match=reason):
        evaluate_boxes(scenes.pictures, lambda _: recognition([]), labels)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none.json cannot be read"):
        read_truths(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", r"objects\.jsonl is no text: name a file that lists"),
        (b"{}\n\xe9", r"objects\.jsonl, line 2: this is not UTF-8"),
        ("{}".encode("utf-16"), r"objects\.jsonl, line 1: this is not UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_called_so(tmp_path: Path, data: bytes, reason: str) -> None:
    file = tmp_path / "objects.jsonl"
    file.write_bytes(data)
    with pytest.raises(DatasetError, match=reason):
        read_truths(file)
