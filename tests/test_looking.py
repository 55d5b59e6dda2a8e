"""Pictures are looked at ahead, in order, within bounds, and with the same answers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shitu import Workspace
from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.errors import ImageError
from shitu.images import load_image
from shitu.looking import in_order

SAMPLE = Path(__file__).parents[1] / "gallery"
ENGINES = [
    "onnxruntime",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed"),
    ),
]


def test_results_come_in_order_whoever_is_first() -> None:
    def work(number: int) -> int:
        time.sleep(0.01 * (number % 3))
        return number

    with ThreadPoolExecutor(3) as pool:
        assert list(in_order(range(20), work, pool, 5)) == list(range(20))


def test_no_more_are_under_way_than_allowed() -> None:
    started: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        found = in_order(iter(range(1000)), lambda n: started.append(n) or n, pool, 5)
        for number in range(10):
            assert next(found) == number
            assert len(started) <= number + 5
        found.close()
    assert len(started) <= 15


def test_what_fails_is_raised_in_its_place() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    with ThreadPoolExecutor(2) as pool:
        found = in_order(range(5), work, pool, 4)
        assert [next(found), next(found)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(found)


@pytest.fixture(scope="module")
def built_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    index: Path = tmp_path_factory.mktemp("looking") / "index"
    with Workspace(index, engine="onnxruntime") as shop:
        label = sorted((SAMPLE / "products").glob("[!.]*"))[0]
        shop.add(sorted(label.iterdir())[:2], label.name)
    return index


def answers(found: Any) -> Any:
    """All that was answered, without the times it took."""
    return timeless(found.to_dict())


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k != "milliseconds"}
    return [timeless(v) for v in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_answers_alone_and_in_a_crowd(tmp_path: Path, engine: str) -> None:
    """Whatever the number of threads and pictures: not a bit may differ."""
    scenes = sorted((SAMPLE / "scenes").glob("*.jpg"))[:8]
    with Workspace(tmp_path / "index", engine=engine, threads=1) as shop:
        for label in sorted((SAMPLE / "products").glob("[!.]*"))[:2]:
            shop.add(sorted(label.iterdir())[:1], label.name)
        one_by_one = [answers(shop.recognize(scene)) for scene in scenes[:3]]
        alone = [answers(found) for found in shop.recognize_many(scenes[:3])]
    with Workspace(tmp_path / "index", engine=engine, threads=3) as shop:
        crowd = [answers(found) for found in shop.recognize_many(scenes)][:3]
    assert one_by_one == alone == crowd


def test_a_picture_is_described_the_same_whatever_it_is_with() -> None:
    pictures = [load_image(path) for path in sorted((SAMPLE / "queries").glob("*/*.jpg"))[:3]]
    found = []
    for threads, together in ((1, 1), (1, 3), (3, 3)):
        shop = Workspace(
            "nowhere",
            engine="onnxruntime",
            threads=threads,
            feature_model=FEATURE_MODEL,
            detector_model=DETECTOR_MODEL,
        )
        rows: list[Any] = []
        for start in range(0, 3, together):
            rows += shop.describer.describe(pictures[start : start + together])
        found.append(rows)
        shop.close()
    for rows in found[1:]:
        for one, other in zip(found[0], rows, strict=True):
            assert one.box == other.box
            assert np.array_equal(one.embedding, other.embedding)


def test_the_times_are_those_of_the_networks_though_they_looked_before(built_index: Path) -> None:
    scene = sorted((SAMPLE / "scenes").glob("*.jpg"))[0]
    with Workspace(built_index, engine="onnxruntime") as shop:
        found = list(shop.recognize_many([scene, scene]))
    for one in found:
        assert not isinstance(one, ImageError)
        assert list(one.milliseconds)[:3] == ["detect", "embed", "search"]
        assert min(one.milliseconds["detect"], one.milliseconds["embed"]) > 1.0


def test_a_picture_that_cannot_be_read_stays_in_its_place(built_index: Path) -> None:
    scene = sorted((SAMPLE / "scenes").glob("*.jpg"))[0]
    with Workspace(built_index) as shop:
        found = list(shop.recognize_many([scene, b"no picture", scene]))
    assert isinstance(found[1], ImageError)
    assert answers(found[0]) == answers(found[2])


def test_threads_end_with_the_workspace(built_index: Path) -> None:
    scene = sorted((SAMPLE / "scenes").glob("*.jpg"))[0]
    before = set(threading.enumerate())  # other tests may not have closed theirs

    def working() -> bool:
        new = set(threading.enumerate()) - before
        return any(thread.name.startswith("shitu-") for thread in new)

    with Workspace(built_index, threads=2) as shop:
        assert len(list(shop.recognize_many([scene, scene]))) == 2
        assert working()
    assert not working()
