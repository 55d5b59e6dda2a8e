"""Who fits and who is asked: splits of the references that no judged query took part in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shitu.adapter.statistics import Codes

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """One round.

    Attributes:
        fitted: (n,) references that the map is fitted on.
        gallery: (n,) references that queries are looked up among; never a query itself.
        queries: (n,) references that are asked.
    """

    fitted: Bools
    gallery: Bools
    queries: Bools


def reference_folds(codes: Codes, folds: int, seed: int) -> Iterator[Split]:
    """Ask each reference of which there is another of its label once, about the other folds.

    The references of a label are dealt out evenly, so that there is always another one left.
    """
    fold = _dealt(codes, folds, seed)
    fold[np.bincount(codes)[codes] < 2] = -1
    for number in range(folds):
        asked = fold == number
        if asked.any():
            yield Split(~asked, ~asked, asked)


def label_folds(codes: Codes, folds: int, seed: int) -> Iterator[Split]:
    """Ask each reference once, with a map that was fitted without any of its label."""
    labels = np.unique(codes)
    order = np.random.default_rng(seed).permutation(labels)
    for number in range(folds):
        asked = np.isin(codes, order[number::folds])
        if asked.any() and not asked.all():
            yield Split(~asked, np.ones_like(asked), asked)


def ranks(codes: Codes, seed: int) -> Codes:
    """Place (n,) of each reference among those of its label, drawn by chance, from 0."""
    return _places(codes, np.random.default_rng(seed).permutation(len(codes)))


def _dealt(codes: Codes, folds: int, seed: int) -> Codes:
    """Number of the fold (n,) of each reference.

    References of a label that follow each other fall into one fold: photos taken together, which
    resemble each other more than any new photo will resemble them, are mostly held out together.
    """
    place = _places(codes, np.arange(len(codes)))
    # Labels start at folds of their own, or the first would get all the odd ones.
    offset = np.random.default_rng(seed).integers(0, folds, int(codes.max()) + 1)
    return np.asarray((place * folds // np.bincount(codes)[codes] + offset[codes]) % folds)


def _places(codes: Codes, order: Codes) -> Codes:
    """Place (n,) of each reference among those of its label, in this order."""
    order = order[np.argsort(codes[order], kind="stable")]
    grouped = codes[order]
    starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
    place = np.empty(len(codes), np.int64)
    place[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    return place
