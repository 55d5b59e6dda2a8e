"""Pictures are prepared as paddlex 3.4.3 prepares them, to 1e-5.

It needs opencv-contrib-python 4.10.0.84, so it has an environment of its own:
`python -m venv PDX && PDX/bin/pip install paddlex==3.4.3 opencv-contrib-python==4.10.0.84`, and
`SHITU_TEST_PADDLEX=PDX/bin/python`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exports import detector_yml, feature_yml

from shitu.images import Image, load_image
from shitu.models.operators import detector_preprocessing, feature_preprocessing
from shitu.preprocess import Preprocessing

# Read at once, because settings from outside are taken away while a test runs.
PYTHON = os.environ.get("SHITU_TEST_PADDLEX")
SCENES = Path(__file__).parents[2] / "gallery" / "scenes"
JOBS: dict[str, dict[str, Any]] = {
    "rec": feature_yml([224, 224]),
    "clip": feature_yml(224, interpolation="bicubic"),
    "wide": feature_yml([320, 192]),
    "det": detector_yml(640),
    "linear": detector_yml(416, interp=1),
}


def ours(fields: dict[str, Any]) -> Preprocessing:
    if "Preprocess" in fields:
        return detector_preprocessing(fields["Preprocess"])
    return feature_preprocessing(fields["PreProcess"]["transform_ops"])


def compare(pictures: list[Image], folder: Path) -> None:
    if not PYTHON:
        pytest.skip(
            "set SHITU_TEST_PADDLEX to the python of an environment with paddlex 3.4.3: nothing "
            "was compared with it"
        )
    (folder / "jobs.json").write_text(json.dumps(JOBS))
    np.savez(folder / "pictures.npz", **{f"{n:04d}": p for n, p in enumerate(pictures)})
    script = Path(__file__).with_name("paddlex_operators.py")
    files = [folder / name for name in ("jobs.json", "pictures.npz", "out.npz")]
    subprocess.run([PYTHON, script, *files], check=True, cwd=folder, capture_output=True)
    with np.load(folder / "out.npz") as theirs:
        for name, fields in JOBS.items():
            wanted, found = theirs[name], ours(fields)(pictures)
            assert wanted.dtype == found.dtype == np.float32
            assert np.abs(wanted - found).max() <= 1e-5, name


def test_drawn_scenes(tmp_path: Path) -> None:
    compare([load_image(path) for path in sorted(SCENES.glob("*.jpg"))[:3]], tmp_path)


def test_real_photos(tmp_path: Path, data_folder: Path) -> None:
    photos = sorted(data_folder.glob("grocery/test/**/*.jpg"))[::300]
    photos += sorted(data_folder.glob("ppshitu_demo/**/*.jp*g"))[::60]
    assert len(photos) > 8
    compare([load_image(path) for path in photos], tmp_path)
