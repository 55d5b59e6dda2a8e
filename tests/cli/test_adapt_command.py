"""`shitu adapt` and `shitu calibrate`, on the command line."""

from __future__ import annotations

import json
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from shitu import create_pipeline
from shitu.calibration import Calibration
from shitu.catalog.learning import write_calibration
from shitu.workspace import Workspace

Run = Callable[..., Result]
SAMPLE = Path(__file__).parents[2] / "gallery"


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "shop"))


@pytest.mark.parametrize("command", ["adapt", "calibrate"])
def test_too_few_references_are_an_error_that_says_what_is_missing(
    run: Run, shop: Path, command: str
) -> None:
    result = run(command, "--index", shop / "index")
    assert result.exit_code == 1
    assert "nothing was changed" in result.stderr
    assert "references" in result.stderr
    told = run(command, "--index", shop / "index", "--json")
    assert json.loads(told.stdout)["outcome"] == "too little"


@pytest.mark.parametrize("command", ["adapt", "calibrate"])
def test_a_gallery_of_older_weights_is_said_to_be_one(run: Run, shop: Path, command: str) -> None:
    arguments = (command, "--dry-run", "--far", "0.2", "--index", shop / "index")
    assert "the gallery in" not in run(*arguments).stderr
    with closing(sqlite3.connect(shop / "index" / "gallery.db")) as connection, connection:
        connection.execute("UPDATE spaces SET fingerprint = 'older'")
    said = run(*arguments).stderr
    assert "note: the gallery in" in said
    assert "as after an update: `shitu migrate --model pplcnetv2_base_shitu`" in said


def test_going_back_says_that_the_calibration_stays(run: Run, shop: Path) -> None:
    index = ("--index", shop / "index")
    before = json.loads(run("history", *index, "--json").stdout.splitlines()[-1])["generation"]
    _know(shop, 0.2)
    back = run("undo", "--back-to", before, *index)
    assert f"as it was at generation {before} already: nothing is to be undone" in back.stdout
    assert f"calibration changed since generation {before}, too, which stays" in back.stderr
    assert "`shitu calibrate --off`" in back.stderr


@pytest.mark.parametrize("command", ["adapt", "calibrate"])
def test_off_where_there_was_none(run: Run, shop: Path, command: str) -> None:
    result = run(command, "--off", "--index", shop / "index")
    assert result.exit_code == 0
    assert "was off" in result.stdout


def test_a_loose_rate_can_be_had_with_few_references(run: Run, shop: Path) -> None:
    arguments = ("--far", "0.2", "--index", shop / "index", "--json")
    told = json.loads(run("calibrate", "--dry-run", *arguments).stdout)
    assert told["outcome"] in {"dry run", "too little"}


def test_strangers_that_cannot_be_read_are_listed_and_counted(
    run: Run, shop: Path, query: Path, tmp_path: Path
) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    (strangers / "empty.jpg").touch()
    arguments = ("calibrate", "--far", "0.2", "--strangers", strangers, "--index", shop / "index")
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "No picture in" in refused.stderr
    assert "empty.jpg is empty" in refused.stderr
    shutil.copy(query, strangers / "query.jpg")
    said = run(*arguments, "--dry-run")
    assert f"skipped {strangers / 'empty.jpg'}" in said.stderr
    assert "1 picture skipped." in said.stdout
    [[path, reason]] = json.loads(run(*arguments, "--dry-run", "--json").stdout)["skipped"]
    assert (path, "is empty" in reason) == (str(strangers / "empty.jpg"), True)


def test_references_of_the_gallery_are_no_strangers(
    run: Run, shop: Path, query: Path, tmp_path: Path
) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    own = next((shop / "photos").rglob("*.jpg"))
    copied = shutil.copy(own, strangers / "copied.jpg")
    arguments = ("calibrate", "--far", "0.2", "--strangers", strangers, "--index", shop / "index")
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "No picture in" in refused.stderr
    assert "(1 tried); the first: " in refused.stderr
    assert "copied.jpg is a reference of the gallery itself" in refused.stderr
    shutil.copy(query, strangers / "query.jpg")
    told = json.loads(run(*arguments, "--dry-run", "--json").stdout)
    assert [path for path, _ in told["skipped"]] == [str(copied)]


