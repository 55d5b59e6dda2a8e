"""Networks that load while the gallery is opened change no answer, and no error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shitu import Workspace
from shitu.config import load_config
from shitu.errors import IndexNotFound, ModelError, SpaceMismatch
from shitu.head_start import HeadStart
from shitu.lineup import WHOLE, Lineup
from shitu.networks import Networks

SAMPLE = Path(__file__).parents[1] / "gallery"
SCENE = sorted((SAMPLE / "scenes").glob("*.jpg"))[0]
PRODUCTS = sorted((SAMPLE / "products").iterdir())[:6]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "index"
    with Workspace(folder) as shop:
        for product in PRODUCTS:
            shop.add(sorted(product.iterdir())[:2], product.name)
    return folder


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[HeadStart]:
    """All head starts that are made."""
    made: list[HeadStart] = []
    plain = HeadStart.__init__

    def noted(self: HeadStart, *args: Any, **options: Any) -> None:
        plain(self, *args, **options)
        made.append(self)

    monkeypatch.setattr(HeadStart, "__init__", noted)
    return made


def answers(index: Path, pictures: list[Path], **settings: Any) -> list[Any]:
    with Workspace(index, threads=2, **settings) as shop:
        found = shop.recognize_many(pictures)
        return [untimed(result.to_dict()) for result in found]  # type: ignore[union-attr]


def untimed(value: Any) -> Any:
    """The same without anything that a clock said."""
    if isinstance(value, dict):
        return {key: untimed(one) for key, one in value.items() if key != "milliseconds"}
    return [untimed(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("number", [1, 3])
def test_the_answers_are_those_without_it(
    index: Path, begun: list[HeadStart], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    quick = answers(index, [SCENE] * number)
    assert len(begun) == 1
    monkeypatch.setattr(Workspace, "_likely_lineup", lambda self: None)
    assert answers(index, [SCENE] * number) == quick
    assert len(begun) == 1


def test_the_first_photo_is_not_looked_at_twice(
    index: Path, begun: list[HeadStart], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bytes] = []
    monkeypatch.setattr("shitu.looking.load_image", noting(looks))
    one, other = SCENE.read_bytes(), sorted(PRODUCTS[0].iterdir())[0].read_bytes()
    with Workspace(index) as shop:
        assert len(list(shop.recognize_many([one, other, one]))) == 3
    assert len(looks) == 3


def noting(looks: list[bytes]) -> Any:
    from shitu.images import load_image

    def load(source: bytes) -> Any:
        looks.append(source)
        return load_image(source)

    return load


def test_a_wrong_guess_changes_no_answer(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = answers(index, [SCENE])
    monkeypatch.setattr(Workspace, "_likely_lineup", lambda self: Lineup(detector=WHOLE))
    assert answers(index, [SCENE]) == wanted


def test_models_are_guessed_only_where_the_index_is_theirs(index: Path, tmp_path: Path) -> None:
    assert Workspace(index)._likely_lineup() == Lineup()
    assert Workspace(index, feature_model=Lineup().feature)._likely_lineup() == Lineup()
    assert Workspace(index, detector_model="none")._likely_lineup() is None
    assert Workspace(index, feature_model="nobody's")._likely_lineup() is None
    assert Workspace(tmp_path / "nowhere")._likely_lineup() is None
    (tmp_path / "manifest.json").write_text("{")
    assert Workspace(tmp_path)._likely_lineup() is None


def test_what_went_wrong_is_told_as_ever(index: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(IndexNotFound, match="build-index"),
        Workspace(tmp_path / "nowhere") as shop,
    ):
        list(shop.recognize_many([SCENE]))
    with pytest.raises(SpaceMismatch), Workspace(index, detector_model="none") as shop:
        list(shop.recognize_many([SCENE]))
    (broken,) = Workspace(index).recognize_many([b"no picture"])
    assert isinstance(broken, Exception)


@pytest.fixture
def networks() -> Iterator[Networks]:
    opened = Networks(load_config(overrides={"threads": 1}), Lineup())
    yield opened
    opened.close()


def test_networks_of_other_models_are_left(networks: Networks) -> None:
    started = HeadStart(networks, 1, SCENE)
    assert started.networks_of(Lineup(detector=WHOLE)) is None


def test_networks_that_do_not_open_are_left_to_others(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Networks) -> bool:
        raise ModelError("damaged")

    monkeypatch.setattr(Networks, "open_both", fail)
    started = HeadStart(networks, 1, SCENE)
    assert started.look(SCENE) is None
    assert started.networks_of(Lineup()) is None


def test_adding_one_picture_makes_a_start(index: Path, begun: list[HeadStart]) -> None:
    with Workspace(index) as shop:
        shop.add([sorted(PRODUCTS[0].iterdir())[2]], "again")
        shop.remove("again")
    assert len(begun) == 1
