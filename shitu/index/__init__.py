"""Vectors only: nearest neighbours by cosine, and the two files they are kept in."""

from __future__ import annotations

from shitu.index.vector_index import Neighbours, VectorIndex

__all__ = ["Neighbours", "VectorIndex"]
