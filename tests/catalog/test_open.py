"""Open: the index is loaded, caught up or rebuilt from SQL, and never described again."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes import FakeDescriber, colours, paint

from shitu.catalog import Catalog
from shitu.errors import (
    GalleryError,
    IndexNotFound,
    IndexNotSaved,
    SchemaTooNew,
    SpaceMismatch,
)
from shitu.gallery import Space

if TYPE_CHECKING:
    from conftest import Shop

Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]


@pytest.fixture
def built(tea_shop: Shop) -> Shop:
    """A shop that was built and closed."""
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    catalog.close()
    return tea_shop


def claim(shop: Shop, **values: Any) -> None:
    file = shop.index / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def saved_generation(shop: Shop) -> int:
    return int(json.loads((shop.index / "manifest.json").read_text())["generation"])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def test_an_index_that_fits_is_loaded(built: Shop, names: Names) -> None:
    catalog = built.open()
    assert (catalog.index_state, len(catalog), names(catalog, 3)) == ("loaded", 3, "coffee")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda shop: (shop.index / "vectors.faiss").unlink(), "no vectors"),
        (lambda shop: (shop.index / "manifest.json").unlink(), "no manifest"),
        (lambda shop: (shop.index / "vectors.faiss").write_bytes(b""), "empty vectors"),
        (lambda shop: (shop.index / "manifest.json").write_bytes(b"{"), "a torn manifest"),
        (lambda shop: flip(shop.index / "vectors.faiss"), "a flipped bit"),
        (lambda shop: claim(shop, space="another"), "another space"),
        (lambda shop: claim(shop, generation=99), "a state from the future"),
        (lambda shop: claim(shop, generation=0), "a state it was not in"),
        (lambda shop: claim(shop, token="another"), "another history"),  # noqa: S106
        (lambda shop: claim(shop, format=3), "a later version"),
        (lambda shop: claim(shop, count=2), "another count"),
    ],
)
def test_an_index_that_does_not_fit_is_rebuilt_without_describing(
    built: Shop, vectors_agree: Agree, damage: Callable[[Shop], object], why: str
) -> None:
    damage(built)
    catalog = built.open()
    assert catalog.index_state.startswith("rebuilt"), why
    assert vectors_agree(catalog)
    assert built.describer.described == 3
    assert built.open().index_state == "loaded"  # it was saved


def test_without_its_files_an_index_is_made_of_what_is_in_sql(built: Shop, names: Names) -> None:
    for name in ("vectors.faiss", "manifest.json"):
        (built.index / name).unlink()
    shutil.rmtree(built.photos)  # not even the pictures are needed
    catalog = Catalog.open(built.index, url=built.url)
    assert (catalog.count, names(catalog, 3)) == (3, "coffee")
    assert catalog.thumbnail(1).startswith(b"\xff\xd8")
    catalog.close()


def test_an_index_that_lags_behind_catches_up_from_the_log(
    built: Shop, vectors_agree: Agree, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the process had died each time between the commit and the saving of the index.
    with monkeypatch.context() as patch:
        patch.setattr("shitu.catalog.cache.save_index", lambda *_, **__: None)
        catalog = built.open()
        catalog.remove(label="tea")
        built.paint("cocoa/1.png", 4)
        built.build(catalog)
        catalog.relabel("cocoa", "hot cocoa")
        catalog.close()
    assert saved_generation(built) == 1
    catalog = built.open()
    assert (catalog.index_state, catalog.history()[-1].generation) == ("caught up", 4)
    assert vectors_agree(catalog)
    assert [names(catalog, seed) for seed in (1, 3, 4)] == ["nothing", "coffee", "hot cocoa"]
    assert built.describer.described == 4


@pytest.mark.sqlite
def test_a_gallery_put_back_from_an_older_copy(built: Shop, vectors_agree: Agree) -> None:
    copy = shutil.copy(built.index / "gallery.db", built.index / "copy")
    for seed, label in ((8, "cocoa"), (9, "juice")):
        built.paint(f"{label}/1.png", seed)
        catalog = built.open()
        built.build(catalog)
        catalog.close()
        shutil.rmtree(built.photos / label)
        generation = saved_generation(built)
        shutil.copy(copy, built.index / "gallery.db")
        catalog = built.open()
        assert catalog.index_state == "rebuilt: another history"
        assert vectors_agree(catalog)
        catalog.close()
    assert generation == 2


def test_another_model_is_refused(built: Shop) -> None:
    with pytest.raises(SpaceMismatch, match=r"another feature model.*build-index --index"):
        built.open(FakeDescriber("other"))
    assert built.open().index_state == "loaded"  # nothing was spoilt


def test_after_an_update_of_the_weights_the_way_over_is_told(built: Shop) -> None:
    models = {"feature": "net", "detector": "finder"}
    old, new = FakeDescriber(), FakeDescriber()
    old.space, new.space = (Space.of(weights, None, None, 48, models) for weights in "ab")
    catalog = built.open()
    catalog.migrate(old)
    catalog.close()
    with pytest.raises(SpaceMismatch, match=r"as after an update: `shitu migrate --model net`"):
        built.open(new)


def test_a_gallery_of_another_model_can_be_looked_at_where_that_is_wanted(built: Shop) -> None:
    catalog = built.open(FakeDescriber("other"), any_space=True)
    assert {item.label for item in catalog.items()} == {"tea", "coffee"}
    assert catalog.remove(label="tea").removed == 2
    with pytest.raises(SpaceMismatch):
        catalog.require_own_space()
    with pytest.raises(SpaceMismatch):
        catalog.add([built.photos / "coffee" / "1.png"], "cocoa")


def test_two_models_that_begin_at_once(tea_shop: Shop) -> None:
    first, second = tea_shop.open(), tea_shop.open(FakeDescriber("other"))
    tea_shop.build(first)
    tea_shop.paint("cocoa/1.png", 4)
    with pytest.raises(SpaceMismatch):
        tea_shop.build(second)
    assert first.check().problems == ()
    assert len(first.all_references()) == 3


@pytest.mark.sqlite
def test_there_must_be_an_index(shop: Shop) -> None:
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(IndexNotFound, match=r"there is no index in .*build-index"):
            shop.open(**options)
    assert not shop.index.exists()


@pytest.mark.sqlite
def test_a_later_gallery_is_refused(built: Shop) -> None:
    connection = sqlite3.connect(built.index / "gallery.db")
    with connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    connection.close()
    with pytest.raises(SchemaTooNew, match="upgrade"):
        built.open()


def test_an_empty_gallery_finds_nothing(shop: Shop) -> None:
    catalog = shop.open()
    found = catalog.search(colours(paint(1))[None], 2)
    assert found.reference_ids.tolist() == [[-1, -1]]
    assert (len(catalog), catalog.index_state, catalog.check().problems) == (0, "empty", ())


def test_a_search_may_be_confined_to_some_references(built: Shop) -> None:
    catalog = built.open()
    allowed = np.array([r.reference_id for r in catalog.all_references() if r.label == "tea"])
    found = catalog.search(colours(paint(3))[None], 3, allowed)
    assert found.reference_ids[0, 2] == -1
    assert sorted(found.reference_ids[0, :2]) == allowed.tolist()


def test_a_reader_sees_what_another_process_committed(built: Shop, names: Names) -> None:
    reader, writer = built.open(read_only=True), built.open()
    assert not reader.refresh()
    built.paint("cocoa/1.png", 4)
    built.build(writer)
    writer.remove(label="coffee")
    assert names(reader, 4) == "nothing"
    assert reader.refresh()
    assert [names(reader, seed) for seed in (1, 3, 4)] == ["tea", "nothing", "cocoa"]
    assert not reader.refresh()
    assert reader.index_state == "loaded"


def test_a_reader_may_be_there_before_the_first_picture(tea_shop: Shop, names: Names) -> None:
    reader, writer = tea_shop.open(), tea_shop.open(FakeDescriber())
    assert not reader.refresh()
    tea_shop.build(writer)
    assert reader.refresh()
    assert names(reader, 1) == "tea"


def test_who_only_reads_writes_nothing(built: Shop, names: Names) -> None:
    (built.index / "manifest.json").write_text("torn")
    before = sorted((p.name, p.read_bytes()) for p in built.index.iterdir())
    reader = built.open(read_only=True)
    assert names(reader, 1) == "tea"
    for change in (
        lambda: built.build(reader),
        lambda: reader.add([built.photos / "tea" / "1.png"], "x"),
        lambda: reader.remove(label="tea"),
        lambda: reader.relabel("tea", "x"),
    ):
        with pytest.raises(GalleryError, match="for reading only"):
            change()
    reader.close()
    after = sorted((p.name, p.read_bytes()) for p in built.index.iterdir())
    assert [name for name, _ in after if not name.endswith(("-wal", "-shm"))] == [
        name for name, _ in before
    ]
    assert [pair for pair in after if pair in before] == before


def test_search_while_another_thread_refreshes(built: Shop) -> None:
    reader, writer = built.open(), built.open(FakeDescriber())
    stop, wrong = threading.Event(), list[object]()

    def search() -> None:
        while not stop.is_set():
            found = reader.search(colours(paint(3))[None], 1)
            if found.scores[0, 0] < 0.999:
                wrong.append(found)

    searching = threading.Thread(target=search)
    searching.start()
    for seed in range(10, 15):
        built.paint(f"cocoa/{seed}.png", seed)
        built.build(writer)
        reader.refresh()
    stop.set()
    searching.join()
    assert wrong == []
    assert reader.count == 8


@pytest.mark.sqlite
def test_check_finds_what_is_wrong(built: Shop) -> None:
    catalog = built.open()
    assert catalog.check().problems == ()
    index = catalog._cache.index  # type: ignore[union-attr]
    index.remove(np.array([1]))
    index.add(np.array([77]), colours(paint(9))[None])
    connection = sqlite3.connect(built.index / "gallery.db")
    with connection:
        connection.execute("DELETE FROM embeddings WHERE reference_id = 2")
    connection.close()
    report = catalog.check()
    assert report.references == 3
    assert report.problems == (
        "reference 2 ('tea', tea/1.png) has no vector and cannot be recognised: remove it with "
        "`shitu remove-item --reference 2` and add its picture again",
        "reference 1 is missing in the index",
        "the index has a reference 2 too many",
        "the index has a reference 77 too many",
    )


def test_check_finds_a_wrong_vector(built: Shop) -> None:
    catalog = built.open()
    index = catalog._cache.index  # type: ignore[union-attr]
    index.remove(np.array([1]))
    index.add(np.array([1]), colours(paint(9))[None])
    assert catalog.check().problems == ("reference 1 has another vector in the index",)


def test_a_change_is_made_even_if_the_index_cannot_be_saved(
    built: Shop,
    vectors_agree: Agree,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise IndexNotSaved("the disk is full")

    built.paint("cocoa/1.png", 4)
    with monkeypatch.context() as patch:
        patch.setattr("shitu.catalog.cache.save_index", full)
        catalog = built.open()
        assert built.build(catalog).added == 1
        assert catalog.relabel("cocoa", "chocolate").label == "chocolate"
    warned = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert warned == ["the disk is full"]
    catalog.close()
    again = built.open()
    assert (again.index_state, again.count) == ("caught up", 4)
    assert vectors_agree(again)


def test_a_rebuilt_index_need_not_be_saved_to_be_used(
    built: Shop, names: Names, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise IndexNotSaved("the disk is full")

    (built.index / "manifest.json").unlink()
    monkeypatch.setattr("shitu.catalog.cache.save_index", full)
    assert names(built.open(), 1) == "tea"
    assert "the disk is full" in caplog.text


def test_large_indexes_are_not_saved_for_every_picture(
    built: Shop, monkeypatch: pytest.MonkeyPatch, vectors_agree: Agree
) -> None:
    monkeypatch.setattr("shitu.catalog.cache._ALWAYS_SAVE", 2)
    monkeypatch.setattr("shitu.catalog.cache._LAG", 2)
    catalog = built.open()
    saved = []
    for seed in range(4, 8):
        catalog.add([built.paint(f"cocoa/{seed}.png", seed)], "cocoa")
        saved.append(saved_generation(built))
    assert saved == [1, 1, 4, 4]  # each time half of the vectors are news
    again = built.open()
    assert again.index_state == "caught up"
    assert vectors_agree(again)


@pytest.mark.sqlite
def test_any_sqlalchemy_url_may_hold_the_gallery(
    tea_shop: Shop, names: Names, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    tea_shop.build(tea_shop.open(url=url))
    assert not (tea_shop.index / "gallery.db").exists()
    assert names(tea_shop.open(url=url), 3) == "coffee"


@pytest.mark.sqlite
@pytest.mark.parametrize("options", [{"create": False}, {"create": True, "read_only": True}])
def test_a_url_of_no_file_is_refused_until_it_is_built(
    tea_shop: Shop, tmp_path: Path, options: dict[str, bool]
) -> None:
    url = f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}"
    with pytest.raises(IndexNotFound, match=r"no gallery in the database sqlite:///.*nowhere/x.db"):
        tea_shop.open(url=url, **options)
    assert not (tmp_path / "nowhere").exists()
    tea_shop.build(tea_shop.open(url=url))
    assert len(tea_shop.open(url=url, **options)) == 3
