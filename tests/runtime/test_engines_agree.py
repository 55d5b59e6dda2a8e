"""All engines on the embedded models: the same outputs, whatever else is in the batch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import shitu.models
from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.models.spec import read_spec
from shitu.nets import build
from shitu.nets.exporting import export_paddle
from shitu.nets.params import load_params
from shitu.runtime.engines import REFERENCE
from shitu.runtime.onnx_runtime import OnnxRuntimeSession
from shitu.runtime.openvino_runtime import OpenVinoSession
from shitu.runtime.paddle_inference import PaddleInferenceSession
from shitu.runtime.session import Session

WEIGHTS = Path(shitu.models.__file__).parent / "weights"
FEATURE = "pplcnetv2_base_shitu"
DETECTOR = "picodet_lcnet_mainbody"
OPENVINO = find_spec("openvino") is not None
ENGINES = [
    "onnxruntime",
    "paddle",
    pytest.param(
        "openvino", marks=pytest.mark.skipif(not OPENVINO, reason="openvino is not installed")
    ),
]
SIDES = {FEATURE: (224, 224), DETECTOR: (416, 416)}
OUTPUT_SHAPES = {FEATURE: [(512,)], DETECTOR: [(3598, 1), (3598, 32)]}


@pytest.fixture(scope="module")
def paddle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded models as Paddle Inference files."""
    root = tmp_path_factory.mktemp("paddle")
    for name in SIDES:
        spec = read_spec(WEIGHTS / name)
        net = build(spec.architecture)
        load_params(net, spec.files["params"].verified())
        export_paddle(net, (3, *spec.preprocessing.input_size), root / name)
    return root


@pytest.fixture(scope="module")
def sessions(paddle_folder: Path) -> dict[tuple[str, str], Session]:
    found: dict[tuple[str, str], Session] = {}
    for name in SIDES:
        onnx = WEIGHTS / name / "model.onnx"
        found["onnxruntime", name] = OnnxRuntimeSession(onnx, threads=1)
        files = (paddle_folder / name / f"inference.{kind}" for kind in ("json", "pdiparams"))
        found["paddle", name] = PaddleInferenceSession(*files, threads=1)
        if OPENVINO:
            found["openvino", name] = OpenVinoSession(onnx, threads=1)
    return found


def pictures(name: str, n: int) -> npt.NDArray[np.float32]:
    """Smooth random pictures, normalised: closer to photos than noise is."""
    height, width = SIDES[name]
    coarse = np.random.default_rng(3).normal(size=(n, 3, 8, 8)).astype(np.float32)
    return coarse.repeat(height // 8, axis=2).repeat(width // 8, axis=3)


def cosines(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    a64, b64 = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    norms = np.linalg.norm(a64, axis=1) * np.linalg.norm(b64, axis=1)
    return np.asarray((a64 * b64).sum(axis=1) / norms)


@pytest.mark.parametrize("engine", ENGINES[1:])
@pytest.mark.parametrize("name", [FEATURE, DETECTOR])
def test_engines_agree(sessions: dict[tuple[str, str], Session], engine: str, name: str) -> None:
    batch = pictures(name, 2)
    reference, other = (sessions[engine, name].run(batch) for engine in (REFERENCE, engine))
    assert [output.shape[1:] for output in reference] == OUTPUT_SHAPES[name]
    for a, b in zip(reference, other, strict=True):
        assert a.dtype == b.dtype == np.float32
        assert a.shape == b.shape
        assert cosines(a, b).min() > 0.99999


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [FEATURE, DETECTOR])
def test_neighbours_in_the_batch_do_not_matter(
    sessions: dict[tuple[str, str], Session], engine: str, name: str
) -> None:
    batch = pictures(name, 3)
    session = sessions[engine, name]
    together = session.run(batch)
    for i in (2, 0):  # also: a batch smaller than the one before
        alone = session.run(batch[i : i + 1])
        for a, b in zip(alone, together, strict=True):
            assert np.abs(a[0] - b[i]).max() <= 1e-5 * max(1.0, np.abs(b).max())


@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_are_not_overwritten_by_the_next_run(
    sessions: dict[tuple[str, str], Session], engine: str
) -> None:
    first = sessions[engine, FEATURE].run(pictures(FEATURE, 1))[0]
    kept = first.copy()
    sessions[engine, FEATURE].run(-pictures(FEATURE, 1))
    assert np.array_equal(first, kept)


def test_engines_name_themselves(sessions: dict[tuple[str, str], Session]) -> None:
    assert all(session.engine == key[0] for key, session in sessions.items())


def test_paddle_refuses_another_input_size(sessions: dict[tuple[str, str], Session]) -> None:
    with pytest.raises(ModelError, match=r"batch of shape \(1, 1, 224, 224\)"):
        sessions["paddle", FEATURE].run(np.zeros((1, 1, 224, 224), np.float32))


def test_paddle_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound, match=r"No Paddle model file at .*inference\.json"):
        PaddleInferenceSession(tmp_path / "inference.json", tmp_path / "inference.pdiparams")


@pytest.mark.parametrize("torn", ["inference.json", "inference.pdiparams"])
def test_paddle_corrupt_file(paddle_folder: Path, tmp_path: Path, torn: str) -> None:
    for name in ("inference.json", "inference.pdiparams"):
        content = (paddle_folder / FEATURE / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2] if name == torn else content)
    with pytest.raises(WeightsCorrupt, match=r"Paddle cannot open the model"):
        PaddleInferenceSession(tmp_path / "inference.json", tmp_path / "inference.pdiparams")


def test_export_leaves_only_its_two_files(paddle_folder: Path) -> None:
    names = {path.name for path in (paddle_folder / FEATURE).iterdir()}
    assert names == {"inference.json", "inference.pdiparams"}
