"""Vectors only: nearest neighbours by cosine, and the files they are kept in."""

from __future__ import annotations

from shitu.index.audit import Audit
from shitu.index.vector_index import Neighbours, VectorIndex

__all__ = ["Audit", "Neighbours", "VectorIndex"]
