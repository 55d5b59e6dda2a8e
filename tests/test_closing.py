"""A closed workspace says that it is closed, whatever it is asked for and by whichever thread."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shitu import Workspace
from shitu.catalog import Catalog
from shitu.errors import Closed
from shitu.images import load_image
from shitu.lineup import WHOLE
from shitu.workers import Workers

SAMPLE = Path(__file__).parents[1] / "gallery"
PRODUCTS = sorted((SAMPLE / "products").glob("[!.]*"))[:2]
SCENE = sorted((SAMPLE / "scenes").glob("*.jpg"))[0]
LABEL = PRODUCTS[0].name

EVERYTHING: dict[str, Callable[[Workspace], Any]] = {
    "build": lambda shop: shop.build(SAMPLE / "products"),
    "sync": lambda shop: shop.sync(SAMPLE / "products"),
    "add": lambda shop: shop.add([SCENE], "new"),
    "remove": lambda shop: shop.remove(LABEL),
    "relabel": lambda shop: shop.relabel(LABEL, "new"),
    "merge": lambda shop: shop.merge([LABEL], "new"),
    "set_attributes": lambda shop: shop.set_attributes(LABEL, {"shelf": 3}),
    "undo": lambda shop: shop.undo(),
    "compact": lambda shop: shop.compact(),
    "find_by_words": lambda shop: shop.find_by_words("red"),
    "recognize": lambda shop: shop.recognize(SCENE),
    "recognize_many": lambda shop: list(shop.recognize_many([SCENE])),
    "as_of": lambda shop: shop.as_of(1),
    "evaluate": lambda shop: shop.evaluate([]),
    "evaluate_boxes": lambda shop: shop.evaluate_boxes([]),
    "lint": lambda shop: shop.lint(),
    "catalog": lambda shop: shop.catalog,
    "catalog_for_writing": lambda shop: shop.catalog_for_writing(),
    "recognizer": lambda shop: shop.recognizer,
    "candidates": lambda shop: shop.candidates(load_image(SCENE)),
    "detect": lambda shop: shop.detect([]),
    "embed": lambda shop: shop.embed([]),
    "threshold": lambda shop: shop.threshold,
    "describer": lambda shop: shop.describer,
    "engine": lambda shop: shop.engine,
    "lineup": lambda shop: shop.lineup,
    "bench": lambda shop: shop.bench("pplcnetv2_base_shitu", runs=1),
    "check": lambda shop: shop.check(),
    "adapt": lambda shop: shop.adapt(),
    "calibrate": lambda shop: shop.calibrate(),
    "migrate": lambda shop: shop.migrate(detector=WHOLE),
    "drop_unused_spaces": lambda shop: shop.drop_unused_spaces(),
    "confirm": lambda shop: shop.confirm(1),
    "reject": lambda shop: shop.reject(1),
    "add_golden": lambda shop: shop.add_golden(SCENE, LABEL),
    "check_golden": lambda shop: shop.check_golden(),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("closing") / "index"
    with Workspace(folder) as shop:
        for product in PRODUCTS:
            shop.add(sorted(product.iterdir())[:1], product.name)
    return folder


@pytest.fixture(scope="module")
def closed(index: Path) -> Workspace:
    """One that was used and closed, twice."""
    with Workspace(index) as shop:
        shop.recognize(SCENE)
        shop.close()
    return shop


@pytest.mark.parametrize("name", EVERYTHING)
def test_whatever_a_closed_workspace_is_asked_for(closed: Workspace, name: str) -> None:
    with pytest.raises(Closed, match=r"^the workspace was closed: open another one to go on$"):
        EVERYTHING[name](closed)


@pytest.mark.parametrize("name", ["recognize", "add", "recognize_many"])
def test_one_that_was_never_used_is_closed_as_well(index: Path, name: str) -> None:
    before = set(threading.enumerate())  # other tests may not have closed theirs
    shop = Workspace(index)
    shop.close()
    with pytest.raises(Closed):
        EVERYTHING[name](shop)
    assert not {*threading.enumerate()} - before


def test_a_gallery_that_was_taken_from_it_is_closed_too(index: Path) -> None:
    with Workspace(index) as shop:
        catalog = shop.catalog
    with pytest.raises(Closed, match=r"^the gallery .*gallery\.db was closed: open it again"):
        catalog.items()
    with pytest.raises(Closed):
        catalog.remove(label=LABEL)


def test_one_that_is_closed_before_there_was_anything(tmp_path: Path) -> None:
    with Workspace(tmp_path / "index") as shop:
        catalog = shop.catalog_for_writing()
    with pytest.raises(Closed):
        catalog.remove(label=LABEL)
    assert not (tmp_path / "index").exists()


def test_a_pickled_copy_is_one_of_its_own(index: Path) -> None:
    with Workspace(index, top_k=3) as shop:
        shop.recognize(SCENE)
        copy = pickle.loads(pickle.dumps(shop))  # noqa: S301 - made just here
    with copy:
        assert copy.config == shop.config
        assert copy.recognize(SCENE).objects


def test_closing_in_the_midst_of_pictures(index: Path) -> None:
    shop = Workspace(index, threads=2)
    found = shop.recognize_many([SCENE] * 20)
    next(found)
    shop.close()
    with pytest.raises(Closed):
        list(found)


def test_threads_that_use_it_get_answers_or_one_clear_error(index: Path) -> None:
    shop = Workspace(index, threads=2)
    wrong: list[BaseException] = []
    busy = threading.Barrier(5)

    def work(ask: Callable[[Workspace], Any]) -> None:
        ask(shop)
        busy.wait(60)
        try:
            while True:
                ask(shop)
        except Closed:
            return
        except BaseException as error:
            wrong.append(error)

    asks: list[Callable[[Workspace], Any]] = [
        EVERYTHING["recognize"],
        lambda shop: list(shop.recognize_many([SCENE] * 6)),
        lambda shop: shop.describer.describe([load_image(SCENE)] * 4),
        lambda shop: shop.catalog.items(),
    ]
    with ThreadPoolExecutor(len(asks)) as pool:
        for ask in asks:
            pool.submit(work, ask)
        busy.wait(60)
        time.sleep(0.1)
        shop.close()
    assert wrong == []


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(1) as pool:
        yield pool


def test_what_has_begun_ends_and_what_waits_says_why_not(workers: Workers) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        go_on.wait(60)
        return "done"

    first, second = workers.submit(work), workers.submit(work)
    begun.wait(60)
    closing = threading.Thread(target=workers.close)
    closing.start()
    while True:
        try:
            workers.submit(work).cancel()
        except Closed:
            break
    go_on.set()
    closing.join()
    assert first.result() == "done"
    with pytest.raises(Closed):
        second.result()
    with pytest.raises(Closed):
        list(workers.map(str, [1]))


def test_many_threads_open_one_gallery(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Catalog] = []
    plain = Catalog.open

    def slowly(*args: Any, **options: Any) -> Catalog:
        opened.append(plain(*args, **options))
        time.sleep(0.05)
        return opened[-1]

    monkeypatch.setattr(Catalog, "open", slowly)
    with Workspace(index) as shop, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: shop.catalog, range(8)))
    assert {id(catalog) for catalog in found} == {id(opened[0])}
    assert len(opened) == 1


def test_others_go_on_while_one_migrates(tmp_path: Path) -> None:
    with Workspace(tmp_path / "index", threads=2) as shop:
        shop.add(sorted(PRODUCTS[0].iterdir())[:1], LABEL)
        found = shop.recognize_many([SCENE] * 8)
        next(found)
        assert shop.migrate(detector=WHOLE).outcome == "switched"
        rest = list(found)
        assert not any(isinstance(one, Exception) for one in rest)
        assert shop.lineup.detector == WHOLE
        assert [one.box for one in shop.recognize(SCENE).objects] == [None]
