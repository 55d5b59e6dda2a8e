"""Indexes of PaddleClas and PaddleX become galleries of their own model."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss as _stubbed
import numpy as np
import pytest
import yaml
from fakes import FakeDescriber, colours, paint

from shitu.catalog import Catalog
from shitu.errors import IndexFileError, SpaceMismatch

if TYPE_CHECKING:
    from conftest import Shop

faiss: Any = _stubbed
Names = Callable[[Catalog, int], str]
Agree = Callable[[Catalog], bool]

MODEL = "PP-ShiTuV2_rec"
PICTURES = {1: "tea/1.png", 2: "tea/2.png", 3: "coffee/1.png"}  # by seed
LABELS = {"tea": "red bull tea", "coffee": "咖啡"}


def write_vectors(folder: Path, seeds: list[int], scale: float = 1.0) -> None:
    folder.mkdir(exist_ok=True)
    index = faiss.IndexIDMap2(faiss.index_factory(48, "HNSW32", faiss.METRIC_INNER_PRODUCT))
    rows = np.stack([colours(paint(seed)) for seed in seeds]) * np.float32(scale)
    index.add_with_ids(rows, np.arange(len(seeds)))
    faiss.write_index(index, str(folder / "vector.index"))


@pytest.fixture
def clas(tmp_path: Path) -> Path:
    """What PaddleClas writes."""
    folder = tmp_path / "clas"
    write_vectors(folder, list(PICTURES))
    lines = {
        np.int64(i): f"{path}\t{LABELS[path.split('/')[0]]}"
        for i, path in enumerate(PICTURES.values())
    }
    (folder / "id_map.pkl").write_bytes(pickle.dumps(lines))
    return folder


@pytest.fixture
def paddlex(tmp_path: Path) -> Path:
    """What PaddleX writes."""
    folder = tmp_path / "paddlex"
    write_vectors(folder, list(PICTURES))
    labels = {i: LABELS[path.split("/")[0]] for i, path in enumerate(PICTURES.values())}
    info = {"index_type": "HNSW32", "metric_type": "IP", "id_map": labels}
    (folder / "id_map.yaml").write_text(yaml.dump(info, allow_unicode=True), "utf-8")
    return folder


def labels(catalog: Catalog) -> dict[str, int]:
    return {item.label: item.references for item in catalog.items()}


@pytest.mark.parametrize("layout", ["clas", "paddlex"])
def test_both_layouts(
    shop: Shop, request: pytest.FixtureRequest, names: Names, vectors_agree: Agree, layout: str
) -> None:
    catalog = shop.open(any_space=True)
    done = catalog.import_index(request.getfixturevalue(layout), MODEL)
    assert (done.added, done.items, done.skipped, done.generation) == (3, 2, (), 1)
    assert (done.kind, done.metric, done.space) == ("HNSWFlat", "IP", MODEL)
    assert labels(catalog) == {"red bull tea": 2, "咖啡": 1}
    with Catalog.open(shop.index, url=shop.url) as plain:  # without a model to contradict
        assert names(plain, 1) == "red bull tea"
        assert names(plain, 3) == "咖啡"
    assert vectors_agree(catalog)
    assert [change.operation for change in catalog.history()] == ["import-index"]


@pytest.mark.parametrize("layout", ["clas", "paddlex"])
def test_twice_is_said_and_changes_nothing(
    shop: Shop, request: pytest.FixtureRequest, layout: str
) -> None:
    catalog = shop.open(any_space=True)
    folder = request.getfixturevalue(layout)
    catalog.import_index(folder, MODEL)
    again = catalog.import_index(folder, MODEL)
    assert (again.added, again.known, again.generation) == (0, 3, 1)


def test_the_paths_are_kept_as_recorded(shop: Shop, clas: Path) -> None:
    catalog = shop.open(any_space=True)
    catalog.import_index(clas, MODEL)
    assert [r.path for r in catalog.all_references()] == [clas / p for p in PICTURES.values()]
    assert {r.how for r in catalog.all_references()} == {"import"}


def test_recognition_with_another_model_is_refused_by_name(shop: Shop, clas: Path) -> None:
    catalog = shop.open(any_space=True)
    catalog.import_index(clas, MODEL)
    with pytest.raises(SpaceMismatch, match=rf"{MODEL}.*colours.*shitu migrate"):
        catalog.require_own_space()
    with pytest.raises(SpaceMismatch, match=MODEL):
        catalog.add([shop.paint("x/1.png", 1)], "x")
    catalog.close()
    with pytest.raises(SpaceMismatch, match=MODEL):
        shop.open()


def test_a_gallery_of_another_model_takes_none_of_it(tea_shop: Shop, clas: Path) -> None:
    catalog = tea_shop.open()
    tea_shop.build(catalog)
    with pytest.raises(SpaceMismatch, match=rf"{MODEL}.*colours"):
        catalog.import_index(clas, MODEL)
    assert catalog.gallery.head().generation == 1


def test_lengths_are_made_one(shop: Shop, clas: Path, vectors_agree: Agree) -> None:
    write_vectors(clas, list(PICTURES), scale=20)
    catalog = shop.open(any_space=True)
    done = catalog.import_index(clas, MODEL)
    assert (round(done.shortest), round(done.longest)) == (20, 20)
    assert vectors_agree(catalog)


def test_what_cannot_be_used_is_named(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    write_vectors(folder, [1, 2, 3, 4, 1, 5])
    index = faiss.read_index(str(folder / "vector.index"))
    flat = faiss.downcast_index(faiss.downcast_index(index.index).storage)
    faiss.rev_swig_ptr(flat.get_xb(), 6 * 48)[48:96] = np.nan
    faiss.write_index(index, str(folder / "vector.index"))
    lines = {0: "a.jpg\ttea", 1: "nan.jpg\ttea", 2: "no label", 4: "b.jpg\tcoffee"}
    lines |= {5: "blank.jpg\t  ", 9: "c.jpg\ttea"}
    (folder / "id_map.pkl").write_bytes(pickle.dumps({np.int64(i): v for i, v in lines.items()}))
    catalog = shop.open(any_space=True)
    done = catalog.import_index(folder, MODEL)
    assert labels(catalog) == {"tea": 1, "label": 1}
    reasons = {skipped.path.name: skipped.reason for skipped in done.skipped}
    assert reasons == {
        "nan.jpg": "vector 1 has the length nan",
        "vector.index#3": "vector 3 has no label",
        "b.jpg": "is the same as a reference of 'tea', not of 'coffee'",
        "blank.jpg": "the label of vector 5 is empty",
        "c.jpg": "'tea' has the id 9, but no vector",
    }


def test_the_same_list_appended_twice_counts_once(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "twice"
    write_vectors(folder, [1, 2, 1, 2])
    lines = {np.int64(i): f"{i % 2}.jpg\ttea" for i in range(4)}
    (folder / "id_map.pkl").write_bytes(pickle.dumps(lines))
    done = shop.open(any_space=True).import_index(folder, MODEL)
    assert (done.added, done.known) == (2, 2)


def test_pictures_in_reach_give_thumbnails_and_names(tea_shop: Shop, clas: Path) -> None:
    (tea_shop.photos / "coffee" / "1.png").unlink()
    catalog = tea_shop.open(any_space=True)
    done = catalog.import_index(clas, MODEL, pictures=tea_shop.photos)
    assert (done.added, done.pictures) == (3, 2)
    first, second, third = catalog.all_references()
    for reference, seed in ((first, 1), (second, 2)):
        assert reference.path == tea_shop.photos / PICTURES[seed]
        assert catalog.thumbnail(reference.reference_id).startswith(b"\xff\xd8")
    assert third.size == 0
    assert catalog.gallery.root() == tea_shop.photos
    assert catalog.check().problems == ()


def test_pictures_can_follow_later(tea_shop: Shop, clas: Path, vectors_agree: Agree) -> None:
    catalog = tea_shop.open(any_space=True)
    catalog.import_index(clas, MODEL)
    ids = [r.reference_id for r in catalog.all_references()]
    done = catalog.import_index(clas, MODEL, pictures=tea_shop.photos)
    assert (done.added, done.known, done.attached, done.generation) == (0, 3, 3, 2)
    references = catalog.all_references()
    assert [r.reference_id for r in references] == ids
    assert all(r.path.is_relative_to(tea_shop.photos) for r in references)
    assert all(catalog.thumbnail(i) for i in ids)
    assert vectors_agree(catalog)
    for pictures in (None, tea_shop.photos):
        again = catalog.import_index(clas, MODEL, pictures=pictures)
        assert (again.known, again.attached, again.generation) == (3, 0, 2)


def test_a_folder_without_the_pictures_is_not_the_gallerys_own(
    tea_shop: Shop, clas: Path, tmp_path: Path
) -> None:
    catalog = tea_shop.open(any_space=True)
    catalog.import_index(clas, MODEL, pictures=tmp_path)
    assert catalog.gallery.root() is None
    assert catalog.import_index(clas, MODEL, pictures=tea_shop.photos).attached == 3
    assert catalog.gallery.root() == tea_shop.photos


def test_a_picture_that_cannot_be_read_is_named(tea_shop: Shop, clas: Path) -> None:
    (tea_shop.photos / PICTURES[1]).write_bytes(b"no picture")
    catalog = tea_shop.open(any_space=True)
    done = catalog.import_index(clas, MODEL, pictures=tea_shop.photos)
    assert (done.added, done.pictures) == (3, 2)
    (skipped,) = done.skipped
    assert skipped.path == tea_shop.photos / PICTURES[1]
    assert skipped.reason.endswith("Its vector is used.")


def test_the_name_of_the_model_is_one_line(shop: Shop, clas: Path) -> None:
    catalog = shop.open(any_space=True)
    with pytest.raises(ValueError, match="model has to be words"):
        catalog.import_index(clas, " ")
    assert catalog.import_index(clas, " PP-ShiTuV2\nrec ").space == "PP-ShiTuV2 rec"


def test_each_step_of_it_is_undone(tea_shop: Shop, clas: Path, vectors_agree: Agree) -> None:
    catalog = tea_shop.open(any_space=True)
    catalog.import_index(clas, MODEL)
    hashes = [r.sha256 for r in catalog.all_references()]
    catalog.import_index(clas, MODEL, pictures=tea_shop.photos)
    catalog.undo()
    assert [r.sha256 for r in catalog.all_references()] == hashes
    assert catalog.import_index(clas, MODEL, pictures=tea_shop.photos).attached == 3
    catalog.go_back(0)
    assert catalog.items() == []
    assert vectors_agree(catalog)
    assert catalog.import_index(clas, MODEL).added == 3
    assert vectors_agree(catalog)


def test_a_path_does_not_lead_out_of_the_pictures(tea_shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_vectors(folder, [9, 8])
    outside = tea_shop.paint("../outside.png", 9)
    lines = {np.int64(0): "../outside.png\ttea", np.int64(1): f"{outside}\ttea"}
    (folder / "id_map.pkl").write_bytes(pickle.dumps(lines))
    done = tea_shop.open(any_space=True).import_index(folder, MODEL, pictures=tea_shop.photos)
    assert (done.added, done.pictures) == (2, 0)


def test_with_its_pictures_it_can_go_over_to_another_model(
    tea_shop: Shop, clas: Path, names: Names
) -> None:
    with tea_shop.open(any_space=True) as catalog:
        catalog.import_index(clas, MODEL, pictures=tea_shop.photos)
        catalog.migrate(FakeDescriber("colours"))
    assert names(tea_shop.open(), 3) == "咖啡"


def test_it_can_be_carried_elsewhere(shop: Shop, clas: Path, tmp_path: Path) -> None:
    catalog = shop.open(any_space=True)
    catalog.import_index(clas, MODEL)
    catalog.export(tmp_path / "x.gallery")
    with Catalog.open(tmp_path / "other", create=True) as other:
        assert other.import_from(tmp_path / "x.gallery").space == MODEL
        assert labels(other) == labels(catalog)
        assert other.check().problems == ()


@pytest.mark.parametrize("missing", ["vector.index", "id_map.pkl"])
def test_half_an_index_is_refused(shop: Shop, clas: Path, missing: str) -> None:
    (clas / missing).unlink()
    with pytest.raises(IndexFileError, match="clas"):
        shop.open(any_space=True).import_index(clas, MODEL)
    assert not shop.index.exists()


@pytest.mark.sqlite
def test_the_demo_index_of_upstream(shop: Shop, data_folder: Path) -> None:
    folder = data_folder / "ppshitu_index"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: no index of upstream to test on")
    catalog = shop.open(any_space=True)
    done = catalog.import_index(folder, MODEL)
    # Five vectors are there twice, once under another spelling of their label.
    assert (done.added, len(done.skipped), done.items, done.kind) == (982, 5, 195, "HNSWFlat")
    space = catalog.space
    assert space is not None
    assert space.dim == 512
    assert labels(catalog)["脉动"] == 4
    assert catalog.import_index(folder, MODEL).known == 982
