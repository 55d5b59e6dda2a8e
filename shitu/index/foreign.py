"""Vectors out of an index that another program made with Faiss, and into one that it reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss as _stubbed
import numpy as np
import numpy.typing as npt

from shitu.errors import IndexFileError
from shitu.images import display_path

faiss: Any = _stubbed  # its type stubs leave out half of it

_BLOCK = 1 << 20
_BINARY = b"IB"  # how the names of binary kinds begin
_METRICS = {0: "IP", 1: "L2"}


@dataclass(frozen=True)
class ForeignVectors:
    """All that an index holds.

    Attributes:
        ids: int64 (n,), each once.
        vectors: float32 (n, dim), of any length, as they were added or nearly so.
        kind: what Faiss calls it.
        metric: "IP" or "L2".
    """

    ids: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    kind: str
    metric: str

    @property
    def checksum(self) -> str:
        """Sha256 of ids and vectors, in hex."""
        told = hashlib.sha256(np.ascontiguousarray(self.ids, "<i8").data)
        told.update(np.ascontiguousarray(self.vectors, "<f4").data)
        return told.hexdigest()


def read_foreign(path: Path) -> ForeignVectors:
    """Read an index of any kind whose vectors can be had back (Flat, HNSW, IVF, ...).

    Raises:
        IndexFileError: it is missing or damaged, or holds bits instead of numbers.
    """
    called = display_path(path)
    try:
        with path.open("rb") as file:
            if file.read(2) == _BINARY:
                raise IndexFileError(
                    f"{called} holds bits (hamming), which cannot be compared by cosine: build "
                    "that index again with IP or L2, or build from the pictures"
                )
            file.seek(0)
            index = faiss.read_index(faiss.PyCallbackIOReader(file.read, _BLOCK))
        return _unpack(index, called)
    except FileNotFoundError as error:
        raise IndexFileError(
            f"{called} cannot be read: it does not exist; name the folder that PaddleClas or "
            "PaddleX wrote its index into"
        ) from error
    except OSError as error:
        raise IndexFileError(f"{called} cannot be read ({error.strerror})") from error
    except (RuntimeError, MemoryError) as error:
        first = str(error).strip().splitlines()[-1:] or ["out of memory"]
        raise IndexFileError(
            f"{called} is damaged, or its vectors cannot be had back ({first[0]}): build that "
            "index again, or build from the pictures"
        ) from error


def _unpack(index: Any, called: str) -> ForeignVectors:
    inner, ids = index, np.arange(index.ntotal, dtype=np.int64)
    if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
        inner, ids = faiss.downcast_index(index.index), faiss.vector_to_array(index.id_map)
    if len(ids) != inner.ntotal or len(np.unique(ids)) != len(ids):
        raise IndexFileError(
            f"{called} holds {inner.ntotal} vectors under {len(np.unique(ids))} ids: something was "
            "removed from it in a way that mixed them up; build it again"
        )
    if isinstance(inner, faiss.IndexIVF):
        inner.make_direct_map()
    vectors = inner.reconstruct_n(0, inner.ntotal) if inner.ntotal else []
    kind = type(inner).__name__.removeprefix("Index")
    metric = _METRICS.get(inner.metric_type, "other")
    shaped = np.asarray(vectors, np.float32).reshape(-1, inner.d)
    return ForeignVectors(ids.astype(np.int64), shaped, kind, metric)


def foreign_bytes(given: ForeignVectors) -> bytes:
    """Return the file of a flat index with ids, of metric "IP" or "L2"."""
    kind = faiss.METRIC_INNER_PRODUCT if given.metric == "IP" else faiss.METRIC_L2
    index = faiss.IndexIDMap2(faiss.IndexFlat(given.vectors.shape[1], kind))
    if len(given.ids):
        index.add_with_ids(np.ascontiguousarray(given.vectors, np.float32), given.ids)
    written: bytes = faiss.serialize_index(index).tobytes()
    return written
