"""Mobile Object Localizer v1 in the place of our detector: what are its crops worth?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shitu.cropper import Cropper, CropPolicy
from shitu.describer import Describer
from shitu.detector import Detections
from shitu.embedder import Embedder
from shitu.errors import WeightsNotFound
from shitu.geometry import clip
from shitu.images import Image
from shitu.preprocess import Preprocessing
from shitu.runtime.onnx_runtime import OnnxRuntimeSession
from shitu.workspace import Workspace

_SIDE = 192
_THRESHOLD = 0.5
_AREA = 0.05


class Localizer:
    """Answers as `shitu.detector.Detector` does.

    Args:
        path: ONNX file: uint8 RGB (1, 192, 192, 3) to 100 boxes top, left, bottom, right in 0..1,
            their classes (there is one), and their scores, best first.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise WeightsNotFound(f"No ONNX model at {path}. Check the path of --localizer.")
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._squash = Preprocessing((_SIDE, _SIDE), interpolation="antialias")

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> Detections:
        boxes, _classes, scores, _count = self._session.run(
            None, {self._input: self._squash.resize(image)[None]}
        )
        height, width = image.shape[:2]
        xyxy = boxes[0][:, [1, 0, 3, 2]] * np.array([width, height] * 2, dtype=np.float32)
        order = np.argsort(-scores[0], kind="stable")
        return Detections(clip(xyxy[order], width, height), scores[0][order])


def localizer_describer(path: Path, like: Workspace) -> Describer:
    """The embedder of a workspace on the crops of the localizer."""
    spec = like.lineup.feature_spec()
    session = OnnxRuntimeSession(spec.files["onnx"].verified(), like.config.threads or None)
    policy = CropPolicy(_THRESHOLD, _THRESHOLD, main_body_area=_AREA, area_power=0)
    return Describer(
        Cropper(Localizer(path), policy),  # type: ignore[arg-type]  # it detects; no more is asked
        Embedder(session, spec.preprocessing, spec.dim, like.config.batch_size),
        like.describer.space,
    )
