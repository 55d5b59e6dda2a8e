"""One gallery in several workspaces, with the embedded networks."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from shitu import Workspace
from shitu.adapter import Adapter
from shitu.calibration import Calibration
from shitu.catalog import Catalog
from shitu.catalog.comparison import Comparison
from shitu.catalog.learning import view_of, write_adapter, write_calibration
from shitu.embedder import Embedder
from shitu.errors import (
    ConfigError,
    GalleryError,
    ImageError,
    IndexNotFound,
    ItemNotFound,
    SpaceMismatch,
)
from shitu.evaluation.retrieval import EvaluationOptions, Query
from shitu.workspace.asking import queries_of

SAMPLE = Path(__file__).parents[1] / "gallery"
LABELS = sorted(path.name for path in (SAMPLE / "products").iterdir())[:3]


def first(folder: str, label: str) -> Path:
    return sorted((SAMPLE / folder / label).iterdir())[0]


NEW = first("products", LABELS[2])


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """Two items of one picture each."""
    return make_shop(tmp_path)


@pytest.fixture(scope="module")
def still_shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same, made once for all tests that change nothing."""
    return make_shop(tmp_path_factory.mktemp("still"))


def make_shop(folder: Path) -> Workspace:
    shop = Workspace(folder / "index")
    for label in LABELS[:2]:
        shop.add([first("products", label)], label)
    return shop


def test_a_running_workspace_sees_what_another_adds_and_removes(
    shop: Workspace, tmp_path: Path
) -> None:
    picture = first("products", LABELS[2])
    running = Workspace(tmp_path / "index")
    assert running.recognize(picture, whole_image=True).objects[0].label != LABELS[2]
    shop.add([picture], LABELS[2])
    assert running.recognize(picture, whole_image=True).objects[0].label == LABELS[2]
    shop.remove(LABELS[2])
    assert running.recognize(picture, whole_image=True).objects[0].label != LABELS[2]


def test_an_evaluation_counts_what_another_commits_meanwhile(
    shop: Workspace, tmp_path: Path
) -> None:
    running = Workspace(tmp_path / "index")
    queries = [Query(first("queries", label), label) for label in LABELS]
    options = EvaluationOptions(resampling=None)
    assert running.evaluate(queries, options=options).queries == 2
    shop.add([first("products", LABELS[2])], LABELS[2])
    assert running.evaluate(queries, options=options).recall_at_1 == 1

    def meanwhile(done: int, total: int) -> None:
        shop.remove(LABELS[2])
        shop.add([first("products", LABELS[2])], LABELS[2])

    assert running.evaluate(queries, meanwhile, options=options).recall_at_1 == 1


def test_labels_of_queries_are_those_that_a_gallery_keeps() -> None:
    [query], _ = queries_of([Query(Path("a.jpg"), " Cafe\u0301 ")])
    assert query.label == "Caf\u00e9", "as of the same folder name"


def test_the_past_that_was_looked_up_before_is_forgotten_with_the_rest(
    shop: Workspace, tmp_path: Path
) -> None:
    picture = first("products", LABELS[1])
    running = Workspace(tmp_path / "index")
    shop.remove(LABELS[1])
    shop.set_attributes(LABELS[0], {"shelf": 1})
    for _ in range(2):
        [found] = running.recognize(picture, whole_image=True, as_of=2).objects
        assert found.label == LABELS[1]
        shop.set_attributes(LABELS[0], {"shelf": 2})
    shop.compact(4)
    with pytest.raises(GalleryError, match="cannot be searched any more"):
        running.recognize(picture, whole_image=True, as_of=2)


def test_pictures_that_cannot_be_read_take_their_place_in_the_results(
    shop: Workspace, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    good = first("products", LABELS[0])
    results = list(shop.recognize_many([good, broken, good]))
    assert [isinstance(result, Exception) for result in results] == [False, True, False]
    assert results[0].objects == results[2].objects


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (None, "NoneType is no picture"),
        (5, "int is no picture"),
        (Pillow.new("RGB", (8, 8)), "Image is no picture"),
        (np.zeros((8, 8)), r"not \(8, 8\) of float64"),
    ],
)
def test_what_is_no_picture_is_one_sentence(shop: Workspace, wrong: Any, named: str) -> None:
    with pytest.raises(ImageError, match=named):
        shop.recognize(wrong)


def test_reading_needs_an_index(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound, match="build-index"):
        Workspace(tmp_path / "nowhere").recognize(first("products", LABELS[0]))
    assert not (tmp_path / "nowhere").exists()


def test_removing_what_is_not_there_says_so(shop: Workspace) -> None:
    with pytest.raises(ItemNotFound, match="nobody"):
        shop.remove("nobody")


