"""Distances of a few vectors to each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


def squared_distances(a: Float32Array, b: Float32Array) -> Float32Array:
    """Squared Euclidean distances (n, m) of a (n, d) to b (m, d), without waking other threads.

    NumPy shares a product of a few hundred rows among all cores, and the threads of its OpenBLAS go
    on spinning for some 20 ms after it, in which the networks must do with what they leave. Faiss
    brings one that asks OpenMP, which keeps a number of threads for each thread that calls.
    """
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        found: Float32Array = faiss.pairwise_distances(a, b)
    finally:
        faiss.omp_set_num_threads(threads)
    return found
