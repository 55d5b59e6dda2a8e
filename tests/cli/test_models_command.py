"""`shitu models` from a mirror on this machine, and a gallery made with what it pulled."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click import Option
from click.testing import Result
from exports import export_colours
from serving import Site, packed, serving

from shitu.cli import main
from shitu.cli.models import models

Run = Callable[..., Result]

NAME = "PP-ShiTuV2_rec"
ARCHIVE = "PP-ShiTuV2_rec_infer.tar"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return packed(export_colours(tmp_path_factory.mktemp("export") / "PP-ShiTuV2_rec_infer"))


@pytest.fixture
def mirror(tmp_path: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("SHITU_MODELS", str(tmp_path / "models"))
    with serving() as site:
        site.files[ARCHIVE] = archive
        monkeypatch.setenv("SHITU_MIRROR", site.url)
        yield site


@pytest.mark.usefixtures("mirror")
def test_a_model_is_pulled_shown_verified_and_removed(run: Run, tmp_path: Path) -> None:
    result = run("models", "pull", NAME)
    folder = tmp_path / "models" / NAME
    assert result.stdout == f"{NAME} installed: {folder}\n"
    assert "is remembered: no checksum is published" in result.stderr
    assert run("models", "pull", NAME).stdout == f"{NAME} is here already: {folder}\n"
    assert run("models", "path", NAME).stdout == f"{folder}\n"
    assert run("models", "path").stdout == f"{folder.parent}\n"
    listed = run("models", "list").stdout
    assert "pplcnetv2_base_shitu" in listed
    assert "inference" in next(line for line in listed.splitlines() if line.startswith(f"{NAME} "))
    shown = run("models", "show", NAME).stdout
    assert "84.2 %" in shown
    assert str(folder) in shown
    assert run("models", "verify").stdout == f"{NAME} (inference): as it was pulled\n"
    (folder / "inference.pdiparams").write_bytes(b"damage")
    result = run("models", "verify", NAME)
    assert result.exit_code == 1
    assert "inference.pdiparams is damaged" in result.stdout
    assert f"`shitu models pull {NAME}`" in result.stderr
    assert run("models", "rm", NAME).stdout == f"removed {folder}\n"
    assert not folder.exists()
    assert run("models", "verify").stdout == "No model has been pulled.\n"


def test_damaged_training_weights_are_mended_by_what_verify_says(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHITU_MODELS", str(tmp_path / "models"))
    source = tmp_path / "weights.pdparams"
    source.write_bytes(pickle.dumps({"w": np.zeros(1, np.float32)}))
    name = "PP-LCNet_x1_0"
    pull = ("models", "pull", name, "--weights", "--from", source)
    assert run(*pull).exit_code == 0
    (tmp_path / "models" / f"{name}.weights" / f"{name}.pdparams").write_bytes(b"damage")
    for named in ((), (name, "--weights")):
        result = run("models", "verify", *named)
        assert result.exit_code == 1
        assert f"`shitu models pull {name} --weights`" in result.stderr
    assert run(*pull).exit_code == 0
    assert run("models", "verify").stdout == f"{name} (weights): as it was pulled\n"


@pytest.mark.usefixtures("mirror")
def test_scripts_get_json(run: Run, tmp_path: Path) -> None:
    pulled = json.loads(run("models", "pull", NAME, "--json").stdout)
    assert (pulled["outcome"], pulled["trust"]) == ("installed", "first seen")
    assert set(pulled["files"]) == {"inference.json", "inference.pdiparams", "inference.yml"}
    listed = json.loads(run("models", "list", "--json").stdout)["models"]
    states = {model["name"]: model["state"] for model in listed}
    assert (states["pplcnetv2_base_shitu"], states[NAME]) == ("embedded", "inference")
    shown = json.loads(run("models", "show", NAME, "--json").stdout)
    assert shown["here"]["inference"]["sha256"] == pulled["sha256"]
    assert json.loads(run("models", "verify", "--json").stdout) == {
        "models": [{"name": NAME, "part": "inference", "problems": []}]
    }
    assert json.loads(run("models", "path", NAME, "--json").stdout)["path"] == pulled["folder"]
    assert json.loads(run("models", "rm", NAME, "--json").stdout) == {"removed": pulled["folder"]}


_WORDS = ("name", "part", "origin", "sha256", "trust", "at")
_RECORD = json.dumps({**dict.fromkeys(_WORDS, "x"), "files": 3})


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("record", ["{", "[]", '{"name": "x"}', _RECORD])
def test_a_damaged_record_hides_no_other_model(run: Run, tmp_path: Path, record: str) -> None:
    run("models", "pull", NAME)
    file = tmp_path / "models" / NAME / "installed.json"
    file.write_text(record, encoding="utf-8")
    listed = run("models", "list")
    assert f"note: The record {file} of the pulled model {NAME} is damaged" in listed.stderr
    lines = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert "inference (damaged)" in lines[NAME]
    assert "PP-ShiTuV2_det" in lines
    models = json.loads(run("models", "list", "--json").stdout)["models"]
    here = next(model["here"] for model in models if model["name"] == NAME)
    assert "is damaged" in here["inference"]["problem"]
    verified = run("models", "verify")
    assert verified.exit_code == 1
    assert f"{NAME} (inference): The record {file}" in verified.stdout
    assert f"`shitu models pull {NAME}`" in verified.stderr
    assert run("models", "pull", NAME).exit_code == 0
    assert run("models", "verify").stdout == f"{NAME} (inference): as it was pulled\n"


@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("what", ["pull", "show", "verify", "path", "rm"])
def test_what_comes_with_the_package_is_not_looked_for_elsewhere(run: Run, what: str) -> None:
    result = run("models", what, "pplcnetv2_base_shitu")
    assert result.exit_code == 1
    assert "pplcnetv2_base_shitu comes with the package" in result.stderr
    assert "`shitu doctor`" in result.stderr


def test_one_archive_is_one_model(run: Run, tmp_path: Path) -> None:
    result = run("models", "pull", NAME, "PP-ShiTuV2_det", "--from", tmp_path / "a.tar")
    assert result.exit_code == 2
    assert run("models", "pull", NAME, "--from", tmp_path / "a.tar").exit_code == 1


def test_a_gallery_is_made_by_name_and_another_model_is_never_mixed_in(
    run: Run, tmp_path: Path, mirror: Site, labels: list[str]
) -> None:
    products = Path(__file__).parents[2] / "gallery" / "products"
    for label in labels[:2]:
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / label).symlink_to(products / label)
    build = ("build-index", "--gallery", tmp_path / "photos", "--detector", "none")
    index = ("--index", tmp_path / "index")
    refused = run(*build, *index, "--model", NAME)
    assert refused.exit_code == 1
    assert f"`shitu models pull {NAME}`" in refused.stderr
    run("models", "pull", NAME)
    built = run(*build, *index, "--model", NAME)
    assert built.exit_code == 0, built.stderr
    picture = sorted((products / labels[0]).iterdir())[0]
    found = json.loads(run("recognize", picture, *index, "--json").stdout)
    assert found["objects"][0]["label"] == labels[0]
    # Another model is refused, by whatever command, and the gallery stays as it is.
    for command in (("add-item", picture, "--label", "x"), ("recognize", picture)):
        other = run(*command, *index, "--model", "pplcnetv2_base_shitu", "--detector", "none")
        assert other.exit_code == 1
        assert f"{NAME} (detector none)" in other.stderr
    # Or the gallery is migrated, and back.
    for way in (("--model", "pplcnetv2_base_shitu"), ("--back",)):
        moved = run("migrate", *way, "--force", *index)
        assert moved.exit_code == 0, moved.stderr
        assert run("recognize", picture, *index).exit_code == 0
    run("models", "rm", NAME)
    gone = run("recognize", picture, *index)
    assert gone.exit_code == 1
    assert NAME in gone.stderr


@pytest.mark.parametrize("name", sorted(models.commands))
def test_help_describes_every_option_and_shows_an_example(run: Run, name: str) -> None:
    text = run("models", name, "--help").stdout
    assert "Example: " in text
    assert f"shitu models {name}" in text
    assert all(option.help for option in models.commands[name].params if isinstance(option, Option))
    assert "models" in main.commands
