"""`create_pipeline("PP-ShiTuV2")`: build an index, change it, find and name objects with it."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shitu.arguments import count_of, figure_of, list_of, named_of, number_of, path_of
from shitu.config import load_config
from shitu.drawing.annotate import Mark
from shitu.errors import ConfigError, GalleryError, ImageError, SpaceMismatch
from shitu.geometry import crop
from shitu.images import Image, as_image
from shitu.paddlex.galleries import (
    KINDS,
    METRICS,
    IndexData,
    clean_labels,
    load_index,
    read_gallery,
    read_ids,
)
from shitu.paddlex.names import usable
from shitu.paddlex.pictures import Input, Picture, pictures_of
from shitu.paddlex.results import Result
from shitu.workspace import Workspace
from shitu.yamls import read_yaml

NAME = "PP-ShiTuV2"
_TOPK = 5
_SOME = 16  # pictures described at a time


def create_pipeline(
    pipeline: str | Path | None = None,
    config: Mapping[str, Any] | None = None,
    device: str | None = None,
    **unused: Any,
) -> Pipeline:
    """Open what PaddleX calls the pipeline PP-ShiTuV2.

    Models are those of its settings: official ones where they have been pulled, else the embedded
    ones, with a warning.

    Args:
        pipeline: `PP-ShiTuV2`, or a YAML file with PaddleX' settings.
        config: these settings themselves.
        device: only `cpu` does anything; others give a warning.
        unused: PaddleX' other arguments, which change nothing here.

    Raises:
        ConfigError: it is another pipeline, or a setting makes no sense.
        TypeError: `pipeline` is no name or path, or `config` no mapping.
    """
    if device is not None and not str(device).startswith("cpu"):
        warnings.warn(f"The pipeline runs on the CPU, not on {device!r}.", stacklevel=2)
    fields = named_of("config", config) if config is not None else _settings(pipeline)
    if fields.get("pipeline_name", NAME) != NAME:
        raise ConfigError(f"Only the pipeline {NAME} is known, not {fields['pipeline_name']!r}.")
    modules = _section(fields, "SubModules")
    thresholds = _Thresholds(
        detection=_number(fields, "det_threshold"),
        recognition=_number(fields, "rec_threshold"),
        topk=_count(fields, "rec_topk", _TOPK),
    )
    recognition = _section(modules, "Recognition")
    feature = _model(recognition, "PP-ShiTuV2_rec")
    asked_for = recognition.get("model_dir") or recognition.get("model_name") or "PP-ShiTuV2_rec"
    detector = _model(_section(modules, "Detection"), "PP-ShiTuV2_det")
    settings = {"feature_model": feature, "detector_model": detector}
    index = fields.get("index")
    return Pipeline(
        Workspace.of(load_config(overrides=settings)),
        thresholds,
        None if index in (None, "None", "") else load_index(Path(str(index))),
        lacking=None if feature == str(asked_for) else str(asked_for),
    )


def _settings(pipeline: str | Path | None) -> dict[str, Any]:
    if pipeline is None or str(pipeline) == NAME:
        return {}
    path = path_of("pipeline", pipeline)
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"No pipeline is called {str(pipeline)!r}: {NAME}, or a .yaml file.")
    try:
        fields = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The pipeline's settings {path} cannot be read: {error}") from None
    if not isinstance(fields, dict):
        raise ConfigError(f"The pipeline's settings {path} must be lines of `name: value`.")
    return fields


def _section(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = fields.get(name) or {}
    if not isinstance(section, Mapping):
        raise ConfigError(
            f"{name} in the pipeline's settings must be lines of `name: value`, not {section!r}."
        )
    return section


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    given = fields.get(name)
    try:
        number = None if given is None else float(given)
    except (TypeError, ValueError):
        number = math.nan
    if number is not None and not math.isfinite(number):
        raise ConfigError(f"{name} in the pipeline's settings must be a number, not {given!r}.")
    return number


def _count(fields: Mapping[str, Any], name: str, usual: int) -> int:
    given = fields.get(name)
    try:
        return usual if given is None else count_of(name, given)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{name} in the pipeline's settings must be a whole number of at least 1, not "
            f"{given!r}."
        ) from None


def _model(fields: Mapping[str, Any], usual: str) -> str:
    """Name or folder of a model."""
    folder = fields.get("model_dir")
    return str(folder) if folder else usable(str(fields.get("model_name") or usual))


@dataclass(frozen=True)
class _Thresholds:
    """What holds where a call says nothing; None: the models' own."""

    detection: float | None
    recognition: float | None
    topk: int


