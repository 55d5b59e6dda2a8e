"""Networks of two models: when they are loaded anew, and what outlives them."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from shitu.config import DETECTOR_MODEL, load_config
from shitu.errors import Closed
from shitu.geometry import iou
from shitu.images import load_image
from shitu.lineup import WHOLE, Lineup
from shitu.models.registry import find_model
from shitu.networks import MANY, SEVERAL, Networks

SAMPLE = Path(__file__).parents[1] / "gallery" / "products"


def networks(engine: str = "onnxruntime") -> Networks:
    return Networks(load_config(overrides={"engine": engine, "threads": 2}), Lineup(detector=WHOLE))


def test_one_photo_and_several_have_networks_of_their_own_loaded_once() -> None:
    opened = networks()
    alone = opened.embedder
    assert not opened.get_ready(SEVERAL - 1)
    assert opened.embedder is alone
    assert opened.get_ready(SEVERAL)
    together = opened.embedder
    assert together is not alone
    assert not opened.get_ready(SEVERAL)
    assert opened.embedder is together
    for streams, loaded in ((1, alone), (2, together), (1, alone)):
        assert opened.use_streams(streams)
        assert opened.embedder is loaded
        assert opened.describer is opened.describer


def test_networks_that_are_loaded_while_another_thread_turns_are_of_their_own_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = networks()

    def meanwhile(*_: object) -> object:
        opened.streams = 2
        return object()

    monkeypatch.setattr("shitu.networks.Embedder", meanwhile)
    first = opened.embedder
    assert opened.embedder is not first
    assert opened.use_streams(1)
    assert opened.embedder is first


def test_threads_that_ask_at_the_same_time_load_networks_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = networks()

    def slowly(*_: object) -> object:
        time.sleep(0.05)
        return object()

    monkeypatch.setattr("shitu.networks.Embedder", slowly)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: opened.embedder, range(8)))) == 1


def test_threads_that_ask_at_the_same_time_try_engines_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, tried = networks("auto"), []

    def choose_engine() -> None:
        time.sleep(0.05)
        tried.append("all")

    monkeypatch.setattr(opened, "choose_engine", choose_engine)
    monkeypatch.setattr("shitu.choosing.worth_choosing", lambda *_: not tried)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: opened.settle_on_an_engine(), range(8)))
    assert tried == ["all"]


@pytest.mark.parametrize("best", ["openvino", "onnxruntime"])
def test_engines_are_tried_once_much_was_done_and_the_rest_is_done_by_the_best(
    monkeypatch: pytest.MonkeyPatch, best: str
) -> None:
    opened, tried = networks("auto"), []
    monkeypatch.setattr(opened, "choose_engine", lambda: tried.append(best))
    monkeypatch.setattr("shitu.choosing.worth_choosing", lambda *_: not tried)
    remembered = lambda *_: tried[0] if tried else "onnxruntime"  # noqa: E731
    monkeypatch.setattr("shitu.choosing.remembered_engine", remembered)
    monkeypatch.setattr("shitu.networks.Embedder", lambda *_: opened.engine)
    monkeypatch.setattr(opened, "_open", lambda *_: None)
    batch = MANY // 4
    assert opened.get_ready(batch), "as many streams as threads"
    for _ in range(2):
        assert not opened.get_ready(batch)
        assert not opened.get_ready(SEVERAL - 1), "of one photo nothing is made"
    assert (opened.embedder, tried) == ("onnxruntime", [])
    assert opened.get_ready(batch) == (best != "onnxruntime")
    assert (opened.embedder, tried) == (best, [best])
    assert not opened.get_ready(MANY)
    assert tried == [best]


@pytest.mark.parametrize(
    ("cores", "wanted", "used"),
    [(2, 0, 2), (2, 3, 3), (2, 8, 8), (2, 100_000, 8), (16, 0, 16), (16, 64, 64), (16, 65, 64)],
)
def test_threads_that_bring_nothing_are_not_used(
    monkeypatch: pytest.MonkeyPatch, cores: int, wanted: int, used: int
) -> None:
    monkeypatch.setattr("shitu.runtime.cpu.usable_cores", lambda: cores)
    opened = Networks(load_config(overrides={"threads": wanted}), Lineup(detector=WHOLE))
    assert opened.threads == used
    assert opened.pool._max_workers == used
    opened.close()


def test_paddle_has_no_streams() -> None:
    opened = networks("paddle")
    assert not opened.use_streams(2)
    assert opened.streams == 1


def test_other_models_go_on_with_the_same_threads() -> None:
    before = networks()
    before.use_streams(2)
    after = before.of(Lineup())
    assert (after.pool, after.streams) == (before.pool, 2)
    assert after.space != before.space
    after.close()
    with pytest.raises(Closed):
        before.pool.submit(print)


@pytest.mark.parametrize("engine", ["onnxruntime", "paddle"])
def test_pictures_of_one_object_are_seen_in_a_size_of_their_own(engine: str) -> None:
    config = load_config(overrides={"engine": engine, "threads": 1})
    opened = Networks(config, Lineup())
    size = opened.lineup.detector_spec().main_body_size  # type: ignore[union-attr]
    assert size is not None
    seen: list[tuple[int, ...]] = []
    network = opened.main_body_cropper._detector._session  # type: ignore[union-attr]
    run = network.run
    network.run = lambda batch: (seen.append(batch.shape), run(batch))[1]
    picture = load_image(sorted((SAMPLE / "Alta Fonte Spring Water").iterdir())[0])
    (found,) = opened.describer.describe([picture])
    assert seen == [(1, 3, *size)]
    (usual,) = opened.cropper.main_bodies([picture])
    assert found.box is not None
    assert usual is not None
    assert iou([found.box], [usual])[0, 0] > 0.8
    assert found.box != usual


def test_boxes_too_weak_for_a_main_body_are_left_out_of_its_search_and_change_no_answer() -> None:
    opened = Networks(load_config(overrides={"engine": "onnxruntime", "threads": 1}), Lineup())
    spec, policy = opened.detector_spec, opened.policy
    assert spec is not None
    searched = opened._cropper_of(spec.for_main_bodies, 1)
    pictures = [load_image(path) for path in sorted(SAMPLE.glob("*/*"))[::7]]
    pictures += [load_image(path) for path in sorted((SAMPLE.parent / "scenes").glob("*.jpg"))]
    assert len(pictures) > 12
    strong, all_ = (each.detect(pictures) for each in (opened.main_body_cropper, searched))
    assert all((found.scores >= policy.main_body_threshold).all() for found in strong)
    assert sum(map(len, all_)) > 2 * sum(map(len, strong))
    assert opened.main_body_cropper.main_bodies(pictures) == searched.main_bodies(pictures)


def test_a_detector_of_one_size_is_loaded_once_for_all_pictures(tmp_path: Path) -> None:
    folder = Path(
        shutil.copytree(
            find_model(DETECTOR_MODEL, "detector").files["onnx"].path.parent, tmp_path / "det"
        )
    )
    told = yaml.safe_load((folder / "model.yml").read_text())
    del told["main_body_size"], told["files"]["onnx_main_body"]
    (folder / "model.yml").write_text(yaml.safe_dump(told))
    opened = Networks(load_config(), Lineup(detector=str(folder)))
    assert opened.main_body_cropper is opened.cropper
    assert opened.space != Lineup().space()
