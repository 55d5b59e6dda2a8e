"""Processes that change and search one gallery at once; then every commit is accounted for.

Each process keeps a diary: a line of JSON for every commit of its own, with the time when it was
done, and for every commit of others that a reader met, with the time when it was found. The clock
is `time.monotonic`, which all processes of one machine share.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fakes import FakeDescriber, colours, paint, paint_file

from shitu.catalog import Catalog
from shitu.errors import ShituError

PAUSE = 0.01  # seconds between two looks of a reader
_SAME = 0.999
_PATIENCE = 30  # seconds after which a commit counts as never seen


@dataclass(frozen=True)
class Place:
    """Where all of them work: the index, and the folders of pictures and diaries."""

    folder: Path
    url: str | None

    def open(self, *, read_only: bool = False) -> Catalog:
        index = self.folder / "index"
        return Catalog.open(
            index, FakeDescriber(), url=self.url, create=not read_only, read_only=read_only
        )


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        operations: how often each was done.
        seen: seconds from each commit until each reader found it.
        problems: whatever is not as it should be, one sentence each.
    """

    operations: Counter[str] = field(default_factory=Counter)
    seen: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.seen, share)) if self.seen else float("nan")


class Diary:
    """What a process did, on disk at once."""

    def __init__(self, place: Place, name: str) -> None:
        self._file = (place.folder / f"{name}.jsonl").open("w", buffering=1)

    def note(self, what: str, **values: Any) -> None:
        self._file.write(json.dumps({"what": what, "at": time.monotonic(), **values}) + "\n")


