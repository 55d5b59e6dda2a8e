"""Distances of a few vectors to each other."""

from __future__ import annotations

import subprocess
import sys

import faiss
import numpy as np
import pytest

from shitu.index.distances import squared_distances


@pytest.mark.parametrize("shape", [(1, 128, 300), (300, 128, 257), (2, 3, 1), (40, 128, 2)])
def test_of_whole_numbers_they_are_exact(shape: tuple[int, int, int]) -> None:
    n, d, m = shape
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 255, (n, d)), rng.integers(0, 255, (m, d))
    wanted = ((a[:, None] - b) ** 2).sum(axis=2)
    assert np.array_equal(squared_distances(a.astype(np.float32), b.astype(np.float32)), wanted)


def test_other_work_of_faiss_keeps_its_threads() -> None:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        squared_distances(np.ones((9, 4), np.float32), np.ones((9, 4), np.float32))
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)


_ALONE = """
import time
import numpy as np
from shitu.index.distances import squared_distances
a = np.ones((300, 128), np.float32)
for _ in range(3):
    squared_distances(a, a)
wall, busy = time.perf_counter(), time.process_time()
for _ in range(200):
    squared_distances(a, a)
time.sleep(0.02)
print((time.process_time() - busy) / (time.perf_counter() - wall))
"""


def test_no_other_thread_takes_part() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ALONE], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 1.2, "processor time for each second that went by"