def _build(run: Run, folder: Path) -> Path:
    """Eight products of the sample gallery in folder/photos; returns that folder's index."""
    for product in sorted((SAMPLE / "products").glob("[!.]*"))[:8]:
        shutil.copytree(product, folder / "photos" / product.name)
    index = folder / "index"
    built = run("build-index", "--gallery", folder / "photos", "--index", index)
    assert built.exit_code == 0
    return index


def test_photos_whose_labels_are_known_are_asked_too(
    run: Run, query: Path, labels: list[str], tmp_path: Path
) -> None:
    index = _build(run, tmp_path)
    photos = tmp_path / "asked"
    for label in (labels[0], "something else"):
        (photos / label).mkdir(parents=True)
        shutil.copy(query, photos / label / "query.jpg")
    (photos / labels[0] / "empty.jpg").touch()
    own = sorted((tmp_path / "photos" / labels[1]).iterdir())[0]
    (photos / labels[1]).mkdir()
    copied = Path(shutil.copy(own, photos / labels[1]))
    arguments = ("calibrate", "--far", "0.2", "--queries", photos, "--index", index)
    result = run(*arguments)
    assert (result.exit_code, result.stderr.count("skipped ")) == (0, 2)
    assert "is a reference of the gallery itself" in result.stderr
    assert "2 pictures skipped." in result.stdout
    assert "photos asked " in result.stdout
    assert "1 as themselves, 2 as strangers (1 of labels that the gallery lacks)" in result.stdout
    assert "named rightly (photos)" in result.stdout
    told = json.loads(run(*arguments, "--json").stdout)
    assert {path for path, _ in told["skipped"]} == {
        str(copied),
        str(photos / labels[0] / "empty.jpg"),
    }
    assert told["calibration"]["photos"] == 1
    assert told["calibration"]["strange_photos"] == 2
    shutil.rmtree(photos / "something else")
    assert "1 as themselves, 1 as strangers\n" in run(*arguments).stdout


@pytest.mark.parametrize("command", [("build-index", "--gallery"), ("sync",)])
def test_a_gallery_that_outgrew_its_calibration_is_told(
    run: Run, command: tuple[str, ...], tmp_path: Path
) -> None:
    index = _build(run, tmp_path)
    assert run("calibrate", "--far", "0.2", "--index", index).exit_code == 0
    for product in sorted((SAMPLE / "products").glob("[!.]*"))[8:12]:
        shutil.copytree(product, tmp_path / "photos" / product.name)
    if command == ("sync",):
        dry = run("sync", tmp_path / "photos", "--dry-run", "--index", index)
        assert "calibrated" not in dry.stderr
    said = run(*command, tmp_path / "photos", "--index", index, "--json").stderr
    assert "calibrated with 8 items, and there are 12 by now" in said
    assert "`shitu calibrate --far 0.2`" in said


def test_a_gallery_that_outgrew_its_calibration_by_an_import_is_told(
    run: Run, tmp_path: Path
) -> None:
    index, more, file = _build(run, tmp_path), tmp_path / "more", tmp_path / "more.gallery"
    assert run("calibrate", "--far", "0.2", "--index", index).exit_code == 0
    shutil.copytree(index, tmp_path / "second")
    chosen = sorted((SAMPLE / "products").glob("[!.]*"))[8:12]
    pictures = [str(sorted(product.iterdir())[0]) for product in chosen]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the embedded models stand in for PaddleX'
        made = create_pipeline().build_index(pictures, [product.name for product in chosen])
    made.save(more)
    first = run("import-index", more, "--model", "x", "--index", index)
    assert "calibrated with 8 items, and there are 12 by now" in first.stderr
    run("import-index", more, "--model", "x", "--index", tmp_path / "third")
    run("export-gallery", file, "--index", tmp_path / "third")
    arguments = ("import-gallery", file, "--index", tmp_path / "second")
    assert "calibrated" not in run(*arguments, "--dry-run").stderr
    assert "calibrated with 8 items, and there are 12 by now" in run(*arguments).stderr


@pytest.mark.parametrize(
    ("command", "option"),
    [("calibrate", "--strangers"), ("calibrate", "--queries"), ("adapt", "--queries")],
)
def test_nothing_is_learnt_when_it_is_turned_off(
    run: Run, shop: Path, command: str, option: str
) -> None:
    result = run(command, "--off", option, shop / "photos", "--index", shop / "index")
    assert result.exit_code == 2
    assert f"leave {option} out" in result.stderr


