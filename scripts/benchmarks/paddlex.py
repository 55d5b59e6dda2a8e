"""shitu and PaddleX on the same networks, threads, pictures and vectors; all of it in turn."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.paddlex_models import environment
from benchmarks.paddlex_table import Figure, against_section
from benchmarks.processes import SCRIPTS, answer, run, work
from benchmarks.sections import Section

SIDES = {"oneDNN": "mkldnn", "bf16": "mkldnn_bf16"}
"""How PaddleX is set: what it takes by itself; and bfloat16, whose vectors differ."""

_STAGES = {
    "decode": "decode",
    "detect": "detect",
    "embed": "crop + embed",
    "search": "search",
}
_EDITED = 3  # pictures added and removed, one by one
_QUERIES = 100
_SERVED = 5
_BATCH = {"Detection": 1, "Recognition": 8}  # of 1 and 8 each, what was fastest

Found = dict[str, dict[str, list[float]]]
"""Figure -> side ("ours", or of `SIDES`) -> values."""


@dataclass(frozen=True)
class Wanted:
    """What to measure: see the arguments of `bench paddlex`."""

    grocery: Path
    environment: Path
    rounds: int
    photos: int
    references: int
    sizes: Sequence[int]
    threads: int


@dataclass(frozen=True)
class Bench:
    """Both programs, and what they are given.

    Attributes:
        folder: for indexes and jobs; thrown away at the end.
        python: of the environment with PaddleX.
        settings: of PaddleX' pipeline.
        threads: of everything.
        references: pictures of the gallery, with labels.
        pictures: photos to recognise.
        variables: of the environment of all processes.
    """

    folder: Path
    python: Path
    settings: dict[str, Any]
    threads: int
    references: Sequence[tuple[str, str]]
    pictures: Sequence[str]
    variables: dict[str, str]
    found: Found = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def ours(self, job: str, **values: Any) -> dict[str, Any]:
        """Have a job done by shitu."""
        return work(f"paddlex-{job}", self.variables, threads=self.threads, **values)

    def theirs(self, job: str, side: str, **values: Any) -> dict[str, Any]:
        """Have a job done by PaddleX."""
        return answer(self.command(job, side, **values), self.variables)

    def command(self, job: str, side: str, **values: Any) -> list[str]:
        """What does a job by PaddleX."""
        told = {**self.settings, "run_mode": SIDES[side], "threads": self.threads, **values}
        file = self.folder / f"{job}-{side}.json"
        file.write_text(json.dumps(told), encoding="utf-8")
        script = SCRIPTS / "benchmarks" / "paddlex_theirs.py"
        return [str(self.python), "-I", str(script), job, str(file)]

    def note(self, what: str, side: str, *values: float) -> None:
        """Keep what was measured."""
        self.found[what][side].extend(values)

    def index(self, side: str) -> str:
        """Folder of a small gallery."""
        return str(self.folder / f"small-{side}")


def measure_paddlex(wanted: Wanted) -> list[Section]:
    """Run both and compare; PaddleX is installed first, if it is not."""
    python = environment(wanted.environment)
    if hasattr(os, "sched_setaffinity"):  # which all processes started from here keep to
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: wanted.threads])
    with tempfile.TemporaryDirectory() as name:
        bench = _prepared(wanted, python, Path(name))
        for number in range(wanted.rounds):
            for part in (_build, _start, _photos):
                _say(f"round {number + 1} of {wanted.rounds}: {part.__name__[1:]}")
                part(bench, number)
        for size in wanted.sizes:
            _large(bench, size, wanted.rounds, edited=size == max(wanted.sizes))
        figures = _figures(bench.found, wanted)
    return [against_section(figures, list(SIDES))]


def _prepared(wanted: Wanted, python: Path, folder: Path) -> Bench:
    _say("exporting our networks for PaddleX")
    variables = {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OMP_NUM_THREADS": str(wanted.threads),
    }
    data = work(
        "grocery",
        variables,
        folder=str(wanted.grocery),
        references=wanted.references,
        queries=wanted.photos,
    )
    settings = work("paddlex-models", variables, folder=str(folder / "models"))
    settings["batch"] = _BATCH
    return Bench(
        folder,
        python,
        settings,
        wanted.threads,
        data["references"],
        data["queries"],
        variables,
    )


def _build(bench: Bench, number: int) -> None:
    """Build anew; what the first round makes is searched by the other parts."""
    listed = bench.folder / "references.jsonl"
    lines = [json.dumps({"path": path, "label": label}) for path, label in bench.references]
    listed.write_text("\n".join(lines), encoding="utf-8")
    for what, (name, settings) in BUILDS.items():
        index = f"{bench.index('ours')}{name}{number or ''}"
        done = bench.ours("build", gallery=str(listed), index=index, settings=settings)
        bench.note(what, "ours", done["pictures"] / done["seconds"])
    pictures, labels = zip(*bench.references, strict=True)
    for side in SIDES:
        index = f"{bench.index(side)}{number or ''}"
        done = bench.theirs("build", side, gallery=pictures, labels=labels, index=index)
        for what in BUILDS:
            bench.note(what, side, done["pictures"] / done["seconds"])


def _start(bench: Bench, number: int) -> None:
    """Whole processes; the first of each is not counted, it finds files cold."""
    shitu, photo = str(Path(sys.executable).parent / "shitu"), bench.pictures[number]
    own = [shitu, "recognize", photo, "--index", bench.index("ours"), "--json"]
    commands = {"ours": own}
    for side in SIDES:
        commands[side] = bench.command(
            "answer", side, photo=photo, index=bench.index(side), use_index=True
        )
    for turn in range(3):
        for side, command in commands.items():
            spent = run(command, bench.variables)
            if number or turn:
                bench.note(START, side, spent.seconds)
                bench.note(START_MEMORY, side, *([spent.megabytes] if spent.megabytes else []))


def _photos(bench: Bench, number: int) -> None:
    """Photos one by one, then all in one call."""
    done = {
        how: bench.ours(
            "photos", index=bench.index("ours"), pictures=bench.pictures, settings=settings
        )
        for how, settings in WAYS.items()
    }
    if not number:
        _say(f"engines of one photo and of many: {', '.join(done['']['engines'])}")
    for side in SIDES:
        done[side] = bench.theirs(
            "photos", side, index=bench.index(side), use_index=True, pictures=bench.pictures
        )
    for side, one in done.items():
        rows = {
            PHOTO: one["photo"],
            FOLDER: [one["per_second"]],
            MEMORY: [one["megabytes"]],
            PROCESSOR: [one["processor"]],
            OBJECTS: [one["objects"]],
        }
        for stage, name in _STAGES.items():
            rows[name] = one["stages"].get(stage) or one["stages"].get(name) or []
        for what, values in rows.items():
            if side in WAYS:
                bench.note(what + side, "ours", *values)
                continue
            for how in WAYS if what in (PHOTO, PROCESSOR, FOLDER) else ("",):
                bench.note(what + how, side, *values)


def _large(bench: Bench, size: int, rounds: int, *, edited: bool) -> None:
    """Search and edit a gallery of made-up vectors."""
    _say(f"filling galleries of {size:,}")
    folder = bench.folder / f"large-{size}"
    own, upstream = folder / "ours", folder / "theirs"
    own.mkdir(parents=True)
    upstream.mkdir()
    files = {"vectors": str(folder / "vectors.npy"), "queries": str(folder / "queries.npy")}
    work("gallery-fill", bench.variables, index=str(own), size=size)
    bench.ours("vectors", size=size, count=_QUERIES, **files)
    kinds = ("Flat", "HNSW32")
    first = next(iter(SIDES))
    bench.theirs("fill", first, folder=str(upstream), kinds=kinds, save=edited, **files)
    for number in range(rounds):
        _say(f"round {number + 1} of {rounds}: search among {size:,}")
        _search(bench, size, {"index": str(own), **files}, str(upstream), kinds)
        if edited:
            _edit(bench, number, size, own, upstream)


def _search(
    bench: Bench, size: int, own: dict[str, str], upstream: str, kinds: Sequence[str]
) -> None:
    ours = bench.ours("search", **own)
    side = next(iter(SIDES))
    for kind in kinds:
        found = bench.theirs(
            "search", side, folder=upstream, kind=kind, queries=own["queries"], served=_SERVED
        )
        for what in ("memory", "served") if kind == "Flat" else ("memory",):
            name = search_name(size, what, kind)
            bench.note(name, "ours", *ours[what])
            bench.note(name, side, *found[what])


def _edit(bench: Bench, number: int, size: int, own: Path, upstream: Path) -> None:
    """No round may add pictures that an earlier one has added; those are known already."""
    side, copies = next(iter(SIDES)), bench.folder / "edited"
    for place, how in enumerate(EDITS):
        # 100,000 names saved as YAML take it seconds: one round of that is enough.
        if how != "service" and number > 0:
            continue
        start = (number * len(EDITS) + place) * _EDITED
        pictures = [_copied(copies, one) for one in bench.pictures[start : start + _EDITED]]
        ours = bench.ours("edit", index=str(own), pictures=pictures, how=how)
        folder = str(upstream)
        theirs = bench.theirs("edit", side, folder=folder, how=how, pictures=pictures, size=size)
        for what in ("append", "remove"):
            bench.note(edit_name(size, what, how), "ours", *ours[what])
            bench.note(edit_name(size, what, how), side, *theirs[what])


def _copied(folder: Path, picture: str) -> str:
    """A picture that may be moved: removing does that to those of the gallery's folder."""
    copy = folder / Path(picture).name
    copy.parent.mkdir(exist_ok=True)
    return shutil.copyfile(picture, str(copy))


