"""The strangers that come with the embedded models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shitu.errors import WeightsCorrupt
from shitu.lineup import Lineup
from shitu.models import background as module
from shitu.models.background import background


def test_they_are_of_the_space_that_is_shipped() -> None:
    """New weights or another crop need new ones: run scripts/embedded/background.py."""
    space = Lineup().space()
    vectors = background(space.fingerprint)
    assert vectors is not None
    assert vectors.dtype == np.float32
    assert vectors.shape[0] >= 500
    assert vectors.shape[1] == space.dim
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert np.median(cosines.max(axis=1)) < 0.9  # no two photos of one thing, as a rule


def test_another_space_has_none() -> None:
    assert background("another") is None


def test_a_damaged_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "background.npz").write_bytes(b"PK no more")
    monkeypatch.setattr(module, "_EMBEDDED", tmp_path)
    background.cache_clear()
    with pytest.raises(WeightsCorrupt, match=r"background\.npz cannot be read"):
        background("any")
    background.cache_clear()
