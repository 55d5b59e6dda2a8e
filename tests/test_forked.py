"""A process that is forked while a workspace is open uses it as if it were its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shitu import Workspace

SAMPLE = Path(__file__).parents[1] / "gallery"
PRODUCTS = sorted((SAMPLE / "products").glob("[!.]*"))[:3]

# In a process of its own: this one has threads, which no fork survives.
SCRIPT = """
import glob, multiprocessing, os, sys
from shitu import Workspace

index, url, scene, new = sys.argv[1:]
shop = Workspace(index, verify="on", threads=2, **({"database": url} if url else {}))

def answers():
    one = shop.recognize(scene)
    found = (one, *shop.recognize_many([scene] * 3))
    return [[(o.label, o.score) for o in r.objects] for r in found]

def child(queue):
    try:
        # SQLite must not have an open file of another process.
        held = [os.path.realpath(name) for name in glob.glob("/proc/self/fd/*")]
        assert not [name for name in held if "gallery.db" in name], held
        found = answers()
        shop.add([new], "from the child")
        shop.remove("from the child")
        queue.put(found)
    except BaseException as error:
        queue.put(repr(error))

here = answers()
forking = multiprocessing.get_context("fork")
queue = forking.Queue()
process = forking.Process(target=child, args=(queue,))
process.start()
there = queue.get(timeout=60)
process.join()
assert there == here, there
assert process.exitcode == 0
assert answers() == here
assert shop.catalog.gallery.head().generation == 5
shop.close()
"""


def test_a_forked_process_opens_all_of_it_anew(tmp_path: Path, database: str | None) -> None:
    index, url = tmp_path / "index", {} if database is None else {"database": database}
    with Workspace(index, **url) as shop:
        for product in PRODUCTS:
            shop.add(sorted(product.iterdir())[:1], product.name)
    scene = sorted((SAMPLE / "scenes").glob("*.jpg"))[1]
    new = sorted(PRODUCTS[0].iterdir())[1]
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, index, database or "", scene, new]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.fail("the forked process waits for ever")
    assert done.returncode == 0, done.stderr
