"""What `bench gallery` does in processes of their own; each job takes and returns plain values."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.crowds import PER_ITEM, Crowds
from benchmarks.gauges import memory
from shitu.catalog import Catalog
from shitu.describer import Description
from shitu.gallery import FileState, NewReference, Space
from shitu.gallery.gallery import Gallery
from shitu.images import save_image
from shitu.index.kinds import IndexChoice

_DEPTH = 10
_K = 50  # neighbours that recognition asks for
_SHARES = (0.001, 0.01, 0.1, 0.5)
_ADDED = 5
_SAME = 1e-5
_WAIT = 120.0  # seconds


def space(dim: int) -> Space:
    """The space of the made-up vectors."""
    return Space.of("made up", {}, {}, dim)


def make(job: dict[str, Any]) -> dict[str, Any]:
    """Fill a gallery, one generation for each block, and find the true neighbours of queries."""
    crowds = Crowds(job["size"], job["dim"])
    queries = crowds.queries(job["queries"])
    best = np.full((len(queries), _DEPTH), -np.inf, np.float32)
    ids = np.full((len(queries), _DEPTH), -1, np.int64)
    folder = Path(job["index"])
    gallery = Gallery.open(folder / "gallery.db", folder)
    start, done, spent = time.perf_counter(), 0, 0.0
    for block in crowds.blocks():
        begun = time.perf_counter()
        with gallery.write("build") as transaction:
            transaction.set_root(folder.parent / "photos")
            items = {
                n // PER_ITEM: transaction.ensure_item(f"item {n // PER_ITEM}")
                for n in range(done, done + len(block), PER_ITEM)
            }
            new = [
                (items[(done + n) // PER_ITEM], _reference(done + n, vector))
                for n, vector in enumerate(block)
            ]
            numbers = transaction.add(new, space(job["dim"]))
        spent += time.perf_counter() - begun
        scores = np.concatenate([best, queries @ block.T], axis=1)
        known = np.concatenate([ids, np.tile(numbers, (len(queries), 1))], axis=1)
        top = np.argsort(-scores, axis=1, kind="stable")[:, :_DEPTH]
        best, ids = np.take_along_axis(scores, top, 1), np.take_along_axis(known, top, 1)
        done += len(block)
        print(f"{done:,} of {job['size']:,}", file=sys.stderr)
    gallery.close()
    np.save(folder / "queries.npy", queries)
    np.save(folder / "best.npy", best)
    size = (folder / "gallery.db").stat().st_size
    return {"seconds": spent, "all_seconds": time.perf_counter() - start, "megabytes": size / 1e6}


def fill(job: dict[str, Any]) -> dict[str, Any]:
    """Fill a gallery of the default models with made-up vectors, and make its index."""
    from shitu.lineup import Lineup

    own = Lineup().space()
    folder = Path(job["index"])
    folder.mkdir(parents=True, exist_ok=True)
    vectors = np.concatenate(list(Crowds(job["size"], own.dim).blocks()))
    gallery = Gallery.open(folder / "gallery.db", folder)
    with contextlib.closing(gallery), gallery.write("build") as transaction:
        transaction.set_root(folder.parent / "photos")
        count = -(-len(vectors) // PER_ITEM)
        items = [transaction.ensure_item(f"item {n}") for n in range(count)]
        new = [(items[n // PER_ITEM], _reference(n, v)) for n, v in enumerate(vectors)]
        transaction.add(new, own)
    with Catalog.open(folder):
        return {"size": len(vectors)}


def _reference(number: int, vector: Any) -> NewReference:
    return NewReference(
        path=f"/made-up/{number}.jpg",
        sha256=f"{number:064x}",
        state=FileState(1, 1),
        box=None,
        box_given=False,
        how="build",
        source=None,
        thumbnail=b"\xff\xd8",
        embedding=vector,
    )


def build(job: dict[str, Any]) -> dict[str, Any]:
    """Make the index files from what is in SQL, there being none."""
    before = memory()
    start = time.perf_counter()
    with Catalog.open(job["index"], choice=IndexChoice(job["kind"], job["recall"])) as catalog:
        seconds = time.perf_counter() - start
        audit = catalog.audit
        return {
            "seconds": seconds,
            "kind": catalog.index_kind,
            "effort": None if audit is None else audit.effort,
            "audited": None if audit is None else [audit.recall_at_1, audit.recall_at_10],
            "megabytes": sum(f.stat().st_size for f in _files(Path(job["index"]))) / 1e6,
            "peak": memory("VmHWM") - before,
        }


def _files(folder: Path) -> list[Path]:
    return [*folder.glob("*.faiss"), *folder.glob("base-*.npy")]


def search(job: dict[str, Any]) -> dict[str, Any]:
    """Open, and look up one query after the other; then among some references only."""
    folder, before = Path(job["index"]), memory()
    start = time.perf_counter()
    catalog = Catalog.open(folder, read_only=True)
    opened = time.perf_counter() - start
    state, after = catalog.index_state, memory()
    queries, best = np.load(folder / "queries.npy"), np.load(folder / "best.npy")
    ids = np.array(sorted(r.reference_id for r in catalog.all_references()), np.int64)
    times, found = _timed(queries, lambda query: catalog.search(query, _K).scores[0])
    scores = np.array(found)[:, :_DEPTH]  # of twins either will do, so not by id
    filtered = {}
    for share in _SHARES:
        some = np.random.default_rng(1).choice(ids, max(1, int(len(ids) * share)), replace=False)
        allowed = np.sort(some)
        spent, _ = _timed(
            queries[:40], lambda query, a=allowed: catalog.search(query, _K, a).scores
        )
        filtered[str(share)] = statistics.median(spent)
    catalog.close()
    return {
        "open_seconds": opened,
        "state": state,
        "megabytes_after_open": after - before,
        "megabytes": memory() - before,
        "private_megabytes": memory("RssAnon"),
        "p50": statistics.median(times),
        "p95": float(np.percentile(times, 95)),
        "recall_at_1": float((scores[:, 0] >= best[:, 0] - _SAME).mean()),
        "recall_at_10": float((scores >= best[:, -1:] - _SAME).mean()),
        "filtered": filtered,
    }


def _timed(queries: Any, ask: Callable[..., Any]) -> tuple[list[float], list[Any]]:
    """Milliseconds and answers; the first queries warm up."""
    for query in queries[:10]:
        ask(query[None])
    times, answers = [], []
    for query in queries:
        start = time.perf_counter()
        answers.append(ask(query[None]))
        times.append((time.perf_counter() - start) * 1000)
    return times, answers


class _Given:
    """Describes each picture by the next of some vectors; only the networks are left out."""

    def __init__(self, vectors: Any) -> None:
        self.space = space(vectors.shape[1])
        self._vectors = iter(vectors)

    def describe(self, images: Sequence[Any], boxes: Sequence[Any] | None = None) -> list[Any]:
        return [Description(None, next(self._vectors)) for _ in images]


def _strangers(dim: int) -> Any:
    vectors = np.random.default_rng(11).standard_normal((_ADDED, dim))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def add(job: dict[str, Any]) -> dict[str, Any]:
    """Add pictures one by one; returns when each call began and ended, on the system's clock."""
    folder, vectors = Path(job["index"]), _strangers(job["dim"])
    start = time.perf_counter()
    catalog = Catalog.open(folder, _Given(vectors))
    opened = time.perf_counter() - start
    calls = []
    for number in range(_ADDED):
        picture = Path(job["folder"]) / f"{number}.png"
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        save_image(picture, noise)
        begun = time.monotonic()
        catalog.add([picture], f"new {number}")
        calls.append((begun, time.monotonic()))
        time.sleep(0.2)
    catalog.close()
    return {"calls": calls, "open_seconds": opened}


def watch(job: dict[str, Any]) -> dict[str, Any]:
    """Follow a gallery as a service does, until the pictures of `add` are found."""
    catalog = Catalog.open(job["index"], read_only=True)
    Path(job["ready"]).touch()
    seen: list[float] = []
    end = time.monotonic() + _WAIT
    for vector in _strangers(job["dim"]):
        while time.monotonic() < end:
            catalog.refresh()
            if catalog.search(vector[None], 1).scores[0, 0] > 0.999:
                break
            time.sleep(0.005)
        seen.append(time.monotonic())
    catalog.close()
    return {"seen": seen}


JOBS = {
    "make": make,
    "fill": fill,
    "build": build,
    "search": search,
    "add": add,
    "watch": watch,
}
