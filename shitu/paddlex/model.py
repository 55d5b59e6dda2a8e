"""`create_model(name or folder)`: one model, asked about pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from shitu.arguments import count_of, figure_of, name_of
from shitu.config import load_config
from shitu.detector import Detections, to_box
from shitu.drawing.annotate import Mark
from shitu.errors import Closed
from shitu.images import Image, as_image
from shitu.lineup import WHOLE
from shitu.models.registry import read_model
from shitu.models.spec import ModelSpec
from shitu.paddlex.names import usable
from shitu.paddlex.pictures import Input, pictures_of
from shitu.paddlex.results import Result
from shitu.workspace import Workspace

Fields = dict[str, Any]

_TOPK = 5


def create_model(
    model_name: str | None = None, model_dir: str | None = None, **unused: Any
) -> Model:
    """Open one model.

    Args:
        model_name: an official or embedded name, or a folder.
        model_dir: folder of the model, where the name only says what it is.
        unused: PaddleX' other arguments, which change nothing here.

    Raises:
        ModelError: there is no such model.
        TypeError: no model is named, or by something that is no name.
    """
    name = (
        name_of("model_dir", model_dir) if model_dir else usable(name_of("model_name", model_name))
    )
    return Model(name, read_model(name))


class Model:
    """A feature extractor, a detector or a classifier."""

    def __init__(self, name: str, spec: ModelSpec) -> None:
        self._spec = spec
        self._workspace, self._answer = _ANSWERS[spec.kind](name, spec)

    def predict(
        self,
        input: Input,  # noqa: A002 - PaddleX' name
        batch_size: int = 1,
        **options: Any,
    ) -> Iterator[Result]:
        """Ask about pictures: path, folder, address, BGR array, or a list of these.

        Args:
            input: the pictures.
            batch_size: so many go through the network at a time; has no influence on the result.
            options: `threshold` of a detector, `topk` of a classifier.

        Yields:
            A result for each picture: `feature`, `boxes`, or `class_ids` with `scores`.

        Raises:
            ImageError: something is no picture.
            TypeError: `batch_size`, `threshold` or `topk` is no number.
            ValueError: `batch_size` or `topk` is less than one.
        """
        size = count_of("batch_size", batch_size)
        pictures = pictures_of(input)
        while batch := list(islice(pictures, size)):
            images = [picture.load() for picture in batch]
            answers = self._answer(images, **options)
            for picture, image, fields in zip(batch, images, answers, strict=True):
                shared = {
                    "input_path": picture.path,
                    "page_index": None,
                    "input_img": as_image(image[..., ::-1]),
                }
                draw = _marks if "boxes" in fields else None
                yield Result({**shared, **fields}, draw)

    __call__ = predict

    def close(self) -> None:
        """Let go of the network; who asks afterwards gets `Closed`."""
        self._workspace.close()
        self._answer = _refuse


Answer = Callable[..., Sequence[Fields]]


def _feature(name: str, spec: ModelSpec) -> tuple[Workspace, Answer]:
    workspace = Workspace.of(load_config(overrides=_whole(name)))
    return workspace, lambda images, **_: [{"feature": row} for row in workspace.embed(images)]


def _detector(name: str, spec: ModelSpec) -> tuple[Workspace, Answer]:
    workspace = Workspace.of(load_config(overrides={**_whole(None), "detector_model": name}))

    def answer(images: Sequence[Image], threshold: float | None = None, **_: Any) -> list[Fields]:
        least = spec.threshold if threshold is None else figure_of("threshold", threshold)
        return [{"boxes": _boxes(found, spec, least)} for found in workspace.detect(images)]

    return workspace, answer


def _classifier(name: str, spec: ModelSpec) -> tuple[Workspace, Answer]:
    workspace = Workspace.of(load_config(overrides=_whole(None)))
    sessions = {os.getpid(): workspace.open(spec)}  # whose threads no forked process has

    def answer(images: Sequence[Image], topk: int = _TOPK, **_: Any) -> list[Fields]:
        if os.getpid() not in sessions:
            sessions[os.getpid()] = workspace.open(spec)
        rows = sessions[os.getpid()].run(spec.preprocessing(images))[0]
        return [_classes(row, spec, count_of("topk", topk)) for row in rows]

    return workspace, answer


_ANSWERS: dict[str, Callable[[str, ModelSpec], tuple[Workspace, Answer]]] = {
    "feature": _feature,
    "detector": _detector,
    "classifier": _classifier,
}


def _refuse(*_: Any, **__: Any) -> list[Fields]:
    raise Closed("the model was closed: open another one to go on")


def _whole(feature: str | None) -> dict[str, Any]:
    return {"feature_model": feature, "detector_model": WHOLE}


def _boxes(found: Detections, spec: ModelSpec, least: float) -> list[Fields]:
    label = spec.labels[0] if spec.labels else "foreground"
    return [
        {
            "cls_id": 0,
            "label": label,
            "score": float(found.scores[i]),
            "coordinate": list(to_box(found.xyxy[i])),
        }
        for i in np.flatnonzero(found.scores > least)
    ]


def _classes(scores: Any, spec: ModelSpec, topk: int) -> Fields:
    best = np.argsort(-scores, kind="stable")[:topk]
    fields: Fields = {
        "class_ids": [int(i) for i in best],
        "scores": [round(float(scores[i]), 5) for i in best],
    }
    if spec.labels:
        fields["label_names"] = [spec.labels[i] for i in best]
    return fields


def _marks(result: Result) -> list[Mark]:
    return [
        Mark(to_box(np.array(box["coordinate"])), f"{box['label']} {box['score']:.2f}")
        for box in result["boxes"]
    ]