class Pipeline:
    """PaddleX' PP-ShiTuV2, with shitu's models and rules.

    Pictures of a gallery and queries are cropped by the same rule, ids are never used twice, and
    no call changes the index that it was given.
    """

    def __init__(
        self,
        workspace: Workspace,
        thresholds: _Thresholds,
        index: IndexData | None,
        lacking: str | None = None,
    ) -> None:
        self._workspace = workspace
        self._thresholds = thresholds
        self._index = index
        self._lacking = lacking  # the feature extractor in whose place another one stands

    def build_index(
        self,
        gallery_imgs: Any,
        gallery_label: Any,
        metric_type: str = "IP",
        index_type: str = "HNSW32",
        **_: Any,
    ) -> IndexData:
        """Make an index of pictures and their labels.

        Args:
            gallery_imgs: folder that the paths in `gallery_label` start from, or a list of
                pictures.
            gallery_label: file with a path and a label a line, or a list of labels.
            metric_type: `IP` or `L2`.
            index_type: any of PaddleX' kinds; all are searched exactly here.

        Returns:
            The index. Pictures that cannot be read are left out, with a warning; see `skipped`.

        Raises:
            ConfigError: the metric or kind is none of PaddleX'.
            DatasetError: the file of labels cannot be read, or a line has no label.
            GalleryError: there is not one label for each picture.
            ImageError: there are pictures, and none can be used.
            TypeError: a label is no text, or `gallery_imgs` no folder where labels are in a file.
        """
        if metric_type not in METRICS:
            raise ConfigError(
                f"metric_type is one of {', '.join(METRICS)}, not {metric_type!r}: vectors of "
                "numbers have no hamming distance."
            )
        if index_type not in KINDS:
            raise ConfigError(f"index_type is one of {', '.join(KINDS)}, not {index_type!r}.")
        space = self._workspace.lineup.space()
        empty = IndexData((), (), np.empty((0, space.dim), np.float32), (), metric_type, index_type)
        made = replace(empty, space=space.fingerprint, made_by=space.called)
        return self._added(made, gallery_imgs, gallery_label)

    def append_index(self, gallery_imgs: Any, gallery_label: Any, index: Any) -> IndexData:
        """Return an index with more pictures; those that it has under that label are not added."""
        return self._added(self._opened(index), gallery_imgs, gallery_label)

    def remove_index(self, remove_ids: Any, index: Any) -> IndexData:
        """Return an index without the vectors of these ids: a list, or a file with one a line.

        Raises:
            GalleryError: the index has no such vector.
            TypeError: an id is no whole number.
        """
        opened = self._opened(index)
        if isinstance(remove_ids, (str, Path)):
            return opened.removed(read_ids(Path(remove_ids)))
        ids = list_of("remove_ids", remove_ids)
        return opened.removed([number_of("an id of remove_ids", one) for one in ids])

    def predict(
        self,
        input: Input,  # noqa: A002 - PaddleX' name
        index: Any = None,
        det_threshold: float | None = None,
        rec_threshold: float | None = None,
        rec_topk: int | None = None,
        **_: Any,
    ) -> Iterator[Result]:
        """Find the objects in pictures and name them.

        Args:
            input: path, folder, address, BGR array, or a list of these.
            index: an index, or the folder of one; by default the one of the settings.
            det_threshold: boxes below this score are not looked up; by default the detector's.
            rec_threshold: neighbours that are not as near as this are not given; by default the
                feature extractor's. A score for `IP`, a squared distance for `L2`.
            rec_topk: at most so many neighbours a box.

        Yields:
            A result for each picture. A box without a neighbour has the label None.

        Raises:
            ImageError: something is no picture.
            TypeError: a threshold is no number, or `rec_topk` no whole one.
            ValueError: a threshold is NaN, or `rec_topk` less than one.
        """
        opened = self._opened(self._index if index is None else index)
        found = self._thresholds
        least = self._workspace.threshold if found.recognition is None else found.recognition
        if rec_threshold is not None:
            least = figure_of("rec_threshold", rec_threshold)
        elif opened.metric_type == "L2" and found.recognition is None:
            least = 2 - 2 * least
        boxes_from = found.detection
        if det_threshold is not None:
            boxes_from = figure_of("det_threshold", det_threshold)
        topk = found.topk if rec_topk is None else count_of("rec_topk", rec_topk)
        for picture in pictures_of(input):
            yield self._result(picture, opened, boxes_from, least, topk)

    __call__ = predict

    def close(self) -> None:
        """Let go of the networks; who asks afterwards gets `Closed`."""
        self._workspace.close()

    def _result(
        self, picture: Picture, index: IndexData, boxes_from: float | None, least: float, topk: int
    ) -> Result:
        image = picture.load()
        height, width = image.shape[:2]
        kept = self._workspace.candidates(image, boxes_from).kept
        crops = [image if one.box is None else crop(image, one.box) for one in kept]
        answers = index.nearest(self._workspace.embed(crops), topk, least)
        boxes: list[dict[str, Any]] = [
            {
                "labels": labels or [None],
                "rec_scores": scores or [None],
                "det_score": one.score or 0,
                "coordinate": list(one.box or (0.0, 0.0, float(width), float(height))),
            }
            for one, (labels, scores) in zip(kept, answers, strict=True)
        ]
        fields = {
            "input_path": picture.path,
            "input_img": as_image(image[..., ::-1]),
            "boxes": boxes,
        }
        return Result(fields, _marks)

    def _opened(self, index: Any) -> IndexData:
        if index is None:
            raise GalleryError(
                "There is no index to look up in: give one to the call, or name its folder as "
                "`index` in the pipeline's settings."
            )
        opened = index if isinstance(index, IndexData) else load_index(path_of("index", index))
        space = self._workspace.lineup.space()
        if opened.space is None and self._lacking:
            raise SpaceMismatch(
                f"This index does not say which models made it, and {self._lacking}, which makes "
                f"those of PaddleX, is not on this machine: `shitu models pull {self._lacking}` "
                "gets it, or name its folder as `model_dir` in the pipeline's settings."
            )
        opened.require(space)
        return opened

    def _added(self, index: IndexData, gallery_imgs: Any, gallery_label: Any) -> IndexData:
        pictures, labels = _gallery(gallery_imgs, gallery_label)
        known = dict(zip(index.digests, index.labels, strict=True))
        skipped: list[tuple[str, str]] = []
        for start in range(0, len(pictures), _SOME):
            ready: list[tuple[Image, str, str]] = []
            places = range(start, min(start + _SOME, len(pictures)))
            for place in places:
                try:
                    one = _ready(pictures[place], labels[place], known)
                except ImageError as error:
                    skipped.append((pictures[place].path or f"picture {place + 1}", str(error)))
                    continue
                ready += [one] if one else []
            index = self._with(index, ready)
        if skipped and not len(index):
            raise ImageError(
                f"None of the {len(pictures)} pictures can be used; of the first: {skipped[0][1]}"
            )
        for path, reason in skipped:
            warnings.warn(f"Left out {path}: {reason}", stacklevel=3)
        return replace(index, skipped=tuple(skipped))

    def _with(self, index: IndexData, ready: Sequence[tuple[Image, str, str]]) -> IndexData:
        if not ready:
            return index
        images, labels, digests = zip(*ready, strict=True)
        described = self._workspace.describer.describe(list(images))
        vectors: npt.NDArray[np.float32] = np.stack([one.embedding for one in described])
        return index.added(labels, vectors, digests)


