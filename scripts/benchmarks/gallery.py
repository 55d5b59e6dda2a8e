"""Galleries of many made-up references: the real database, index files and code, no networks."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import work
from benchmarks.sections import Section

_WAIT = 300.0  # seconds until a process has opened a gallery


@dataclass(frozen=True)
class Wanted:
    """What is measured: each kind at each size."""

    sizes: Sequence[int]
    kinds: Sequence[str]
    recall: float = 0.99
    dim: int = 512
    queries: int = 500
    folder: Path | None = None  # for the galleries; else wherever temporary files go


def measure_gallery(wanted: Wanted) -> list[Section]:
    """Make the galleries one after the other, and remove them."""
    makes, kinds = [], []
    for size in wanted.sizes:
        with tempfile.TemporaryDirectory(prefix="shitu-bench-", dir=wanted.folder) as folder:
            index = Path(folder) / "index"
            index.mkdir()
            _say(f"a gallery of {size:,}")
            where = {"index": str(index), "dim": wanted.dim}
            makes.append({"size": size, **_do("make", size=size, queries=wanted.queries, **where)})
            for kind in wanted.kinds:
                _say(f"{kind}, {size:,}")
                kinds.append({"size": size, "asked": kind, **_kind(index, kind, wanted, where)})
    return [_made(makes), _searched(kinds), _filtered(kinds), _added(kinds)]


def _kind(index: Path, kind: str, wanted: Wanted, where: dict[str, Any]) -> dict[str, Any]:
    for file in {*index.glob("*.faiss"), *index.glob("base-*"), *index.glob("manifest.json")}:
        file.unlink()
    built = _do("build", kind=kind, recall=wanted.recall, **where)
    searched = _do("search", **where)
    return {"build": built, "search": searched, "add": _add(index, where)}


def _add(index: Path, where: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the call of `add` until another process finds the picture."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        ready = Path(folder) / "ready"
        watching = pool.submit(_do, "watch", ready=str(ready), **where)
        end = time.monotonic() + _WAIT
        while not ready.exists() and time.monotonic() < end and not watching.done():
            time.sleep(0.01)
        added = _do("add", folder=folder, **where)
        seen = watching.result()["seen"]
    until = [s - begun for s, (begun, _) in zip(seen, added["calls"], strict=True)]
    call = [ended - begun for begun, ended in added["calls"]]
    _take_back(index)
    return {"open_seconds": added["open_seconds"], "call": call, "seen": until}


def _take_back(index: Path) -> None:
    """Remove what was added, so that the next kind meets the same gallery."""
    from shitu.catalog import Catalog

    with Catalog.open(index) as catalog:
        for item in catalog.items():
            if item.label.startswith("new "):
                catalog.remove(item_id=item.item_id)


def _do(job: str, **values: Any) -> dict[str, Any]:
    return work(f"gallery-{job}", {}, **values)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _made(values: Sequence[dict[str, Any]]) -> Section:
    rows = [
        (f"{row['size']:,}", f"{row['seconds']:.1f}", f"{row['megabytes']:,.0f}") for row in values
    ]
    title = "Filling the database, 10,000 references a generation"
    return Section("gallery_made", values, title, ("references", "s", "MB of gallery.db"), rows)


def _searched(values: Sequence[dict[str, Any]]) -> Section:
    header = (
        *("references", "kind", "build, s", "peak, MB", "files, MB", "effort", "open, s"),
        *("p50, ms", "p95, ms", "R@1", "R@10", "resident, MB", "private, MB"),
    )
    rows = [_search_row(row) for row in values]
    title = "Index kinds: one query at a time, 50 neighbours; R against exact search"
    return Section("gallery_kinds", values, title, header, rows)


def _search_row(row: dict[str, Any]) -> tuple[str, ...]:
    built, found = row["build"], row["search"]
    kind = row["asked"] if built["kind"] == row["asked"] else f"{row['asked']}: {built['kind']}"
    return (
        f"{row['size']:,}",
        kind,
        f"{built['seconds']:.1f}",
        f"{built['peak']:,.0f}",
        f"{built['megabytes']:,.0f}",
        "" if built["effort"] is None else str(built["effort"]),
        f"{found['open_seconds']:.2f}",
        f"{found['p50']:.2f}",
        f"{found['p95']:.2f}",
        f"{found['recall_at_1']:.4f}",
        f"{found['recall_at_10']:.4f}",
        f"{found['megabytes']:,.0f}",
        f"{found['private_megabytes']:,.0f}",
    )


def _filtered(values: Sequence[dict[str, Any]]) -> Section:
    shares = list(values[0]["search"]["filtered"])
    rows = [
        (
            f"{row['size']:,}",
            row["asked"],
            *(f"{row['search']['filtered'][share]:.2f}" for share in shares),
        )
        for row in values
    ]
    header = ("references", "kind", *(f"{float(share):.1%}" for share in shares))
    title = "Exact search among a share of the references, median ms of one query"
    return Section("gallery_filtered", values, title, header, rows)


def _added(values: Sequence[dict[str, Any]]) -> Section:
    rows = [
        (
            f"{row['size']:,}",
            row["asked"],
            f"{row['add']['open_seconds']:.2f}",
            f"{statistics.median(row['add']['call']) * 1000:.0f}",
            f"{statistics.median(row['add']['seen']) * 1000:.0f}",
            f"{max(row['add']['seen']) * 1000:.0f}",
        )
        for row in values
    ]
    header = (
        *("references", "kind", "writer opens, s", "add call, ms"),
        *("until another process finds it, median ms", "worst ms"),
    )
    title = "One picture added (networks not counted)"
    return Section("gallery_added", values, title, header, rows)
