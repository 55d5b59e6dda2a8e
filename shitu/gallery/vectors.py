"""Vectors as the database keeps them: bytes of float32, which a damaged file may spoil."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from shitu.gallery.records import Space

_UNIT = 1e-3  # how far from 1 a length may be
_BLOCK = 4096

_log = logging.getLogger(__name__)

Pairs = list[tuple[int, bytes]]


def usable(rows: Pairs, space: Space) -> Pairs:
    """Return the pairs of reference and vector that an index takes: one bad row spoils no other."""
    good: Pairs = []
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        fine = _all_good([vector for _, vector in block], space.dim)
        good += block if fine else [row for row in block if _good(row, space.dim)]
    return good


def damage(vector: bytes | None, dim: int) -> str:
    """Say what is wrong with the bytes of a vector (dim,) that should have the length one."""
    if vector is None:
        return "has no vector"
    if len(vector) != 4 * dim:
        return f"has a damaged vector ({len(vector)} bytes instead of {4 * dim})"
    values = np.frombuffer(vector, "<f4").astype(np.float64)
    length = float(np.sqrt(values @ values))
    if not abs(length - 1.0) <= _UNIT:  # so that NaN is wrong, too
        return f"has a damaged vector (its length is {length:.4g} instead of 1)"
    return ""


def _all_good(block: Sequence[bytes], dim: int) -> bool:
    if any(len(vector) != 4 * dim for vector in block):
        return False
    values = np.frombuffer(b"".join(block), "<f4").reshape(len(block), dim)
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", values, values))
        return bool((np.abs(lengths - 1.0) <= _UNIT).all())


def _good(row: tuple[int, bytes], dim: int) -> bool:
    why = damage(row[1], dim)
    if why:
        _log.warning("reference %d %s; `shitu check` says what to do", row[0], why)
    return not why
