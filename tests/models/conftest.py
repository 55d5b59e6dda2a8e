from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from exports import export_colours
from serving import Site, serving

from shitu.models import download


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server of files that fails as it is told to; nobody waits long before trying again."""
    monkeypatch.setattr(download, "_PAUSE", 0.001)
    with serving() as site:
        yield site


@pytest.fixture(scope="session")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the archive of PP-ShiTuV2_rec holds it."""
    return export_colours(tmp_path_factory.mktemp("official") / "PP-ShiTuV2_rec_infer")