def run(place: Place, processes: int, seconds: float, seed: int = 0) -> Outcome:
    """Let half of the processes change the gallery and half search it, then count."""
    readers = max(1, processes // 2)
    with place.open() as catalog:
        catalog.add([paint_file(place.folder / "photos" / "0.png", 0)], "first")
    # Not forked from here: this process has threads, which a fork would leave behind half done.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crowd", "shitu.index.faiss_index", "shitu.gallery.gallery"])
    ready = context.Barrier(processes)
    crowd = [
        context.Process(target=_live, args=(work, place, f"{name}-{n}", ready, seconds, seed + n))
        for name, work, count in (
            ("writer", _write, processes - readers),
            ("reader", _read, readers),
        )
        for n in range(count)
    ]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(seconds + 120)
        if one.is_alive():
            one.kill()
    codes = {one.exitcode for one in crowd}
    return _settle(
        place, [] if codes == {0} else [f"processes ended with {sorted(map(str, codes))}"]
    )


def _live(work: Any, place: Place, name: str, ready: Any, seconds: float, seed: int) -> None:
    diary = Diary(place, name)

    def begin() -> float:
        """Wait until all have the gallery open; returns when to end."""
        ready.wait(60)
        return time.monotonic() + seconds

    try:
        work(place, name, begin, diary, random.Random(seed))
    except ShituError as error:
        diary.note("problem", text=f"{type(error).__name__}: {error}")
    except BaseException:
        diary.note("problem", text=traceback.format_exc())


def _write(
    place: Place, name: str, begin: Callable[[], float], diary: Diary, chance: random.Random
) -> None:
    """Add, relabel and remove items of one's own, and note each when it is committed."""
    mine: dict[str, int] = {}  # seed of the picture by label
    number = 1_000_000 * (1 + int(name.split("-")[1]))
    with place.open() as catalog:
        end = begin()
        while time.monotonic() < end:
            deed = chance.random()
            if deed < 0.6 or len(mine) < 3:
                number += 1
                label = f"{name} {number}"
                path = paint_file(place.folder / "camera" / f"{number}.png", number)
                catalog.add([path], label)
                diary.note("add", label=label, seed=number)
                mine[label] = number
            elif deed < 0.8:
                label = chance.choice(list(mine))
                seed = mine.pop(label)
                new = f"{label}'"
                catalog.relabel(label, new)
                diary.note("relabel", label=new, was=label, seed=seed)
                mine[new] = seed
            else:
                label = chance.choice(list(mine))
                seed = mine.pop(label)
                catalog.remove(label=label)
                diary.note("remove", label=label, seed=seed)


def _read(
    place: Place, name: str, begin: Callable[[], float], diary: Diary, _: random.Random
) -> None:
    """Search for what the writers' diaries say; everything is found without reopening."""
    shelf = _Shelf(place)
    with place.open(read_only=True) as catalog:
        end = begin()
        # A little longer than the writers, so that their last words are heard as well.
        while time.monotonic() < end + 2 or shelf.waiting:
            shelf.look()
            if shelf.waiting:
                catalog.refresh()
                shelf.waiting = _unmet(catalog, shelf, diary)
            else:
                catalog.search(colours(paint(0))[None], 1)
                diary.note("search")
            time.sleep(PAUSE)


class _Shelf:
    """The diaries of all writers, read as they grow."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._read: dict[Path, int] = {}
        self.waiting: list[dict[str, Any]] = []
        self.latest: dict[int, int] = {}  # by seed, the number of its last entry
        self._count = 0

    def look(self) -> None:
        for path in self._place.folder.glob("writer-*.jsonl"):
            with path.open() as file:
                file.seek(self._read.get(path, 0))
                for line in file:
                    if line.endswith("\n"):
                        self._read[path] = self._read.get(path, 0) + len(line.encode())
                        self._take(json.loads(line))

    def _take(self, entry: dict[str, Any]) -> None:
        if entry["what"] == "problem":
            return
        self._count += 1
        self.latest[entry["seed"]] = entry["number"] = self._count
        entry["query"] = colours(paint(entry["seed"]))
        self.waiting.append(entry)


def _unmet(catalog: Catalog, shelf: _Shelf, diary: Diary) -> list[dict[str, Any]]:
    """The entries that have to be waited for any longer; all are looked up in one search."""
    # What was changed again meanwhile need not be met: what comes after is looked for.
    asked = [one for one in shelf.waiting if shelf.latest[one["seed"]] == one["number"]]
    left = []
    for entry, label in zip(asked, _labels(catalog, asked), strict=True):
        after = time.monotonic() - entry["at"]
        if label == (None if entry["what"] == "remove" else entry["label"]):
            diary.note("seen", after=after)
        elif after > _PATIENCE:
            diary.note("problem", text=f"a reader never saw {entry['what']} {entry['label']!r}")
        else:
            left.append(entry)
    return left


def _labels(catalog: Catalog, entries: Sequence[dict[str, Any]]) -> list[str | None]:
    """Label that a search gives each entry's picture; None where it does not find it."""
    if not entries:
        return []
    found = catalog.search(np.stack([entry["query"] for entry in entries]), 1)
    numbers = found.reference_ids[:, 0].tolist()
    known = catalog.references(number for number in numbers if number >= 0)
    same = found.scores[:, 0] > _SAME
    return [
        known[number].label if near and number in known else None
        for near, number in zip(same, numbers, strict=True)
    ]


def _settle(place: Place, problems: list[str]) -> Outcome:
    """Compare the gallery with what the diaries say was committed."""
    outcome = Outcome(problems=problems)
    expected: dict[str, int] = {}
    commits = 1
    for path in sorted(place.folder.glob("*.jsonl")):
        for entry in map(json.loads, path.read_text().splitlines()):
            what = entry["what"]
            if what == "problem":
                outcome.problems.append(entry["text"])
                continue
            outcome.operations[what] += 1
            if what == "seen":
                outcome.seen.append(entry["after"])
            elif what != "search":
                commits += 1
                expected.pop(entry.get("was", entry["label"]), None)
                if what != "remove":
                    expected[entry["label"]] = entry["seed"]
    with place.open() as catalog:
        outcome.problems.extend(catalog.check(full=True).problems)
        outcome.problems.extend(_differences(catalog, expected, commits))
    return outcome


def _differences(catalog: Catalog, expected: dict[str, int], commits: int) -> Iterable[str]:
    labels = {item.label for item in catalog.items()} - {"first"}
    yield from (f"{label!r} was added and is lost" for label in expected.keys() - labels)
    yield from (f"{label!r} is there and should not be" for label in labels - expected.keys())
    generation = catalog.gallery.head().generation
    if generation != commits:
        yield f"{commits} changes were committed, but the gallery is at generation {generation}"
    queries = np.array([colours(paint(seed)) for seed in expected.values()]).reshape(-1, 48)
    yield from _unfound(catalog, list(expected), queries)


def _unfound(catalog: Catalog, labels: Sequence[str], queries: Any) -> Iterable[str]:
    if not labels:
        return
    found = catalog.search(queries, 1).reference_ids[:, 0].tolist()
    references = catalog.references(found)
    for label, number in zip(labels, found, strict=True):
        if number not in references or references[number].label != label:
            yield f"{label!r} is not found by its own picture"
