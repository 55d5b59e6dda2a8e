"""Networks of two models: when they are loaded anew, and what outlives them."""

from __future__ import annotations

import pytest

from shitu.config import load_config
from shitu.errors import Closed
from shitu.lineup import WHOLE, Lineup
from shitu.networks import SEVERAL, Networks


def networks(engine: str = "onnxruntime") -> Networks:
    return Networks(load_config(overrides={"engine": engine, "threads": 2}), Lineup(detector=WHOLE))


def test_several_pictures_load_the_networks_anew_once() -> None:
    opened = networks()
    alone = opened.embedder
    assert not opened.get_ready(SEVERAL - 1)
    assert opened.embedder is alone
    assert opened.get_ready(SEVERAL)
    together = opened.embedder
    assert together is not alone
    assert not opened.get_ready(SEVERAL)
    assert opened.embedder is together


@pytest.mark.parametrize(
    ("cores", "wanted", "used"),
    [(2, 0, 2), (2, 3, 3), (2, 8, 8), (2, 100_000, 8), (16, 0, 16), (16, 64, 64), (16, 65, 64)],
)
def test_threads_that_bring_nothing_are_not_used(
    monkeypatch: pytest.MonkeyPatch, cores: int, wanted: int, used: int
) -> None:
    monkeypatch.setattr("shitu.runtime.cpu.usable_cores", lambda: cores)
    opened = Networks(load_config(overrides={"threads": wanted}), Lineup(detector=WHOLE))
    assert opened.threads == used
    assert opened.pool._max_workers == used
    opened.close()


def test_paddle_has_no_streams() -> None:
    opened = networks("paddle")
    assert not opened.use_streams(2)
    assert opened.streams == 1


def test_other_models_go_on_with_the_same_threads() -> None:
    before = networks()
    before.use_streams(2)
    after = before.of(Lineup())
    assert (after.pool, after.streams) == (before.pool, 2)
    assert after.space != before.space
    after.close()
    with pytest.raises(Closed):
        before.pool.submit(print)
