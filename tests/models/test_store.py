"""Pulled models: installed whole or not at all, remembered, verified, removed."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from serving import Site, packed

from shitu.errors import ModelError, WeightsCorrupt, WeightsNotFound
from shitu.lineup import Lineup, find_lineup
from shitu.models.catalogue import OFFICIAL, Official
from shitu.models.registry import find_model, is_name, names_here
from shitu.models.store import installed, models_folder, pull, remove, verify

NAME = "PP-ShiTuV2_rec"
ARCHIVE = "PP-ShiTuV2_rec_infer.tar"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch, extractor: Path) -> None:
    """All models come from this machine, and go into a folder of the test."""
    monkeypatch.setenv("SHITU_MODELS", str(tmp_path / "models"))
    real = OFFICIAL[NAME]
    urls = {part: f"{site.url}/{url.rpartition('/')[2]}" for part, url in real.urls.items()}
    fields = {**vars(real), "urls": urls}
    monkeypatch.setitem(OFFICIAL, NAME, Official(**fields))
    site.files[ARCHIVE] = packed(extractor)


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[None]:
    """Nothing may be installed at the end, nor anything left lying about."""
    yield
    assert installed(NAME) is None
    assert {path.name for path in (tmp_path / "models").iterdir()} <= {".work"}
    kept = {path.suffix for path in (tmp_path / "models" / ".work").iterdir()}
    assert kept <= {".lock", ".part", ".json"}


def test_a_pulled_model_is_found_by_its_name(site: Site) -> None:
    with pytest.raises(WeightsNotFound, match=r"`shitu models pull PP-ShiTuV2_rec` \(16.3 MB\)"):
        find_model(NAME, "feature")
    pulled = pull(NAME)
    assert (pulled.outcome, pulled.model.trust) == ("installed", "first seen")
    assert pulled.model.origin == f"{site.url}/{ARCHIVE}"
    spec = find_model(NAME, "feature")
    assert (spec.name, spec.dim) == (NAME, 24)
    assert spec.files["weights"].verified().parent == models_folder() / NAME
    assert is_name(NAME)
    assert names_here("feature") == ["pplcnetv2_base_shitu", NAME]
    assert pull(NAME).outcome == "present"
    assert len(site.asked) == 1


def test_a_gallery_finds_it_in_another_folder_of_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(NAME)
    space = Lineup(NAME, "none").space()
    assert space.models == (NAME, "none")
    (tmp_path / "models").rename(tmp_path / "moved")
    assert find_lineup(space) is None
    monkeypatch.setenv("SHITU_MODELS", str(tmp_path / "moved"))
    assert find_lineup(space) == Lineup(NAME, "none")


def test_an_archive_without_a_description_gets_the_published_one(
    site: Site, extractor: Path
) -> None:
    site.files[ARCHIVE] = packed(extractor, "inference.yml")
    pull(NAME)
    assert find_model(NAME, "feature").preprocessing.input_size == (224, 224)
    assert not verify(NAME)


def test_training_weights_are_a_part_of_their_own(site: Site) -> None:
    weights = pickle.dumps({"w": np.zeros(3)})
    site.files[f"{NAME}_pretrained.pdparams"] = weights
    found = pull(NAME, "weights").model
    assert (found.folder / f"{NAME}.pdparams").read_bytes() == weights
    assert installed(NAME) is None
    assert remove(NAME, "weights") == found.folder
    assert not found.folder.exists()


def test_what_is_no_weights_is_neither_installed_nor_remembered(site: Site) -> None:
    file = f"{NAME}_pretrained.pdparams"
    site.files[file] = b"<html>Please log in</html>"
    with pytest.raises(WeightsCorrupt, match="damaged, cut off, or no weights"):
        pull(NAME, "weights")
    assert installed(NAME, "weights") is None
    site.files[file] = pickle.dumps({"w": np.zeros(3)})
    assert pull(NAME, "weights").outcome == "installed"


def test_damage_is_found_and_a_pull_mends_it(site: Site) -> None:
    folder = pull(NAME).model.folder
    assert verify(NAME) == []
    (folder / "inference.pdiparams").write_bytes(b"damage")
    (folder / "inference.yml").unlink()
    problems = verify(NAME)
    assert [problem.rpartition(" ")[2] for problem in sorted(problems)] == ["damaged", "missing"]
    (folder / "inference.yml").write_bytes(b"")
    with pytest.raises(ModelError):
        find_model(NAME, "feature")
    assert pull(NAME).outcome == "installed"
    assert verify(NAME) == []


def test_damaged_weights_are_not_run() -> None:
    folder = pull(NAME).model.folder
    (folder / "inference.pdiparams").write_bytes(b"damage")
    with pytest.raises(WeightsCorrupt, match="`shitu models pull PP-ShiTuV2_rec` fetches it again"):
        find_model(NAME, "feature").files["weights"].verified()


def test_a_model_that_changed_at_its_makers_is_refused(site: Site, extractor: Path) -> None:
    first = pull(NAME).model.sha256
    remove(NAME)
    site.files[ARCHIVE] = packed(extractor, extra=b"another release")
    with pytest.raises(WeightsCorrupt, match=r"is not the PP-ShiTuV2_rec that was first pulled"):
        pull(NAME)
    assert installed(NAME) is None
    assert pull(NAME, accept_change=True).model.sha256 != first
    remove(NAME)
    assert pull(NAME).outcome == "installed"  # and is what is remembered from now on


def test_a_published_checksum_decides(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = pull(NAME).model.sha256
    remove(NAME)
    for digest, good in (("0" * 64, False), (right, True)):
        fields = {**vars(OFFICIAL[NAME]), "sha256": {"inference": digest}}
        monkeypatch.setitem(OFFICIAL, NAME, Official(**fields))
        if good:
            assert pull(NAME).model.trust == "published"
            continue
        with pytest.raises(WeightsCorrupt, match="is not what was expected"):
            pull(NAME, accept_change=True)
        (tmp_path / "brought.tar").write_bytes(site.files[ARCHIVE])
        with pytest.raises(WeightsCorrupt, match=r"brought.tar is not PP-ShiTuV2_rec"):
            pull(NAME, source=tmp_path / "brought.tar")


def test_mirrors_are_asked_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHITU_MIRROR", f"{site.url}/nothing/ {site.url}/mirror")
    site.statuses = [404]
    assert pull(NAME).model.origin == f"{site.url}/mirror/{ARCHIVE}"


def test_offline_nothing_is_fetched(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHITU_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"SHITU_OFFLINE forbids .* --from FILE"):
        pull(NAME)
    archive = tmp_path / "stick" / "rec.tar"
    archive.parent.mkdir()
    archive.write_bytes(site.files[ARCHIVE])
    assert pull(NAME, source=archive).model.origin == str(archive)
    assert archive.exists()
    assert pull(NAME).outcome == "present"
    assert not site.asked


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], "damaged or no archive"),
        (lambda data: b"<html>Please log in</html>", "damaged or no archive"),
        (lambda data: b"", "damaged or no archive|empty"),
    ],
    ids=["truncated", "a page", "nothing"],
)
def test_what_is_no_archive_is_refused(
    site: Site, spoil: Callable[[bytes], bytes], message: str
) -> None:
    whole = site.files[ARCHIVE]
    site.files[ARCHIVE] = spoil(whole)
    with pytest.raises(WeightsCorrupt, match=message):
        pull(NAME)
    site.files[ARCHIVE] = whole
    assert pull(NAME).outcome == "installed"
    remove(NAME)
    (models_folder() / "first-seen.json").unlink()


@pytest.mark.usefixtures("broken")
def test_a_model_that_lacks_a_file_is_refused(site: Site, extractor: Path) -> None:
    site.files[ARCHIVE] = packed(extractor, "inference.pdiparams")
    with pytest.raises(WeightsNotFound, match=r"inference.pdiparams"):
        pull(NAME)


@pytest.mark.usefixtures("broken")
def test_a_model_of_another_kind_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OFFICIAL, NAME, Official(**{**vars(OFFICIAL[NAME]), "kind": "detector"}))
    with pytest.raises(WeightsCorrupt, match=r"holds a feature, but .* is a detector"):
        pull(NAME)


@pytest.mark.usefixtures("broken")
def test_a_missing_archive_is_told(site: Site, tmp_path: Path) -> None:
    site.files.clear()
    with pytest.raises(ModelError, match=r"the server says 404 .*\. .* --from FILE`"):
        pull(NAME)
    with pytest.raises(WeightsNotFound, match=r"no file .*gone.tar"):
        pull(NAME, source=tmp_path / "gone.tar")


@pytest.mark.parametrize("place", ["/proc/nothing", "file"], ids=["no place", "a file"])
def test_a_folder_of_models_that_cannot_be_made(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHITU_MODELS", str(tmp_path / place))
    with pytest.raises(ModelError, match=r"cannot be written .* in SHITU_MODELS"):
        pull(NAME)


def test_names_that_are_none() -> None:
    with pytest.raises(ModelError, match="Did you mean 'PP-ShiTuV2_rec'"):
        pull("PP-ShiTuV2_rek")
    with pytest.raises(ModelError, match="`shitu models list` lists them"):
        verify("../../etc")
    for act in (verify, remove):
        with pytest.raises(WeightsNotFound, match="has not been pulled"):
            act(NAME)


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    folder = pull(NAME).model.folder
    (folder / "installed.json").write_text("{}")
    with pytest.raises(WeightsCorrupt, match=r"installed.json .* is damaged"):
        find_model(NAME, "feature")
    assert pull(NAME).outcome == "installed"
    assert verify(NAME) == []


def test_another_file_is_not_called_what_is_here(
    site: Site, tmp_path: Path, extractor: Path
) -> None:
    first = pull(NAME).model.sha256
    same, other = tmp_path / "same.tar", tmp_path / "other.tar"
    same.write_bytes(site.files[ARCHIVE])
    other.write_bytes(packed(extractor, extra=b"another release"))
    assert pull(NAME, source=same).outcome == "present"
    with pytest.raises(WeightsCorrupt, match=r"other\.tar is not the .* --accept-change"):
        pull(NAME, source=other)
    with pytest.raises(WeightsNotFound, match=r"no file .*nowhere\.tar"):
        pull(NAME, source=tmp_path / "nowhere.tar")
    assert find_model(NAME, "feature").dim == 24
    changed = pull(NAME, source=other, accept_change=True)
    assert changed.outcome == "installed"
    assert changed.model.sha256 != first


def test_two_processes_at_once_fetch_it_once(site: Site, tmp_path: Path) -> None:
    code = f"""
from shitu.models import store
from shitu.models.catalogue import OFFICIAL, Official
fields = dict(vars(OFFICIAL[{NAME!r}]), urls={{"inference": {f"{site.url}/{ARCHIVE}"!r}}})
OFFICIAL[{NAME!r}] = Official(**fields)
print(store.pull({NAME!r}).outcome)
"""
    site.breaks = (1 << 16, 3)  # it takes a while
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            env={**os.environ, "SHITU_MODELS": str(tmp_path / "models")},
            text=True,
        )
        for _ in range(2)
    ]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert said == ["installed", "present"]
    assert [asked for _, asked in site.asked].count("") == 1
    assert verify(NAME) == []


def test_every_official_model_is_described_soundly() -> None:
    for model in OFFICIAL.values():
        assert set(model.urls) == {"inference", "weights"}
        for url in model.urls.values():
            assert url.startswith(("https://", "http://127.0.0.1"))
            assert url.endswith((".tar", ".pdparams"))
        assert model.kind in ("feature", "detector", "classifier")
        assert model.megabytes > 1
        assert json.dumps(model.description) is not None