def test_another_crop_is_another_space(shop: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SpaceMismatch):
        Workspace(tmp_path / "index", detector_model="none").add(
            [first("products", LABELS[2])], "x"
        )
    assert len(shop.catalog.items()) == 2


def test_a_gallery_of_another_model_is_listed_and_not_recognised_with(
    shop: Workspace, tmp_path: Path
) -> None:
    with Workspace(tmp_path / "index", detector_model="none") as other:
        assert len(other.catalog.items()) == 2
        with pytest.raises(SpaceMismatch):
            other.recognize(first("queries", LABELS[0]))
        with pytest.raises(SpaceMismatch):
            other.evaluate([])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda shop: Workspace(b"index"), "index has to be a path, not bytes"),
        (lambda shop: shop.build(None), "gallery has to be a path, not NoneType"),
        (lambda shop: shop.sync(["photos"]), "folder has to be a path, not list"),
        (lambda shop: shop.add(None, "x"), "pictures has to be a list, not NoneType"),
        (lambda shop: shop.add("a.jpg", "x"), "pictures has to be a list, not str"),
        (lambda shop: shop.add([None], "x"), "a picture has to be a path, not NoneType"),
        (lambda shop: shop.add([first("products", LABELS[2])], None), "a label has to be text"),
        (lambda shop: shop.recognize_many(None), "pictures has to be a list, not NoneType"),
        (lambda shop: shop.recognize_many("a.jpg"), "pictures has to be a list, not str"),
        (lambda shop: shop.recognize_many(Path("a.jpg")), "pictures has to be a list, not P"),
        (lambda shop: shop.recognize_many([], where=5), "a filter has to be text, not int"),
        (lambda shop: shop.merge(LABELS[0], LABELS[1]), "labels has to be a list, not str"),
        (
            lambda shop: shop.set_attributes(LABELS[0], {}, unset="brand"),
            "unset has to be a list, not str",
        ),
        (lambda shop: shop.remove(5), "a label has to be text, not int"),
        (lambda shop: shop.relabel(LABELS[0], None), "a label has to be text, not NoneType"),
        (lambda shop: shop.add_golden(None, None), "picture has to be a path, not NoneType"),
        (
            lambda shop: shop.add([NEW], "x", box=(1, 2, 3)),
            r"box has to be four num.*not \(1, 2, 3\)",
        ),
        (lambda shop: shop.add([NEW], "x", box="1,2,3,4"), "box has to be four numbers.*'1,2,3,4'"),
        (lambda shop: shop.add([NEW], "x", box=("1", "2", "3", "4")), "box has to be four numbers"),
        (lambda shop: shop.add([NEW], "x", box=5), "box has to be four numbers.*not 5"),
        (lambda shop: shop.add_golden(NEW, None, box=[[1, 2, 3, 4]]), "box has to be four numbers"),
        (lambda shop: shop.add([NEW], "x", attributes="a"), "attributes has to be a mapping.*'a'"),
        (lambda shop: shop.set_attributes(LABELS[0], {1: 2}), "attributes has to be a mapping"),
        (lambda shop: shop.set_attributes(LABELS[0], None), "attributes has to be a mapping"),
        (lambda shop: shop.undo("x"), "generation has to be a whole number, not str"),
        (lambda shop: shop.undo(True), "generation has to be a whole number, not bool"),
        (lambda shop: shop.undo(1.5), "generation has to be a whole number, not float"),
        (lambda shop: shop.undo(1, back_to=1), "undo takes a generation or back_to, not both"),
        (lambda shop: shop.remove(reference_id="3"), "reference_id has to be a whole number"),
        (lambda shop: shop.confirm([1]), "recognition_id has to be a whole number, not list"),
        (lambda shop: shop.reject(None), "recognition_id has to be a whole number, not NoneType"),
        (lambda shop: shop.evaluate(3), "queries has to be a list, not int"),
        (lambda shop: shop.evaluate(["a.jpg"]), "queries has to be a list of Query, not str"),
        (lambda shop: shop.evaluate_boxes(b"x"), "truths has to be a list, not bytes"),
        (lambda shop: shop.evaluate_boxes([3]), "truths has to be a list of LabelledPicture, not"),
        (lambda shop: shop.calibrate(strangers=3), "strangers has to be a path, not int"),
        (lambda shop: shop.calibrate(queries=3), "queries has to be a list, not int"),
        (lambda shop: shop.detect("a.jpg"), "images has to be a list, not str"),
        (lambda shop: shop.embed(None), "crops has to be a list, not NoneType"),
        (lambda shop: shop.migrate(3), "model has to be a path, not int"),
        (lambda shop: shop.migrate("x", back=True), "migrate takes a model, .*, or back alone"),
        (lambda shop: shop.migrate(detector="none", back=True), "migrate takes a model, .* alone"),
        (lambda shop: shop.bench(3), "model has to be a path, not int"),
        (lambda shop: shop.bench("x", pictures=3), "pictures has to be a path, not int"),
        (lambda shop: shop.bench("x", runs="3"), "runs has to be a whole number, not str"),
        (lambda shop: shop.choose_engine("paddle"), "names has to be a list, not str"),
        (lambda shop: shop.check_golden("x"), "golden_id has to be a whole number, not str"),
    ],
)
def test_arguments_of_a_wrong_type_are_named_at_once(
    still_shop: Workspace, ask: Callable[[Workspace], Any], said: str
) -> None:
    before = still_shop.catalog.gallery.head()
    with pytest.raises(TypeError, match=f"^{said}"):
        ask(still_shop)
    assert still_shop.catalog.gallery.head() == before