EDITS = {
    "service": "PaddleX as its service does",
    "kept": "PaddleX with the index in memory, saved",
    "script": "both open the gallery for it",
}
"""Ways to change an index, and what their rows are called."""

START = "one photo, from process start to answer"
START_MEMORY = "- most memory of that process"
PHOTO = "one photo, loaded and warm"
PROCESSOR = "- processor time of it"
FOLDER = "folder of photos"
MEMORY = "most memory, recognising photos"
OBJECTS = "objects found in a photo"
WAYS: dict[str, dict[str, str]] = {
    "": {},
    ", float32": {"engine": "onnxruntime"},
    ", `verify: off`": {"verify": "off"},
    ", `verify: off`, float32": {"verify": "off", "engine": "onnxruntime"},
}
"""What rows of ours are called, and settings."""

BUILDS: dict[str, tuple[str, dict[str, str]]] = {
    "build, loading included": ("", {}),
    "build, loading included, float32": ("-float", {"engine": "onnxruntime"}),
    "build, ours embeds whole pictures, too": ("-whole", {"detector_model": "none"}),
}
"""The same, and what the index is called."""


def search_name(size: int, what: str, kind: str) -> str:
    """Row of one way to search."""
    how = "index in memory" if what == "memory" else "as a service does"
    return f"one query at {size:,}, {how}, PaddleX {kind}"


