"""A detector as PaddleX opens it: decoding and suppression of doubles within the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shitu.detector.detections import Detections
from shitu.detector.exported import NmsDetector
from shitu.detector.picodet import Detector, cells
from shitu.errors import ModelError
from shitu.exporting.parity import Pictures
from shitu.exporting.sources import Source
from shitu.models.spec import Suppression
from shitu.runtime.paddle_inference import PaddleInferenceSession
from shitu.runtime.session import Session

_PIXELS = 0.5
_SCORE = 1e-3


def write_suppressed(source: Source, folder: Path, raw: Session, pictures: Pictures) -> None:
    """Write the graph, if the strongest box of every picture is the one that shitu finds.

    Args:
        source: the detector.
        folder: for the files.
        raw: gives its outputs as they are.
        pictures: to look for boxes in.

    Raises:
        ModelError: it is another one.
    """
    from shitu.nets.exporting import export_suppressing
    from shitu.nets.suppressing import Suppressing

    strides, reg_max = source.fields["strides"], source.fields["reg_max"]
    where = cells(source.preprocessing.input_size, strides)
    whole = Suppressing(source.image.another(), *where, reg_max, Suppression())
    files = export_suppressing(whole, source.image.input_shape, folder)
    ours = Detector(raw, source.preprocessing, strides, reg_max)
    theirs = NmsDetector(PaddleInferenceSession(*files), source.preprocessing)
    for name, image in zip(pictures.names, pictures.images, strict=True):
        _require_same_best(ours.detect([image])[0], theirs.detect([image])[0], name)


def _require_same_best(wanted: Detections, found: Detections, name: str) -> None:
    if not len(wanted.scores) and not len(found.scores):
        return
    if len(wanted.scores) and len(found.scores):
        apart = float(np.abs(wanted.xyxy[0] - found.xyxy[0]).max())
        if apart <= _PIXELS and abs(float(wanted.scores[0] - found.scores[0])) <= _SCORE:
            return
    raise ModelError(
        f"The export's strongest box on {name} is not the original's. Nothing was written."
    )
