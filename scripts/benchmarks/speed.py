"""How long recognising, building and starting take; what was compared was run in turn."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import SCRIPTS, work
from benchmarks.sections import Section
from benchmarks.sizes import size_section
from benchmarks.startup import startup_section
from shitu.errors import DatasetError

ENGINES = ("onnxruntime", "paddle")
_THREADS = (1, 2)
_STAGES = {
    "decode": "decode",
    "detect": "detect",
    "embed": "crop + embed",
    "search": "search",
    "all": "all",
}
_REFERENCES = 300
_QUERIES = 60


@dataclass(frozen=True)
class Shop:
    """A gallery to build and photos to recognise with it."""

    name: str
    gallery: str
    pictures: Sequence[str]
    index: Path


def measure_speed(grocery: Path | None, rounds: int) -> list[Section]:
    """Measure on the sample gallery and, if there is one, on the Grocery Store Dataset."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {"XDG_CACHE_HOME": str(folder / "cache")}
        shops = [_sample(folder)]
        if grocery is not None:
            shops.append(_grocery(grocery, folder, environment))
        sections = [
            _build_section(shops, rounds, environment),
            _recognize_section(shops, rounds, environment),
            startup_section(
                Path(shops[0].pictures[0]),
                shops[0].index,
                ENGINES,
                rounds,
                environment,
                folder / "large",
            ),
        ]
    return [*sections, size_section()]


def _sample(folder: Path) -> Shop:
    gallery = SCRIPTS.parent / "gallery"
    pictures = sorted((gallery / "scenes").glob("*.jpg"))
    if not pictures:
        raise DatasetError(f"{gallery / 'scenes'} has no pictures: make the sample gallery first")
    return Shop(
        "sample gallery", str(gallery / "products"), [str(p) for p in pictures], folder / "sample"
    )


def _grocery(grocery: Path, folder: Path, environment: dict[str, str]) -> Shop:
    found = work(
        "grocery", environment, folder=str(grocery), references=_REFERENCES, queries=_QUERIES
    )
    listed = folder / "references.jsonl"
    lines = [json.dumps({"path": path, "label": label}) for path, label in found["references"]]
    listed.write_text("\n".join(lines), encoding="utf-8")
    return Shop("Grocery Store", str(listed), found["queries"], folder / "grocery")


def _build_section(shops: Sequence[Shop], rounds: int, environment: dict[str, str]) -> Section:
    runs: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for shop in shops:
        _say(f"build: {shop.name}")
        for engine in ENGINES:  # untimed: files come into memory, Paddle's are exported
            _build_anew(shop, engine, environment)
        _build(shop, ENGINES[0], environment, shop.index)
    for number in range(rounds):
        _say(f"build: round {number + 1} of {rounds}")
        for shop in shops:
            for engine in ENGINES:
                runs[shop.name, engine].append(_build_anew(shop, engine, environment))
    values = [
        {
            "gallery": name,
            "engine": engine,
            "pictures": found[0]["pictures"],
            "best_per_second": max(run["pictures"] / run["seconds"] for run in found),
            "median_per_second": statistics.median(r["pictures"] / r["seconds"] for r in found),
        }
        for (name, engine), found in runs.items()
    ]
    rows = [
        (
            row["gallery"],
            row["engine"],
            str(row["pictures"]),
            f"{row['best_per_second']:.0f}",
            f"{row['median_per_second']:.0f}",
        )
        for row in values
    ]
    title = f"Build an index on {_THREADS[-1]} cores, loading the networks included"
    header = ("gallery", "engine", "pictures", "best, pictures/s", "median, pictures/s")
    return Section("build", values, title, header, rows)


def _build_anew(shop: Shop, engine: str, environment: dict[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as index:
        return _build(shop, engine, environment, Path(index))


def _build(shop: Shop, engine: str, environment: dict[str, str], index: Path) -> dict[str, Any]:
    return work(
        "build",
        environment,
        gallery=shop.gallery,
        index=str(index),
        engine=engine,
        threads=_THREADS[-1],
    )


def _recognize_section(shops: Sequence[Shop], rounds: int, environment: dict[str, str]) -> Section:
    setups = [(shop, engine, n) for shop in shops for n in _THREADS for engine in ENGINES]
    runs: dict[tuple[str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for number in range(rounds):
        _say(f"recognize: round {number + 1} of {rounds}")
        for shop, engine, threads in setups:
            runs[shop.name, engine, threads].append(
                work(
                    "recognize",
                    environment,
                    index=str(shop.index),
                    engine=engine,
                    threads=threads,
                    pictures=shop.pictures,
                )
            )
    values = [
        _stages(shop, engine, threads, runs[shop.name, engine, threads])
        for shop, engine, threads in setups
    ]
    rows = [
        (
            f"{row['pictures']} of {row['photos']}, {row['objects_per_photo']:.1f} objects each",
            row["engine"],
            str(row["threads"]),
            *(f"{row[stage]['median']:.1f} ({row[stage]['min']:.1f})" for stage in _STAGES),
        )
        for row in values
    ]
    header = ("photos", "engine", "cores", *_STAGES.values())
    title = f"Recognise, ms a photo: median (least) of {rounds} rounds over all photos"
    return Section("recognize", values, title, header, rows)


def _stages(
    shop: Shop, engine: str, threads: int, runs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "photos": shop.name,
        "pictures": len(shop.pictures),
        "objects_per_photo": runs[0]["objects"] / len(shop.pictures),
        "engine": engine,
        "threads": threads,
    }
    for stage in _STAGES:
        spent = [value for run in runs for value in run["stages"][stage]]
        row[stage] = {"median": statistics.median(spent), "min": min(spent)}
    return row


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
