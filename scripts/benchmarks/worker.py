"""One timed job in a process of its own, on as many cores as it has threads.

    python -m benchmarks.worker recognize|build|gallery-...|paddlex-... < job.json > times.json

Engines in one process would get in each other's way: idle threads of both wait by spinning.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def recognize(job: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of each stage for each picture, the networks being loaded and warm."""
    from shitu import Workspace, load_image

    stages: dict[str, list[float]] = {}
    objects = 0
    with Workspace(job["index"], engine=job["engine"], threads=job["threads"]) as shop:
        pictures = [Path(picture) for picture in job["pictures"]]
        for picture in pictures[:3]:
            shop.recognize(picture)
        for picture in pictures:
            start = time.perf_counter()
            image = load_image(picture)
            decoded = time.perf_counter()
            found = shop.recognizer.recognize(image)
            end = time.perf_counter()
            laps = {"decode": (decoded - start) * 1000, **found.milliseconds}
            for stage, spent in {**laps, "all": (end - start) * 1000}.items():
                stages.setdefault(stage, []).append(spent)
            objects += len(found.objects)
    return {"stages": stages, "objects": objects}


def build(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of one build into a new index folder, loading the networks included."""
    from shitu import Workspace

    with Workspace(job["index"], engine=job["engine"], threads=job["threads"]) as shop:
        start = time.perf_counter()
        summary = shop.build(job["gallery"])
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "pictures": summary.added}


def grocery(job: dict[str, Any]) -> dict[str, Any]:
    """Photos of the dataset, spread evenly over its labels: references and queries."""
    from benchmarks.grocery import read_grocery

    data = read_grocery(Path(job["folder"]))
    references = data.train[:: len(data.train) // job["references"]][: job["references"]]
    queries = data.test[:: len(data.test) // job["queries"]][: job["queries"]]
    return {
        "references": [(str(query.path), query.label) for query in references],
        "queries": [str(query.path) for query in queries],
    }


def main() -> int:
    job = json.load(sys.stdin)
    if job.get("threads") and hasattr(os, "sched_setaffinity"):
        # Before numpy and OpenCV count the cores, so that all of the work keeps to them.
        cores = sorted(os.sched_getaffinity(0))[: job["threads"]]
        os.sched_setaffinity(0, cores)
    jobs = {"recognize": recognize, "build": build, "grocery": grocery}
    if sys.argv[1].startswith("gallery-"):
        from benchmarks.gallery_jobs import JOBS

        jobs = {f"gallery-{name}": function for name, function in JOBS.items()}
    elif sys.argv[1].startswith("paddlex-"):
        from benchmarks import paddlex_ours

        jobs = {f"paddlex-{name}": function for name, function in paddlex_ours.JOBS.items()}
    from shitu.errors import ShituError

    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = jobs[sys.argv[1]](job)
    except ShituError as error:
        print(error, file=sys.stderr)
        return 1
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
