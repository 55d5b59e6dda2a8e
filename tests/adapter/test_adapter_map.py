from __future__ import annotations

import numpy as np
import pytest

from shitu.adapter import Adapter


@pytest.fixture
def adapter() -> Adapter:
    random = np.random.default_rng(0)
    mean, matrix = random.normal(size=8), random.normal(size=(8, 5))
    return Adapter(mean.astype(np.float32), matrix.astype(np.float32), "some", {"labels": 3})


def test_vectors_come_out_with_length_one(adapter: Adapter) -> None:
    given = np.random.default_rng(1).normal(size=(20_000, 8)).astype(np.float32)
    mapped = adapter.apply(given)
    assert mapped.shape == (20_000, 5)
    assert mapped.dtype == np.float32
    assert np.allclose(np.linalg.norm(mapped, axis=1), 1.0, atol=1e-5)


def test_it_takes_the_mean_away_and_multiplies(adapter: Adapter) -> None:
    given = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    wanted = (given - adapter.mean) @ adapter.matrix
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.allclose(adapter.apply(given), wanted, atol=1e-6)


def test_the_mean_itself_becomes_some_unit_vector(adapter: Adapter) -> None:
    assert np.linalg.norm(adapter.apply(adapter.mean[None])) == 1.0


def test_no_rows_give_no_rows(adapter: Adapter) -> None:
    assert adapter.apply(np.zeros((0, 8), np.float32)).shape == (0, 5)


def test_bytes_bring_the_same_map_back(adapter: Adapter) -> None:
    again = Adapter.from_bytes(adapter.to_bytes(), adapter.name, adapter.provenance)
    assert np.array_equal(again.mean, adapter.mean)
    assert np.array_equal(again.matrix, adapter.matrix)
    assert again.fingerprint == adapter.fingerprint


def test_another_map_has_another_fingerprint(adapter: Adapter) -> None:
    other = Adapter(adapter.mean + 1, adapter.matrix, adapter.name)
    assert other.fingerprint != adapter.fingerprint


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY torn", b"\x80\x04pickle"], ids=["empty", "torn", "pickle"]
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, EOFError)):
        Adapter.from_bytes(data, "some", {})


def test_shapes_that_do_not_fit_and_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Adapter(np.zeros(3, np.float32), np.zeros((4, 4), np.float32), "some")
    with pytest.raises(ValueError, match="NaN"):
        Adapter(np.full(4, np.nan, np.float32), np.zeros((4, 4), np.float32), "some")