def test_numbers_and_boxes_of_numpy_are_taken(shop: Workspace) -> None:
    done = shop.add([NEW], "Tea", box=np.array([1, 2, 60, 60]))  # type: ignore[arg-type]
    [number] = done.reference_ids
    assert shop.catalog.references([number])[number].box == (1.0, 2.0, 60.0, 60.0)
    assert shop.remove(reference_id=np.int64(number)).reference_ids == (number,)  # type: ignore[arg-type]
    assert shop.undo(np.int64(done.generation + 1)).restored == (number,)  # type: ignore[arg-type]


@pytest.mark.parametrize("ask", [Workspace.confirm, Workspace.reject, Workspace.check_golden])
def test_what_is_not_there_is_said(shop: Workspace, ask: Callable[..., Any]) -> None:
    with pytest.raises(ItemNotFound, match=r"there is no .* 77"):
        ask(shop, 77)
    for huge in (2**63, 10**30):
        with pytest.raises(GalleryError):
            ask(shop, huge)


@pytest.mark.parametrize("wrong", [np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), None, 5])
def test_what_is_no_picture_is_told_whoever_sees_it(shop: Workspace, wrong: Any) -> None:
    for see in (
        shop.candidates,
        lambda image: shop.detect([image]),
        lambda image: shop.embed([image]),
    ):
        with pytest.raises(ImageError, match=r"(a picture is|is no picture: give) an? |a path"):
            see(wrong)


def test_engines_and_runs_that_are_none(shop: Workspace) -> None:
    with pytest.raises(ConfigError, match="'ort' is no engine that can be tried: onnxruntime, "):
        shop.choose_engine(["ort"])
    with pytest.raises(ConfigError, match="runs is 0: a model is timed once at least"):
        shop.bench("pplcnetv2_base_shitu", runs=0)