def edit_name(size: int, what: str, how: str) -> str:
    """Row of one way to change an index."""
    verb = "append one photo to" if what == "append" else "remove one photo from"
    return f"{verb} {size:,}, {EDITS[how]}"


def _figures(found: Found, wanted: Wanted) -> list[Figure]:
    def row(
        name: str, unit: str, target: float | None = None, *, more: bool = False
    ) -> list[Figure]:
        if name not in found:
            return []
        sides = dict(found[name])
        return [Figure(name, unit, sides.pop("ours"), sides, target, more)]

    rows = [
        *row(START, "s", 4),
        *row(START_MEMORY, "MB"),
        *(
            one
            for how in WAYS
            for one in (*row(PHOTO + how, "ms", None if how else 2.5), *row(PROCESSOR + how, "ms"))
        ),
        *(one for name in _STAGES.values() for one in row(name, "ms")),
        *row(OBJECTS, ""),
        *(
            one
            for how in WAYS
            for one in row(FOLDER + how, "photos/s", None if how else 3, more=True)
        ),
        *row(MEMORY, "MB", round(1 / 0.7, 2)),
        *(
            one
            for place, what in enumerate(BUILDS)
            for one in row(what, "photos/s", None if place else 3, more=True)
        ),
    ]
    for size in wanted.sizes:
        for what in ("append", "remove"):
            for how in EDITS:
                target = 20 if what == "append" and size == 100_000 else None
                rows += row(edit_name(size, what, how), "ms", target)
    for size in wanted.sizes:
        for way in ("memory", "served"):
            for kind in ("Flat", "HNSW32"):
                target = 10 if size == 100_000 and way == "served" and kind == "Flat" else None
                rows += row(search_name(size, way, kind), "ms", target)
    return rows


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
