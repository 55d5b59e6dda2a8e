"""Several networks searched as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.ensemble import ENSEMBLE, ensemble, pairings
from benchmarks.networks import Network

from shitu.errors import DatasetError
from shitu.evaluation.retrieval import DescribedQueries

RNG = np.random.default_rng(5)
DIMS = (3, 7)
GALLERIES = [RNG.random((6, dim), np.float32) for dim in DIMS]
QUERIES = [RNG.random((4, dim), np.float32) for dim in DIMS]


def cosines(gallery: np.ndarray, queries: np.ndarray) -> np.ndarray:
    gallery, queries = ((x - gallery.mean(0)) / gallery.std(0) for x in (gallery, queries))
    norms = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(gallery, axis=1)
    return queries @ gallery.T / norms


def test_one_search_is_the_sum_of_the_cosines() -> None:
    gallery, queries = ensemble(GALLERIES, QUERIES)
    assert (gallery.shape, queries.shape) == ((6, 10), (4, 10))
    assert gallery.dtype == queries.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(gallery, axis=1), 1, atol=1e-6)
    wanted = sum(cosines(g, q) for g, q in zip(GALLERIES, QUERIES, strict=True)) / 2
    np.testing.assert_allclose(queries @ gallery.T, wanted, atol=1e-5)


def test_units_of_a_network_do_not_matter() -> None:
    scaled = ensemble([GALLERIES[0] * 9 + 4, GALLERIES[1]], [QUERIES[0] * 9 + 4, QUERIES[1]])
    for a, b in zip(scaled, ensemble(GALLERIES, QUERIES), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_channel_that_never_changes_counts_for_nothing() -> None:
    dead = np.full((6, 1), 0.1, np.float32)
    gallery, queries = ensemble(
        [np.hstack((GALLERIES[0], dead))], [np.hstack((QUERIES[0], np.ones((4, 1), np.float32)))]
    )
    alone = ensemble(GALLERIES[:1], QUERIES[:1])
    np.testing.assert_allclose(gallery[:, :3], alone[0], atol=1e-6)
    np.testing.assert_allclose(queries[:, :3], alone[1], atol=1e-6)
    assert not gallery[:, 3].any()
    assert not queries[:, 3].any()


@pytest.mark.parametrize("pictures", [0, 1, 3])
def test_a_gallery_of_one_picture_is_an_error(pictures: int) -> None:
    with pytest.raises(DatasetError, match="two different pictures"):
        ensemble([GALLERIES[0][[0] * pictures]], [QUERIES[0]])


def described(vectors: np.ndarray) -> DescribedQueries:
    labels = [str(number) for number in range(len(vectors))]
    return DescribedQueries(labels, labels, vectors, ())


@pytest.mark.parametrize(
    ("thresholds", "wanted", "why"),
    [
        ((0.5, 0.6), ["n0", "n1"], "models are measured, not mixed"),
        ((0.5, None), ["n0", "n1"], "one teacher is no ensemble"),
        ((None, None), ["n0", "n1", ENSEMBLE], "all teachers together come last"),
    ],
)
def test_who_is_compared(thresholds: tuple[float | None, ...], wanted: list[str], why: str) -> None:
    networks = [Network(f"n{i}", str(Path()), value) for i, value in enumerate(thresholds)]
    gallery, queries = (
        {("whole", f"n{i}"): described(vectors) for i, vectors in enumerate(side)}
        for side in (GALLERIES, QUERIES)
    )
    found = pairings(networks, gallery, queries, "whole")
    assert [pair.network for pair in found] == wanted, why
    assert [pair.threshold for pair in found] == [*thresholds, None][: len(wanted)]
    assert found[1].queries.embeddings is QUERIES[1]
    assert found[-1].gallery.labels == list("012345")
    if len(wanted) == 3:
        assert found[-1].gallery.embeddings.shape == (6, 10)
