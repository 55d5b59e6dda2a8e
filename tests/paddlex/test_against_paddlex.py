"""The same exported models, pictures and indexes in paddlex 3.4.3 itself and here.

`SHITU_TEST_PADDLEX` as in tests/models/test_paddlex_operators.py; the environment needs
paddlepaddle, faiss-cpu and pypdfium2, too.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu import create_model
from shitu.exporting import export, source_of_model
from shitu.models.registry import find_model
from shitu.paddlex.galleries import IndexData, load_index

# Read at once, because settings from outside are taken away while a test runs.
PYTHON = os.environ.get("SHITU_TEST_PADDLEX")
SCENES = sorted((Path(__file__).parents[2] / "gallery" / "scenes").glob("*.jpg"))[:3]
MODELS = {
    "rec": ("pplcnetv2_base_shitu", "feature"),
    "det": ("picodet_lcnet_mainbody", "detector"),
}
NEEDED = "import paddlex, paddle, faiss, pypdfium2"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both say, and the folder of the files."""
    if not PYTHON or subprocess.run([PYTHON, "-c", NEEDED], capture_output=True).returncode:
        pytest.skip(
            "set SHITU_TEST_PADDLEX to the python of an environment with paddlex 3.4.3, "
            "paddlepaddle, faiss-cpu and pypdfium2: nothing was compared with it"
        )
    folder = tmp_path_factory.mktemp("paddlex")
    for name, (model, kind) in MODELS.items():
        source = source_of_model(find_model(model, kind)).called(f"PP-ShiTuV2_{name}")
        export(source, "paddle", folder / name, SCENES[0])
    pictures = [str(path) for path in SCENES]
    features = [one["feature"] for one in create_model(str(folder / "rec")).predict(pictures)]
    boxes = [one["boxes"] for one in create_model(str(folder / "det")).predict(pictures)]
    labels = [f"scene {place}" for place in range(len(pictures))]
    empty = IndexData((), (), np.empty((0, 512), np.float32), ())
    empty.added(labels, np.stack(features), [""] * len(labels)).save(folder / "index")
    (folder / "out").mkdir()
    job = {name: str(folder / name) for name in ("rec", "det", "index", "out")}
    (folder / "job.json").write_text(json.dumps({**job, "pictures": pictures}))
    script = Path(__file__).with_name("paddlex_answers.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [PYTHON, script, folder / "job.json"],
        check=True,
        cwd=folder,
        capture_output=True,
        env=environment,
    )
    theirs = json.loads((folder / "out" / "answers.json").read_text())
    theirs["features"] = np.load(folder / "out" / "features.npy")
    return {"theirs": theirs, "features": np.stack(features), "boxes": boxes, "folder": folder}


def test_features_are_the_same(answers: dict[str, Any]) -> None:
    assert np.abs(answers["theirs"]["features"] - answers["features"]).max() < 1e-5


def test_boxes_are_the_same(answers: dict[str, Any]) -> None:
    ours = [[[*box["coordinate"], box["score"]] for box in boxes] for boxes in answers["boxes"]]
    assert sum(map(len, ours)) > 3
    for found, wanted in zip(ours, answers["theirs"]["boxes"], strict=True):
        assert np.allclose(found, wanted, atol=1e-3)


def test_it_reads_our_index(answers: dict[str, Any]) -> None:
    assert answers["theirs"]["labels"] == ["scene 0", "scene 1", "scene 2"]


@pytest.mark.parametrize("kind", ["Flat", "HNSW32"])
def test_its_index_is_read(answers: dict[str, Any], kind: str) -> None:
    index = load_index(answers["folder"] / "out" / kind)
    found = index.nearest(answers["features"], 1, 0.999)
    assert [labels for labels, _ in found] == [["picture 0"], ["picture 1"], ["picture 2"]]
