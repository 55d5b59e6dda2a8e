"""A process that is forked while a workspace is open uses it as if it were its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shitu import Workspace

NEEDS_FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")
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


CONNECTING = """
import os, sqlite3, sys, threading, time
from shitu import Workspace

connecting, really = threading.Event(), sqlite3.connect

def slowly(*args, **options):
    connecting.set()
    time.sleep(0.5)
    try:
        return really(*args, **options)
    finally:
        connecting.clear()

sqlite3.connect = slowly
shop = Workspace(sys.argv[1])
threading.Thread(target=lambda: shop.catalog.items()).start()
connecting.wait()
child = os.fork()
if child == 0:
    os._exit(connecting.is_set())
assert os.waitpid(child, 0)[1] == 0, "forked while SQLite held its own locks"
assert shop.catalog.items()
"""

DECODING = """
import os, sys, threading, warnings
from PIL import Image
from shitu import load_image
from shitu.images import decode

decoding, go_on, really = threading.Event(), threading.Event(), decode._open

def slowly(*args):
    decoding.set()
    go_on.wait()
    return really(*args)

before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
decode._open = slowly
thread = threading.Thread(target=load_image, args=sys.argv[1:])
thread.start()
decoding.wait()
child = os.fork()
if child == 0:
    os._exit(before != (Image.MAX_IMAGE_PIXELS, warnings.filters))
assert os.waitpid(child, 0)[1] == 0, "settings of Pillow stay as the parent's thread made them"
go_on.set()
thread.join()
assert before == (Image.MAX_IMAGE_PIXELS, warnings.filters)
"""


def run(script: str, argument: Path) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, argument]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@NEEDS_FORKS
def test_no_process_is_forked_while_another_thread_connects(tmp_path: Path) -> None:
    with Workspace(tmp_path / "index") as shop:
        shop.add(sorted(PRODUCTS[0].iterdir())[:1], PRODUCTS[0].name)
    run(CONNECTING, tmp_path / "index")


@NEEDS_FORKS
def test_a_process_forked_while_another_thread_decodes_has_its_settings_back() -> None:
    run(DECODING, next((SAMPLE / "scenes").glob("*.jpg")))