def _ready(picture: Picture, label: str, known: dict[str, str]) -> tuple[Image, str, str] | None:
    """Read a picture to be added; None where it is in the index already."""
    digest = hashlib.sha256(picture.data()).hexdigest()
    owner = known.get(digest)
    if owner == label:
        return None
    if owner is not None:
        raise ImageError(f"the same picture is in the index as {owner!r} already.")
    image = picture.load()
    known[digest] = label
    return image, label, digest


def _gallery(gallery_imgs: Any, gallery_label: Any) -> tuple[list[Picture], list[str]]:
    if isinstance(gallery_label, (str, Path)):
        if not isinstance(gallery_imgs, (str, Path)):
            raise TypeError(
                "gallery_imgs has to be the folder that the paths in gallery_label start from, not "
                f"{type(gallery_imgs).__name__}"
            )
        root = Path(gallery_imgs)
        entries = read_gallery(Path(gallery_label), root)
        return [Picture(str(path), path) for path, _ in entries], [label for _, label in entries]
    pictures = list(pictures_of(gallery_imgs))
    labels = clean_labels(list_of("gallery_label", gallery_label))
    if len(pictures) != len(labels):
        raise GalleryError(f"There are {len(pictures)} pictures and {len(labels)} labels.")
    return pictures, labels


def _marks(result: Result) -> list[Mark]:
    marks = []
    for box in result["boxes"]:
        label, score = box["labels"][0], box["rec_scores"][0]
        known = label is not None
        text = f"{label} {score:.2f}" if known else ""
        marks.append(Mark(tuple(box["coordinate"]), text, known=known))
    return marks
