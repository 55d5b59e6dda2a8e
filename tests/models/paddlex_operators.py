"""Run in an environment with paddlex 3.4.3: prepare pictures with its own operators.

    python paddlex_operators.py JOBS.json PICTURES.npz OUT.npz

JOBS.json: {name: description of a model, as `inference.yml` has it}; PICTURES.npz: uint8 RGB.
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ["PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK"] = "True"

import numpy as np


def prepare(fields, pictures):
    from paddlex.inference.models.image_feature.predictor import ImageFeaturePredictor
    from paddlex.inference.models.object_detection.predictor import DetPredictor

    if "Preprocess" in fields:
        operators = []
        for entry in fields["Preprocess"]:
            kind = entry.pop("type")
            operators.append(DetPredictor._FUNC_MAP[kind](SimpleNamespace(), **entry))
        datas = [{"img": picture} for picture in pictures]
        for operator in operators:
            datas = operator(datas)
        return [data["img"] for data in datas]
    for entry in fields["PreProcess"]["transform_ops"]:
        ((kind, settings),) = entry.items()
        settings = {k: v for k, v in (settings or {}).items() if k != "return_numpy"}
        _, operator = ImageFeaturePredictor._FUNC_MAP[kind](None, **settings)
        pictures = operator(pictures)
    return pictures


def main(jobs, pictures, out):
    descriptions = json.loads(Path(jobs).read_text(encoding="utf-8"))
    loaded = np.load(pictures)
    pictures = [loaded[name] for name in sorted(loaded.files)]
    prepared = {name: np.stack(prepare(f, pictures)) for name, f in descriptions.items()}
    np.savez(out, **prepared)


if __name__ == "__main__":
    main(*sys.argv[1:])