def test_photos_of_nothing_in_the_gallery_are_an_error(
    run: Run, shop: Path, query: Path, tmp_path: Path
) -> None:
    arguments = ("calibrate", "--far", "0.2", "--index", shop / "index", "--queries")
    listed = tmp_path / "asked.csv"
    listed.write_text(f"path,label\n{query},something else\n")
    result = run(*arguments, listed)
    assert result.exit_code == 1
    assert "No photo shows an item of the gallery (1 asked)" in result.stderr
    result = run(*arguments, shop / "photos")
    assert result.exit_code == 1
    assert "No photo can be used (20 tried); the first" in result.stderr
    assert "is a reference of the gallery itself" in result.stderr
    told = run("history", "--index", shop / "index").stdout
    assert "calibrate" not in told


@pytest.mark.parametrize("verify", ["auto", "on", "off"])
def test_points_are_evidence_if_recognition_asks_them(
    run: Run, tmp_path: Path, labels: list[str], verify: str
) -> None:
    index = ("--index", _build(run, tmp_path))
    command = ("calibrate", "--far", 0.1, "--verify", verify, *index)
    told = json.loads(run(*command, "--json").stdout)
    assert (told["outcome"], told["calibration"]["verify"]) == ("calibrated", verify)
    assert (told["calibration"]["compared"] > 0) is (verify != "off")
    assert (told["calibration"]["named_without_points"] is None) is (verify == "off")
    printed = run(*command, "--dry-run").stdout
    assert f"verify {verify}: " in printed
    share = told["calibration"]["named_at"]["0.2"]
    assert f"at other rates            --far 0.2: {share:.1%}\n" in printed
    assert f"and {told['calibration']['named']:.1%} of the known pictures their name." in printed
    query = sorted((SAMPLE / "queries").iterdir())[0]
    found = run("recognize", query, "--verify", verify, *index, "--json")
    assert json.loads(found.stdout)["operating_point"] == told["calibration"]["operating_point"]
    other = "off" if verify != "off" else "auto"
    said = run("recognize", query, "--verify", other, *index).stderr
    assert (f"calibrated with verify {verify}" in said) is (verify != "off")


def _know(shop: Path, operating_point: float) -> None:
    with Workspace(shop / "index") as workspace:
        gallery = workspace.catalog.gallery
        space = gallery.active_space()
        assert space is not None
        weights = (10.0, 0.0, 0.0, 0.0, 0.0)
        known = Calibration(space.fingerprint, weights, -5.0, operating_point, 0.01, {}, 0.5)
        with gallery.write("calibrate") as transaction:
            write_calibration(transaction, known)


def test_confidence_decides_and_is_explained(run: Run, shop: Path, query: Path) -> None:
    arguments = ("recognize", query, "--index", shop / "index")
    assert "confidence" not in run(*arguments).stdout
    _know(shop, 0.2)
    known = run(*arguments, "--explain")
    assert known.exit_code == 0
    assert "confidence" in known.stdout
    assert "margin" in known.stdout
    assert "confidence 0.20" in known.stdout
    found = json.loads(run(*arguments, "--json").stdout)
    best = found["objects"][0]
    assert found["operating_point"] == 0.2
    assert 0.2 < best["confidence"] < 1
    assert best["label"] is not None


def test_what_is_less_sure_is_unknown_unless_a_threshold_is_named(
    run: Run, shop: Path, query: Path
) -> None:
    _know(shop, 0.9999999)
    arguments = ("recognize", query, "--index", shop / "index")
    unsure = run(*arguments)
    assert "is below 1.00)" in unsure.stdout
    found = json.loads(run(*arguments, "--threshold", "0.1", "--json").stdout)
    assert found["operating_point"] is None
    assert found["objects"][0]["label"] is not None
    assert found["objects"][0]["confidence"] is not None


def test_an_evaluation_reports_how_true_confidences_are(run: Run, shop: Path) -> None:
    arguments = ("eval-recall", "--queries", shop / "photos", "--index", shop / "index", "--json")
    assert json.loads(run(*arguments).stdout)["calibration"] is None
    _know(shop, 0.2)
    assert json.loads(run(*arguments).stdout)["calibration"] is not None
