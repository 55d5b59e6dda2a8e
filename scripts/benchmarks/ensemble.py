"""What the networks of a line-up answer, and what all teachers answer together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.lineup import Described
from benchmarks.networks import Network
from shitu.errors import DatasetError
from shitu.evaluation.retrieval import DescribedQueries
from shitu.runtime.session import Float32Array

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Pairing:
    """A gallery and queries in one embedding space.

    Attributes:
        threshold: the operating point; None where none was chosen.
    """

    network: str
    threshold: float | None
    gallery: DescribedQueries
    queries: DescribedQueries


def pairings(
    networks: Sequence[Network], gallery: Described, queries: Described, crop: str
) -> list[Pairing]:
    """One for each network, and the ensemble last if there is more than one teacher."""
    found = [
        Pairing(each.name, each.threshold, gallery[crop, each.name], queries[crop, each.name])
        for each in networks
    ]
    of_teachers = [pair for pair, network in zip(found, networks, strict=True) if network.teacher]
    return [*found, _together(of_teachers)] if len(of_teachers) > 1 else found


def _together(parts: Sequence[Pairing]) -> Pairing:
    gallery, queries = ensemble(
        [part.gallery.embeddings for part in parts], [part.queries.embeddings for part in parts]
    )
    return Pairing(
        ENSEMBLE,
        None,
        replace(parts[0].gallery, embeddings=gallery),
        replace(parts[0].queries, embeddings=queries),
    )


def ensemble(
    galleries: Sequence[Float32Array], queries: Sequence[Float32Array]
) -> tuple[Float32Array, Float32Array]:
    """One space whose cosine is the mean of the cosines of several standardised spaces.

    Each network's embeddings lose the mean of the gallery and are divided by its standard
    deviation, channel by channel, then get length one. Laid one after the other with equal weight
    and brought to length one again, they are searched once: the cosine of two such vectors is the
    sum of the networks' cosines, divided by how many there are. A channel that is the same all
    over the gallery says nothing about it and counts as zero.

    Args:
        galleries: (n, dim) of each network; dims may differ.
        queries: (m, dim) of each network.

    Returns:
        Gallery (n, sum of dims) and queries (m, sum of dims).

    Raises:
        DatasetError: the gallery is one picture, or copies of one.
    """
    if not all(len(gallery) and np.ptp(gallery, axis=0).any() for gallery in galleries):
        raise DatasetError("An ensemble needs a gallery of at least two different pictures.")
    parts = [_standardised(*pair) for pair in zip(galleries, queries, strict=True)]
    gallery, asked = zip(*parts, strict=True)
    return _unit(np.concatenate(gallery, axis=1)), _unit(np.concatenate(asked, axis=1))


def _standardised(
    gallery: Float32Array, queries: Float32Array
) -> tuple[Float32Array, Float32Array]:
    wide = gallery.astype(np.float64)
    mean, spread = wide.mean(axis=0), wide.std(axis=0)
    varies = np.ptp(gallery, axis=0) > 0
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=varies)
    return _unit((gallery - mean) * scale), _unit((queries - mean) * scale)


def _unit(vectors: np.ndarray) -> Float32Array:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Float32Array = (vectors / norms).astype(np.float32)
    return unit