def test_a_workspace_stays_where_it_was_made(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server changes to `/` before it opens anything, and in children it opens all anew."""
    monkeypatch.chdir(tmp_path)
    late = Workspace("index")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    copy = pickle.loads(pickle.dumps(late))  # noqa: S301 - made just here
    for one in (late, copy):
        assert len(one.catalog.items()) == 2
        assert one.drop_unused_spaces() == []
        assert one.check().problems == ()
    assert not list(elsewhere.iterdir())


def test_a_workspace_shows_where_it_is(shop: Workspace, tmp_path: Path) -> None:
    assert repr(shop) == f"<Workspace {str(tmp_path / 'index')!r}>"
    shop.close()
    assert repr(shop) == f"<Workspace {str(tmp_path / 'index')!r}, closed>"


def test_an_empty_path_is_not_the_current_folder(shop: Workspace) -> None:
    for ask in (
        Workspace,
        shop.build,
        shop.sync,
        shop.recognize,
        lambda empty: shop.add([empty], "Tea"),
        lambda empty: shop.recognize_many([empty]),
    ):
        with pytest.raises(ValueError, match="has to be a path, and this one is empty"):
            ask("")


def test_what_is_no_picture_among_others_takes_its_place(shop: Workspace) -> None:
    wrong: Any = [None, 5, np.zeros((8, 8, 3), np.uint8), first("products", LABELS[0])]
    *refused, found = shop.recognize_many(wrong)
    assert [str(one).split(" is ")[0] for one in refused] == ["NoneType", "int", "ndarray"]
    assert not isinstance(found, ImageError)


@pytest.mark.parametrize("far", [0, -0.1, 0.51, 2, float("nan")])
def test_a_false_accept_rate_that_is_none(shop: Workspace, far: float) -> None:
    generation = shop.catalog.gallery.head().generation
    with pytest.raises(ConfigError, match=r"far is .*: give a share above 0 and at most 0\.5$"):
        shop.calibrate(far=far)
    with pytest.raises(ConfigError, match="far is"):
        shop.adapt(far=far)
    assert shop.catalog.gallery.head().generation == generation


@pytest.mark.parametrize("max_loss", [-0.1, 1.5, float("nan")])
def test_a_loss_that_is_no_share_is_refused(shop: Workspace, max_loss: float) -> None:
    with pytest.raises(ConfigError, match=r"max_loss is .*: give a share from 0 to 1, or None"):
        shop.migrate(detector="none", max_loss=max_loss)


def test_who_goes_back_is_not_held_by_a_loss(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse = Comparison(4, 0.5, 4, recall_before=1.0, recall_after=0.5)
    monkeypatch.setattr("shitu.catalog.migration.compare_spaces", lambda *_: worse)
    assert shop.migrate(detector="none").outcome == "refused"
    assert shop.migrate(detector="none", max_loss=None).outcome == "switched"
    assert shop.migrate(back=True, max_loss=0.02).outcome == "refused"
    assert shop.migrate(back=True).outcome == "switched"


@pytest.mark.parametrize("as_of", [None, 2])
def test_a_picture_that_is_seen_while_the_gallery_goes_over_to_other_models(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_of: int | None
) -> None:
    """Another thread follows the switch just then: vectors of two spaces must not be compared."""
    running = Workspace(tmp_path / "index")
    picture = first("queries", LABELS[0])
    assert running.recognize(picture).objects[0].box is not None
    embed = Embedder.embed
    switched: list[bool] = []

    def embed_and_switch(self: Embedder, crops: Any) -> Any:
        found = embed(self, crops)
        if not switched:
            switched.append(True)
            shop.migrate(detector="none")
            running.catalog.refresh()
            running._follow_the_gallery()
        return found

    monkeypatch.setattr(Embedder, "embed", embed_and_switch)
    found = running.recognize(picture, as_of=as_of, log=None if as_of else True)
    assert switched
    assert [one.box for one in found.objects] == [None]
    if as_of is None:
        (logged,) = running.catalog.unanswered()
        active = running.catalog.space
        assert active is not None
        assert logged.seen.space == active.fingerprint


def test_a_picture_that_is_seen_while_the_gallery_is_adapted(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread follows just then: scores through the map need the calibration for it."""
    running, raw = Workspace(tmp_path / "index"), shop.catalog.space
    assert raw is not None
    half = np.eye(raw.dim, raw.dim // 2, dtype=np.float32)
    map_ = Adapter(np.zeros(raw.dim, np.float32), half, "half")
    space = view_of(raw, map_).space.fingerprint
    known = Calibration(space, (1.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.5, 0.01, {}, 0.5)
    search = Catalog.search
    adapted: list[bool] = []

    def adapt_and_search(self: Catalog, *arguments: Any) -> Any:
        if not adapted:
            adapted.append(True)
            with shop.catalog.gallery.write("adapt") as transaction:
                write_adapter(transaction, raw, map_)
                write_calibration(transaction, known)
            running.catalog.refresh()
        return search(self, *arguments)

    monkeypatch.setattr(Catalog, "search", adapt_and_search)
    found, again = (running.recognize(first("queries", LABELS[0])) for _ in range(2))
    assert adapted
    assert found.operating_point == 0.5
    assert found.objects == again.objects


def by_many(shop: Workspace) -> Any:
    (found,) = shop.recognize_many([first("queries", LABELS[0])])
    assert not isinstance(found, Exception)
    return found.objects[0].box


def by_confirming(shop: Workspace) -> Any:
    shop.confirm(1, LABELS[0])
    return shop.recognize(first("queries", LABELS[0])).objects[0].box


def by_golden_query(shop: Workspace) -> Any:
    shop.add_golden(first("products", LABELS[0]), LABELS[0])
    return shop.recognize(first("queries", LABELS[0])).objects[0].box


def by_evaluating(shop: Workspace) -> Any:
    assert shop.evaluate(SAMPLE / "queries").skipped == ()
    return shop.recognize(first("queries", LABELS[0])).objects[0].box


@pytest.mark.parametrize("ask", [by_many, by_confirming, by_golden_query, by_evaluating])
def test_a_running_workspace_follows_a_migration_with_whatever_is_asked_next(
    shop: Workspace, tmp_path: Path, ask: Callable[[Workspace], Any]
) -> None:
    with Workspace(tmp_path / "index") as running:
        picture = first("queries", LABELS[0])
        assert running.recognize(picture, log=True).objects[0].box is not None
        shop.migrate(detector="none")
        assert ask(running) is None
    other = Workspace(tmp_path / "index", detector_model="picodet_lcnet_mainbody")
    with other, pytest.raises(SpaceMismatch):
        list(other.recognize_many([picture]))
