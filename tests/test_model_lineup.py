"""Which models a gallery was made with, and that every command uses those."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shitu import Workspace
from shitu.config import DETECTOR_MODEL, FEATURE_MODEL
from shitu.errors import ModelError, SpaceMismatch, WeightsNotFound
from shitu.gallery import Space
from shitu.lineup import Lineup, find_lineup, lineup_of, named
from shitu.models import registry

SAMPLE = Path(__file__).parents[1] / "gallery" / "products"
LABELS = sorted(path.name for path in SAMPLE.iterdir())[:2]


def picture(label: str, number: int = 0) -> Path:
    return sorted((SAMPLE / label).iterdir())[number]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A feature extractor in a folder: the embedded one, but pictures are resized otherwise."""
    folder = Path(
        shutil.copytree(
            Path(registry.__file__).parent / "weights" / FEATURE_MODEL, tmp_path / "mine"
        )
    )
    text = (folder / "model.yml").read_text()
    assert "antialias" in text
    (folder / "model.yml").write_text(text.replace("antialias", "linear"))
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """Two items of two pictures each."""
    shop = Workspace(tmp_path / "index", detector_model="none")
    for label in LABELS:
        shop.add([picture(label), picture(label, 1)], label)
    return shop


def test_names_are_told_and_not_compared() -> None:
    plain = Space.of("weights", {}, {}, 4)
    told = Space.of("weights", {}, {}, 4, models={"feature": "a", "detector": "b"})
    assert plain == told
    assert told.called == "a (detector b)"
    assert plain.called == "a model with weights weights"


def test_models_are_found_by_what_they_make() -> None:
    for lineup in (Lineup(), Lineup(detector="none")):
        space = lineup.space()
        assert find_lineup(space) == lineup
        # A gallery of the first release knows no names, and one from elsewhere other ones.
        bare = {k: v for k, v in space.description.items() if k != "models"}
        old = Space(space.fingerprint, space.dim, bare)
        assert find_lineup(old) == lineup
        assert named(old).called == space.called
        other = {**bare, "models": {"feature": "/elsewhere", "detector": "none"}}
        assert find_lineup(Space(space.fingerprint, space.dim, other)) == lineup


def test_models_that_are_not_installed_keep_their_name() -> None:
    models = {"feature": "/elsewhere", "detector": "none"}
    gone = Space.of("weights", {}, {"crop": "whole"}, 4, models=models)
    assert find_lineup(gone) is None
    assert lineup_of(gone) == Lineup("/elsewhere", "none")
    assert named(gone).called == "/elsewhere (detector none)"


def test_a_new_gallery_takes_the_embedded_models(tmp_path: Path) -> None:
    assert Workspace(tmp_path / "index").lineup == Lineup(FEATURE_MODEL, DETECTOR_MODEL)


def test_a_gallery_remembers_its_models_wherever_one_stands(
    shop: Workspace, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "index"
    monkeypatch.chdir(tmp_path)
    assert shop.migrate("mine").outcome == "switched"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    with Workspace(index) as reader:
        assert reader.lineup == Lineup(str(mine), "none")
        assert reader.recognize(picture(LABELS[0], 2)).objects[0].matches[0].label == LABELS[0]
    mine.rename(tmp_path / "away")
    with Workspace(index) as reader:
        assert [item.label for item in reader.catalog.items()] == LABELS
        with pytest.raises(WeightsNotFound, match=f"The model {mine} is not there: bring it back"):
            reader.recognize(picture(LABELS[0], 2))
        assert reader.relabel(LABELS[0], "tea").label == "tea"
        assert reader.calibrate(dry_run=True).outcome == "too little"
        reader.undo()
    with Workspace(index, feature_model=str(tmp_path / "away"), detector_model="none") as reader:
        assert reader.recognize(picture(LABELS[0], 2)).objects[0].matches[0].label == LABELS[0]
    with Workspace(index) as reader:
        # The vectors of the model before are still there, and so is that model.
        assert reader.migrate(back=True).embedded == 0
        assert reader.lineup == Lineup(detector="none")


def test_a_running_workspace_follows_a_switch(shop: Workspace, mine: Path, tmp_path: Path) -> None:
    running, strict = (
        Workspace(tmp_path / "index"),
        Workspace(tmp_path / "index", detector_model="none"),
    )
    for one in (running, strict):
        assert one.recognize(picture(LABELS[0], 2)).objects[0].matches[0].label == LABELS[0]
    start = running.catalog.gallery.head().generation
    running.recognize(picture(LABELS[0], 2), as_of=start)
    shop.migrate(str(mine))
    with pytest.raises(SpaceMismatch):
        strict.add([picture(LABELS[0], 3)], LABELS[0])
    then = running.recognize(picture(LABELS[0]), as_of=start).objects[0]
    assert then.score is not None
    assert then.score > 0.9999
    found = running.recognize(picture(LABELS[0], 2)).objects[0]
    assert running.lineup.feature == str(mine)
    assert found.matches[0].label == LABELS[0]
    own = running.recognize(picture(LABELS[0])).objects[0]
    assert own.score is not None
    assert own.score > 0.9999  # against its own vector, so it is one of the new space
    running.add([picture(LABELS[0], 2)], LABELS[0])
    # Whoever named the old models is told, each time, and never gets an answer of mixed spaces.
    for _ in range(2):
        with pytest.raises(SpaceMismatch, match=f"{mine}.*not {FEATURE_MODEL}"):
            strict.recognize(picture(LABELS[0], 2))


def test_a_model_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nobody"):
        Workspace(tmp_path / "index", feature_model="nobody").add([picture(LABELS[0])], "x")
