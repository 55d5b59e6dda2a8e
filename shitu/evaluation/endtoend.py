"""From a picture to named boxes: how much is found and named rightly, and what is lost where."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from shitu.errors import DatasetError, ImageError
from shitu.evaluation.bootstrap import Interval, Resampling, plan_for, ratio_interval
from shitu.evaluation.metrics import Floats
from shitu.evaluation.runs import Run, RunRow, distinct
from shitu.evaluation.truths import LabelledPicture, Truth
from shitu.figures import many
from shitu.geometry import Box, Boxes, area, clip, intersection, iou
from shitu.images import Image, display_path, load_image, read_bytes
from shitu.verifier.reranking import OFF

if TYPE_CHECKING:
    from shitu.recognition import Recognition, RecognizedObject

ENOUGH = 0.5
"""IoU from which a box is the box of an object (PASCAL VOC; COCO's AP50)."""

STAGES = {
    "no box": "no box",
    "overlap": "lost to an overlapping box (NMS)",
    "detection": "below the detection threshold",
    "limit": "too many boxes (max_objects)",
    "merge": "merged into another answer",
    "unknown": "answered unknown",
    "wrong label": "given another label",
}
"""What a missed object can be lost by, in the order of the pipeline."""


class Recognize(Protocol):
    """Names the objects of a picture."""

    def __call__(self, image: Image, /) -> Recognition:
        """Recognise one picture, uint8 RGB (h, w, 3)."""


@dataclass(frozen=True)
class TruthOutcome:
    """What became of one true object.

    Attributes:
        key: content of the picture, label and box; others may have the same.
        stranger: its label is not in the gallery; the right answer is `unknown`.
        located: an answer, named or unknown, has its box.
        answer: label of that answer.
        lost_by: a key of `STAGES`; None if it was found (or, a stranger, not named).
    """

    path: str
    key: str
    box: Box
    label: str | None
    stranger: bool
    located: bool
    answer: str | None
    lost_by: str | None

    @property
    def found(self) -> bool:
        """Whether box and label are right."""
        return self.lost_by is None and not self.stranger


@dataclass(frozen=True)
class PictureOutcome:
    """The objects of one picture, and how many named answers it got."""

    truths: tuple[TruthOutcome, ...]
    named: int


@dataclass(frozen=True)
class BoxReport:
    """Result of an end-to-end evaluation; shares are 0..1.

    Attributes:
        truths: objects whose label the gallery has.
        answers: boxes that were given a label.
        found: objects with an answer of the right label and IoU >= 0.5, one to one.
        precision: found / answers; 0 without answers.
        recall: found / truths.
        f1: 2 found / (answers + truths).
        label_accuracy: of the objects with an answer on their box, those named rightly.
        missed: objects lost, by the stage that lost them.
        strangers: objects whose label the gallery does not have.
        strangers_named: of those, how many were given a label.
        intervals: 95 %, by name; pictures are drawn, so that of one there are none.
        verify: the setting that the pictures were recognised with: auto, on or off.
    """

    pictures: int
    truths: int
    answers: int
    found: int
    precision: float
    recall: float
    f1: float
    label_accuracy: float
    missed: Mapping[str, int]
    strangers: int
    strangers_named: int
    intervals: Mapping[str, Interval]
    skipped: tuple[tuple[str, str], ...]
    outcomes: tuple[TruthOutcome, ...] = field(repr=False)
    verify: str = OFF

    def to_dict(self) -> dict[str, Any]:
        """The report as `shitu eval-recall --boxes FILE --json` prints it, without outcomes."""
        values = asdict(replace(self, outcomes=()))
        del values["outcomes"]
        return values

    def run(self) -> Run:
        """The known objects, to be kept and compared with."""
        known = [one for one in self.outcomes if not one.stranger]
        # Here, not in each picture: of that there may be copies under other names.
        keys = distinct(one.key for one in known)
        rows = [
            RunRow(key, one.path, one.label or "", one.answer, {"found": float(one.found)})
            for key, one in zip(keys, known, strict=True)
        ]
        return Run("boxes", tuple(rows))


def evaluate_boxes(
    pictures: Sequence[LabelledPicture],
    recognize: Recognize,
    labels: Collection[str],
    plan: Resampling | None = None,
    progress: Callable[[int], None] | None = None,
) -> BoxReport:
    """Recognise the pictures and compare with what is there.

    Args:
        pictures: with all objects in them: an answer on anything else counts as wrong.
        recognize: names the objects of a picture.
        labels: of the gallery; objects of other labels are strangers.
        plan: of the bootstrap; None: no intervals.
        progress: told the number of pictures done so far.

    Raises:
        DatasetError: no object of a picture that can be read has a label of the gallery.
    """
    outcomes: list[PictureOutcome] = []
    skipped: list[tuple[str, str]] = []
    for number, picture in enumerate(pictures, 1):
        try:
            content = read_bytes(picture.path)
            image = load_image(content)
            _check_boxes(picture, image)
        except ImageError as error:
            skipped.append((str(picture.path), str(error)))
        else:
            digest = hashlib.sha256(content).hexdigest()
            outcomes.append(judge(picture, digest, image, recognize(image), labels))
        if progress is not None:
            progress(number)
    return _report(outcomes, tuple(skipped), plan)


def _check_boxes(picture: LabelledPicture, image: Image) -> None:
    """Refuse a picture with a true box that nothing could ever be found in."""
    height, width = image.shape[:2]
    for truth in picture.truths:
        if not area(clip([truth.box], width, height))[0]:
            raise ImageError(
                f"{display_path(picture.path)}: the box {truth.box} holds nothing of it "
                f"({width} x {height} pixels); give left, top, right, bottom in pixels"
            )


def judge(
    picture: LabelledPicture,
    digest: str,
    image: Image,
    answer: Recognition,
    labels: Collection[str],
) -> PictureOutcome:
    """Match answers and truths one to one: right labels first, then by IoU.

    Of a true box counts what is in the picture.
    """
    height, width = image.shape[:2]
    boxes = [item.box or (0.0, 0.0, float(width), float(height)) for item in answer.objects]
    inside = clip([truth.box for truth in picture.truths], width, height)
    match = _match(picture.truths, inside, answer.objects, boxes)
    found = []
    for i, truth in enumerate(picture.truths):
        item = answer.objects[match[i]] if i in match else None
        stranger = truth.label is None or truth.label not in labels
        found.append(
            TruthOutcome(
                path=str(picture.path),
                key=f"{digest} {truth.label} {truth.box}",
                box=truth.box,
                label=truth.label,
                stranger=stranger,
                located=item is not None,
                answer=None if item is None else item.label,
                lost_by=None if stranger else _lost_by(truth, inside[i : i + 1], item, answer),
            )
        )
    return PictureOutcome(tuple(found), _named(picture.crowds, answer.objects, boxes, match))


def _named(
    crowds: Sequence[Truth],
    objects: Sequence[RecognizedObject],
    boxes: Sequence[Box],
    match: Mapping[int, int],
) -> int:
    """How many answers have a label, but for those that find nothing in a crowd of it."""
    right = set(match.values())
    return sum(
        item.label is not None and (i in right or not _in_crowd(item.label, boxes[i], crowds))
        for i, item in enumerate(objects)
    )


def _in_crowd(label: str, box: Box, crowds: Sequence[Truth]) -> bool:
    """Whether half of a box lies in one, as COCO has it."""
    shared = intersection([box], [crowd.box for crowd in crowds if crowd.label == label])
    return bool((shared >= ENOUGH * area([box])).any())


def _match(
    truths: Sequence[Truth],
    inside: Boxes,
    objects: Sequence[RecognizedObject],
    boxes: Sequence[Box],
) -> dict[int, int]:
    """Answer of each truth that has one, greedily."""
    if not truths or not boxes:
        return {}
    shared = iou(inside, boxes)
    good = np.argwhere(shared >= ENOUGH).tolist()
    good.sort(key=lambda p: (truths[p[0]].label != objects[p[1]].label, -shared[p[0], p[1]]))
    match: dict[int, int] = {}
    for row, column in good:
        if row not in match and column not in match.values():
            match[row] = column
    return match


def _lost_by(
    truth: Truth, inside: Boxes, item: RecognizedObject | None, answer: Recognition
) -> str | None:
    if item is not None:
        if item.label is None:
            return "unknown"
        return None if item.label == truth.label else "wrong label"
    if not answer.dropped:
        return "no box"
    shared = iou(inside, [dropped.box for dropped in answer.dropped])[0]
    best = int(shared.argmax())
    return answer.dropped[best].stage if shared[best] >= ENOUGH else "no box"


def _report(
    pictures: Sequence[PictureOutcome],
    skipped: tuple[tuple[str, str], ...],
    plan: Resampling | None,
) -> BoxReport:
    outcomes = [truth for picture in pictures for truth in picture.truths]
    known = [truth for truth in outcomes if not truth.stranger]
    strangers = [truth for truth in outcomes if truth.stranger]
    if not known:
        raise DatasetError(_nothing_known(len(outcomes), skipped))
    ratios = _ratios(pictures)
    lost = Counter(truth.lost_by for truth in known if truth.lost_by is not None)
    return BoxReport(
        pictures=len(pictures),
        truths=len(known),
        answers=sum(picture.named for picture in pictures),
        found=sum(truth.found for truth in known),
        **{name: _share(*columns) for name, columns in ratios.items()},
        missed={stage: lost[stage] for stage in (*STAGES, *lost) if lost[stage]},
        strangers=len(strangers),
        strangers_named=sum(truth.answer is not None for truth in strangers),
        intervals=_intervals(ratios, plan),
        skipped=skipped,
        outcomes=tuple(outcomes),
        verify=OFF,
    )


def _nothing_known(boxes: int, skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return (
            f"No box has a label of the gallery ({boxes} asked): the labels of boxes and "
            "gallery must be the same words."
        )
    pictures = f"{many(len(skipped), 'picture')} cannot be read; the first: {skipped[0][1]}"
    if not boxes:
        return f"No box is left to be found: {pictures}"
    return f"No box that is left ({boxes}) has a label of the gallery: {pictures}"


def _ratios(pictures: Sequence[PictureOutcome]) -> dict[str, tuple[Floats, Floats]]:
    """Numerators and denominators of the shares, one of each a picture."""
    known = [[truth for truth in one.truths if not truth.stranger] for one in pictures]
    found = np.array([sum(truth.found for truth in row) for row in known], dtype=np.float64)
    truths = np.array([len(row) for row in known], dtype=np.float64)
    located = np.array([sum(truth.located for truth in row) for row in known], dtype=np.float64)
    named = np.array([picture.named for picture in pictures], dtype=np.float64)
    return {
        "precision": (found, named),
        "recall": (found, truths),
        "f1": (2 * found, named + truths),
        "label_accuracy": (found, located),
    }


def _share(part: Floats, whole: Floats) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else 0.0


def _intervals(
    ratios: Mapping[str, tuple[Floats, Floats]], plan: Resampling | None
) -> dict[str, Interval]:
    pictures = np.arange(len(ratios["recall"][0]))
    plan = plan_for(pictures, plan)
    if plan is None:
        return {}
    return {
        name: ratio_interval(part, whole, pictures, plan)
        for name, (part, whole) in ratios.items()
        if whole.sum()
    }
