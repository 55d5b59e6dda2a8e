"""The approximate kinds of Faiss: how each is trained, searched, written and mapped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss as _stubbed
import numpy as np

from shitu.errors import IndexFileError
from shitu.images import display_path
from shitu.index.opening import MAPPED, open_index
from shitu.index.ranking import Floats, Integers

faiss: Any = _stubbed  # its type stubs leave out half of it

_POINTS_PER_LIST = 64  # that train it; more make it slower, not better
_ADDED = 1 << 16  # vectors at a time
_FEW = 4  # queries
_LINKS = 32
_MOST_CANDIDATES = 2048
_READ_ONLY = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY


@dataclass(frozen=True)
class Kind:
    """What differs between the kinds.

    Attributes:
        make: an empty index for vectors of a dimension, of which there will be so many.
        settings: the parameters of a search, from effort, how many are to be found, and selector
            (None: everything).
        most: the highest effort that makes sense for an index.
        candidates: how many to take from it so that the k nearest are among them.
        code: bytes of one vector at the end of the file.
        flags: with which Faiss opens the file.
        holds: whether an index that was read is of this kind.
    """

    make: Callable[[int, int], Any]
    settings: Callable[[int, int, Any], Any]
    most: Callable[[Any], int]
    candidates: Callable[[int], int]
    code: Callable[[Any], int]
    flags: int
    holds: Callable[[Any], bool]


def train(kind: Kind, vectors: Floats) -> Any:
    """Make an index of vectors (n, dim), at least one, under their places."""
    count, dim = vectors.shape
    index = kind.make(dim, count)
    sample = min(count, _POINTS_PER_LIST * _lists(count))
    rows = np.sort(np.random.default_rng(0).permutation(count)[:sample])
    index.train(np.ascontiguousarray(vectors[rows]))
    for start in range(0, count, _ADDED):
        index.add(np.ascontiguousarray(vectors[start : start + _ADDED]))
    return index


def search(
    kind: Kind, index: Any, queries: Floats, fetch: int, effort: int, alive: Any
) -> tuple[Floats, Integers]:
    """Return rough scores and places (m, fetch), best first; the place is -1 beyond the last.

    Args:
        alive: bool (n,), the places that may be found, or None for all.
    """
    bits = None if alive is None else np.packbits(alive, bitorder="little")
    selector = None if bits is None else faiss.IDSelectorBitmap(bits)
    settings = kind.settings(effort, fetch, selector)
    # Comparing one query with the centres of the lists is quicker done alone than shared out:
    # where other processes are busy, threads wait for each other for tens of milliseconds.
    with _threads(1) if len(queries) <= _FEW else nullcontext():
        scores, places = index.search(queries, fetch, params=settings)
    return scores, places


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Have Faiss use so many threads for the calling one."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def open_mapped(kind: Kind, path: Path, count: int, dim: int) -> Any:
    """Open a file that was verified; it is only looked at, never added to or removed from.

    Raises:
        IndexFileError: it holds something else.
    """
    index = open_index(path, kind.flags)
    if not kind.holds(index) or (index.ntotal, index.d) != (count, dim):
        raise IndexFileError(f"{display_path(path)} holds another kind of index")
    return index


def _lists(count: int) -> int:
    return min(count, max(1, round(2 * math.sqrt(count))))


def _ivf_sq8(dim: int, count: int) -> Any:
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim),
        dim,
        _lists(count),
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    return _quiet(index)


def _ivf_rabitq(dim: int, count: int) -> Any:
    # Bits say most about vectors whose dimensions are alike, and a rotation makes them so.
    rotation = faiss.RandomRotationMatrix(dim, dim)
    rotation.init(1)
    inner = faiss.IndexIVFRaBitQ(
        faiss.IndexFlatIP(dim), dim, _lists(count), faiss.METRIC_INNER_PRODUCT
    )
    return faiss.IndexPreTransform(rotation, _quiet(inner))


def _quiet(index: Any) -> Any:
    index.cp.min_points_per_centroid = 1  # else it warns of few vectors, on stderr
    return index


def _hnsw(dim: int, count: int) -> Any:
    # One byte a dimension is enough to walk by; what is found is compared exactly.
    return faiss.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_8bit, _LINKS, faiss.METRIC_INNER_PRODUCT)


def _parts(**parts: Any) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value is not None}


def _ivf_settings(effort: int, _fetch: int, selector: Any) -> Any:
    return faiss.SearchParametersIVF(**_parts(nprobe=effort, sel=selector))


def _rabitq_settings(effort: int, _fetch: int, selector: Any) -> Any:
    inner = faiss.IVFRaBitQSearchParameters(**_parts(nprobe=effort, qb=8, sel=selector))
    return faiss.SearchParametersPreTransform(index_params=inner)


def _hnsw_settings(effort: int, fetch: int, selector: Any) -> Any:
    # It holds no more candidates than this, whatever is to be found among them.
    return faiss.SearchParametersHNSW(**_parts(efSearch=max(effort, fetch), sel=selector))


def _inner(index: Any) -> Any:
    return faiss.downcast_index(index.index)


def _is_rabitq(index: Any) -> bool:
    transformed = isinstance(index, faiss.IndexPreTransform)
    return transformed and isinstance(_inner(index), faiss.IndexIVFRaBitQ)


KINDS = {
    "ivf-sq8": Kind(
        make=_ivf_sq8,
        settings=_ivf_settings,
        most=lambda index: int(index.nlist),
        candidates=lambda k: 2 * k + 16,
        code=lambda index: int(index.code_size) + 8,
        flags=_READ_ONLY,
        holds=lambda index: isinstance(index, faiss.IndexIVFScalarQuantizer),
    ),
    "ivf-rabitq": Kind(
        make=_ivf_rabitq,
        settings=_rabitq_settings,
        most=lambda index: int(_inner(index).nlist),
        candidates=lambda k: 10 * k + 100,
        code=lambda index: int(_inner(index).code_size) + 8,
        flags=_READ_ONLY,
        holds=_is_rabitq,
    ),
    "hnsw": Kind(
        make=_hnsw,
        settings=_hnsw_settings,
        most=lambda _: _MOST_CANDIDATES,
        candidates=lambda k: 2 * k + 16,
        code=lambda index: int(index.d),
        flags=MAPPED,
        holds=lambda index: isinstance(index, faiss.IndexHNSWSQ),
    ),
}
