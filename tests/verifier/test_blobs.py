"""Blobs lie where they are, are as large as they are, and are no edges."""

from __future__ import annotations

import numpy as np
import pytest
from flat import print_of

from shitu.verifier.blobs import Blobs, find_blobs
from shitu.verifier.features import shrink


def spots(*shapes: tuple[float, float, float], side: int = 120, sign: int = 1) -> np.ndarray:
    """Grey with Gaussian spots (x, y, sigma): uint8 (side, side)."""
    y, x = np.mgrid[:side, :side]
    every = sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * s**2)) for u, v, s in shapes)
    return np.rint(128 + sign * 100 * every).clip(0, 255).astype(np.uint8)


def strongest(grey: np.ndarray, n: int) -> Blobs:
    return find_blobs(grey, 2.0)[:n]


@pytest.mark.parametrize("sign", [1, -1], ids=["light", "dark"])
def test_a_spot_is_found_between_the_pixels(sign: int) -> None:
    (place,) = strongest(spots((40.3, 71.6, 3.0), sign=sign), 1).places
    assert np.abs(place - (40.3, 71.6)).max() < 0.15


def test_a_spot_in_a_coarser_octave_lies_where_it_is() -> None:
    (place,) = strongest(spots((50.4, 61.7, 9.0)), 1).places
    assert np.abs(place - (50.4, 61.7)).max() < 0.5


@pytest.mark.parametrize("sigma", [1.5, 2.5, 4.0, 6.0])
def test_a_spot_twice_as_large_is_a_blob_twice_as_large(sigma: float) -> None:
    small, large = (strongest(spots((60, 60, s)), 1).sigmas[0] for s in (sigma, 2 * sigma))
    assert large / small == pytest.approx(2, rel=0.1)


def test_the_strongest_come_first_and_weak_ones_not_at_all() -> None:
    grey = spots((30, 30, 3), (80, 40, 5), (50, 90, 2))
    every, few = find_blobs(grey, 1.0), find_blobs(grey, 17.4)
    assert np.rint(every.places).tolist() == [[50, 90], [30, 30], [80, 40]]
    assert (np.diff(every.strengths) <= 0).all()
    assert few.places.tolist() == every[:2].places.tolist()
    assert len(find_blobs(grey, 20.0)) == 0


def test_an_edge_is_no_blob() -> None:
    edge = np.full((120, 120), 40, np.uint8)
    edge[:, 60:] = 200
    slanted = np.where(np.add(*np.indices((120, 120))) > 120, 200, 40).astype(np.uint8)
    assert len(find_blobs(edge, 2.0)) == 0
    assert len(find_blobs(slanted, 2.0)) == 0


def test_blobs_turn_with_the_picture() -> None:
    grey = shrink(print_of(4), 240)[:180, :180]
    upright, turned = (_finest(find_blobs(each, 4.0)) for each in (grey, np.rot90(grey)))
    x, y = upright.places.T
    back = np.stack([y, 179 - x], axis=1)  # where they lie in the turned picture
    apart = np.abs(back[:, None] - turned.places).max(axis=2).min(axis=1)
    assert len(upright) == len(turned) > 50
    assert (apart < 0.05).mean() > 0.95


def _finest(blobs: Blobs) -> Blobs:
    """Those of the finest octave: coarser ones see every second pixel, from another corner."""
    return blobs[np.flatnonzero(blobs.sigmas < 1.6)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (11, 11), (12, 12), (13, 40)])
def test_a_tiny_picture_is_no_error(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert len(find_blobs(noise, 1.0)) < 50
