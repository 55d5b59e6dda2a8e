"""Paddle's predictors, asked by threads that come and go."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from shitu import Workspace, load_image
from shitu.runtime.engines import ENGINES

SCENE = Path(__file__).parents[2] / "gallery/scenes/scene01.jpg"

pytestmark = pytest.mark.skipif(ENGINES["paddle"].version is None, reason="Paddle is not installed")


def test_every_thread_gets_an_answer(tmp_path: Path) -> None:
    """A server may start a thread for each request."""
    image, found = load_image(SCENE), []
    with Workspace(tmp_path / "none", engine="paddle", threads=2) as shop:
        expected = shop.candidates(image)
        shop.embed([image])

        def look() -> None:
            shop.embed([image])
            found.append(shop.candidates(image))

        for _ in range(24):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
    assert found == [expected] * 24
